// The lines of a tensor along one of its axes, and elements chosen along them. Internal.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include <reel/framework/parallel.h>
#include <reel/framework/tensor.h>

namespace reel::detail {

/// A contiguous tensor as [outer, count, inner], with `count` the extent of one axis.
struct Lines {
  int64_t outer = 1, count = 1, inner = 1;

  Lines(const Shape& shape, size_t axis) : count(shape[axis]) {
    for (size_t i = 0; i < axis; ++i) outer *= shape[i];
    for (size_t i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  }

  Lines(int64_t outer_lines, int64_t elements, int64_t inner_lines)
      : outer(outer_lines), count(elements), inner(inner_lines) {}

  static constexpr int64_t most_columns = 256;

  /// Calls f(first, width) for groups of up to `most_columns` neighbouring lines, in parallel where that is worth
  /// it: element k of line i of a group lies at first + k * inner + i.
  template <class F> void for_groups(F&& f) const {
    if (count == 0) return;
    constexpr int64_t parallel_elements = 1 << 15;
    const int64_t groups = (inner + most_columns - 1) / most_columns;
    const int64_t elements = count * std::min(inner, most_columns);
    parallel_for(outer * groups, std::max<int64_t>(1, parallel_elements / std::max<int64_t>(1, elements)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t group = begin; group < end; ++group) {
                     const int64_t column = group % groups * most_columns;
                     f(group / groups * count * inner + column, std::min(most_columns, inner - column));
                   }
                 });
  }
};

/// x with the axes of `mask` as one, `count`: itself where its memory is so arranged, else permuted and copied.
std::pair<Tensor, Lines> reduced_lines(const Tensor& x, uint32_t mask);

/// Elements of x at `indices` (int64, all within it) along `axis`; the other axes of both are the same. The gradient,
/// of floating dtypes, adds up what was taken.
Tensor take_along(const Tensor& x, const Tensor& indices, size_t axis);

}  // namespace reel::detail
