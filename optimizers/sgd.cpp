#include "optimizers/sgd.h"

#include <algorithm>
#include <cmath>

#include "optimizers/rule.h"

namespace reel {
namespace detail {

template <> struct Rule<SGDOptions> : RuleDefaults {
  static constexpr std::string_view name = "SGD";
  static void check_options(const SGDOptions& o) {
    check_fraction(name, "a momentum", o.momentum);
    check(o.dampening >= 0 && o.dampening <= 1, "[SGD] expected a dampening in [0, 1], got {}", o.dampening);
    check_at_least_0(name, "a weight decay", o.weight_decay);
    check(!o.nesterov || (o.momentum > 0 && o.dampening == 0),
          "[SGD] Nesterov needs a momentum and no dampening, got {} and {}", o.momentum, o.dampening);
  }
  static std::vector<Slot> slots(const SGDOptions& o) {
    return o.momentum != 0 ? std::vector<Slot>{{"momentum"}} : std::vector<Slot>{};
  }
  static bool has_momentum(const SGDOptions& o) { return o.momentum != 0; }
  static double* momentum(SGDOptions& o) { return &o.momentum; }
  static const char* dense_only(const SGDOptions& o) {
    return o.momentum != 0 || o.weight_decay != 0 ? "momentum and weight decay move every element" : nullptr;
  }
  static void update(const SGDOptions& o, const Update& u) {
    const double rate = u.learning_rate;
    if (u.moments.empty()) return fused(PlainStep{coupled(o), rate}, u);
    const double fresh = u.count == 1 ? 1 : 1 - o.dampening;
    if (o.nesterov)
      fused(MomentumStep<true>{coupled(o), rate, o.momentum, fresh}, u);
    else
      fused(MomentumStep<false>{coupled(o), rate, o.momentum, fresh}, u);
  }
};

template <> struct Rule<ASGDOptions> : RuleDefaults {
  static constexpr std::string_view name = "ASGD";
  static void check_options(const ASGDOptions& o) {
    check_at_least_0(name, "a lambd", o.lambd);
    check_at_least_0(name, "an alpha", o.alpha);
    check_at_least_0(name, "a t0", o.t0);
    check_at_least_0(name, "a weight decay", o.weight_decay);
  }
  static std::vector<Slot> slots(const ASGDOptions&) { return {{"average"}}; }
  static void update(const ASGDOptions& o, const Update& u) {
    const auto before = static_cast<double>(u.count - 1);
    const double eta = u.learning_rate / std::pow(1 + o.lambd * u.learning_rate * before, o.alpha);
    Slope slope = coupled(o);
    slope.shrink = 1 - o.lambd * eta;
    fused(AveragedStep{slope, eta, 1 / std::max(1.0, before - o.t0)}, u);
  }
};

template <> struct Rule<RpropOptions> : RuleDefaults {
  static constexpr std::string_view name = "Rprop";
  static void check_options(const RpropOptions& o) {
    check(o.eta_minus > 0 && o.eta_minus < 1 && o.eta_plus > 1 && std::isfinite(o.eta_plus),
          "[Rprop] expected 0 < eta_minus < 1 < eta_plus, got {} and {}", o.eta_minus, o.eta_plus);
    check(o.min_step >= 0 && o.min_step <= o.max_step && std::isfinite(o.max_step),
          "[Rprop] expected 0 <= min_step <= max_step, got {} and {}", o.min_step, o.max_step);
  }
  static std::vector<Slot> slots(const RpropOptions& o) {
    return {{"gradient"}, {.name = "step_size", .initial = o.lr}};
  }
  static void update(const RpropOptions& o, const Update& u) {
    fused(RpropStep{o.maximize ? -1.0 : 1.0, o.eta_minus, o.eta_plus, o.min_step, o.max_step}, u);
  }
};

template <> struct Rule<LionOptions> : RuleDefaults {
  static constexpr std::string_view name = "Lion";
  static void check_options(const LionOptions& o) {
    check_fraction(name, "a beta1", o.beta1);
    check_fraction(name, "a beta2", o.beta2);
    check_at_least_0(name, "a weight decay", o.weight_decay);
  }
  static std::vector<Slot> slots(const LionOptions&) { return {{"momentum"}}; }
  static bool has_momentum(const LionOptions&) { return true; }
  static double* momentum(LionOptions& o) { return &o.beta1; }
  static void update(const LionOptions& o, const Update& u) {
    fused(
        LionStep{decoupled(o, u.learning_rate), u.learning_rate, o.beta1, 1 - o.beta1, o.beta2, 1 - o.beta2},
        u);
  }
};

}  // namespace detail

template class Updating<SGDOptions>;
template class Updating<ASGDOptions>;
template class Updating<RpropOptions>;
template class Updating<LionOptions>;

}  // namespace reel
