// The scalar formulas of those losses that are elementwise. Internal: the functions are in ops/loss.h.
#pragma once

#include <limits>

#include <reel/ops/activation.h>
#include <reel/ops/elementwise/formula.h>

namespace reel {

/// (x - t)^2
struct SquaredError {
  static constexpr std::string_view name = "mse_loss";
  template <class T> static T value(T x, T t) { return (x - t) * (x - t); }
  template <class T> static T slope0(T x, T t, T) { return T(2) * (x - t); }
  template <class T> static T slope1(T x, T t, T) { return T(2) * (t - x); }
};

/// |x - t|
struct AbsoluteError {
  static constexpr std::string_view name = "l1_loss";
  template <class T> static T value(T x, T t) {
    using std::abs;
    return abs(x - t);
  }
  template <class T> static T slope0(T x, T t, T) { return select(x > t, T(1), select(x < t, T(-1), T(0))); }
  template <class T> static T slope1(T x, T t, T) { return select(x > t, T(-1), select(x < t, T(1), T(0))); }
};

/// d^2 / (2 beta) where |d| < beta, else |d| - beta / 2; d = x - t
struct SmoothL1 {
  static constexpr std::string_view name = "smooth_l1_loss";
  double beta;
  template <class T> T value(T x, T t) const {
    using std::abs;
    const T d = abs(x - t);
    return select(d < T(beta), d * d * T(0.5 / beta), d - T(0.5 * beta));
  }
  template <class T> T slope(T d) const {
    return select(d >= T(beta), T(1), select(d <= T(-beta), T(-1), d / T(beta)));
  }
  template <class T> T slope0(T x, T t, T) const { return slope(x - t); }
  template <class T> T slope1(T x, T t, T) const { return slope(t - x); }
};

/// d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2); d = x - t
struct Huber {
  static constexpr std::string_view name = "huber_loss";
  double delta;
  template <class T> T value(T x, T t) const {
    using std::abs;
    const T d = abs(x - t);
    return select(d <= T(delta), d * d * T(0.5), T(delta) * (d - T(0.5 * delta)));
  }
  template <class T> T slope(T d) const {
    return select(d > T(delta), T(delta), select(d < T(-delta), T(-delta), d));
  }
  template <class T> T slope0(T x, T t, T) const { return slope(x - t); }
  template <class T> T slope1(T x, T t, T) const { return slope(t - x); }
};

/// -(t log x + (1 - t) log(1 - x)), logarithms at least -100, x (1 - x) in the slope at least 1e-12
struct BinaryCrossEntropy {
  static constexpr std::string_view name = "binary_cross_entropy";
  template <class T> static T at_least(T x, double bound) { return select(x < T(bound), T(bound), x); }
  template <class T> static T log_of(T x) {
    using std::log;
    return at_least(T(log(x)), -100);
  }
  template <class T> static T log_of_rest(T x) {
    using std::log1p;
    return at_least(T(log1p(-x)), -100);
  }
  template <class T> static T value(T x, T t) { return (t - T(1)) * log_of_rest(x) - t * log_of(x); }
  template <class T> static T slope0(T x, T t, T) { return (x - t) / at_least(T((T(1) - x) * x), 1e-12); }
  template <class T> static T slope1(T x, T, T) { return log_of_rest(x) - log_of(x); }
};

namespace detail {

/// exp(-|x|), whose derivative at 0 is that from the left.
template <class T> T exp_of_minus_abs(const T& x) {
  using reel::select;
  using std::exp;
  return exp(select(x > T(0), -x, x));
}

/// sigmoid(-|x|)
template <class T> T smaller_sigmoid(const T& x) {
  const T e = exp_of_minus_abs(x);
  return e / (T(1) + e);
}

}  // namespace detail

/// -(t log s + (1 - t) log(1 - s)), s = sigmoid(x). Nothing cancels at either end, in the slope either.
struct LogitCrossEntropy {
  static constexpr std::string_view name = "binary_cross_entropy_with_logits";
  template <class T> static T value(T x, T t) {
    using std::log1p;
    return select(x > T(0), (T(1) - t) * x, -(t * x)) + log1p(detail::exp_of_minus_abs(x));
  }
  template <class T> static T slope0(T x, T t, T) {
    const T s = detail::smaller_sigmoid(x);
    return select(x > T(0), (T(1) - t) - s, s - t);
  }
  template <class T> static T slope1(T x, T, T) { return -x; }
};

/// -(p t log s + (1 - t) log(1 - s)), s = sigmoid(x)
struct WeightedLogitCrossEntropy {
  static constexpr std::string_view name = "binary_cross_entropy_with_pos_weight";
  template <class T> static T share(T t, T p) { return T(1) + (p - T(1)) * t; }
  /// log(1 + exp(-x))
  template <class T> static T positive_part(T x) {
    using std::log1p;
    return select(x > T(0), T(0), -x) + log1p(detail::exp_of_minus_abs(x));
  }
  template <class T> static T value(T x, T t, T p) {
    using std::log1p;
    return select(x > T(0), (T(1) - t) * x, -(p * t * x)) + share(t, p) * log1p(detail::exp_of_minus_abs(x));
  }
  template <class T> static T slope0(T x, T t, T p, T) {
    const T s = share(t, p) * detail::smaller_sigmoid(x);
    return select(x > T(0), (T(1) - t) - s, s - p * t);
  }
  template <class T> static T slope1(T x, T, T p, T) { return (p - T(1)) * positive_part(x) - x; }
  template <class T> static T slope2(T x, T t, T, T) { return t * positive_part(x); }
};

/// log(exp(a) + exp(b) + exp(c)), where -inf stands for an impossible case: the step of ctc_loss.
struct LogAddExp3 {
  static constexpr std::string_view name = "log_add_exp3";
  template <class T> static T value(T a, T b, T c) {
    using std::exp;
    using std::log;
    const T ab = select(a >= b, a, b);
    const T largest = select(ab >= c, ab, c);
    const auto none = largest == T(-std::numeric_limits<double>::infinity());
    const T shift = select(none, T(0), largest);
    return largest + select(none, T(0), log(exp(a - shift) + exp(b - shift) + exp(c - shift)));
  }
  /// exp(x - y), and 0 where both are -inf.
  template <class T> static T share(T x, T y) {
    using std::exp;
    constexpr double impossible = -std::numeric_limits<double>::infinity();
    return exp(select(y == T(impossible), T(impossible), x - y));
  }
  template <class T> static T slope0(T a, T, T, T y) { return share(a, y); }
  template <class T> static T slope1(T, T b, T, T y) { return share(b, y); }
  template <class T> static T slope2(T, T, T c, T y) { return share(c, y); }
};

using LossFormulas = FormulaList<SquaredError, AbsoluteError, SmoothL1, Huber, BinaryCrossEntropy,
                                 LogitCrossEntropy, WeightedLogitCrossEntropy, LogAddExp3>;
template <class F>
requires detail::is_listed<F, LossFormulas>
inline constexpr bool detail::in_library<F> = true;

}  // namespace reel
