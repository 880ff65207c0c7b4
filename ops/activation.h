// Elementwise functions of one argument: exponentials, trigonometry and the activations of networks. float32,
// float64.
#pragma once

#include <cmath>
#include <numbers>

#include <reel/ops/elementwise/formula.h>

namespace reel {

struct Exp {
  static constexpr std::string_view name = "exp";
  template <class T> static T value(T x) {
    using std::exp;
    return exp(x);
  }
  template <class T> static T slope(T, T y) { return y; }
};

struct Expm1 {
  static constexpr std::string_view name = "expm1";
  template <class T> static T value(T x) {
    using std::expm1;
    return expm1(x);
  }
  template <class T> static T slope(T, T y) { return y + T(1); }
};

struct Log {
  static constexpr std::string_view name = "log";
  template <class T> static T value(T x) {
    using std::log;
    // xsimd takes denormal doubles for normal ones; they are scaled up by 2^54 first. (In float the bound is
    // 0.)
    const auto denormal = x < T(2.2250738585072014e-308);
    return log(select(denormal, x * T(0x1p54), x)) - select(denormal, T(54 * std::numbers::ln2), T(0));
  }
  template <class T> static T slope(T x, T) { return T(1) / x; }
};

struct Log1p {
  static constexpr std::string_view name = "log1p";
  template <class T> static T value(T x) {
    using std::log1p;
    return log1p(x);
  }
  template <class T> static T slope(T x, T) { return T(1) / (x + T(1)); }
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

struct Erf {
  static constexpr std::string_view name = "erf";
  template <class T> static T value(T x) {
    using std::erf;
    // Beyond 10 it is 1 to the last bit, and xsimd's squares would overflow.
    return select(x > T(10), T(1), select(x < T(-10), T(-1), erf(x)));
  }
  template <class T> static T slope(T x, T) {
    using std::exp;
    return T(2 * std::numbers::inv_sqrtpi) * exp(-(x * x));
  }
};

struct Tanh {
  static constexpr std::string_view name = "tanh";
  template <class T> static T value(T x) {
    using std::tanh;
    return tanh(x);
  }
  template <class T> static T slope(T, T y) { return T(1) - y * y; }
};

/// 1 / (1 + exp(-x))
struct Sigmoid {
  static constexpr std::string_view name = "sigmoid";
  template <class T> static T value(T x) {
    using std::exp;
    return T(1) / (T(1) + exp(-x));
  }
  template <class T> static T slope(T, T y) { return y * (T(1) - y); }
};

/// max(x, 0); a nan stays one. The slope at 0 is 0.
struct Relu {
  static constexpr std::string_view name = "relu";
  template <class T> static T value(T x) { return select(x < T(0), T(0), x); }
  template <class T> static T slope(T, T y) { return select(y <= T(0), T(0), T(1)); }
};

namespace detail {

/// 1 / (1 + exp(-x)), written so that neither it nor its derivatives overflow at either end.
template <class T> T safe_sigmoid(const T& x) {
  using reel::select;
  using std::exp;
  const auto negative = x < T(0);
  const T root = exp(select(negative, x, -x) * T(0.5));  // squared, so that it reaches into the denormals
  const T e = root * root;
  return select(negative, e, T(1)) / (T(1) + e);
}

}  // namespace detail

/// log(1 + exp(x)), written so that neither end overflows.
struct Softplus {
  static constexpr std::string_view name = "softplus";
  template <class T> static T value(T x) {
    using std::abs;
    using std::exp;
    using std::log1p;
    return select(x > T(0), x, T(0)) + log1p(exp(-abs(x)));
  }
  template <class T> static T slope(T x, T) { return detail::safe_sigmoid(x); }
};

/// x * sigmoid(x), also known as swish. Ramachandran et al., "Searching for activation functions", 2017.
struct Silu {
  static constexpr std::string_view name = "silu";
  template <class T> static T value(T x) {
    using std::exp;
    return x / (T(1) + exp(-x));
  }
  template <class T> static T slope(T x, T) {
    const T s = detail::safe_sigmoid(x);
    return s * (T(1) + x * (T(1) - s));
  }
};

using ActivationFormulas =
    FormulaList<Exp, Expm1, Log, Log1p, Sin, Cos, Erf, Tanh, Sigmoid, Relu, Softplus, Silu>;

Tensor exp(const Tensor& x);
Tensor expm1(const Tensor& x);  ///< exp(x) - 1, exact near 0.
Tensor log(const Tensor& x);
Tensor log1p(const Tensor& x);  ///< log(1 + x), exact near 0.
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor relu(const Tensor& x);
Tensor softplus(const Tensor& x);
Tensor silu(const Tensor& x);

}  // namespace reel
