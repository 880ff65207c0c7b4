#include "ops/aggregate.h"

#include <cmath>
#include <limits>

#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/cumulative.h"
#include "ops/fold.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

/// x as [kept..., reduced], the reduced axes as one.
Tensor reduced_last(const Tensor& x, uint32_t mask) {
  Shape order, shape;
  for (const bool reduced : {false, true})
    for (size_t i = 0; i < x.rank(); ++i)
      if ((mask >> i & 1U) == static_cast<uint32_t>(reduced)) order.push_back(static_cast<int64_t>(i));
  shape = detail::reduced_shape(x.shape(), mask, false);
  shape.push_back(detail::reduced_extent(x.shape(), mask));
  return reshape(permute(x, Axes(order)), shape);
}

/// The last of the products of 1, 2, 3, ... elements along an axis.
Tensor prod_along(const Tensor& x, int64_t axis) {
  return narrow(cumprod(x, axis), axis, x.size(axis) - 1, 1);
}

Tensor differs_from_zero(const Tensor& x) { return x.dtype() == DType::boolean ? x : not_equal(x, 0.0); }

/// y = f(x) but `value` where x is 0, with slope 0 there, whatever f does at 0.
template <class F> Tensor apart_from_zero(const Tensor& x, double value, F&& f) {
  const Tensor zero = equal(x, 0.0);
  return masked_fill(f(masked_fill(x, zero, 1)), zero, value);
}

}  // namespace

Tensor prod(const Tensor& x) { return prod(x, detail::every_axis(x.rank())); }
Tensor prod(const Tensor& x, const Axes& axes, bool keepdim) {
  const uint32_t mask = detail::axes_mask("prod", axes, x.rank());
  if (!is_floating(x.dtype())) return detail::integer_prod(x, mask, keepdim);
  if (mask == 0) return x;
  if (detail::reduced_extent(x.shape(), mask) == 0) return sum(x, axes, keepdim) + 1;
  const bool single = axes.list().size() == 1;
  const Tensor product = single ? prod_along(x, axes.list()[0]) : prod_along(reduced_last(x, mask), -1);
  return reshape(product, detail::reduced_shape(x.shape(), mask, keepdim));
}

Tensor all(const Tensor& x) { return all(x, detail::every_axis(x.rank())); }
Tensor all(const Tensor& x, const Axes& axes, bool keepdim) {
  const uint32_t mask = detail::axes_mask("all", axes, x.rank());
  return detail::all_true(differs_from_zero(x), mask, keepdim);
}
Tensor any(const Tensor& x) { return any(x, detail::every_axis(x.rank())); }
Tensor any(const Tensor& x, const Axes& axes, bool keepdim) {
  const uint32_t mask = detail::axes_mask("any", axes, x.rank());
  return detail::any_true(differs_from_zero(x), mask, keepdim);
}
Tensor count_nonzero(const Tensor& x) { return count_nonzero(x, detail::every_axis(x.rank())); }
Tensor count_nonzero(const Tensor& x, const Axes& axes, bool keepdim) {
  const uint32_t mask = detail::axes_mask("count_nonzero", axes, x.rank());
  return detail::integer_sum(differs_from_zero(x), mask, keepdim);
}

Tensor logsumexp(const Tensor& x) { return logsumexp(x, detail::every_axis(x.rank())); }
Tensor logsumexp(const Tensor& x, const Axes& axes, bool keepdim) {
  const uint32_t mask = detail::axes_mask("logsumexp", axes, x.rank());
  check(is_floating(x.dtype()), "[logsumexp] expected a floating dtype, got {}", x);
  const auto log_of = [](const Tensor& total) {
    return apart_from_zero(total, -inf, [](const Tensor& t) { return log(t); });
  };
  if (x.numel() == 0) return log_of(sum(x, axes, keepdim));
  // Any shift gives the same result and gradient, so the largest element is taken as a constant.
  const Tensor largest = max(detach(x), axes, true);
  const Tensor shift = masked_fill(largest, equal(abs(largest), inf), 0);
  const Tensor result = log_of(sum(exp(x - shift), axes, keepdim));
  return result + reshape(shift, detail::reduced_shape(x.shape(), mask, keepdim));
}

Tensor norm(const Tensor& x, double p) { return norm(x, p, detail::every_axis(x.rank())); }
Tensor norm(const Tensor& x, double p, const Axes& axes, bool keepdim) {
  const uint32_t mask = detail::axes_mask("norm", axes, x.rank());
  check(is_floating(x.dtype()), "[norm] expected a floating dtype, got {}", x);
  check(!std::isnan(p), "[norm] expected an order that is a number, got {}", p);
  if (std::isinf(p)) {
    check(detail::reduced_extent(x.shape(), mask) > 0 ||
              detail::reduced_shape(x.shape(), mask, false).numel() == 0,
          "[norm] of order {}: {} has no elements to choose from", p, x);
    return p > 0 ? max(abs(x), axes, keepdim) : min(abs(x), axes, keepdim);
  }
  if (p == 1) return sum(abs(x), axes, keepdim);
  if (p == 2)
    return apart_from_zero(sum(square(x), axes, keepdim), 0, [](const Tensor& total) { return sqrt(total); });
  const double at_zero = p >= 0 ? 0 : inf;
  const Tensor total =
      sum(apart_from_zero(abs(x), at_zero, [p](const Tensor& a) { return pow(a, p); }), axes, keepdim);
  if (p == 0) return total;
  return apart_from_zero(total, at_zero, [p](const Tensor& t) { return pow(t, 1 / p); });
}

}  // namespace reel
