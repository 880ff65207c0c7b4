#include "ops/gather.h"

#include "framework/op.h"
#include "framework/parallel.h"
#include "framework/strided.h"
#include "ops/arithmetic.h"
#include "ops/blocks.h"
#include "ops/shape.h"

namespace reel {
namespace {

using detail::Blocks;

// Indices turned into positions by one thread at a time.
constexpr int64_t indices_per_task = 1 << 14;

/// Positions in a contiguous tensor of shape `whole` for indices along `axis`; the other axes' coordinates are those
/// of the index. Where `wraps`, negative indices count from the end.
Tensor positions_along(const char* op, const Tensor& indices, size_t axis, const Shape& whole, bool wraps) {
  const int64_t extent = whole[axis];
  Tensor result = empty_like(indices);
  const Shape steps = detail::contiguous_strides(whole);
  Shape base = steps;
  base[axis] = 0;
  const detail::StridedWalk<3> walk(indices.shape(), {result.strides(), indices.strides(), base});
  const int64_t grain = std::max<int64_t>(1, indices_per_task / std::max<int64_t>(1, walk.inner()));
  detail::parallel_for(walk.rows(), grain, [&](int64_t begin, int64_t end) {
    walk.for_rows(begin, end, [&](const auto& at) {
      for (int64_t i = 0; i < walk.inner(); ++i) {
        const int64_t out = at[0] + i * walk.inner_step(0);
        const int64_t index = indices.raw<int64_t>()[at[1] + i * walk.inner_step(1)];
        check(index >= (wraps ? -extent : 0) && index < extent,
              "[{}] index {} at position {} is outside [{}, {})", op, index,
              detail::index_of(out, indices.shape()), wraps ? -extent : 0, extent);
        result.raw<int64_t>()[out] =
            at[2] + i * walk.inner_step(2) + (index < 0 ? index + extent : index) * steps[axis];
      }
    });
  });
  return result;
}

int64_t extents_before(const Shape& shape, size_t axis) {
  int64_t product = 1;
  for (size_t i = 0; i < axis; ++i) product *= shape[i];
  return product;
}

void check_indices(const char* op, const Tensor& indices) {
  check(indices.dtype() == DType::int64, "[{}] expected int64 indices, got {}", op, indices);
}

struct Places {
  Tensor positions;
  Blocks blocks;
};

/// Where index_select reads: blocks of all that follows the axis.
Places slices(const char* op, const Tensor& x, int64_t axis, const Tensor& indices) {
  const size_t at = detail::normalize_axis(op, axis, x.rank());
  check_indices(op, indices);
  check(indices.rank() == 1, "[{}] expected indices of one axis, got {}", op, indices);
  const int64_t before = extents_before(x.shape(), at);
  Blocks blocks{x.shape(), x.shape(), 1, before};
  blocks.part[at] = indices.numel();
  for (size_t i = at + 1; i < x.rank(); ++i) blocks.width *= x.shape()[i];
  positions_along(op, indices, 0, {x.shape()[at]},
                  false);  // an error names the place in the indices as given
  const Tensor all = detail::view(indices, {before, indices.numel()}, {0, indices.strides()[0]});
  return {positions_along(op, all, 1, {before, x.shape()[at]}, false), blocks};
}

/// Where gather reads: single elements.
Places elements(const char* op, const Tensor& x, size_t axis, const Tensor& indices, bool wraps) {
  return {positions_along(op, indices, axis, x.shape(), wraps),
          {x.shape(), indices.shape(), 1, extents_before(indices.shape(), axis)}};
}

Places gathered(const char* op, const Tensor& x, int64_t axis, const Tensor& indices) {
  const size_t at = detail::normalize_axis(op, axis, x.rank());
  check_indices(op, indices);
  bool fits = indices.rank() == x.rank();
  for (size_t i = 0; fits && i < x.rank(); ++i) fits = i == at || indices.shape()[i] <= x.shape()[i];
  check(fits, "[{}] indices of shape {} do not lie within {} along the axes other than {}", op,
        indices.shape(), x, at);
  return elements(op, x, at, indices, false);
}

Tensor fitted(const char* op, const Tensor& x, const Tensor& values, const Shape& shape) {
  check(values.dtype() == x.dtype(), "[{}] expected values of dtype {}, got {}", op, x.dtype(), values);
  check(detail::broadcast_shapes(op, values.shape(), shape) == shape,
        "[{}] the values' shape {} does not broadcast to {}, that of the indices", op, values.shape(), shape);
  return broadcast_to(values, shape);
}

void check_addable(const char* op, const Tensor& x) {
  check(is_floating(x.dtype()) || x.dtype() == DType::int64,
        "[{}] expected a floating dtype or int64, got {}", op, x);
}

}  // namespace

Tensor index_select(const Tensor& x, int64_t axis, const Tensor& indices) {
  const auto [positions, blocks] = slices("index_select", x, axis, indices);
  return detail::take_blocks(x, positions, blocks);
}

Tensor index_add(const Tensor& x, int64_t axis, const Tensor& indices, const Tensor& source) {
  check_addable("index_add", x);
  const auto [positions, blocks] = slices("index_add", x, axis, indices);
  check(source.shape() == blocks.part && source.dtype() == x.dtype(),
        "[index_add] expected a source {} {}, got {}", x.dtype(), blocks.part, source);
  return x + detail::add_blocks(source, positions, blocks);
}

Tensor gather(const Tensor& x, int64_t axis, const Tensor& indices) {
  const auto [positions, blocks] = gathered("gather", x, axis, indices);
  return detail::take_blocks(x, positions, blocks);
}

Tensor take_along_axis(const Tensor& x, const Tensor& indices, int64_t axis) {
  const char* op = "take_along_axis";
  const size_t at = detail::normalize_axis(op, axis, x.rank());
  check_indices(op, indices);
  check(indices.rank() == x.rank(), "[{}] expected indices of {} axes for {}, got {}", op, x.rank(), x,
        indices);
  Shape rest = x.shape(), rest_of_indices = indices.shape();
  rest[at] = rest_of_indices[at] = 1;
  Shape common = detail::broadcast_shapes(op, rest, rest_of_indices), places = common;
  common[at] = x.shape()[at];
  places[at] = indices.shape()[at];
  const Tensor wide = broadcast_to(x, common);
  const auto [positions, blocks] = elements(op, wide, at, broadcast_to(indices, places), true);
  return detail::take_blocks(wide, positions, blocks);
}

Tensor scatter(const Tensor& x, int64_t axis, const Tensor& indices, const Tensor& values) {
  const auto [positions, blocks] = gathered("scatter", x, axis, indices);
  const Tensor fitting = fitted("scatter", x, values, indices.shape());
  return detail::put_blocks(x, fitting, detail::last_of_each(positions, blocks), blocks);
}

Tensor scatter(const Tensor& x, int64_t axis, const Tensor& indices, double value) {
  return scatter(x, axis, indices, full({}, value, {.dtype = x.dtype()}));
}

Tensor scatter_add(const Tensor& x, int64_t axis, const Tensor& indices, const Tensor& values) {
  check_addable("scatter_add", x);
  const auto [positions, blocks] = gathered("scatter_add", x, axis, indices);
  return x + detail::add_blocks(fitted("scatter_add", x, values, indices.shape()), positions, blocks);
}

}  // namespace reel
