// A list of axes as an argument: 1, -1, {0, 2}; and what shapes become when axes are reduced.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>

#include <reel/framework/shape.h>

namespace reel {

/// Axes of a tensor; negative ones count from the end.
class Axes {
 public:
  template <std::integral T>
  Axes(T axis) : axes_{static_cast<int64_t>(axis)} {}  // NOLINT(google-explicit-constructor): sum(x, 1)
  Axes(std::initializer_list<int64_t> axes) : axes_(axes) {}
  explicit Axes(const Shape& axes) : axes_(axes) {}
  const Shape& list() const { return axes_; }

 private:
  Shape axes_;
};

namespace detail {

/// Bit i set for axis i. Throws naming `op` on an axis out of range or given twice.
inline uint32_t axes_mask(std::string_view op, const Axes& axes, size_t rank) {
  uint32_t mask = 0;
  for (int64_t axis : axes.list()) {
    const uint32_t bit = 1U << normalize_axis(op, axis, rank);
    check((mask & bit) == 0, "[{}] axis {} is given twice", op, axis);
    mask |= bit;
  }
  return mask;
}

/// All axes of a tensor that has `rank` of them.
Axes every_axis(size_t rank);
/// `shape` without the axes of `mask`, or with extent 1 in their place.
Shape reduced_shape(const Shape& shape, uint32_t mask, bool keepdim);
/// How many elements are reduced to one: the product of the extents of the axes of `mask`.
int64_t reduced_extent(const Shape& shape, uint32_t mask);

}  // namespace detail
}  // namespace reel
