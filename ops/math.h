// Elementwise functions of mathematics: logarithms to other bases, trigonometry, hyperbolic functions and their
// inverses, the error function. exp, log and tanh stand with the activations. float32, float64.
#pragma once

#include <cmath>
#include <numbers>

#include <reel/ops/elementwise/formula.h>

namespace reel {

namespace detail {

/// `logarithm` of x, where xsimd takes denormal doubles for normal ones: they are scaled up by 2^54 first, and `shift`,
/// the logarithm of 2^54, taken away. (In float the bound is 0.)
template <class T, class F> T log_of_any(const T& x, double shift, F logarithm) {
  using reel::select;
  const auto denormal = x < T(2.2250738585072014e-308);
  return logarithm(select(denormal, x * T(0x1p54), x)) - select(denormal, T(shift), T(0));
}

}  // namespace detail

struct Log2 {
  static constexpr std::string_view name = "log2";
  template <class T> static T value(T x) {
    using std::log2;
    return detail::log_of_any(x, 54, [](const T& v) { return log2(v); });
  }
  template <class T> static T slope(T x, T) { return T(std::numbers::log2e) / x; }
};

struct Log10 {
  static constexpr std::string_view name = "log10";
  template <class T> static T value(T x) {
    using std::log10;
    return detail::log_of_any(x, 54 * std::numbers::ln2 / std::numbers::ln10,
                              [](const T& v) { return log10(v); });
  }
  template <class T> static T slope(T x, T) { return T(std::numbers::log10e) / x; }
};

struct Sin {
  static constexpr std::string_view name = "sin";
  template <class T> static T value(T x) {
    using std::sin;
    return sin(x);
  }
  template <class T> static T slope(T x, T) {
    using std::cos;
    return cos(x);
  }
};

struct Cos {
  static constexpr std::string_view name = "cos";
  template <class T> static T value(T x) {
    using std::cos;
    return cos(x);
  }
  template <class T> static T slope(T x, T) {
    using std::sin;
    return -sin(x);
  }
};

struct Tan {
  static constexpr std::string_view name = "tan";
  template <class T> static T value(T x) {
    using std::tan;
    return tan(x);
  }
  template <class T> static T slope(T, T y) { return T(1) + y * y; }
};

struct Asin {
  static constexpr std::string_view name = "asin";
  template <class T> static T value(T x) {
    using std::asin;
    return asin(x);
  }
  template <class T> static T slope(T x, T) {
    using std::sqrt;
    return T(1) / sqrt((T(1) - x) * (T(1) + x));
  }
};

struct Acos {
  static constexpr std::string_view name = "acos";
  template <class T> static T value(T x) {
    using std::acos;
    return acos(x);
  }
  template <class T> static T slope(T x, T) {
    using std::sqrt;
    return T(-1) / sqrt((T(1) - x) * (T(1) + x));
  }
};

struct Atan {
  static constexpr std::string_view name = "atan";
  template <class T> static T value(T x) {
    using std::atan;
    return atan(x);
  }
  template <class T> static T slope(T x, T) { return T(1) / (T(1) + x * x); }
};

/// The angle of the point (b, a), in (-pi, pi]. The slopes at the origin are 0.
struct Atan2 {
  static constexpr std::string_view name = "atan2";
  template <class T> static T value(T a, T b) { return detail::angle(a, b); }
  template <class T> static T slope0(T a, T b, T) { return b / square(a, b); }
  template <class T> static T slope1(T a, T b, T) { return -a / square(a, b); }

 private:
  template <class T> static T square(const T& a, const T& b) {
    const T sum = a * a + b * b;
    return select(sum == T(0), T(1), sum);
  }
};

struct Sinh {
  static constexpr std::string_view name = "sinh";
  template <class T> static T value(T x) {
    using std::sinh;
    return sinh(x);
  }
  template <class T> static T slope(T x, T) {
    using std::cosh;
    return cosh(x);
  }
};

struct Cosh {
  static constexpr std::string_view name = "cosh";
  template <class T> static T value(T x) {
    using std::cosh;
    return cosh(x);
  }
  template <class T> static T slope(T x, T) {
    using std::sinh;
    return sinh(x);
  }
};

struct Asinh {
  static constexpr std::string_view name = "asinh";
  template <class T> static T value(T x) {
    using std::asinh;
    return asinh(x);
  }
  template <class T> static T slope(T x, T) {
    using std::sqrt;
    return T(1) / sqrt(x * x + T(1));
  }
};

/// nan below 1.
struct Acosh {
  static constexpr std::string_view name = "acosh";
  template <class T> static T value(T x) {
    using std::acosh;
    return select(x < T(1), T(std::numeric_limits<double>::quiet_NaN()),
                  acosh(x));  // far below, xsimd gives 0
  }
  template <class T> static T slope(T x, T) {
    using std::sqrt;
    return T(1) / (sqrt(x - T(1)) * sqrt(x + T(1)));  // a product under one root would be positive below -1
  }
};

struct Atanh {
  static constexpr std::string_view name = "atanh";
  template <class T> static T value(T x) {
    using std::atanh;
    return atanh(x);
  }
  template <class T> static T slope(T x, T) { return T(1) / ((T(1) - x) * (T(1) + x)); }
};

struct Erf {
  static constexpr std::string_view name = "erf";
  template <class T> static T value(T x) { return detail::error_function(x); }
  template <class T> static T slope(T x, T) {
    using std::exp;
    return T(2 * std::numbers::inv_sqrtpi) * exp(-(x * x));
  }
};

/// 1 - erf(x), exact where it is small.
struct Erfc {
  static constexpr std::string_view name = "erfc";
  template <class T> static T value(T x) { return detail::complementary_error_function(x); }
  template <class T> static T slope(T x, T) {
    using std::exp;
    return T(-2 * std::numbers::inv_sqrtpi) * exp(-(x * x));
  }
};

/// sqrt(a^2 + b^2) without overflow. The slopes at the origin are 0.
struct Hypot {
  static constexpr std::string_view name = "hypot";
  template <class T> static T value(T a, T b) { return detail::length(a, b); }
  template <class T> static T slope0(T a, T, T y) { return a / select(y == T(0), T(1), y); }
  template <class T> static T slope1(T, T b, T y) { return b / select(y == T(0), T(1), y); }
};

using MathFormulas = FormulaList<Log2, Log10, Sin, Cos, Tan, Asin, Acos, Atan, Atan2, Sinh, Cosh, Asinh,
                                 Acosh, Atanh, Erf, Erfc, Hypot>;
template <class F>
requires detail::is_listed<F, MathFormulas>
inline constexpr bool detail::in_library<F> = true;

Tensor log2(const Tensor& x);
Tensor log10(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tan(const Tensor& x);
Tensor asin(const Tensor& x);
Tensor acos(const Tensor& x);
Tensor atan(const Tensor& x);
Tensor atan2(const Tensor& a, const Tensor& b);  ///< The angle of the point (b, a), in (-pi, pi].
Tensor sinh(const Tensor& x);
Tensor cosh(const Tensor& x);
Tensor asinh(const Tensor& x);
Tensor acosh(const Tensor& x);
Tensor atanh(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor erfc(const Tensor& x);                    ///< 1 - erf(x), exact where it is small.
Tensor hypot(const Tensor& a, const Tensor& b);  ///< sqrt(a^2 + b^2) without overflow.

}  // namespace reel
