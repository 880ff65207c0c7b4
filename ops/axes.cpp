#include "ops/axes.h"

#include <numeric>

namespace reel::detail {

Axes every_axis(size_t rank) {
  Shape axes;
  for (size_t i = 0; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  return Axes(axes);
}

Shape reduced_shape(const Shape& shape, uint32_t mask, bool keepdim) {
  Shape result;
  for (size_t i = 0; i < shape.rank(); ++i) {
    if (!(mask >> i & 1U))
      result.push_back(shape[i]);
    else if (keepdim)
      result.push_back(1);
  }
  return result;
}

int64_t reduced_extent(const Shape& shape, uint32_t mask) {
  int64_t n = 1;
  for (size_t i = 0; i < shape.rank(); ++i)
    if (mask >> i & 1U) n *= shape[i];
  return n;
}

}  // namespace reel::detail
