#include "layers/buckets.h"

#include <algorithm>
#include <numeric>
#include <span>

namespace reel {
namespace {

using Batches = std::vector<std::vector<int64_t>>;

template <class T> void shuffle(std::vector<T>& values, Random& random) {
  for (size_t i = values.size(); i > 1; --i)
    std::swap(values[i - 1], values[static_cast<size_t>(random.below(static_cast<int64_t>(i)))]);
}

void check_buckets(const std::vector<int64_t>& lengths, const BucketOptions& options) {
  check(options.rows >= 0 && options.padded_steps >= 0 && options.pool >= 0,
        "[bucket_by_length] expected limits of at least 0, got {} rows, {} padded steps and a pool of {}",
        options.rows, options.padded_steps, options.pool);
  check(options.rows > 0 || options.padded_steps > 0,
        "[bucket_by_length] a limit is missing: rows or padded_steps of a batch");
  check(options.shuffle || options.pool == 0,
        "[bucket_by_length] a pool of {} is dealt at random, and shuffle is off", options.pool);
  for (size_t i = 0; i < lengths.size(); ++i) {
    check(lengths[i] >= 0, "[bucket_by_length] lengths are at least 0, got {} for sequence {}", lengths[i],
          i);
    check(options.padded_steps == 0 || lengths[i] <= options.padded_steps,
          "[bucket_by_length] sequence {} alone has {} steps, and a batch may have {}", i, lengths[i],
          options.padded_steps);
  }
}

/// Cuts what is sorted by rising length into batches, each as large as the limits let it be.
void cut(std::span<const int64_t> sorted, const std::vector<int64_t>& lengths, const BucketOptions& options,
         Batches& batches) {
  std::vector<int64_t> batch;
  for (const int64_t index : sorted) {
    const auto rows = static_cast<int64_t>(batch.size());
    // The newest is the longest; divided, since a product could overflow.
    const int64_t length = std::max<int64_t>(lengths[static_cast<size_t>(index)], 1);
    const bool full = (options.rows > 0 && rows == options.rows) ||
                      (options.padded_steps > 0 && rows >= options.padded_steps / length);
    if (full) batches.push_back(std::exchange(batch, {}));
    batch.push_back(index);
  }
  if (!batch.empty()) batches.push_back(std::move(batch));
}

}  // namespace

Batches bucket_by_length(const std::vector<int64_t>& lengths, const BucketOptions& options, Random& random) {
  check_buckets(lengths, options);
  std::vector<int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  if (options.shuffle) shuffle(order, random);
  const size_t pool =
      options.pool > 0 ? static_cast<size_t>(options.pool) : std::max<size_t>(order.size(), 1);
  Batches batches;
  for (size_t begin = 0; begin < order.size(); begin += pool) {
    const std::span part = std::span(order).subspan(begin, std::min(pool, order.size() - begin));
    std::stable_sort(part.begin(), part.end(), [&](int64_t a, int64_t b) {
      return lengths[static_cast<size_t>(a)] < lengths[static_cast<size_t>(b)];
    });
    cut(part, lengths, options, batches);
  }
  if (options.shuffle) shuffle(batches, random);
  return batches;
}

}  // namespace reel
