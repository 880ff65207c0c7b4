// In which order an epoch goes through a data set, and how it is cut into batches: one after the other,
// shuffled, weighted, or by length. An order is a function of the random stream given, and of nothing else.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <reel/framework/random.h>

namespace reel {

/// The batches of one epoch: indices of samples, and where each batch ends among them.
struct EpochPlan {
  std::vector<int64_t> indices;
  std::vector<int64_t> ends;

  int64_t batches() const { return static_cast<int64_t>(ends.size()); }
  int64_t begin(int64_t batch) const { return batch == 0 ? 0 : ends[static_cast<size_t>(batch - 1)]; }
  std::span<const int64_t> batch(int64_t batch) const {
    return std::span(indices).subspan(static_cast<size_t>(begin(batch)),
                                      static_cast<size_t>(ends[static_cast<size_t>(batch)] - begin(batch)));
  }
};

/// Says which samples an epoch has, in which order. To write one of your own, answer order(); or plan(), if
/// the batches matter too.
class Sampler {
 public:
  virtual ~Sampler() = default;
  /// The batches of an epoch over `size` samples; `random` is the epoch's own stream. Unless overridden, the
  /// order is cut into batches of batch_size, of which the last may be shorter, or is left out.
  virtual EpochPlan plan(int64_t size, int64_t batch_size, bool drop_last, Random random) const;

 protected:
  virtual std::vector<int64_t> order(int64_t size, Random& random) const = 0;
};

/// Each sample once, by index.
std::shared_ptr<const Sampler> sequential_sampler();
/// Each sample once, in random order.
std::shared_ptr<const Sampler> shuffle_sampler();

struct WeightedOptions {
  int64_t count = 0;        ///< Samples in an epoch; 0: as many as there are weights.
  bool replacement = true;  ///< Whether a sample may be drawn again. If not, `count` weights must be above 0.
};
/// Draws sample i with a probability proportional to weights[i]; without replacement, proportional among
/// those that are left (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006). Weights
/// are finite, at least 0, and not all 0; there must be as many as samples.
std::shared_ptr<const Sampler> weighted_sampler(std::vector<double> weights, WeightedOptions options = {});

struct BucketSamplerOptions {
  int64_t buckets = 8;  ///< Without `boundaries`: buckets of about equally many samples.
  /// Ascending; bucket i has the lengths below boundaries[i], the last has the rest.
  std::vector<int64_t> boundaries = {};
  bool shuffle = true;  ///< Within buckets, and the batches among each other; else by length.
};
/// Batches of samples of similar length, so that little is padded: lengths[i] is that of sample i. Each
/// sample occurs once, in a batch from one bucket; the last batch of each bucket may be short, and drop_last
/// leaves those out.
std::shared_ptr<const Sampler> bucket_sampler(std::vector<int64_t> lengths,
                                              BucketSamplerOptions options = {});

namespace detail {
/// 0 ... size-1 in random order.
std::vector<int64_t> shuffled(int64_t size, Random& random);
/// A stream that depends on all three, and that no other three share.
Random derived_stream(uint64_t seed, uint64_t which, uint64_t place);
}  // namespace detail

}  // namespace reel
