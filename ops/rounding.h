// Elementwise ops that make numbers whole or keep them within bounds: rounding, division with remainder, clamping.
// float32, float64 and int64; all broadcast.
#pragma once

#include <cmath>
#include <limits>

#include <reel/ops/elementwise/formula.h>

namespace reel {

namespace detail {

/// The whole number below a / b; for integers 0 where b is 0. What it differs from floor(a / b) in: that quotient may
/// be rounded up to a whole number.
template <class T> T floor_quotient(const T& a, const T& b) {
  using reel::select;
  using std::floor;
  const T left = modulus(a, b);
  const auto opposite = ((left < T(0)) & (b > T(0))) | ((left > T(0)) & (b < T(0)));
  if constexpr (std::is_integral_v<T>) {
    if (b == 0) return 0;
    if (b == -1) return static_cast<T>(0 - static_cast<std::make_unsigned_t<T>>(a));
    return a / b - T(opposite);
  } else {
    const T near = (a - left) / b - select(opposite, T(1), T(0));  // whole but for rounding
    const T below = floor(near);
    return select(b == T(0), a / b, select(near - below > T(0.5), below + T(1), below));
  }
}

}  // namespace detail

struct Floor {
  static constexpr std::string_view name = "floor";
  static constexpr bool integers = true;
  template <class T> static T value(T x) {
    using std::floor;
    if constexpr (std::is_integral_v<T>)
      return x;
    else
      return floor(x);
  }
  template <class T> static T slope(T, T) { return T(0); }
};

struct Ceil {
  static constexpr std::string_view name = "ceil";
  static constexpr bool integers = true;
  template <class T> static T value(T x) {
    using std::ceil;
    if constexpr (std::is_integral_v<T>)
      return x;
    else
      return ceil(x);
  }
  template <class T> static T slope(T, T) { return T(0); }
};

/// To the nearest whole number, halves to the even one.
struct Round {
  static constexpr std::string_view name = "round";
  static constexpr bool integers = true;
  template <class T> static T value(T x) {
    using std::nearbyint;
    if constexpr (std::is_integral_v<T>)
      return x;
    else
      return nearbyint(x);
  }
  template <class T> static T slope(T, T) { return T(0); }
};

/// To the next whole number towards 0.
struct Trunc {
  static constexpr std::string_view name = "trunc";
  static constexpr bool integers = true;
  template <class T> static T value(T x) {
    using std::trunc;
    if constexpr (std::is_integral_v<T>)
      return x;
    else
      return trunc(x);
  }
  template <class T> static T slope(T, T) { return T(0); }
};

/// a - b trunc(a / b)
struct Fmod {
  static constexpr std::string_view name = "fmod";
  static constexpr bool integers = true;
  template <class T> static T value(T a, T b) { return detail::modulus(a, b); }
  template <class T> static T slope0(T, T, T) { return T(1); }
  template <class T> static T slope1(T a, T b, T y) {
    using std::nearbyint;
    return -nearbyint((a - y) / b);  // trunc(a / b) may be one more, that quotient being rounded
  }
};

/// a - b floor(a / b)
struct Remainder {
  static constexpr std::string_view name = "remainder";
  static constexpr bool integers = true;
  template <class T> static T value(T a, T b) {
    const T left = detail::modulus(a, b);
    return select(((left < T(0)) & (b > T(0))) | ((left > T(0)) & (b < T(0))), left + b, left);
  }
  template <class T> static T slope0(T, T, T) { return T(1); }
  template <class T> static T slope1(T a, T b, T) { return -detail::floor_quotient(a, b); }
};

/// floor(a / b)
struct FloorDivide {
  static constexpr std::string_view name = "floor_divide";
  static constexpr bool integers = true;
  template <class T> static T value(T a, T b) { return detail::floor_quotient(a, b); }
  template <class T> static T slope0(T, T, T) { return T(0); }
  template <class T> static T slope1(T, T, T) { return T(0); }
};

/// min(max(x, low), high); at a bound the slope is 1.
struct Clamp {
  static constexpr std::string_view name = "clamp";
  double low, high;
  template <class T> T value(T x) const {
    const T raised = select(x < T(low), T(low), x);
    return select(raised > T(high), T(high), raised);
  }
  template <class T> T slope(T x, T) const { return select((x >= T(low)) & (x <= T(high)), T(1), T(0)); }
};

/// The larger of x and the bound; a nan wins; at a tie x gets the gradient.
struct ClampMin {
  static constexpr std::string_view name = "clamp_min";
  static constexpr bool integers = true;
  template <class T> static T value(T x, T low) {
    return select(low == low, select(x < low, low, x), select(x == x, low, x));
  }
  template <class T> static T slope0(T x, T low, T) { return select(x >= low, T(1), T(0)); }
  template <class T> static T slope1(T x, T low, T) { return select(x < low, T(1), T(0)); }
};

/// The smaller of x and the bound; a nan wins; at a tie x gets the gradient.
struct ClampMax {
  static constexpr std::string_view name = "clamp_max";
  static constexpr bool integers = true;
  template <class T> static T value(T x, T high) {
    return select(high == high, select(x > high, high, x), select(x == x, high, x));
  }
  template <class T> static T slope0(T x, T high, T) { return select(x <= high, T(1), T(0)); }
  template <class T> static T slope1(T x, T high, T) { return select(x > high, T(1), T(0)); }
};

/// Finite numbers; nan and the infinities become attributes.
struct NanToNum {
  static constexpr std::string_view name = "nan_to_num";
  double nan, positive, negative;
  template <class T> T value(T x) const {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    return select(x == x, select(x == T(infinity), T(positive), select(x == T(-infinity), T(negative), x)),
                  T(nan));
  }
  template <class T> T slope(T x, T) const {
    using std::abs;
    return select(abs(x) < T(std::numeric_limits<double>::infinity()), T(1), T(0));
  }
};

using RoundingFormulas =
    FormulaList<Floor, Ceil, Round, Trunc, Fmod, Remainder, FloorDivide, Clamp, ClampMin, ClampMax, NanToNum>;
template <class F>
requires detail::is_listed<F, RoundingFormulas>
inline constexpr bool detail::in_library<F> = true;

Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
Tensor round(const Tensor& x);  ///< To the nearest whole number, halves to the even one.
Tensor trunc(const Tensor& x);  ///< To the next whole number towards 0.

/// What division leaves, with the sign of a: -7 and 3 give -1. Throws for an int64 0 as divisor, as do the next two.
Tensor fmod(const Tensor& a, const Tensor& b);
Tensor fmod(const Tensor& a, double b);
Tensor fmod(double a, const Tensor& b);
/// What division leaves, with the sign of b: -7 and 3 give 2.
Tensor remainder(const Tensor& a, const Tensor& b);
Tensor remainder(const Tensor& a, double b);
Tensor remainder(double a, const Tensor& b);
/// The whole number at or below a / b: -7 and 3 give -3. Its slopes are 0.
Tensor floor_divide(const Tensor& a, const Tensor& b);
Tensor floor_divide(const Tensor& a, double b);
Tensor floor_divide(double a, const Tensor& b);

/// x kept within bounds, of which each may be left out: clamp(x, {.min = 0}). Where min > max, max wins. A gradient
/// passes at a bound and not beyond it.
struct ClampOptions {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
};
Tensor clamp(const Tensor& x, const ClampOptions& bounds);
Tensor clamp(const Tensor& x, double min, double max);
/// Bounds that broadcast with x; either may be undefined, not both. They get the gradient where they took x's place.
Tensor clamp(const Tensor& x, const Tensor& min, const Tensor& max);
Tensor clamp_min(const Tensor& x, double min);
Tensor clamp_min(const Tensor& x, const Tensor& min);
Tensor clamp_max(const Tensor& x, double max);
Tensor clamp_max(const Tensor& x, const Tensor& max);

/// What takes the place of nan and of the infinities; those are the largest finite numbers of the dtype unless given.
struct NanToNumOptions {
  double nan = 0;
  double posinf = std::numeric_limits<double>::infinity();
  double neginf = -std::numeric_limits<double>::infinity();
};
Tensor nan_to_num(const Tensor& x, const NanToNumOptions& options = {});

}  // namespace reel
