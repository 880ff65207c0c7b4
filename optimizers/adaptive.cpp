#include "optimizers/adaptive.h"

#include "optimizers/rule.h"

namespace reel {
namespace detail {

template <> struct Rule<RMSpropOptions> : RuleDefaults {
  static constexpr std::string_view name = "RMSprop";
  static void check_options(const RMSpropOptions& o) {
    check_fraction(name, "an alpha", o.alpha);
    check_at_least_0(name, "an eps", o.eps);
    check_at_least_0(name, "a weight decay", o.weight_decay);
    check_fraction(name, "a momentum", o.momentum);
  }
  static std::vector<Slot> slots(const RMSpropOptions& o) {
    std::vector<Slot> result{{"square"}};
    if (o.centered) result.push_back({"mean"});
    if (o.momentum != 0) result.push_back({"momentum"});
    return result;
  }
  static bool has_momentum(const RMSpropOptions& o) { return o.momentum != 0; }
  static double* momentum(RMSpropOptions& o) { return &o.momentum; }
  template <bool centered, bool with_momentum> static void run(const RMSpropOptions& o, const Update& u) {
    fused(RMSpropStep<centered, with_momentum>{coupled(o), u.learning_rate, o.alpha, 1 - o.alpha, o.eps,
                                               o.momentum},
          u);
  }
  static void update(const RMSpropOptions& o, const Update& u) {
    const bool with_momentum = u.moments.size() == (o.centered ? 3U : 2U);
    if (o.centered)
      with_momentum ? run<true, true>(o, u) : run<true, false>(o, u);
    else
      with_momentum ? run<false, true>(o, u) : run<false, false>(o, u);
  }
};

template <> struct Rule<AdagradOptions> : RuleDefaults {
  static constexpr std::string_view name = "Adagrad";
  static void check_options(const AdagradOptions& o) {
    check_at_least_0(name, "a decay of the learning rate", o.lr_decay);
    check_at_least_0(name, "a weight decay", o.weight_decay);
    check_at_least_0(name, "an initial accumulator", o.initial_accumulator);
    check_at_least_0(name, "an eps", o.eps);
  }
  static std::vector<Slot> slots(const AdagradOptions& o) {
    return {{.name = "sum", .initial = o.initial_accumulator}};
  }
  static const char* dense_only(const AdagradOptions& o) {
    return o.weight_decay != 0 ? "weight decay moves every element" : nullptr;
  }
  static void update(const AdagradOptions& o, const Update& u) {
    const double rate = u.learning_rate / (1 + static_cast<double>(u.count - 1) * o.lr_decay);
    fused(AdagradStep{coupled(o), rate, o.eps}, u);
  }
};

template <> struct Rule<AdadeltaOptions> : RuleDefaults {
  static constexpr std::string_view name = "Adadelta";
  static void check_options(const AdadeltaOptions& o) {
    check(o.rho >= 0 && o.rho <= 1, "[Adadelta] expected a rho in [0, 1], got {}", o.rho);
    check_at_least_0(name, "an eps", o.eps);
    check_at_least_0(name, "a weight decay", o.weight_decay);
  }
  static std::vector<Slot> slots(const AdadeltaOptions&) { return {{"square"}, {"delta"}}; }
  static void update(const AdadeltaOptions& o, const Update& u) {
    fused(AdadeltaStep{coupled(o), u.learning_rate, o.rho, 1 - o.rho, o.eps}, u);
  }
};

}  // namespace detail

template class Updating<RMSpropOptions>;
template class Updating<AdagradOptions>;
template class Updating<AdadeltaOptions>;

}  // namespace reel
