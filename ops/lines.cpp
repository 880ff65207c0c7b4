#include "ops/lines.h"

#include <bit>

#include "ops/axes.h"
#include "ops/indexing.h"
#include "ops/shape.h"

namespace reel::detail {
namespace {

/// Where the elements stand when x is laid out flat.
Tensor flat_places(const Shape& shape, const Tensor& indices, size_t axis) {
  const Tensor chosen = contiguous_values(indices);
  const Lines from(shape, axis), to(indices.shape(), axis);
  Tensor places = empty(indices.shape(), {.dtype = DType::int64});
  const auto* index = chosen.raw<int64_t>();
  auto* place = places.raw<int64_t>();
  for (int64_t o = 0; o < to.outer; ++o)
    for (int64_t k = 0; k < to.count; ++k)
      for (int64_t i = 0; i < to.inner; ++i, ++index, ++place)
        *place = (o * from.count + *index) * from.inner + i;
  return places;
}

}  // namespace

std::pair<Tensor, Lines> reduced_lines(const Tensor& x, uint32_t mask) {
  const int64_t count = reduced_extent(x.shape(), mask);
  const size_t first = mask == 0 ? x.rank() : static_cast<size_t>(std::countr_zero(mask));
  const size_t end = mask == 0 ? x.rank() : static_cast<size_t>(std::bit_width(mask));
  if (x.is_contiguous() && std::popcount(mask) == static_cast<int>(end - first)) {
    int64_t outer = 1, inner = 1;
    for (size_t i = 0; i < first; ++i) outer *= x.shape()[i];
    for (size_t i = end; i < x.rank(); ++i) inner *= x.shape()[i];
    return {x, {outer, count, inner}};
  }
  Shape shape, strides;
  int64_t outer = 1;
  for (const uint32_t reduced : {0U, 1U})
    for (size_t i = 0; i < x.rank(); ++i) {
      if ((mask >> i & 1U) != reduced) continue;
      shape.push_back(x.shape()[i]);
      strides.push_back(x.strides()[i]);
      if (reduced == 0) outer *= x.shape()[i];
    }
  return {contiguous_values(view(x, shape, strides)), {outer, count, 1}};
}

Tensor take_along(const Tensor& x, const Tensor& indices, size_t axis) {
  const Tensor places = flat_places(x.shape(), indices, axis);
  if (is_floating(x.dtype())) return embedding(reshape(x, {x.numel()}), places);
  const Tensor values = contiguous_values(x);
  Tensor taken = empty(places.shape(), {.dtype = x.dtype()});
  dispatch(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < places.numel(); ++i)
      taken.raw<T>()[i] = values.raw<T>()[places.raw<int64_t>()[i]];
  });
  return taken;
}

}  // namespace reel::detail
