#include "layers/ragged.h"

#include <algorithm>
#include <numeric>

#include "ops/shape.h"

namespace reel::detail {
namespace {

/// For each row the steps that count.
std::vector<std::vector<int64_t>> steps_of_rows(const Padding& padding, int64_t steps, int64_t batch,
                                                const char* caller) {
  check(!padding.lengths.defined() || !padding.mask.defined(),
        "[{}] expected lengths or a mask, and got both: {} and {}", caller, padding.lengths, padding.mask);
  std::vector<std::vector<int64_t>> result(static_cast<size_t>(batch));
  if (padding.lengths.defined()) {
    const Tensor& lengths = padding.lengths;
    check(lengths.dtype() == DType::int64 && lengths.shape() == Shape{batch},
          "[{}] expected lengths int64 [{}], one for each row of the batch, got {}", caller, batch, lengths);
    const std::vector<int64_t> values = lengths.to_vector<int64_t>();
    for (size_t n = 0; n < values.size(); ++n) {
      check(values[n] >= 0 && values[n] <= steps,
            "[{}] expected lengths from 0 to the {} steps, got {} for row {}", caller, steps, values[n], n);
      result[n].resize(static_cast<size_t>(values[n]));
      std::iota(result[n].begin(), result[n].end(), int64_t{0});
    }
    return result;
  }
  const Tensor& mask = padding.mask;
  check(mask.dtype() == DType::boolean && mask.shape() == Shape{steps, batch},
        "[{}] expected a mask bool [{}, {}], true where a step counts, got {}", caller, steps, batch, mask);
  const std::vector<bool> counts = mask.to_vector<bool>();
  for (int64_t t = 0; t < steps; ++t)
    for (int64_t n = 0; n < batch; ++n)
      if (counts[static_cast<size_t>(t * batch + n)]) result[static_cast<size_t>(n)].push_back(t);
  return result;
}

/// [A, B, ...] as [A B, ...].
Tensor flat(const Tensor& x) {
  Shape shape = x.shape();
  const int64_t rows = shape[0] * shape[1];
  shape.erase(0);
  shape[0] = rows;
  return reshape(x, shape);
}

}  // namespace

Tensor Ragged::pack(const Tensor& xs) const { return place_rows(flat(xs), packed); }

Tensor Ragged::unpack(const Tensor& rows) const {
  Shape shape = rows.shape();
  shape[0] = batch;
  shape.insert(0, steps);
  return reshape(place_rows(rows, packed, true), shape);
}

std::shared_ptr<const Ragged> ragged(const Padding& padding, int64_t steps, int64_t batch,
                                     const char* caller) {
  if (!padding.lengths.defined() && !padding.mask.defined()) return nullptr;
  const std::vector<std::vector<int64_t>> rows = steps_of_rows(padding, steps, batch, caller);
  const bool all = std::all_of(rows.begin(), rows.end(),
                               [&](const auto& row) { return static_cast<int64_t>(row.size()) == steps; });
  if (all) return nullptr;
  std::vector<int64_t> order(rows.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return rows[static_cast<size_t>(a)].size() > rows[static_cast<size_t>(b)].size();
  });
  auto result = std::make_shared<Ragged>();
  result->steps = steps;
  result->batch = batch;
  for (const auto& row : rows) result->lengths.push_back(static_cast<int64_t>(row.size()));
  std::vector<int64_t> places;
  const size_t longest = order.empty() ? 0 : rows[static_cast<size_t>(order[0])].size();
  for (size_t i = 0; i < longest; ++i) {
    int64_t active = 0;
    for (int64_t n : order) {
      const auto& row = rows[static_cast<size_t>(n)];
      if (row.size() <= i) break;
      places.push_back(row[i] * batch + n);
      result->row.push_back(n);
      result->step.push_back(row[i]);
      ++active;
    }
    result->active.push_back(active);
  }
  result->packed = row_map(std::move(places), steps * batch);
  result->order = row_map(std::move(order), batch);
  return result;
}

}  // namespace reel::detail
