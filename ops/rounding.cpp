#include "ops/rounding.h"

#include <algorithm>

#include "ops/elementwise/scalars.h"

namespace reel {
namespace {

/// Integers have no infinity to be the result of a division by 0.
void check_divisor(std::string_view op, const Tensor& b) {
  if (b.dtype() != DType::int64) return;
  const Tensor values = detail::contiguous_values(b);
  const int64_t* end = values.data<int64_t>() + values.numel();
  check(std::find(values.data<int64_t>(), end, 0) == end, "[{}] expected no divisor to be 0, got one in {}",
        op, b);
}

template <class F> Tensor divide(const Tensor& a, const Tensor& b) {
  check_divisor(F::name, b);
  return apply(F{}, a, b);
}
template <class F> Tensor divide(const Tensor& a, double b) {
  return divide<F>(a, detail::beside(F::name, a, b));
}
template <class F> Tensor divide(double a, const Tensor& b) {
  return divide<F>(detail::beside(F::name, b, a), b);
}

}  // namespace

Tensor floor(const Tensor& x) { return apply(Floor{}, x); }
Tensor ceil(const Tensor& x) { return apply(Ceil{}, x); }
Tensor round(const Tensor& x) { return apply(Round{}, x); }
Tensor trunc(const Tensor& x) { return apply(Trunc{}, x); }
Tensor fmod(const Tensor& a, const Tensor& b) { return divide<Fmod>(a, b); }
Tensor fmod(const Tensor& a, double b) { return divide<Fmod>(a, b); }
Tensor fmod(double a, const Tensor& b) { return divide<Fmod>(a, b); }
Tensor remainder(const Tensor& a, const Tensor& b) { return divide<Remainder>(a, b); }
Tensor remainder(const Tensor& a, double b) { return divide<Remainder>(a, b); }
Tensor remainder(double a, const Tensor& b) { return divide<Remainder>(a, b); }
Tensor floor_divide(const Tensor& a, const Tensor& b) { return divide<FloorDivide>(a, b); }
Tensor floor_divide(const Tensor& a, double b) { return divide<FloorDivide>(a, b); }
Tensor floor_divide(double a, const Tensor& b) { return divide<FloorDivide>(a, b); }

Tensor clamp(const Tensor& x, const ClampOptions& bounds) {
  const auto [min, max] = bounds;
  check(min == min && max == max, "[clamp] bounds that are numbers expected, got {} and {}", min, max);
  if (x.dtype() != DType::int64) return apply(Clamp{min, max}, x);
  // A bound left out is no int64.
  const Tensor raised = std::isinf(min) && min < 0 ? x : clamp_min(x, min);
  return std::isinf(max) && max > 0 ? raised : clamp_max(raised, max);
}
Tensor clamp(const Tensor& x, double min, double max) { return clamp(x, {.min = min, .max = max}); }
Tensor clamp(const Tensor& x, const Tensor& min, const Tensor& max) {
  check(min.defined() || max.defined(), "[clamp] at least one bound expected, got two undefined tensors");
  const Tensor raised = min.defined() ? clamp_min(x, min) : x;
  return max.defined() ? clamp_max(raised, max) : raised;
}
Tensor clamp_min(const Tensor& x, const Tensor& min) { return apply(ClampMin{}, x, min); }
Tensor clamp_min(const Tensor& x, double min) {
  return is_floating(x.dtype()) ? clamp(x, {.min = min}) : clamp_min(x, detail::beside("clamp_min", x, min));
}
Tensor clamp_max(const Tensor& x, const Tensor& max) { return apply(ClampMax{}, x, max); }
Tensor clamp_max(const Tensor& x, double max) {
  return is_floating(x.dtype()) ? clamp(x, {.max = max}) : clamp_max(x, detail::beside("clamp_max", x, max));
}

Tensor nan_to_num(const Tensor& x, const NanToNumOptions& options) {
  const double largest =
      x.dtype() == DType::float32 ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
  return apply(NanToNum{.nan = options.nan,
                        .positive = std::isinf(options.posinf) ? largest : options.posinf,
                        .negative = std::isinf(options.neginf) ? -largest : options.neginf},
               x);
}

}  // namespace reel
