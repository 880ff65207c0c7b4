#include "framework/shape.h"

#include <fmt/ranges.h>

namespace reel {

std::string Shape::str() const { return fmt::format("[{}]", fmt::join(begin(), end(), ", ")); }

namespace detail {

std::string text(const Shape& shape) { return shape.str(); }

size_t normalize_axis(std::string_view op, int64_t axis, size_t rank) {
  const auto n = static_cast<int64_t>(rank);
  check(axis >= -n && axis < n, "[{}] axis {} is out of range for a tensor with {} axes", op, axis, rank);
  return static_cast<size_t>(axis < 0 ? axis + n : axis);
}

Shape broadcast_shapes(std::string_view op, const Shape& a, const Shape& b) {
  if (a == b) return a;
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  Shape result = longer;
  const size_t lead = longer.rank() - shorter.rank();
  for (size_t i = 0; i < shorter.rank(); ++i) {
    int64_t& extent = result[lead + i];
    if (extent == 1)
      extent = shorter[i];
    else
      check(shorter[i] == 1 || shorter[i] == extent,
            "[{}] shapes {} and {} do not broadcast: axis {} has {} and {}", op, a, b, lead + i,
            a.rank() >= b.rank() ? extent : shorter[i], a.rank() >= b.rank() ? shorter[i] : extent);
  }
  return result;
}

Shape contiguous_strides(const Shape& shape) {
  Shape strides = shape;
  int64_t step = 1;
  for (size_t i = shape.rank(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

Shape broadcast_strides(const Shape& shape, const Shape& strides, const Shape& target) {
  Shape result = target;
  const size_t lead = target.rank() - shape.rank();
  for (size_t i = 0; i < target.rank(); ++i) {
    const bool repeated = i < lead || (shape[i - lead] == 1 && target[i] != 1);
    result[i] = repeated ? 0 : strides[i - lead];
  }
  return result;
}

}  // namespace detail
}  // namespace reel
