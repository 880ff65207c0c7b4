#include "ops/lines.h"

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
