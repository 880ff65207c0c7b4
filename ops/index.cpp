#include "ops/index.h"

#include <numeric>

#include "framework/op.h"
#include "ops/arithmetic.h"
#include "ops/blocks.h"
#include "ops/discrete.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel {
namespace {

/// Indices for one axis.
struct AxisIndex {
  size_t axis;
  Tensor places;
};

/// A mask as the indices of its true elements, one tensor for each of its axes.
void add_mask(const char* op, const Tensor& x, const Tensor& mask, size_t axis,
              std::vector<AxisIndex>& indices) {
  bool fits = axis + mask.rank() <= x.rank() && mask.rank() > 0;
  for (size_t i = 0; fits && i < mask.rank(); ++i) fits = mask.shape()[i] == x.shape()[axis + i];
  check(fits, "[{}] a mask of shape {} does not fit the axes of {} from axis {} on", op, mask.shape(), x,
        axis);
  const Tensor found = nonzero(mask);
  for (size_t i = 0; i < mask.rank(); ++i)
    indices.push_back({axis + i, contiguous(select(found, 1, static_cast<int64_t>(i)))});
}

std::vector<AxisIndex> by_axis(const char* op, const Tensor& x, const std::vector<Index>& items) {
  std::vector<AxisIndex> indices;
  size_t axis = 0;
  for (const Index& item : items) {
    const bool is_mask = !item.is_all() && item.places().dtype() == DType::boolean;
    check(is_mask || axis < x.rank(), "[{}] there are more indices than axes of {}", op, x);
    if (is_mask) {
      add_mask(op, x, item.places(), axis, indices);
      axis += item.places().rank();
      continue;
    }
    if (!item.is_all()) {
      check(item.places().dtype() == DType::int64,
            "[{}] expected int64 indices or a bool mask for axis {}, got {}", op, axis, item.places());
      indices.push_back({axis, item.places()});
    }
    ++axis;
  }
  return indices;
}

/// Adds index * step to the positions, which the indices broadcast to.
void add_positions(const char* op, const AxisIndex& index, int64_t extent, int64_t step,
                   const Tensor& positions) {
  const Tensor given = detail::contiguous_values(index.places);
  Tensor wrapped = empty_like(given);
  for (int64_t i = 0; i < given.numel(); ++i) {
    const int64_t place = given.raw<int64_t>()[i];
    check(place >= -extent && place < extent,
          "[{}] index {} at position {} of the indices for axis {} is outside [{}, {})", op, place,
          detail::index_of(i, given.shape()), index.axis, -extent, extent);
    wrapped.raw<int64_t>()[i] = (place < 0 ? place + extent : place) * step;
  }
  Tensor spread = empty_like(positions);
  detail::copy_values(wrapped, spread);
  for (int64_t i = 0; i < positions.numel(); ++i) positions.raw<int64_t>()[i] += spread.raw<int64_t>()[i];
}

/// How x[items] is read as blocks of x, its axes first put into `order`.
struct Plan {
  Shape order;
  Tensor positions;
  detail::Blocks blocks;

  bool reordered() const {
    for (size_t i = 0; i < order.rank(); ++i)
      if (order[i] != static_cast<int64_t>(i)) return true;
    return false;
  }
  Tensor ordered(const Tensor& x) const { return reordered() ? permute(x, Axes(order)) : x; }
  Tensor restored(const Tensor& y) const {
    if (!reordered()) return y;
    Shape inverse = order;
    for (size_t i = 0; i < order.rank(); ++i)
      inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
    return permute(y, Axes(inverse));
  }
};

/// The axes in the order in which they are read: as they are where the indexed ones lie side by side, else those first.
Shape reading_order(const Tensor& x, const std::vector<AxisIndex>& indices) {
  Shape order = x.shape();
  std::iota(order.begin(), order.end(), 0);
  if (indices.back().axis - indices.front().axis + 1 == indices.size()) return order;
  std::vector<bool> indexed(x.rank());
  for (const AxisIndex& index : indices) indexed[index.axis] = true;
  std::stable_partition(order.begin(), order.end(),
                        [&](int64_t axis) { return indexed[static_cast<size_t>(axis)]; });
  return order;
}

/// Throws before anything is allocated for the result. `indices` must not be empty.
Plan make_plan(const char* op, const Tensor& x, const std::vector<AxisIndex>& indices) {
  Shape common;
  for (const AxisIndex& index : indices) common = detail::broadcast_shapes(op, common, index.places.shape());
  Plan plan{reading_order(x, indices), {}, {}};
  for (int64_t axis : plan.order) plan.blocks.whole.push_back(x.shape()[static_cast<size_t>(axis)]);
  const size_t first = plan.reordered() ? 0 : indices.front().axis;
  const size_t end = first + indices.size();

  Tensor chosen = zeros(common, {.dtype = DType::int64});
  int64_t inner = 1;  // positions that one index of the last axis steps over
  for (size_t i = indices.size(); i-- > 0;) {
    const int64_t extent = x.shape()[indices[i].axis];
    add_positions(op, indices[i], extent, inner, chosen);
    inner *= extent;
  }
  for (size_t i = 0; i < first; ++i) {
    plan.blocks.part.push_back(plan.blocks.whole[i]);
    plan.blocks.groups *= plan.blocks.whole[i];
  }
  for (int64_t extent : common) plan.blocks.part.push_back(extent);
  for (size_t i = end; i < x.rank(); ++i) {
    plan.blocks.part.push_back(plan.blocks.whole[i]);
    plan.blocks.width *= plan.blocks.whole[i];
  }
  const int64_t outer = plan.blocks.groups, count = chosen.numel();
  plan.positions = empty({outer, count}, {.dtype = DType::int64});
  for (int64_t i = 0; i < outer; ++i)
    for (int64_t j = 0; j < count; ++j)
      plan.positions.raw<int64_t>()[i * count + j] = i * inner + chosen.raw<int64_t>()[j];
  return plan;
}

Tensor put(const char* op, const Tensor& x, const std::vector<AxisIndex>& indices, const Tensor& values,
           bool accumulate) {
  check(values.dtype() == x.dtype(), "[{}] expected values of dtype {}, got {}", op, x.dtype(), values);
  check(!accumulate || is_floating(x.dtype()) || x.dtype() == DType::int64,
        "[{}] expected a floating dtype or int64 to add to, got {}", op, x);
  const Plan plan = make_plan(op, x, indices);
  check(detail::broadcast_shapes(op, values.shape(), plan.blocks.part) == plan.blocks.part,
        "[{}] values of shape {} do not broadcast to {}, that of what is indexed", op, values.shape(),
        plan.blocks.part);
  const Tensor spread = broadcast_to(values, plan.blocks.part);
  if (accumulate) return x + plan.restored(detail::add_blocks(spread, plan.positions, plan.blocks));
  const Tensor last = detail::last_of_each(plan.positions, plan.blocks);
  return plan.restored(detail::put_blocks(plan.ordered(x), spread, last, plan.blocks));
}

}  // namespace

Tensor index(const Tensor& x, const std::vector<Index>& items) {
  const std::vector<AxisIndex> indices = by_axis("index", x, items);
  if (indices.empty()) return x;
  const Plan plan = make_plan("index", x, indices);
  return detail::take_blocks(plan.ordered(x), plan.positions, plan.blocks);
}

Tensor index_put(const Tensor& x, const std::vector<Index>& items, const Tensor& values,
                 const IndexPutOptions& options) {
  std::vector<AxisIndex> indices = by_axis("index_put", x, items);
  check(!indices.empty(), "[index_put] expected at least one tensor, mask or number among the indices for {}",
        x);
  return put("index_put", x, indices, values, options.accumulate);
}

Tensor masked_select(const Tensor& x, const Tensor& mask) {
  check(mask.dtype() == DType::boolean, "[masked_select] expected a bool mask, got {}", mask);
  const Shape common = detail::broadcast_shapes("masked_select", x.shape(), mask.shape());
  const Tensor wide = reshape(broadcast_to(x, common), {common.numel()});
  return index(wide, {reshape(broadcast_to(mask, common), {common.numel()})});
}

Tensor masked_scatter(const Tensor& x, const Tensor& mask, const Tensor& source) {
  check(mask.dtype() == DType::boolean, "[masked_scatter] expected a bool mask, got {}", mask);
  check(source.dtype() == x.dtype(), "[masked_scatter] expected a source of dtype {}, got {}", x.dtype(),
        source);
  check(detail::broadcast_shapes("masked_scatter", x.shape(), mask.shape()) == x.shape(),
        "[masked_scatter] the mask's shape {} does not broadcast to {}", mask.shape(), x);
  const Tensor places = select(nonzero(reshape(broadcast_to(mask, x.shape()), {x.numel()})), 1, 0);
  check(source.numel() >= places.numel(),
        "[masked_scatter] the mask has {} true elements, the source {} only {}", places.numel(), source,
        source.numel());
  const Tensor values = narrow(reshape(source, {source.numel()}), 0, 0, places.numel());
  return reshape(put("masked_scatter", reshape(x, {x.numel()}), {{0, places}}, values, false), x.shape());
}

}  // namespace reel
