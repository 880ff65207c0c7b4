#include "ops/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "ops/sorting.h"

namespace reel {
namespace {

Tensor variance(std::string_view op, const Tensor& x, const Axes& axes, const VarianceOptions& options) {
  const uint32_t mask = detail::axes_mask(op, axes, x.rank());
  check(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x);
  const int64_t divisor = std::max<int64_t>(0, detail::reduced_extent(x.shape(), mask) - options.correction);
  return sum(square(x - mean(x, axes, true)), axes, options.keepdim) / static_cast<double>(divisor);
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

Tensor flat(const Tensor& x) { return reshape(x, {x.numel()}); }

}  // namespace

Tensor var(const Tensor& x, const VarianceOptions& options) {
  return variance("var", x, detail::every_axis(x.rank()), options);
}
Tensor var(const Tensor& x, const Axes& axes, const VarianceOptions& options) {
  return variance("var", x, axes, options);
}

Tensor stddev(const Tensor& x, const VarianceOptions& options) {
  return stddev(x, detail::every_axis(x.rank()), options);
}
Tensor stddev(const Tensor& x, const Axes& axes, const VarianceOptions& options) {
  const Tensor square_of_it = variance("stddev", x, axes, options);
  const Tensor zero = equal(square_of_it, 0.0);  // where the slope of the root is infinite
  return masked_fill(sqrt(masked_fill(square_of_it, zero, 1)), zero, 0);
}

Tensor median(const Tensor& x) { return median(flat(x), 0); }
Tensor median(const Tensor& x, int64_t axis, bool keepdim) {
  const auto [values, no_nan] = ordered("median", x, axis);
  const int64_t n = x.size(axis);
  const Tensor middle = narrow(values, axis, (n - 1) / 2, 1), last = narrow(values, axis, n - 1, 1);
  return without(is_floating(x.dtype()) ? where(no_nan, middle, last) : middle, axis, keepdim);
}

Tensor quantile(const Tensor& x, double q) { return quantile(flat(x), q, 0); }
Tensor quantile(const Tensor& x, double q, int64_t axis, bool keepdim) {
  check(q >= 0 && q <= 1, "[quantile] expected a fraction in [0, 1], got {}", q);
  check(is_floating(x.dtype()), "[quantile] expected a floating dtype, got {}", x);
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
