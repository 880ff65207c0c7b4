#include "ops/repeat.h"

#include "framework/op.h"
#include "ops/gather.h"
#include "ops/shape.h"

namespace reel {
namespace {

/// x with the axes before and after `axis` each as one: [before, extent, after].
Tensor around(const Tensor& x, size_t axis) {
  int64_t before = 1, after = 1;
  for (size_t i = 0; i < axis; ++i) before *= x.shape()[i];
  for (size_t i = axis + 1; i < x.rank(); ++i) after *= x.shape()[i];
  return reshape(x, {before, x.shape()[axis], after});
}

void check_count(std::string_view op, const Tensor& x, int64_t extent, int64_t count, int64_t& product) {
  check(count >= 0, "[{}] expected counts of at least 0, got {}", op, count);
  check(!__builtin_mul_overflow(extent, count, &product), "[{}] {} times {} fits no memory", op, count, x);
}

Tensor repeat_as(std::string_view op, const Tensor& x, const Shape& counts) {
  Shape shape = x.shape();
  while (shape.rank() < counts.rank()) shape.insert(0, 1);
  Shape result = shape;
  for (size_t i = 0; i < shape.rank(); ++i) check_count(op, x, shape[i], counts[i], result[i]);
  Tensor y = reshape(x, shape);
  for (size_t axis = shape.rank(); axis-- > 0;) {  // from the end: the copies along the way stay small
    const int64_t count = counts[axis];
    if (count == 1) continue;
    const Tensor rows = around(y, axis);
    const Shape& r = rows.shape();
    shape[axis] *= count;
    y = reshape(broadcast_to(reshape(rows, {r[0], 1, r[1] * r[2]}), {r[0], count, r[1] * r[2]}), shape);
  }
  return contiguous(y);
}

}  // namespace

Tensor repeat(const Tensor& x, const Shape& counts) {
  check(counts.rank() >= x.rank(), "[repeat] expected at least {} counts for {}, got {}", x.rank(), x,
        counts);
  return repeat_as("repeat", x, counts);
}

Tensor tile(const Tensor& x, const Shape& counts) {
  Shape all = counts;
  while (all.rank() < x.rank()) all.insert(0, 1);
  return repeat_as("tile", x, all);
}

Tensor repeat_interleave(const Tensor& x, int64_t count, int64_t axis) {
  const size_t at = detail::normalize_axis("repeat_interleave", axis, x.rank());
  Shape shape = x.shape();
  check_count("repeat_interleave", x, x.shape()[at], count, shape[at]);
  const Tensor rows = around(x, at);
  const Shape& r = rows.shape();
  return contiguous(
      reshape(broadcast_to(reshape(rows, {r[0] * r[1], 1, r[2]}), {r[0] * r[1], count, r[2]}), shape));
}

Tensor repeat_interleave(const Tensor& x, const Tensor& counts, int64_t axis) {
  const size_t at = detail::normalize_axis("repeat_interleave", axis, x.rank());
  check(counts.dtype() == DType::int64 && counts.shape() == Shape{x.shape()[at]},
        "[repeat_interleave] expected int64 counts of shape [{}] for axis {} of {}, got {}", x.shape()[at],
        at, x, counts);
  const std::vector<int64_t> each = counts.to_vector<int64_t>();
  int64_t total = 0;
  for (int64_t count : each) {
    check(count >= 0, "[repeat_interleave] expected counts of at least 0, got {}", count);
    check(!__builtin_add_overflow(total, count, &total),
          "[repeat_interleave] the counts add up to more than fits");
  }
  Tensor places = empty({total}, {.dtype = DType::int64});
  int64_t* next = places.raw<int64_t>();
  for (size_t i = 0; i < each.size(); ++i) next = std::fill_n(next, each[i], static_cast<int64_t>(i));
  return index_select(x, static_cast<int64_t>(at), places);
}

std::vector<Tensor> meshgrid(const std::vector<Tensor>& inputs, Indexing indexing) {
  Shape grid;
  for (const Tensor& input : inputs) {
    check(input.rank() <= 1, "[meshgrid] expected inputs of at most one axis, got {}", input);
    check(input.dtype() == inputs[0].dtype(), "[meshgrid] expected inputs of one dtype, got {} and {}",
          inputs[0], input);
    grid.push_back(input.numel());
  }
  const bool exchanged = indexing == Indexing::xy && inputs.size() >= 2;
  if (exchanged) std::swap(grid[0], grid[1]);
  std::vector<Tensor> result;
  for (size_t i = 0; i < inputs.size(); ++i) {
    Shape shape;
    while (shape.rank() < inputs.size()) shape.push_back(1);
    shape[exchanged && i < 2 ? 1 - i : i] = inputs[i].numel();
    result.push_back(broadcast_to(reshape(inputs[i], shape), grid));
  }
  return result;
}

}  // namespace reel
