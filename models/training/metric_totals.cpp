#include "models/training/metric_totals.h"

#include <algorithm>

namespace reel {

Tensor sequence_mask(const Tensor& lengths, int64_t steps, bool batch_first) {
  check(lengths.dtype() == DType::int64 && lengths.rank() == 1,
        "[sequence_mask] expected lengths int64 [N], got {}", lengths);
  const std::vector<int64_t> ends = lengths.to_vector<int64_t>();
  const auto batch = static_cast<int64_t>(ends.size());
  for (int64_t end : ends)
    check(end >= 0 && end <= steps, "[sequence_mask] a length must be from 0 to {}, got {}", steps, end);
  Tensor mask = zeros(batch_first ? Shape{batch, steps} : Shape{steps, batch}, {.dtype = DType::boolean});
  bool* values = mask.mutable_data<bool>();
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t t = 0; t < ends[static_cast<size_t>(n)]; ++t)
      values[batch_first ? n * steps + t : t * batch + n] = true;
  return mask;
}

namespace detail {

void Totals::reset() { std::fill(totals_.begin(), totals_.end(), 0.0); }

void Totals::restore(const std::vector<double>& state) {
  check(state.size() == totals_.size(), "[{}] expected a state of {} numbers, got {}", name_, totals_.size(),
        state.size());
  totals_ = state;
}

std::vector<bool> counted(const char* name, const Tensor& target, const Tensor& mask) {
  std::vector<bool> result(static_cast<size_t>(target.numel()), true);
  if (!mask.defined()) return result;
  check((mask.dtype() == DType::boolean || mask.dtype() == DType::uint8) && mask.shape() == target.shape(),
        "[{}] expected a mask bool or uint8 {}, got {}", name, target.shape(), mask);
  if (mask.dtype() == DType::boolean) return mask.to_vector<bool>();
  const std::vector<uint8_t> values = mask.to_vector<uint8_t>();
  for (size_t i = 0; i < values.size(); ++i) result[i] = values[i] != 0;
  return result;
}

std::vector<double> doubles(const char* name, const Tensor& x) {
  check(is_floating(x.dtype()), "[{}] expected float32 or float64, got {}", name, x);
  if (x.dtype() == DType::float64) return x.to_vector<double>();
  const std::vector<float> values = x.to_vector<float>();
  return {values.begin(), values.end()};
}

int64_t check_scores(const char* name, const Tensor& scores, const Tensor& target) {
  check(target.dtype() == DType::int64, "[{}] expected targets int64, got {}", name, target);
  Shape expected = target.shape();
  const bool fits = is_floating(scores.dtype()) && scores.rank() == target.rank() + 1;
  if (fits) expected.push_back(scores.shape().back());
  check(
      fits && scores.shape() == expected && scores.shape().back() > 0,
      "[{}] expected scores float32 or float64 of the targets' shape {} with classes as a last axis, got {}",
      name, target.shape(), scores);
  return scores.shape().back();
}

}  // namespace detail
}  // namespace reel
