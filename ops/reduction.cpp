#include "ops/reduction.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "framework/op.h"
#include "framework/parallel.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/fold.h"
#include "ops/fold_loops.h"
#include "ops/shape.h"

namespace reel {
namespace {

using detail::reduced_shape;

using detail::fold_loops::arrange;

template <class F> void reduce_with(const Tensor& x, uint32_t mask, Tensor& out) {
  detail::dispatch_floating(F::name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const detail::FormulaKernels& kernels = detail::kernels_of<F>();
    const detail::fold_loops::Combine<T> combine{kernels.value(x.dtype()),
                                                 sizeof(T) == 4 ? kernels.fold32 : kernels.fold64};
    detail::fold_loops::reduce_all(combine, x, mask, out.raw<T>());
  });
}

/// y = sum of x over axes
struct Sum {
  static constexpr std::string_view name = "sum";
  uint32_t mask;
  bool keepdim;
  TensorSpec shape(Inputs in) const {
    check(is_floating(in[0].dtype()), "[sum] expected a floating dtype, got {}", in[0]);
    return {reduced_shape(in[0].shape(), mask, keepdim), in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    if (out.numel() == 0) return;
    if (in[0].numel() == 0)
      detail::copy_values(scalar(0, {.dtype = out.dtype()}), out);
    else
      reduce_with<Add>(in[0], mask, out);
  }
  void vjp(Backward& b) const {
    const Shape& shape = b.input_shape(0);
    b.set(0, broadcast_to(reshape(b.grad(), reduced_shape(shape, mask, true)), shape));
  }
};

/// y = largest (or smallest) of x over axes
template <class F> struct Extreme {
  static constexpr std::string_view name = F::name == "maximum" ? "max" : "min";
  uint32_t mask;
  bool keepdim;
  TensorSpec shape(Inputs in) const {
    check(is_floating(in[0].dtype()), "[{}] expected a floating dtype, got {}", name, in[0]);
    const Shape result = reduced_shape(in[0].shape(), mask, keepdim);
    check(in[0].numel() > 0 || result.numel() == 0, "[{}] {} has no elements to choose from", name, in[0]);
    return {result, in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    if (out.numel() > 0) reduce_with<F>(in[0], mask, out);
  }
  Saves saves(uint32_t) const { return Saves::input(0) | Saves::output(); }
  void vjp(Backward& b) const {
    const Tensor& x = b.input(0);
    const Shape kept = reduced_shape(x.shape(), mask, true);
    const Tensor zero = scalar(0, {.dtype = x.dtype()});
    const Tensor one = scalar(1, {.dtype = x.dtype()});
    const Tensor chosen = where(equal(x, reshape(detach(b.output()), kept)), one, zero);
    const Tensor share = chosen / apply(Sum{mask, true}, chosen);
    b.set(0, share * reshape(b.grad(), kept));
  }
};

/// y = index of the largest (or smallest) along an axis
template <bool largest> struct ArgExtreme {
  static constexpr std::string_view name = largest ? "argmax" : "argmin";
  size_t axis;
  bool keepdim;
  TensorSpec shape(Inputs in) const {
    check(in[0].shape()[axis] > 0, "[{}] axis {} of {} has no elements to choose from", name, axis, in[0]);
    return {reduced_shape(in[0].shape(), 1U << axis, keepdim), DType::int64};
  }
  void forward(Inputs in, Tensor& out) const {
    const auto [values, extents] = arrange(in[0], 1U << axis);
    const auto [outer, count, inner] = extents;
    detail::dispatch(
        in[0].dtype(), [&, values = values, outer = outer, count = count, inner = inner](auto zero) {
          using T = decltype(zero);
          for (int64_t o = 0; o < outer; ++o)
            for (int64_t i = 0; i < inner; ++i) {
              const T* x = values.template raw<T>() + o * count * inner + i;
              int64_t best = 0;
              for (int64_t k = 1; k < count; ++k) {
                const T candidate = x[k * inner], leader = x[best * inner];
                if (leader != leader) break;  // a nan
                if ((largest ? candidate > leader : candidate < leader) || candidate != candidate) best = k;
              }
              out.raw<int64_t>()[o * inner + i] = best;
            }
        });
  }
};

uint32_t all_axes(const Tensor& x) { return (1U << x.rank()) - 1; }

Tensor sum_over(const Tensor& x, uint32_t mask, bool keepdim) {
  return is_floating(x.dtype()) ? apply(Sum{mask, keepdim}, x) : detail::integer_sum(x, mask, keepdim);
}
Tensor max_over(const Tensor& x, uint32_t mask, bool keepdim) {
  return is_floating(x.dtype()) ? apply(Extreme<Maximum>{mask, keepdim}, x)
                                : detail::integer_max(x, mask, keepdim);
}
Tensor min_over(const Tensor& x, uint32_t mask, bool keepdim) {
  return is_floating(x.dtype()) ? apply(Extreme<Minimum>{mask, keepdim}, x)
                                : detail::integer_min(x, mask, keepdim);
}

Tensor mean_over(const Tensor& x, uint32_t mask, bool keepdim) {
  check(is_floating(x.dtype()), "[mean] expected a floating dtype, got {}", x);
  return apply(Sum{mask, keepdim}, x) / static_cast<double>(detail::reduced_extent(x.shape(), mask));
}

}  // namespace

Tensor sum(const Tensor& x) { return sum_over(x, all_axes(x), false); }
Tensor sum(const Tensor& x, const Axes& axes, bool keepdim) {
  return sum_over(x, detail::axes_mask("sum", axes, x.rank()), keepdim);
}
Tensor mean(const Tensor& x) { return mean_over(x, all_axes(x), false); }
Tensor mean(const Tensor& x, const Axes& axes, bool keepdim) {
  return mean_over(x, detail::axes_mask("mean", axes, x.rank()), keepdim);
}
Tensor max(const Tensor& x) { return max_over(x, all_axes(x), false); }
Tensor max(const Tensor& x, const Axes& axes, bool keepdim) {
  return max_over(x, detail::axes_mask("max", axes, x.rank()), keepdim);
}
Tensor min(const Tensor& x) { return min_over(x, all_axes(x), false); }
Tensor min(const Tensor& x, const Axes& axes, bool keepdim) {
  return min_over(x, detail::axes_mask("min", axes, x.rank()), keepdim);
}
Tensor amax(const Tensor& x) { return max(x); }
Tensor amax(const Tensor& x, const Axes& axes, bool keepdim) { return max(x, axes, keepdim); }
Tensor amin(const Tensor& x) { return min(x); }
Tensor amin(const Tensor& x, const Axes& axes, bool keepdim) { return min(x, axes, keepdim); }
Tensor argmax(const Tensor& x, int64_t axis, bool keepdim) {
  return apply(ArgExtreme<true>{detail::normalize_axis("argmax", axis, x.rank()), keepdim}, x);
}
Tensor argmin(const Tensor& x, int64_t axis, bool keepdim) {
  return apply(ArgExtreme<false>{detail::normalize_axis("argmin", axis, x.rank()), keepdim}, x);
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  check(detail::broadcast_shapes("sum_to", shape, x.shape()) == x.shape(),
        "[sum_to] shape {} does not broadcast to {}", shape, x.shape());
  const size_t lead = x.rank() - shape.rank();
  uint32_t mask = 0;
  for (size_t i = 0; i < x.rank(); ++i)
    if (i < lead || (shape[i - lead] == 1 && x.shape()[i] != 1)) mask |= 1U << i;
  return reshape(apply(Sum{mask, false}, x), shape);
}

}  // namespace reel
