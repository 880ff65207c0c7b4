#include "ops/cumulative.h"

#include <cmath>
#include <limits>
#include <type_traits>

#include "framework/op.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/lines.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel {
namespace {

using detail::Lines;

constexpr double inf = std::numeric_limits<double>::infinity();

/// What results are accumulated in. Unsigned, so that integers may overflow.
template <class T> using Wide = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;

/// y[k] = next(x[k], y[k - 1]) along the lines, or from their ends; y[-1] is `start`.
template <class T, class Next>
void accumulate(const Tensor& input, Tensor& out, size_t axis, bool backwards, Wide<T> start,
                const Next& next) {
  const Tensor x = detail::contiguous_values(input);
  const Lines lines(x.shape(), axis);
  lines.for_groups([&](int64_t first, int64_t width) {
    if (width == 1) {  // stays in a register
      Wide<T> result = start;
      for (int64_t k = 0; k < lines.count; ++k) {
        const int64_t at = first + (backwards ? lines.count - 1 - k : k) * lines.inner;
        out.raw<T>()[at] = static_cast<T>(result = next(static_cast<Wide<T>>(x.raw<T>()[at]), result));
      }
      return;
    }
    Wide<T> results[Lines::most_columns];
    std::fill_n(results, width, start);
    for (int64_t k = 0; k < lines.count; ++k) {
      const int64_t at = first + (backwards ? lines.count - 1 - k : k) * lines.inner;
      for (int64_t i = 0; i < width; ++i)
        out.raw<T>()[at + i] =
            static_cast<T>(results[i] = next(static_cast<Wide<T>>(x.raw<T>()[at + i]), results[i]));
    }
  });
}

/// The same for an int64 or floating tensor.
template <class Next>
void accumulate_numbers(const Tensor& x, Tensor& out, size_t axis, bool backwards, int start,
                        const Next& next) {
  if (x.dtype() == DType::int64)
    accumulate<int64_t>(x, out, axis, backwards, static_cast<uint64_t>(start), next);
  else if (x.dtype() == DType::float64)
    accumulate<double>(x, out, axis, backwards, start, next);
  else
    accumulate<float>(x, out, axis, backwards, start, next);
}

/// x one place later along an axis, beginning with `first`.
Tensor delayed(const Tensor& x, size_t axis, double first) {
  if (x.shape()[axis] == 0) return x;
  Shape begin = x.shape();
  begin[axis] = 1;
  const auto at = static_cast<int64_t>(axis);
  return cat({full(begin, first, {.dtype = x.dtype()}), narrow(x, at, 0, x.shape()[axis] - 1)}, at);
}

/// y_t = x_t + y_{t-1}, or from the end
struct CumSum {
  static constexpr std::string_view name = "cumsum";
  size_t axis;
  bool backwards;
  TensorSpec shape(Inputs in) const { return {in[0].shape(), in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const {
    accumulate_numbers(in[0], out, axis, backwards, 0, [](auto x, auto y) { return x + y; });
  }
  void vjp(Backward& b) const { b.set(0, apply(CumSum{axis, !backwards}, b.grad())); }
};

/// y_t = a_t y_{t-1} + b_t; transposed, which is its gradient to b, y_t = a_{t+1} y_{t+1} + b_t
struct LinearRecurrence {
  static constexpr std::string_view name = "linear_recurrence";
  size_t axis;
  bool transposed;
  TensorSpec shape(Inputs in) const { return {in[1].shape(), in[1].dtype()}; }
  void forward(Inputs in, Tensor& out) const {
    detail::dispatch_floating(name, out.dtype(), [&](auto zero) { run<decltype(zero)>(in[0], in[1], out); });
  }
  Saves saves(uint32_t needs) const {
    return needs & 1U ? Saves::input(0) | Saves::output() : Saves::input(0);
  }
  void vjp(Backward& b) const {
    const Tensor u = apply(LinearRecurrence{axis, !transposed}, b.input(0), b.grad());
    if (b.needs(1)) b.set(1, u);
    if (b.needs(0))
      b.set(0, transposed ? delayed(u, axis, 0) * b.output() : u * delayed(b.output(), axis, 0));
  }

 private:
  template <class T> void run(const Tensor& factors, const Tensor& terms, Tensor& out) const {
    const Tensor a = detail::contiguous_values(factors), b = detail::contiguous_values(terms);
    const Lines lines(b.shape(), axis);
    lines.for_groups([&](int64_t first, int64_t width) {
      double results[Lines::most_columns];
      for (int64_t k = 0; k < lines.count; ++k) {
        const int64_t at = first + (transposed ? lines.count - 1 - k : k) * lines.inner;
        const T* factor = a.raw<T>() + at + (transposed && k > 0 ? lines.inner : 0);
        const T* term = b.raw<T>() + at;
        for (int64_t i = 0; i < width; ++i) {
          const auto added = static_cast<double>(term[i]);
          results[i] = k == 0 ? added : static_cast<double>(factor[i]) * results[i] + added;
          out.raw<T>()[at + i] = static_cast<T>(results[i]);
        }
      }
    });
  }
};

/// y_t = x_t y_{t-1}. The gradient to x_t is y_{t-1} times that of y_t, all later ones counted in.
struct CumProd {
  static constexpr std::string_view name = "cumprod";
  size_t axis;
  TensorSpec shape(Inputs in) const { return {in[0].shape(), in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const {
    accumulate_numbers(in[0], out, axis, false, 1, [](auto x, auto y) { return x * y; });
  }
  Saves saves(uint32_t) const { return Saves::input(0) | Saves::output(); }
  void vjp(Backward& b) const {
    const Tensor u = apply(LinearRecurrence{axis, true}, b.input(0), b.grad());
    b.set(0, u * delayed(b.output(), axis, 1));
  }
};

double log_add(double a, double b) {
  const double larger = a > b ? a : b, smaller = a > b ? b : a;
  if (std::isnan(a) || std::isnan(b)) return a + b;
  return std::isinf(larger) ? larger : larger + std::log1p(std::exp(smaller - larger));
}

/// y_t = log(exp(x_t) + exp(y_{t-1})). With u_t = g_t + exp(y_t - y_{t+1}) u_{t+1} the gradient is
/// exp(x_t - y_t) u_t: no exponent is above 0.
struct LogCumSumExp {
  static constexpr std::string_view name = "logcumsumexp";
  size_t axis;
  TensorSpec shape(Inputs in) const { return {in[0].shape(), in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const {
    detail::dispatch_floating(name, out.dtype(), [&](auto zero) {
      accumulate<decltype(zero)>(in[0], out, axis, false, -inf, log_add);
    });
  }
  Saves saves(uint32_t) const { return Saves::input(0) | Saves::output(); }
  void vjp(Backward& b) const {
    const Tensor &y = b.output(), before = delayed(y, axis, -inf);
    const Tensor finite = masked_fill(y, equal(y, -inf), 0);
    // From +inf to +inf the exponent would be nan, and would reach what lies before both.
    const Tensor both = logical_and(equal(before, inf), equal(y, inf));
    const Tensor ratio = exp(masked_fill(before - finite, both, 0));
    const Tensor u = apply(LinearRecurrence{axis, true}, ratio, b.grad());
    b.set(0, exp(b.input(0) - finite) * u);
  }
};

/// y = index of the largest (or smallest) element so far
template <bool largest> struct CumExtreme {
  static constexpr std::string_view name = largest ? "cummax" : "cummin";
  size_t axis;
  TensorSpec shape(Inputs in) const { return {in[0].shape(), DType::int64}; }
  void forward(Inputs in, Tensor& out) const {
    const Tensor x = detail::contiguous_values(in[0]);
    detail::dispatch(x.dtype(),
                     [&](auto zero) { run(x.raw<decltype(zero)>(), Lines(x.shape(), axis), out); });
  }

 private:
  template <class T> static void run(const T* x, const Lines& lines, Tensor& out) {
    lines.for_groups([&](int64_t first, int64_t width) {
      int64_t best[Lines::most_columns] = {};
      for (int64_t k = 0; k < lines.count; ++k)
        for (int64_t i = 0; i < width; ++i) {
          const T candidate = x[first + k * lines.inner + i], leader = x[first + best[i] * lines.inner + i];
          const bool ahead = largest ? candidate >= leader : candidate <= leader;  // no, beside a nan
          if (ahead || candidate != candidate) best[i] = k;
          out.raw<int64_t>()[first + k * lines.inner + i] = best[i];
        }
    });
  }
};

/// Integers and conditions as int64, floats as they are.
Tensor as_numbers(const Tensor& x) { return is_floating(x.dtype()) ? x : cast(x, DType::int64); }

template <bool largest> ValuesAndIndices cumulative_extreme(const Tensor& x, int64_t axis) {
  const size_t at = detail::normalize_axis(CumExtreme<largest>::name, axis, x.rank());
  const Tensor indices = apply(CumExtreme<largest>{at}, x);
  return {detail::take_along(x, indices, at), indices};
}

}  // namespace

Tensor cumsum(const Tensor& x, int64_t axis) {
  return apply(CumSum{detail::normalize_axis("cumsum", axis, x.rank()), false}, as_numbers(x));
}
Tensor cumprod(const Tensor& x, int64_t axis) {
  return apply(CumProd{detail::normalize_axis("cumprod", axis, x.rank())}, as_numbers(x));
}
Tensor logcumsumexp(const Tensor& x, int64_t axis) {
  const size_t at = detail::normalize_axis("logcumsumexp", axis, x.rank());
  check(is_floating(x.dtype()), "[logcumsumexp] expected a floating dtype, got {}", x);
  return apply(LogCumSumExp{at}, x);
}
ValuesAndIndices cummax(const Tensor& x, int64_t axis) { return cumulative_extreme<true>(x, axis); }
ValuesAndIndices cummin(const Tensor& x, int64_t axis) { return cumulative_extreme<false>(x, axis); }

Tensor linear_recurrence(const Tensor& a, const Tensor& b, int64_t axis) {
  check(is_floating(a.dtype()) && a.dtype() == b.dtype(),
        "[linear_recurrence] inputs of one floating dtype expected, got {} and {}", a, b);
  const Shape shape = detail::broadcast_shapes("linear_recurrence", a.shape(), b.shape());
  const size_t at = detail::normalize_axis("linear_recurrence", axis, shape.rank());
  return apply(LinearRecurrence{at, false}, broadcast_to(a, shape), broadcast_to(b, shape));
}

}  // namespace reel
