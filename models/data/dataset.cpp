#include "models/data/dataset.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/data/sampler.h"
#include "ops/slicing.h"

namespace reel::detail {

int64_t common_rows(std::span<const Tensor> tensors) {
  for (size_t i = 0; i < tensors.size(); ++i) {
    check(tensors[i].defined(), "[TensorDataset] tensor {} is undefined", i);
    check(tensors[i].rank() >= 1, "[TensorDataset] tensor {} has no axis to hold samples", i);
    check(tensors[i].size(0) == tensors[0].size(0),
          "[TensorDataset] expected as many rows in each tensor, got {} and {}", tensors[0], tensors[i]);
  }
  return tensors[0].size(0);
}

void check_index(std::string_view who, int64_t index, int64_t size) {
  check(index >= 0 && index < size, "[{}] expected an index in [0, {}), got {}", who, size, index);
}

void check_indices(std::string_view who, const std::vector<int64_t>& indices, int64_t size) {
  for (int64_t index : indices) check_index(who, index, size);
}

Tensor row_of(const Tensor& tensor, int64_t index) { return select(tensor, 0, index); }

std::vector<std::vector<int64_t>> random_parts(int64_t size, const std::vector<double>& shares,
                                               uint64_t seed) {
  constexpr double rounding = 1e-9;
  check(!shares.empty(), "[random_split] expected shares, got none");
  double total = 0;
  for (double share : shares) {
    check(std::isfinite(share) && share >= 0, "[random_split] expected shares of at least 0, got {}", share);
    total += share;
  }
  const bool counts =
      total == static_cast<double>(size) &&
      std::all_of(shares.begin(), shares.end(), [](double share) { return share == std::floor(share); });
  check(counts || std::abs(total - 1) < rounding,
        "[random_split] expected counts that add up to the {} samples, or fractions that add up to 1; got a "
        "sum of {}",
        size, total);
  std::vector<int64_t> lengths;
  for (double share : shares)
    lengths.push_back(static_cast<int64_t>(counts ? share : std::floor(static_cast<double>(size) * share)));
  int64_t left = size - std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  for (size_t i = 0; left > 0; i = (i + 1) % lengths.size(), --left) ++lengths[i];

  Random random(seed);
  const std::vector<int64_t> order = shuffled(size, random);
  std::vector<std::vector<int64_t>> parts;
  auto begin = order.begin();
  for (int64_t length : lengths) {
    parts.emplace_back(begin, begin + length);
    begin += length;
  }
  return parts;
}

}  // namespace reel::detail
