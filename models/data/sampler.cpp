#include "models/data/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace reel {
namespace {

void cut(EpochPlan& plan, size_t begin, int64_t batch_size, bool drop_last) {
  const auto end = static_cast<int64_t>(plan.indices.size());
  auto at = static_cast<int64_t>(begin);
  for (; end - at >= batch_size; at += batch_size) plan.ends.push_back(at + batch_size);
  if (at == end) return;
  if (drop_last)
    plan.indices.resize(static_cast<size_t>(at));
  else
    plan.ends.push_back(end);
}

std::vector<int64_t> numbered(int64_t size) {
  std::vector<int64_t> order(static_cast<size_t>(size));
  std::iota(order.begin(), order.end(), int64_t{0});
  return order;
}

template <class T> void shuffle(std::vector<T>& values, Random& random) {
  for (size_t i = values.size(); i > 1; --i)
    std::swap(values[i - 1], values[static_cast<size_t>(random.below(static_cast<int64_t>(i)))]);
}

class SequentialSampler final : public Sampler {
 protected:
  std::vector<int64_t> order(int64_t size, Random&) const override { return numbered(size); }
};

class ShuffleSampler final : public Sampler {
 protected:
  std::vector<int64_t> order(int64_t size, Random& random) const override {
    return detail::shuffled(size, random);
  }
};

class WeightedSampler final : public Sampler {
 public:
  WeightedSampler(std::vector<double> weights, WeightedOptions options)
      : weights_(std::move(weights)), replacement_(options.replacement) {
    check(!weights_.empty(), "[weighted_sampler] expected weights, got none");
    check(options.count >= 0, "[weighted_sampler] expected a count of at least 0, got {}", options.count);
    for (size_t i = 0; i < weights_.size(); ++i)
      check(std::isfinite(weights_[i]) && weights_[i] >= 0,
            "[weighted_sampler] expected finite weights of at least 0, got {} at {}", weights_[i], i);
    count_ = options.count == 0 ? weights_.size() : static_cast<size_t>(options.count);
    const auto drawable =
        std::count_if(weights_.begin(), weights_.end(), [](double weight) { return weight > 0; });
    check(drawable > 0, "[weighted_sampler] all weights are 0");
    check(replacement_ || count_ <= static_cast<size_t>(drawable),
          "[weighted_sampler] expected at least {} weights above 0 to draw from without replacement, got {}",
          count_, drawable);
    sums_.resize(weights_.size());
    std::partial_sum(weights_.begin(), weights_.end(), sums_.begin());
    check(std::isfinite(sums_.back()), "[weighted_sampler] the weights' sum is too large");
  }

 protected:
  std::vector<int64_t> order(int64_t size, Random& random) const override {
    check(size == static_cast<int64_t>(weights_.size()),
          "[weighted_sampler] expected {} samples, one for each weight, got {}", weights_.size(), size);
    return replacement_ ? with_replacement(random) : without_replacement(random);
  }

 private:
  std::vector<int64_t> with_replacement(Random& random) const {
    // The last whose weight is not 0: rounding may lead up to the sum itself.
    const auto last = std::lower_bound(sums_.begin(), sums_.end(), sums_.back());
    std::vector<int64_t> result(count_);
    for (int64_t& index : result) {
      const auto found = std::upper_bound(sums_.begin(), last, random.uniform() * sums_.back());
      index = found - sums_.begin();
    }
    return result;
  }

  /// An exponential clock of rate w for each sample: the order in which they ring.
  std::vector<int64_t> without_replacement(Random& random) const {
    std::vector<double> rings(weights_.size());
    for (size_t i = 0; i < rings.size(); ++i) {
      const double time = -std::log1p(-random.uniform());
      rings[i] = weights_[i] > 0 ? time / weights_[i] : std::numeric_limits<double>::infinity();
    }
    std::vector<int64_t> result = numbered(static_cast<int64_t>(weights_.size()));
    const auto key = [&](int64_t i) {
      return std::tuple(weights_[static_cast<size_t>(i)] == 0, rings[static_cast<size_t>(i)], i);
    };
    std::partial_sort(result.begin(), result.begin() + static_cast<int64_t>(count_), result.end(),
                      [&](int64_t a, int64_t b) { return key(a) < key(b); });
    result.resize(count_);
    return result;
  }

  std::vector<double> weights_;
  std::vector<double> sums_;
  size_t count_ = 0;
  bool replacement_;
};

class BucketSampler final : public Sampler {
 public:
  BucketSampler(std::vector<int64_t> lengths, BucketSamplerOptions options)
      : lengths_(std::move(lengths)), options_(std::move(options)) {
    const auto& limits = options_.boundaries;
    check(options_.buckets >= 1, "[bucket_sampler] expected at least 1 bucket, got {}", options_.buckets);
    check(std::adjacent_find(limits.begin(), limits.end(), std::greater_equal<>()) == limits.end(),
          "[bucket_sampler] expected ascending boundaries");
    for (size_t i = 0; i < lengths_.size(); ++i)
      check(lengths_[i] >= 0, "[bucket_sampler] expected lengths of at least 0, got {} at {}", lengths_[i],
            i);
  }

  EpochPlan plan(int64_t size, int64_t batch_size, bool drop_last, Random random) const override {
    check(size == static_cast<int64_t>(lengths_.size()),
          "[bucket_sampler] expected {} samples, one for each length, got {}", lengths_.size(), size);
    EpochPlan sorted;
    for (std::vector<int64_t>& bucket : buckets()) {
      if (options_.shuffle) shuffle(bucket, random);
      const size_t begin = sorted.indices.size();
      sorted.indices.insert(sorted.indices.end(), bucket.begin(), bucket.end());
      cut(sorted, begin, batch_size, drop_last);
    }
    if (!options_.shuffle) return sorted;
    std::vector<int64_t> batches = numbered(sorted.batches());
    shuffle(batches, random);
    EpochPlan plan;
    for (int64_t b : batches) {
      const auto batch = sorted.batch(b);
      plan.indices.insert(plan.indices.end(), batch.begin(), batch.end());
      plan.ends.push_back(static_cast<int64_t>(plan.indices.size()));
    }
    return plan;
  }

 protected:
  std::vector<int64_t> order(int64_t size, Random&) const override { return numbered(size); }

 private:
  int64_t length(int64_t index) const { return lengths_[static_cast<size_t>(index)]; }

  std::vector<std::vector<int64_t>> buckets() const {
    const auto size = static_cast<int64_t>(lengths_.size());
    const auto& limits = options_.boundaries;
    std::vector<int64_t> order = numbered(size);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return length(a) < length(b); });
    const int64_t count = limits.empty() ? options_.buckets : static_cast<int64_t>(limits.size()) + 1;
    std::vector<std::vector<int64_t>> result(static_cast<size_t>(
        std::min(count, std::max<int64_t>(size, 1) + static_cast<int64_t>(limits.size()))));
    const auto used = static_cast<int64_t>(result.size());
    for (int64_t k = 0; k < size; ++k) {
      const int64_t index = order[static_cast<size_t>(k)];
      const int64_t bucket =
          limits.empty() ? k * used / size
                         : std::upper_bound(limits.begin(), limits.end(), length(index)) - limits.begin();
      result[static_cast<size_t>(bucket)].push_back(index);
    }
    return result;
  }

  std::vector<int64_t> lengths_;
  BucketSamplerOptions options_;
};

}  // namespace

EpochPlan Sampler::plan(int64_t size, int64_t batch_size, bool drop_last, Random random) const {
  EpochPlan plan;
  plan.indices = order(size, random);
  cut(plan, 0, batch_size, drop_last);
  return plan;
}

std::shared_ptr<const Sampler> sequential_sampler() { return std::make_shared<SequentialSampler>(); }
std::shared_ptr<const Sampler> shuffle_sampler() { return std::make_shared<ShuffleSampler>(); }
std::shared_ptr<const Sampler> weighted_sampler(std::vector<double> weights, WeightedOptions options) {
  return std::make_shared<WeightedSampler>(std::move(weights), options);
}
std::shared_ptr<const Sampler> bucket_sampler(std::vector<int64_t> lengths, BucketSamplerOptions options) {
  return std::make_shared<BucketSampler>(std::move(lengths), std::move(options));
}

namespace detail {

std::vector<int64_t> shuffled(int64_t size, Random& random) {
  std::vector<int64_t> order = numbered(size);
  shuffle(order, random);
  return order;
}

Random derived_stream(uint64_t seed, uint64_t which, uint64_t place) {
  constexpr uint64_t salt = 0x5DA7A10ADE2ULL;  // apart from the streams that programs make of the same seed
  Random random;
  const auto key = [&](uint64_t from, uint64_t position) {
    random.restore(from, position);
    const auto words = random.next();
    return static_cast<uint64_t>(words[0]) << 32 | words[1];
  };
  return Random(key(key(seed ^ salt, which), place));
}

}  // namespace detail
}  // namespace reel
