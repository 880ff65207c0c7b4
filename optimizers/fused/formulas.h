// What one step of each rule does to one element, as a formula over vectors: p and the states change in place, g is the
// gradient. All numbers that do not depend on the element are worked out before, once per step. Internal; the loops are
// made from these in kernels.h.
#pragma once

#include <cstddef>

namespace reel::detail {

/// A number in all lanes.
template <class V> V number(double x) { return V(static_cast<typename V::value_type>(x)); }

/// -1, 0 or 1; a nan stays one.
template <class V> V sign_of(const V& x) {
  return select(x > number<V>(0), number<V>(1), select(x < number<V>(0), number<V>(-1), x));
}

/// The gradient that a rule sees, and decay that is not part of it.
struct Slope {
  double sign = 1;    // -1: maximize
  double decay = 0;   // added to the gradient, times p
  double shrink = 1;  // factor of p
  /// The slope; p shrinks.
  template <class V> V take(V& p, const V& g) const {
    const V slope = number<V>(sign) * g + number<V>(decay) * p;
    p = number<V>(shrink) * p;
    return slope;
  }
};

struct PlainStep {
  static constexpr size_t states = 0;
  Slope slope;
  double rate;
  template <class V> void operator()(V& p, const V& g, V*) const {
    const V x = slope.take(p, g);
    p = p - number<V>(rate) * x;
  }
};

template <bool nesterov> struct MomentumStep {
  static constexpr size_t states = 1;
  Slope slope;
  double rate, momentum, fresh;
  template <class V> void operator()(V& p, const V& g, V* s) const {
    const V x = slope.take(p, g);
    s[0] = number<V>(momentum) * s[0] + number<V>(fresh) * x;
    p = p - number<V>(rate) * (nesterov ? x + number<V>(momentum) * s[0] : s[0]);
  }
};

struct AveragedStep {
  static constexpr size_t states = 1;
  Slope slope;
  double rate, weight;
  template <class V> void operator()(V& p, const V& g, V* s) const {
    const V x = slope.take(p, g);
    p = p - number<V>(rate) * x;
    s[0] = s[0] + number<V>(weight) * (p - s[0]);
  }
};

struct RpropStep {
  static constexpr size_t states = 2;  // last gradient, step size
  double sign, minus, plus, least, most;
  template <class V> void operator()(V& p, const V& g, V* s) const {
    const V zero = number<V>(0), x = number<V>(sign) * g;
    const V agreement = x * s[0];
    const V factor =
        select(agreement > zero, number<V>(plus), select(agreement < zero, number<V>(minus), number<V>(1)));
    s[1] = min(max(s[1] * factor, number<V>(least)), number<V>(most));
    s[0] = select(agreement < zero, zero, x);
    p = p - sign_of(s[0]) * s[1];
  }
};

struct LionStep {
  static constexpr size_t states = 1;
  Slope slope;
  double rate, beta1, fresh1, beta2, fresh2;
  template <class V> void operator()(V& p, const V& g, V* s) const {
    const V x = slope.take(p, g);
    p = p - number<V>(rate) * sign_of(number<V>(beta1) * s[0] + number<V>(fresh1) * x);
    s[0] = number<V>(beta2) * s[0] + number<V>(fresh2) * x;
  }
};

/// The means of the gradient and of its square that Adam and its family keep.
struct Moments {
  double beta1, fresh1, beta2, fresh2;
  template <class V> void take(const V& x, V* s) const {
    s[0] = number<V>(beta1) * s[0] + number<V>(fresh1) * x;
    s[1] = number<V>(beta2) * s[1] + number<V>(fresh2) * x * x;
  }
};

template <bool amsgrad> struct AdamStep {
  static constexpr size_t states = amsgrad ? 3 : 2;
  Slope slope;
  Moments moments;
  double rate, scale, eps;
  template <class V> void operator()(V& p, const V& g, V* s) const {
    moments.take(slope.take(p, g), s);
    if constexpr (amsgrad) s[2] = max(s[2], s[1]);
    p = p - number<V>(rate) * s[0] / (sqrt(s[states - 1]) * number<V>(scale) + number<V>(eps));
  }
};

struct AdamaxStep {
  static constexpr size_t states = 2;
  Slope slope;
  double beta1, fresh1, beta2, rate, eps;
  template <class V> void operator()(V& p, const V& g, V* s) const {
    const V x = slope.take(p, g);
    s[0] = number<V>(beta1) * s[0] + number<V>(fresh1) * x;
    s[1] = max(number<V>(beta2) * s[1], abs(x) + number<V>(eps));
    p = p - number<V>(rate) * s[0] / s[1];
  }
};

struct NAdamStep {
  static constexpr size_t states = 2;
  Slope slope;
  Moments moments;
  double gradient_rate, moment_rate, scale, eps;
  template <class V> void operator()(V& p, const V& g, V* s) const {
    const V x = slope.take(p, g);
    moments.take(x, s);
    p = p - (number<V>(gradient_rate) * x + number<V>(moment_rate) * s[0]) /
                (sqrt(s[1]) * number<V>(scale) + number<V>(eps));
  }
};

template <bool rectified> struct RAdamStep {
  static constexpr size_t states = 2;
  Slope slope;
  Moments moments;
  double rate, eps;
  template <class V> void operator()(V& p, const V& g, V* s) const {
    moments.take(slope.take(p, g), s);
    if constexpr (rectified)
      p = p - number<V>(rate) * s[0] / (sqrt(s[1]) + number<V>(eps));
    else
      p = p - number<V>(rate) * s[0];
  }
};

/// States: mean of squares, then the mean where centered, then the momentum.
template <bool centered, bool with_momentum> struct RMSpropStep {
  static constexpr size_t states = 1 + (centered ? 1 : 0) + (with_momentum ? 1 : 0);
  Slope slope;
  double rate, alpha, fresh, eps, momentum;
  template <class V> void operator()(V& p, const V& g, V* s) const {
    const V x = slope.take(p, g);
    s[0] = number<V>(alpha) * s[0] + number<V>(fresh) * x * x;
    V spread = s[0];
    if constexpr (centered) {
      s[1] = number<V>(alpha) * s[1] + number<V>(fresh) * x;
      const V variance = s[0] - s[1] * s[1];
      spread = select(variance < number<V>(0), number<V>(0), variance);
    }
    V move = x / (sqrt(spread) + number<V>(eps));
    if constexpr (with_momentum) move = s[states - 1] = number<V>(momentum) * s[states - 1] + move;
    p = p - number<V>(rate) * move;
  }
};

struct AdagradStep {
  static constexpr size_t states = 1;
  Slope slope;
  double rate, eps;
  template <class V> void operator()(V& p, const V& g, V* s) const {
    const V x = slope.take(p, g);
    s[0] = s[0] + x * x;
    p = p - number<V>(rate) * x / (sqrt(s[0]) + number<V>(eps));
  }
};

struct AdadeltaStep {
  static constexpr size_t states = 2;
  Slope slope;
  double rate, rho, fresh, eps;
  template <class V> void operator()(V& p, const V& g, V* s) const {
    const V x = slope.take(p, g), small = number<V>(eps);
    s[0] = number<V>(rho) * s[0] + number<V>(fresh) * x * x;
    const V move = sqrt(s[1] + small) / sqrt(s[0] + small) * x;
    s[1] = number<V>(rho) * s[1] + number<V>(fresh) * move * move;
    p = p - number<V>(rate) * move;
  }
};

/// The momentum of Muon; p is what is to be made orthogonal.
struct MuonMomentumStep {
  static constexpr size_t states = 1;
  double sign, momentum, fresh, weight;
  template <class V> void operator()(V& p, const V& g, V* s) const {
    const V x = number<V>(sign) * g;
    s[0] = s[0] + number<V>(fresh) * (x - s[0]);
    p = x + number<V>(weight) * (s[0] - x);
  }
};

/// p moves towards g.
struct LerpStep {
  static constexpr size_t states = 0;
  double weight;
  template <class V> void operator()(V& p, const V& g, V*) const { p = p + number<V>(weight) * (g - p); }
};

template <class... F> struct StepList {};
using Steps =
    StepList<PlainStep, MomentumStep<false>, MomentumStep<true>, AveragedStep, RpropStep, LionStep,
             AdamStep<false>, AdamStep<true>, AdamaxStep, NAdamStep, RAdamStep<false>, RAdamStep<true>,
             RMSpropStep<false, false>, RMSpropStep<false, true>, RMSpropStep<true, false>,
             RMSpropStep<true, true>, AdagradStep, AdadeltaStep, MuonMomentumStep, LerpStep>;

}  // namespace reel::detail
