#include "ops/flip.h"

#include "framework/op.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel {
namespace {

/// y[..., i, ...] = x[..., n - 1 - i, ...] for each axis in `axes`
struct Flip {
  static constexpr std::string_view name = "flip";
  uint32_t axes;
  TensorSpec shape(Inputs in) const { return {in[0].shape(), in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const {
    if (out.numel() == 0) return;
    Shape strides = in[0].strides();
    int64_t last = 0;
    for (size_t i = 0; i < strides.rank(); ++i) {
      if ((axes >> i & 1U) == 0) continue;
      last += strides[i] * (out.shape()[i] - 1);
      strides[i] = -strides[i];
    }
    detail::copy_values(detail::view(in[0], out.shape(), strides, last), out);
  }
  void vjp(Backward& b) const { b.set(0, apply(Flip{axes}, b.grad())); }
};

Tensor roll_axis(const Tensor& x, int64_t shift, size_t axis) {
  const int64_t extent = x.shape()[axis];
  if (extent == 0 || shift % extent == 0) return x;
  const int64_t first = ((shift % extent) + extent) % extent;
  const auto at = static_cast<int64_t>(axis);
  return cat({narrow(x, at, extent - first, first), narrow(x, at, 0, extent - first)}, at);
}

}  // namespace

Tensor flip(const Tensor& x, const Axes& axes) {
  return apply(Flip{detail::axes_mask("flip", axes, x.rank())}, x);
}

Tensor roll(const Tensor& x, const Axes& shifts, const Axes& axes) {
  check(shifts.list().size() == axes.list().size(), "[roll] expected as many shifts as axes, got {} and {}",
        shifts.list(), axes.list());
  for (int64_t axis : axes.list()) detail::normalize_axis("roll", axis, x.rank());
  Tensor y = x;
  for (size_t i = 0; i < axes.list().size(); ++i)
    y = roll_axis(y, shifts.list()[i], detail::normalize_axis("roll", axes.list()[i], x.rank()));
  return y;
}

Tensor roll(const Tensor& x, int64_t shift) {
  return reshape(roll_axis(reshape(x, {x.numel()}), shift, 0), x.shape());
}

}  // namespace reel
