// Elementwise exponentials and the activations of networks. float32, float64.
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
    return log(x);
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

struct Tanh {
  static constexpr std::string_view name = "tanh";
  template <class T> static T value(T x) {
    using std::tanh;
    return tanh(x);
  }
  template <class T> static T slope(T, T y) { return T(1) - y * y; }
};

namespace detail {

/// 1 / (1 + exp(-x)), by exp of what is not above 0: nothing overflows, and the denormals are reached. Float batches
/// have their own.
template <class T> T logistic(const T& x) {
  using reel::select;
  using std::exp;
  const auto negative = x < T(0);
  const T e = exp(select(negative, x, -x));
  return select(negative, e, T(1)) / (T(1) + e);
}

}  // namespace detail

/// 1 / (1 + exp(-x))
struct Sigmoid {
  static constexpr std::string_view name = "sigmoid";
  template <class T> static T value(T x) {
    using detail::logistic;
    return logistic(x);
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

/// log(exp(a) + exp(b)), written so that it does not overflow.
struct LogAddExp {
  static constexpr std::string_view name = "logaddexp";
  template <class T> static T value(T a, T b) {
    using std::abs;
    using std::exp;
    using std::log1p;
    return select(a > b, a, b) + log1p(exp(-abs(gap(a, b))));
  }
  template <class T> static T slope0(T a, T b, T) { return detail::safe_sigmoid(gap(a, b)); }
  template <class T> static T slope1(T a, T b, T) { return detail::safe_sigmoid(gap(b, a)); }

 private:
  /// a - b, and 0 between equal infinities.
  template <class T> static T gap(const T& a, const T& b) { return select(a == b, T(0), a - b); }
};

/// log(sigmoid(x)), written so that neither end overflows.
struct LogSigmoid {
  static constexpr std::string_view name = "log_sigmoid";
  template <class T> static T value(T x) {
    using std::abs;
    using std::exp;
    using std::log1p;
    return select(x < T(0), x, T(0)) - log1p(exp(-abs(x)));
  }
  template <class T> static T slope(T x, T) { return detail::safe_sigmoid(-x); }
};

/// x above 0, s x elsewhere.
struct LeakyRelu {
  static constexpr std::string_view name = "leaky_relu";
  double s;
  template <class T> T value(T x) const { return select(x > T(0), x, T(s) * x); }
  template <class T> T slope(T x, T) const { return select(x > T(0), T(1), T(s)); }
};

/// x above t, v up to it; a nan stays one.
struct Threshold {
  static constexpr std::string_view name = "threshold";
  double t, v;
  template <class T> T value(T x) const { return select(x <= T(t), T(v), x); }
  template <class T> T slope(T x, T) const { return select(x <= T(t), T(0), T(1)); }
};

namespace detail {

/// min(x, 0): what exponential branches take, so that they do not overflow where they are not chosen.
template <class T> T negative_part(const T& x) {
  using reel::select;
  return select(x > T(0), T(0), x);
}

}  // namespace detail

/// x above 0, s (exp(x) - 1) elsewhere. Clevert et al., "Fast and accurate deep network learning by exponential
/// linear units", 2016.
struct Elu {
  static constexpr std::string_view name = "elu";
  double s;
  template <class T> T value(T x) const {
    using std::expm1;
    return select(x > T(0), x, T(s) * expm1(detail::negative_part(x)));
  }
  template <class T> T slope(T x, T) const {
    using std::exp;
    return select(x > T(0), T(1), T(s) * exp(detail::negative_part(x)));
  }
};

/// scale (x above 0, alpha (exp(x) - 1) elsewhere), with the constants that keep mean 0 and variance 1. Klambauer et
/// al., "Self-normalizing neural networks", 2017.
struct Selu {
  static constexpr std::string_view name = "selu";
  static constexpr double alpha = 1.6732632423543772848170429916717;
  static constexpr double scale = 1.0507009873554804934193349852946;
  template <class T> static T value(T x) {
    using std::expm1;
    return select(x > T(0), T(scale) * x, T(scale * alpha) * expm1(detail::negative_part(x)));
  }
  template <class T> static T slope(T x, T) {
    using std::exp;
    return select(x > T(0), T(scale), T(scale * alpha) * exp(detail::negative_part(x)));
  }
};

/// x above 0, s (exp(x / s) - 1) elsewhere, whose slope is 1 at 0 for every s. Barron, "Continuously differentiable
/// exponential linear units", 2017.
struct Celu {
  static constexpr std::string_view name = "celu";
  double s;
  template <class T> T value(T x) const {
    using std::expm1;
    return select(x > T(0), x, T(s) * expm1(detail::negative_part(x) / T(s)));
  }
  template <class T> T slope(T x, T) const {
    using std::exp;
    return select(x > T(0), T(1), exp(detail::negative_part(x) / T(s)));
  }
};

/// x Phi(x), Phi the distribution function of the normal distribution. Hendrycks and Gimpel, "Gaussian error linear
/// units", 2016.
struct Gelu {
  static constexpr std::string_view name = "gelu";
  template <class T> static T value(T x) { return x * probability(x); }
  template <class T> static T slope(T x, T) {
    using std::exp;
    constexpr double density = 0.5 * std::numbers::inv_sqrtpi * std::numbers::sqrt2;  // 1 / sqrt(2 pi)
    return probability(x) + T(density) * x * exp(T(-0.5) * x * x);
  }

 private:
  template <class T> static T probability(const T& x) {
    return T(0.5) * detail::complementary_error_function(x * T(-0.5 * std::numbers::sqrt2));
  }
};

/// The same paper's approximation: x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3), which is
/// x sigmoid(2 u).
struct GeluTanh {
  static constexpr std::string_view name = "gelu_tanh";
  static constexpr double linear = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  static constexpr double cubic = 0.044715 * linear;
  template <class T> static T value(T x) {
    return x * detail::safe_sigmoid(x * (T(linear) + T(cubic) * x * x));
  }
  template <class T> static T slope(T x, T) {
    // Beyond 30 the sigmoid is 0 or 1 to the last bit, and powers of x would overflow.
    const T near = select(x > T(30), T(30), select(x < T(-30), T(-30), x));
    const T square = near * near;
    const T s = detail::safe_sigmoid(near * (T(linear) + T(cubic) * square));
    return s * (T(1) + near * (T(1) - s) * (T(linear) + T(3 * cubic) * square));
  }
};

/// x tanh(softplus(x)). Misra, "Mish: a self regularized non-monotonic activation function", 2019.
struct Mish {
  static constexpr std::string_view name = "mish";
  template <class T> static T value(T x) {
    const auto [above, below] = parts(x);
    return x * (above / (above + below));
  }
  template <class T> static T slope(T x, T) {
    const auto [above, below] = parts(x);
    const T w = above / (above + below), rest = below / (above + below);  // the latter is 1 - w
    return w + x * detail::safe_sigmoid(x) * rest * (T(1) + w);
  }

 private:
  template <class T> struct Parts { T above, below; };
  /// With e = exp(x), tanh(log(1 + e)) is (e^2 + 2 e) / (e^2 + 2 e + 2); above 0, by powers of exp(-x).
  template <class T> static Parts<T> parts(const T& x) {
    using std::abs;
    using std::exp;
    const auto negative = x < T(0);
    const T root = exp(abs(x) * T(-0.5));  // squared, so that it reaches into the denormals
    const T e = root * root;
    return {select(negative, e * (e + T(2)), T(1) + T(2) * e), select(negative, T(2), T(2) * e * e)};
  }
};

/// x within the bounds; the slope at them is 0.
struct Hardtanh {
  static constexpr std::string_view name = "hardtanh";
  double low, high;
  template <class T> T value(T x) const {
    const T raised = select(x < T(low), T(low), x);
    return select(raised > T(high), T(high), raised);
  }
  template <class T> T slope(T x, T) const { return select((x > T(low)) & (x < T(high)), T(1), T(0)); }
};

namespace detail {

/// A straight line from 0 at -3 to 1 at 3.
template <class T> T straight_sigmoid(const T& x) {
  using reel::select;
  return select(x <= T(-3), T(0), select(x >= T(3), T(1), (x + T(3)) / T(6)));
}

}  // namespace detail

/// A straight line from 0 at -3 to 1 at 3; the slope at the kinks is 0.
struct Hardsigmoid {
  static constexpr std::string_view name = "hardsigmoid";
  template <class T> static T value(T x) { return detail::straight_sigmoid(x); }
  template <class T> static T slope(T x, T) { return select((x > T(-3)) & (x < T(3)), T(1.0 / 6), T(0)); }
};

/// x hardsigmoid(x). Howard et al., "Searching for MobileNetV3", 2019.
struct Hardswish {
  static constexpr std::string_view name = "hardswish";
  template <class T> static T value(T x) { return x * detail::straight_sigmoid(x); }
  template <class T> static T slope(T x, T) {
    return select(x < T(-3), T(0), select(x > T(3), T(1), x / T(3) + T(0.5)));
  }
};

/// x / (1 + |x|)
struct Softsign {
  static constexpr std::string_view name = "softsign";
  template <class T> static T value(T x) {
    using std::abs;
    return x / (T(1) + abs(x));
  }
  template <class T> static T slope(T x, T) {
    using std::abs;
    const T r = T(1) / (T(1) + abs(x));
    return r * r;
  }
};

using ActivationFormulas =
    FormulaList<Exp, Expm1, Log, Log1p, Tanh, Sigmoid, Relu, Softplus, Silu, LogAddExp, LogSigmoid, LeakyRelu,
                Threshold, Elu, Selu, Celu, Gelu, GeluTanh, Mish, Hardtanh, Hardsigmoid, Hardswish, Softsign>;
template <class F>
requires detail::is_listed<F, ActivationFormulas>
inline constexpr bool detail::in_library<F> = true;

Tensor exp(const Tensor& x);
Tensor expm1(const Tensor& x);  ///< exp(x) - 1, exact near 0.
Tensor log(const Tensor& x);
Tensor log1p(const Tensor& x);  ///< log(1 + x), exact near 0.
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor relu(const Tensor& x);
Tensor softplus(const Tensor& x);
Tensor silu(const Tensor& x);
Tensor logaddexp(const Tensor& a, const Tensor& b);  ///< log(exp(a) + exp(b)) without overflow.
Tensor log_sigmoid(const Tensor& x);
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01);
/// x above `threshold`, `value` up to it.
Tensor threshold(const Tensor& x, double threshold, double value);
Tensor elu(const Tensor& x, double alpha = 1);
Tensor selu(const Tensor& x);
Tensor celu(const Tensor& x, double alpha = 1);  ///< Throws if alpha is 0.
/// Which formula gelu follows: the normal distribution's own, or the approximation by tanh.
enum class GeluForm { erf, tanh };
Tensor gelu(const Tensor& x, GeluForm form = GeluForm::erf);
Tensor mish(const Tensor& x);
Tensor hardtanh(const Tensor& x, double min = -1, double max = 1);  ///< Throws unless min < max.
Tensor hardsigmoid(const Tensor& x);
Tensor hardswish(const Tensor& x);
Tensor softsign(const Tensor& x);    ///< x / (1 + |x|)
Tensor tanhshrink(const Tensor& x);  ///< x - tanh(x)

}  // namespace reel
