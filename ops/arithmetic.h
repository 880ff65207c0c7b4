// Elementwise arithmetic: formulas, functions and operators. All broadcast as in NumPy; a scalar takes the
// dtype of the tensor beside it. float32, float64 and, where the formula says so, int64.
#pragma once

#include <cmath>

#include <reel/ops/elementwise/formula.h>

namespace reel {

struct Add {
  static constexpr std::string_view name = "add";
  static constexpr bool integers = true;
  static constexpr bool folds = true;
  template <class T> static T value(T a, T b) { return a + b; }
  template <class T> static T slope0(T, T, T) { return T(1); }
  template <class T> static T slope1(T, T, T) { return T(1); }
};

struct Sub {
  static constexpr std::string_view name = "sub";
  static constexpr bool integers = true;
  template <class T> static T value(T a, T b) { return a - b; }
  template <class T> static T slope0(T, T, T) { return T(1); }
  template <class T> static T slope1(T, T, T) { return T(-1); }
};

struct Mul {
  static constexpr std::string_view name = "mul";
  static constexpr bool integers = true;
  static constexpr bool folds = true;
  template <class T> static T value(T a, T b) { return a * b; }
  template <class T> static T slope0(T, T b, T) { return b; }
  template <class T> static T slope1(T a, T, T) { return a; }
};

struct Div {
  static constexpr std::string_view name = "div";
  template <class T> static T value(T a, T b) { return a / b; }
  template <class T> static T slope0(T, T b, T) { return T(1) / b; }
  template <class T> static T slope1(T, T b, T y) { return -y / b; }
};

/// a^b. Where a = 0 and b >= 0 the slope to b is taken as 0.
struct Pow {
  static constexpr std::string_view name = "pow";
  template <class T> static T value(T a, T b) { return detail::power(a, b); }
  template <class T> static T slope0(T a, T b, T) {
    return select(b == T(0), T(0), b * detail::power(a, b - T(1)));
  }
  template <class T> static T slope1(T a, T b, T y) {
    using std::log;
    return select((a == T(0)) & (b >= T(0)), T(0), y * log(a));
  }
};

namespace detail {

/// The larger one, a at a tie; a nan wins. Batches have their own.
template <class T> T larger(const T& a, const T& b) {
  using reel::select;
  return select(a == a, select(a >= b, a, b), a);
}
/// The smaller one, likewise.
template <class T> T smaller(const T& a, const T& b) {
  using reel::select;
  return select(a == a, select(a <= b, a, b), a);
}

}  // namespace detail

/// The larger one; a nan wins; at a tie each side gets half of the gradient.
struct Maximum {
  static constexpr std::string_view name = "maximum";
  static constexpr bool integers = true;
  static constexpr bool folds = true;
  template <class T> static T value(T a, T b) {
    using detail::larger;
    return larger(a, b);
  }
  template <class T> static T slope0(T a, T b, T) {
    return select(a == b, T(0.5), select(a < b, T(0), T(1)));
  }
  template <class T> static T slope1(T a, T b, T) {
    return select(a == b, T(0.5), select(a > b, T(0), T(1)));
  }
};

/// The smaller one; a nan wins; at a tie each side gets half of the gradient.
struct Minimum {
  static constexpr std::string_view name = "minimum";
  static constexpr bool integers = true;
  static constexpr bool folds = true;
  template <class T> static T value(T a, T b) {
    using detail::smaller;
    return smaller(a, b);
  }
  template <class T> static T slope0(T a, T b, T) {
    return select(a == b, T(0.5), select(a > b, T(0), T(1)));
  }
  template <class T> static T slope1(T a, T b, T) {
    return select(a == b, T(0.5), select(a < b, T(0), T(1)));
  }
};

struct Neg {
  static constexpr std::string_view name = "neg";
  static constexpr bool integers = true;
  template <class T> static T value(T x) { return -x; }
  template <class T> static T slope(T, T) { return T(-1); }
};

/// x + s
struct AddScalar {
  static constexpr std::string_view name = "add_scalar";
  static constexpr bool integers = true;
  double s;
  template <class T> T value(T x) const { return x + T(s); }
  template <class T> T slope(T, T) const { return T(1); }
};

/// x * s
struct MulScalar {
  static constexpr std::string_view name = "mul_scalar";
  static constexpr bool integers = true;
  double s;
  template <class T> T value(T x) const { return x * T(s); }
  template <class T> T slope(T, T) const { return T(s); }
};

/// s - x
struct SubFromScalar {
  static constexpr std::string_view name = "sub_from_scalar";
  static constexpr bool integers = true;
  double s;
  template <class T> T value(T x) const { return T(s) - x; }
  template <class T> T slope(T, T) const { return T(-1); }
};

/// x / s
struct DivScalar {
  static constexpr std::string_view name = "div_scalar";
  double s;
  template <class T> T value(T x) const { return x / T(s); }
  template <class T> T slope(T, T) const { return T(1) / T(s); }
};

/// s / x
struct DivIntoScalar {
  static constexpr std::string_view name = "div_into_scalar";
  double s;
  template <class T> T value(T x) const { return T(s) / x; }
  template <class T> T slope(T x, T y) const { return -y / x; }
};

/// x^s
struct PowScalar {
  static constexpr std::string_view name = "pow_scalar";
  double s;
  template <class T> T value(T x) const { return s == 2 ? x * x : detail::power(x, T(s)); }
  template <class T> T slope(T x, T) const {
    return s == 0 ? T(0) : s == 1 ? T(1) : s == 2 ? T(2) * x : T(s) * detail::power(x, T(s - 1));
  }
};

/// s^x. Where s = 0 and x >= 0 the slope is taken as 0.
struct PowOfScalar {
  static constexpr std::string_view name = "pow_of_scalar";
  double s;
  template <class T> T value(T x) const { return detail::power(T(s), x); }
  template <class T> T slope(T x, T y) const {
    using std::log;
    return s == 0 ? select(x >= T(0), T(0), y * T(log(s))) : y * T(log(s));
  }
};

/// a + w (b - a), computed from the nearer end.
struct Lerp {
  static constexpr std::string_view name = "lerp";
  template <class T> static T value(T a, T b, T w) {
    return select(w < T(0.5), a + w * (b - a), b - (b - a) * (T(1) - w));
  }
  template <class T> static T slope0(T, T, T w, T) { return T(1) - w; }
  template <class T> static T slope1(T, T, T w, T) { return w; }
  template <class T> static T slope2(T a, T b, T, T) { return b - a; }
};

/// a + s (b - a), computed from the nearer end.
struct LerpScalar {
  static constexpr std::string_view name = "lerp_scalar";
  double s;
  template <class T> T value(T a, T b) const { return s < 0.5 ? a + T(s) * (b - a) : b - (b - a) * T(1 - s); }
  template <class T> T slope0(T, T, T) const { return T(1 - s); }
  template <class T> T slope1(T, T, T) const { return T(s); }
};

struct Abs {
  static constexpr std::string_view name = "abs";
  static constexpr bool integers = true;
  template <class T> static T value(T x) {
    using std::abs;
    return abs(x);
  }
  template <class T> static T slope(T x, T) { return select(x > T(0), T(1), select(x < T(0), T(-1), T(0))); }
};

/// -1, 0 or 1; 0 for a nan.
struct Sign {
  static constexpr std::string_view name = "sign";
  static constexpr bool integers = true;
  template <class T> static T value(T x) { return select(x > T(0), T(1), select(x < T(0), T(-1), T(0))); }
  template <class T> static T slope(T, T) { return T(0); }
};

struct Square {
  static constexpr std::string_view name = "square";
  static constexpr bool integers = true;
  template <class T> static T value(T x) { return x * x; }
  template <class T> static T slope(T x, T) { return T(2) * x; }
};

struct Sqrt {
  static constexpr std::string_view name = "sqrt";
  template <class T> static T value(T x) {
    using std::sqrt;
    return sqrt(x);
  }
  template <class T> static T slope(T, T y) { return T(0.5) / y; }
};

/// 1 / sqrt(x)
struct Rsqrt {
  static constexpr std::string_view name = "rsqrt";
  template <class T> static T value(T x) {
    using std::sqrt;
    return T(1) / sqrt(x);
  }
  template <class T> static T slope(T, T y) { return T(-0.5) * y * y * y; }
};

struct Reciprocal {
  static constexpr std::string_view name = "reciprocal";
  template <class T> static T value(T x) { return T(1) / x; }
  template <class T> static T slope(T, T y) { return -(y * y); }
};

using ArithmeticFormulas = FormulaList<Add, Sub, Mul, Div, Pow, Maximum, Minimum, Neg, AddScalar, MulScalar,
                                       SubFromScalar, DivScalar, DivIntoScalar, PowScalar, PowOfScalar, Lerp,
                                       LerpScalar, Abs, Sign, Square, Sqrt, Rsqrt, Reciprocal>;
template <class F>
requires detail::is_listed<F, ArithmeticFormulas>
inline constexpr bool detail::in_library<F> = true;

Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator/(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& x);
Tensor operator+(const Tensor& x, double s);
Tensor operator+(double s, const Tensor& x);
Tensor operator-(const Tensor& x, double s);
Tensor operator-(double s, const Tensor& x);
Tensor operator*(const Tensor& x, double s);
Tensor operator*(double s, const Tensor& x);
Tensor operator/(const Tensor& x, double s);
Tensor operator/(double s, const Tensor& x);
Tensor& operator+=(Tensor& a, const Tensor& b);  ///< a = a + b: a new value, recorded like any other.
Tensor& operator-=(Tensor& a, const Tensor& b);
Tensor& operator*=(Tensor& a, const Tensor& b);
Tensor& operator/=(Tensor& a, const Tensor& b);
Tensor& operator+=(Tensor& x, double s);
Tensor& operator-=(Tensor& x, double s);
Tensor& operator*=(Tensor& x, double s);
Tensor& operator/=(Tensor& x, double s);

Tensor pow(const Tensor& a, const Tensor& b);
Tensor pow(const Tensor& x, double exponent);
Tensor pow(double base, const Tensor& x);
/// a + weight (b - a)
Tensor lerp(const Tensor& a, const Tensor& b, double weight);
Tensor lerp(const Tensor& a, const Tensor& b, const Tensor& weight);
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);
Tensor abs(const Tensor& x);
Tensor sign(const Tensor& x);
Tensor square(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor rsqrt(const Tensor& x);       ///< 1 / sqrt(x)
Tensor reciprocal(const Tensor& x);  ///< 1 / x

}  // namespace reel
