#include "ops/shape.h"

#include <algorithm>
#include <numeric>

#include "framework/op.h"
#include "ops/reduction.h"

namespace reel {
namespace {

/// Strides that show `x` under `shape` without a copy; false if there are none. Axes of x are taken in groups
/// that hold as many elements as a group of the new axes; each group must lie in memory like one axis.
bool view_strides(const Tensor& x, const Shape& shape, Shape& strides) {
  strides = detail::contiguous_strides(shape);
  if (x.is_contiguous() || x.numel() == 0) return true;
  size_t old_axis = 0, new_axis = 0;
  while (new_axis < shape.rank()) {
    if (shape[new_axis] == 1) {
      ++new_axis;
      continue;
    }
    while (old_axis < x.rank() && x.shape()[old_axis] == 1) ++old_axis;
    size_t old_end = old_axis + 1, new_end = new_axis + 1;
    int64_t old_count = x.shape()[old_axis], new_count = shape[new_axis];
    while (old_count != new_count) {
      if (old_count < new_count)
        old_count *= x.shape()[old_end++];
      else
        new_count *= shape[new_end++];
    }
    int64_t last = -1;  // the group's innermost axis that is longer than 1
    for (size_t i = old_axis; i < old_end; ++i) {
      if (x.shape()[i] == 1) continue;
      if (last >= 0 && x.strides()[static_cast<size_t>(last)] != x.strides()[i] * x.shape()[i]) return false;
      last = static_cast<int64_t>(i);
    }
    int64_t step = x.strides()[static_cast<size_t>(last)];
    for (size_t i = new_end; i-- > new_axis;) {
      strides[i] = step;
      step *= shape[i];
    }
    old_axis = old_end;
    new_axis = new_end;
  }
  return true;
}

/// Extents whose product can be counted.
void check_extents(std::string_view op, const Shape& shape) {
  int64_t count = 1;
  for (int64_t extent : shape) {
    check(extent >= 0, "[{}] expected extents of at least 0, got {}", op, shape);
    check(!__builtin_mul_overflow(count, std::max<int64_t>(extent, 1), &count), "[{}] shape {} is too large",
          op, shape);
  }
}

/// y = x under another shape
struct Reshape {
  static constexpr std::string_view name = "reshape";
  Shape shape;
  Tensor view(Inputs in) const {
    Shape strides;
    if (view_strides(in[0], shape, strides)) return detail::view(in[0], shape, strides);
    return detail::view(detail::contiguous_values(in[0]), shape, detail::contiguous_strides(shape));
  }
  void vjp(Backward& b) const { b.set(0, reshape(b.grad(), b.input_shape(0))); }
};

/// y[i..., j...] = x[j...]
struct BroadcastTo {
  static constexpr std::string_view name = "broadcast_to";
  Shape shape;
  Tensor view(Inputs in) const {
    check(detail::broadcast_shapes(name, in[0].shape(), shape) == shape,
          "[broadcast_to] shape {} does not broadcast to {}", in[0].shape(), shape);
    return detail::view(in[0], shape, detail::broadcast_strides(in[0].shape(), in[0].strides(), shape));
  }
  void vjp(Backward& b) const { b.set(0, sum_to(b.grad(), b.input_shape(0))); }
};

/// axis i of y is axis order[i] of x
struct Permute {
  static constexpr std::string_view name = "permute";
  Shape order;
  Tensor view(Inputs in) const {
    Shape shape, strides;
    for (int64_t axis : order) {
      shape.push_back(in[0].shape()[static_cast<size_t>(axis)]);
      strides.push_back(in[0].strides()[static_cast<size_t>(axis)]);
    }
    return detail::view(in[0], shape, strides);
  }
  void vjp(Backward& b) const {
    Shape inverse = order;
    for (size_t i = 0; i < order.size(); ++i)
      inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
    b.set(0, apply(Permute{inverse}, b.grad()));
  }
};

/// y = x, in memory of its own
struct Clone {
  static constexpr std::string_view name = "clone";
  TensorSpec shape(Inputs in) const { return {in[0].shape(), in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const { detail::copy_values(in[0], out); }
  void vjp(Backward& b) const { b.set(0, b.grad()); }
};

/// y = x in another dtype
struct Cast {
  static constexpr std::string_view name = "cast";
  DType dtype;
  Tensor view(Inputs in) const { return detail::cast_values(in[0], dtype); }
  void vjp(Backward& b) const { b.set(0, cast(b.grad(), b.input_dtype(0))); }
};

/// The same without a gradient, for what floats become when they are cast to integers.
struct Truncate {
  static constexpr std::string_view name = "cast";
  DType dtype;
  Tensor view(Inputs in) const { return detail::cast_values(in[0], dtype); }
};

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  Shape wanted = shape, given;
  for (int64_t extent : shape)
    if (extent != -1) given.push_back(extent);
  check_extents("reshape", given);
  int64_t known = 1;
  int64_t* inferred = nullptr;
  for (int64_t& extent : wanted) {
    if (extent == -1) {
      check(inferred == nullptr, "[reshape] only one extent may be -1, got {}", shape);
      inferred = &extent;
    } else {
      check(extent >= 0, "[reshape] expected extents of at least 0, got {}", shape);
      known *= extent;
    }
  }
  if (inferred) {
    check(known > 0 && x.numel() % known == 0, "[reshape] {} does not fit shape {}", x, shape);
    *inferred = x.numel() / known;
  }
  check(wanted.numel() == x.numel(), "[reshape] {} has {} elements, shape {} has {}", x, x.numel(), shape,
        wanted.numel());
  if (wanted == x.shape()) return x;
  return apply(Reshape{wanted}, x);
}

Tensor flatten(const Tensor& x, int64_t first, int64_t last) {
  if (x.rank() == 0) return reshape(x, {1});
  const size_t begin = detail::normalize_axis("flatten", first, x.rank());
  const size_t end = detail::normalize_axis("flatten", last, x.rank());
  check(begin <= end, "[flatten] the first axis, {}, lies behind the last, {}", first, last);
  Shape shape;
  for (size_t i = 0; i < x.rank(); ++i) {
    if (i <= begin || i > end)
      shape.push_back(x.shape()[i]);
    else
      shape[begin] *= x.shape()[i];
  }
  return reshape(x, shape);
}

Tensor squeeze(const Tensor& x) {
  Shape shape;
  for (int64_t extent : x.shape())
    if (extent != 1) shape.push_back(extent);
  return reshape(x, shape);
}

Tensor squeeze(const Tensor& x, int64_t axis) {
  const size_t at = detail::normalize_axis("squeeze", axis, x.rank());
  check(x.shape()[at] == 1, "[squeeze] axis {} of {} has extent {}, not 1", axis, x, x.shape()[at]);
  Shape shape = x.shape();
  shape.erase(at);
  return reshape(x, shape);
}

Tensor unsqueeze(const Tensor& x, int64_t axis) {
  Shape shape = x.shape();
  shape.insert(detail::normalize_axis("unsqueeze", axis, x.rank() + 1), 1);
  return apply(Reshape{shape}, x);
}

Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  check_extents("broadcast_to", shape);
  if (x.shape() == shape) return x;
  return apply(BroadcastTo{shape}, x);
}

Tensor expand(const Tensor& x, const Shape& shape) {
  check(shape.rank() >= x.rank(), "[expand] expected a shape of at least {} axes for {}, got {}", x.rank(), x,
        shape);
  Shape wanted = shape;
  const size_t lead = shape.rank() - x.rank();
  for (size_t i = 0; i < shape.rank(); ++i) {
    if (shape[i] == -1) {
      check(i >= lead, "[expand] axis {} of {} is new beside {}: there is no extent that -1 could keep", i,
            shape, x);
      wanted[i] = x.shape()[i - lead];
    }
    check(wanted[i] >= 0 && (i < lead || x.shape()[i - lead] == 1 || x.shape()[i - lead] == wanted[i]),
          "[expand] {} does not expand to {}: axis {} differs and is not 1", x, shape, i);
  }
  return broadcast_to(x, wanted);
}

Tensor transpose(const Tensor& x, int64_t a, int64_t b) {
  const size_t first = detail::normalize_axis("transpose", a, x.rank());
  const size_t second = detail::normalize_axis("transpose", b, x.rank());
  Shape order = x.shape();
  std::iota(order.begin(), order.end(), 0);
  std::swap(order[first], order[second]);
  return apply(Permute{order}, x);
}

Tensor permute(const Tensor& x, const Axes& order) {
  check(order.list().size() == x.rank(), "[permute] {} axes named for a tensor with {}", order.list().size(),
        x.rank());
  detail::axes_mask("permute", order, x.rank());
  Shape axes;
  for (int64_t axis : order.list())
    axes.push_back(static_cast<int64_t>(detail::normalize_axis("permute", axis, x.rank())));
  return apply(Permute{axes}, x);
}

Tensor swapaxes(const Tensor& x, int64_t a, int64_t b) { return transpose(x, a, b); }

Tensor movedim(const Tensor& x, const Axes& from, const Axes& to) {
  check(from.list().size() == to.list().size(),
        "[movedim] expected as many axes to move to as from, got {} and {}", from.list(), to.list());
  const uint32_t moved = detail::axes_mask("movedim", from, x.rank());
  detail::axes_mask("movedim", to, x.rank());
  Shape order = x.shape();
  std::fill(order.begin(), order.end(), -1);
  for (size_t i = 0; i < from.list().size(); ++i)
    order[detail::normalize_axis("movedim", to.list()[i], x.rank())] =
        static_cast<int64_t>(detail::normalize_axis("movedim", from.list()[i], x.rank()));
  int64_t next = 0;
  for (int64_t& axis : order) {
    if (axis >= 0) continue;
    while (moved >> next & 1U) ++next;
    axis = next++;
  }
  return apply(Permute{order}, x);
}

Tensor contiguous(const Tensor& x) { return x.is_contiguous() ? x : clone(x); }
Tensor clone(const Tensor& x) { return apply(Clone{}, x); }

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  if (is_floating(x.dtype()) && is_floating(dtype)) return apply(Cast{dtype}, x);
  return apply(Truncate{dtype}, x);
}

Tensor detach(const Tensor& x) { return detail::view(x, x.shape(), x.strides()); }

}  // namespace reel
