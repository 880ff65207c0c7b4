#include "ops/windows.h"

#include "framework/op.h"
#include "framework/strided.h"

namespace reel {
namespace {

struct Windows {
  size_t axis;
  int64_t size, step;

  Tensor of(const Tensor& x) const {
    Shape shape = x.shape(), strides = x.strides();
    shape[axis] = (shape[axis] - size) / step + 1;
    shape.push_back(size);
    strides.push_back(strides[axis]);
    if (shape[axis] > 1) strides[axis] *= step;
    return detail::view(x, shape, strides);
  }
};

template <class T> void add_elements(const detail::StridedWalk<2>& walk, const T* from, T* to) {
  walk.for_rows(0, walk.rows(), [&](const auto& at) {
    for (int64_t i = 0; i < walk.inner(); ++i)
      to[at[1] + i * walk.inner_step(1)] += from[at[0] + i * walk.inner_step(0)];
  });
}

/// Adds each element of `windows` to the element of `whole` that it shows, in order: the same bits every time.
void add_windows(const Tensor& windows, const Windows& place, const Tensor& whole) {
  if (windows.numel() == 0) return;
  const Tensor places = place.of(whole);
  const detail::StridedWalk<2> walk(windows.shape(), {windows.strides(), places.strides()});
  detail::dispatch_floating("unfold", whole.dtype(), [&](auto zero) {
    using T = decltype(zero);
    add_elements<T>(walk, windows.raw<T>(), places.raw<T>());
  });
}

Tensor sum_windows(const Tensor& x, const Windows& windows, const Shape& whole);

/// y[..., w, ..., k] = x[..., w * step + k, ...]
struct Unfold {
  static constexpr std::string_view name = "unfold";
  Windows windows;
  Tensor view(Inputs in) const { return windows.of(in[0]); }
  void vjp(Backward& b) const {
    if (b.recorded())
      b.set(0, sum_windows(b.grad(), windows, b.input_shape(0)));
    else
      add_windows(b.grad(), windows, b.zeroed_accumulator(0));
  }
};

/// y[..., j, ...] = sum of x[..., w, ..., k] over w * step + k = j
struct SumWindows {
  static constexpr std::string_view name = "sum_windows";
  Windows windows;
  Shape whole;
  TensorSpec shape(Inputs in) const { return {whole, in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const {
    detail::copy_values(zeros({}, {.dtype = out.dtype()}), out);
    add_windows(in[0], windows, out);
  }
  void vjp(Backward& b) const { b.set(0, apply(Unfold{windows}, b.grad())); }
};

Tensor sum_windows(const Tensor& x, const Windows& windows, const Shape& whole) {
  return apply(SumWindows{windows, whole}, x);
}

}  // namespace

Tensor unfold(const Tensor& x, int64_t axis, int64_t size, int64_t step) {
  const size_t at = detail::normalize_axis("unfold", axis, x.rank());
  check(step >= 1, "[unfold] expected a step of at least 1, got {}", step);
  check(size >= 0 && size <= x.shape()[at], "[unfold] windows of {} elements do not lie within axis {} of {}",
        size, at, x);
  return apply(Unfold{{at, size, step}}, x);
}

}  // namespace reel
