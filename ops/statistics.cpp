#include "ops/statistics.h"

#include <algorithm>
#include <cmath>

#include "framework/op.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/lines.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "ops/sorting.h"

namespace reel {
namespace {

/// Sum of f(x) over a row, in lanes that a compiler can make vectors of.
template <class T, class F> double row_sum(const T* x, int64_t n, const F& f) {
  constexpr int64_t lanes = 8;
  double sums[lanes] = {};
  const int64_t whole = n / lanes * lanes;
  for (int64_t k = 0; k < whole; k += lanes)
    for (int64_t i = 0; i < lanes; ++i) sums[i] += f(static_cast<double>(x[k + i]));
  for (int64_t k = whole; k < n; ++k) sums[k - whole] += f(static_cast<double>(x[k]));
  double total = 0;
  for (double sum_of_lane : sums) total += sum_of_lane;
  return total;
}

template <class T> double squares_of_row(const T* x, int64_t n) {
  const double mean_of_row = row_sum(x, n, [](double value) { return value; }) / static_cast<double>(n);
  return row_sum(x, n, [=](double value) { return (value - mean_of_row) * (value - mean_of_row); });
}

template <class T>
void squares_of_columns(const T* x, const detail::Lines& lines, int64_t width, double* squares) {
  double means[detail::Lines::most_columns] = {};
  for (int64_t k = 0; k < lines.count; ++k)
    for (int64_t i = 0; i < width; ++i) means[i] += static_cast<double>(x[k * lines.inner + i]);
  for (int64_t i = 0; i < width; ++i) means[i] /= static_cast<double>(lines.count);
  for (int64_t k = 0; k < lines.count; ++k)
    for (int64_t i = 0; i < width; ++i) {
      const double distance = static_cast<double>(x[k * lines.inner + i]) - means[i];
      squares[i] += distance * distance;
    }
}

/// y = sum((x - mean)^2) / divisor over axes, or the root of that; in float64, which squares of float32 never leave.
template <bool root> struct Variance {
  static constexpr std::string_view name = root ? "stddev" : "var";
  uint32_t mask;
  bool keepdim;
  double divisor;
  TensorSpec shape(Inputs in) const {
    check(is_floating(in[0].dtype()), "[{}] expected a floating dtype, got {}", name, in[0]);
    return {detail::reduced_shape(in[0].shape(), mask, keepdim), in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    detail::dispatch_floating(name, out.dtype(), [&](auto zero) { run<decltype(zero)>(in[0], out); });
  }
  Saves saves(uint32_t) const { return root ? Saves::input(0) | Saves::output() : Saves::input(0); }
  void vjp(Backward& b) const {
    const Tensor& x = b.input(0);
    const Shape kept = detail::reduced_shape(x.shape(), mask, true);
    Tensor scale = b.grad() * (root ? 1 : 2);
    if (root) {  // its slope is infinite at 0, where 0 is taken
      const Tensor zero = equal(b.output(), 0.0);
      scale = masked_fill(scale / masked_fill(b.output(), zero, 1), zero, 0);
    }
    Shape axes;
    for (size_t i = 0; i < x.rank(); ++i)
      if (mask >> i & 1U) axes.push_back(static_cast<int64_t>(i));
    b.set(0, reshape(scale / divisor, kept) * (x - mean(x, Axes(axes), true)));
  }

 private:
  template <class T> void run(const Tensor& input, Tensor& out) const {
    using detail::Lines;
    const auto [x, lines] = detail::reduced_lines(input, mask);
    if (lines.count == 0) return detail::copy_values(full({}, NAN, {.dtype = out.dtype()}), out);
    lines.for_groups([&, &values = x, &line = lines](int64_t first, int64_t width) {
      const T* from = values.template raw<T>() + first;
      T* to = out.raw<T>() + first / (line.count * line.inner) * line.inner + first % line.inner;
      double squares[Lines::most_columns] = {};
      if (line.inner == 1)
        squares[0] = squares_of_row(from, line.count);
      else
        squares_of_columns(from, line, width, squares);
      for (int64_t i = 0; i < width; ++i) {
        const double result = squares[i] / divisor;
        to[i] = static_cast<T>(root ? std::sqrt(result) : result);
      }
    });
  }
};

template <bool root> Tensor variance(const Tensor& x, const Axes& axes, const VarianceOptions& options) {
  const uint32_t mask = detail::axes_mask(Variance<root>::name, axes, x.rank());
  const int64_t divisor = detail::reduced_extent(x.shape(), mask) - options.correction;
  return apply(Variance<root>{mask, options.keepdim, static_cast<double>(std::max<int64_t>(0, divisor))}, x);
}

/// Sorted along an axis that is not empty; `no_nan` tells where the last, and so every one, is a number.
struct Ordered {
  Tensor values, no_nan;
};
Ordered ordered(std::string_view op, const Tensor& x, int64_t axis) {
  const size_t at = detail::normalize_axis(op, axis, x.rank());
  check(x.shape()[at] > 0, "[{}] axis {} of {} has no elements", op, at, x);
  const Tensor values = sort(x, axis).values;
  const Tensor last = narrow(values, axis, x.shape()[at] - 1, 1);
  return {values, equal(last, last)};
}

Tensor without(const Tensor& x, int64_t axis, bool keepdim) { return keepdim ? x : squeeze(x, axis); }

/// Before x is laid out flat, so that a refusal leaves nothing on the tape.
Tensor flat(std::string_view op, const Tensor& x) {
  check(x.numel() > 0, "[{}] {} has no elements", op, x);
  return reshape(x, {x.numel()});
}

void check_quantile(const Tensor& x, double q) {
  check(q >= 0 && q <= 1, "[quantile] expected a fraction in [0, 1], got {}", q);
  check(is_floating(x.dtype()), "[quantile] expected a floating dtype, got {}", x);
}

}  // namespace

Tensor var(const Tensor& x) { return var(x, detail::every_axis(x.rank())); }
Tensor var(const Tensor& x, const Axes& axes, const VarianceOptions& options) {
  return variance<false>(x, axes, options);
}
Tensor stddev(const Tensor& x) { return stddev(x, detail::every_axis(x.rank())); }
Tensor stddev(const Tensor& x, const Axes& axes, const VarianceOptions& options) {
  return variance<true>(x, axes, options);
}

Tensor median(const Tensor& x) { return median(flat("median", x), 0); }
Tensor median(const Tensor& x, int64_t axis, bool keepdim) {
  const auto [values, no_nan] = ordered("median", x, axis);
  const int64_t n = x.size(axis);
  const Tensor middle = narrow(values, axis, (n - 1) / 2, 1), last = narrow(values, axis, n - 1, 1);
  return without(is_floating(x.dtype()) ? where(no_nan, middle, last) : middle, axis, keepdim);
}

Tensor quantile(const Tensor& x, double q) {
  check_quantile(x, q);
  return quantile(flat("quantile", x), q, 0);
}
Tensor quantile(const Tensor& x, double q, int64_t axis, bool keepdim) {
  check_quantile(x, q);
  const auto [values, no_nan] = ordered("quantile", x, axis);
  const int64_t n = x.size(axis);
  const double place = q * static_cast<double>(n - 1), below = std::floor(place);
  const Tensor low = narrow(values, axis, static_cast<int64_t>(below), 1);
  const Tensor last = narrow(values, axis, n - 1, 1);
  if (place == below) return without(where(no_nan, low, last), axis, keepdim);
  const Tensor high = narrow(values, axis, static_cast<int64_t>(below) + 1, 1);
  return without(where(no_nan, low + (high - low) * (place - below), last), axis, keepdim);
}

}  // namespace reel
