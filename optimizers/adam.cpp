#include "optimizers/adam.h"

#include <cmath>

#include "optimizers/rule.h"

namespace reel {
namespace detail {
namespace {

template <class Options> void check_adam(std::string_view name, const Options& o) {
  check_fraction(name, "a beta1", o.beta1);
  check_fraction(name, "a beta2", o.beta2);
  check_at_least_0(name, "an eps", o.eps);
  if constexpr (requires { o.weight_decay; }) check_at_least_0(name, "a weight decay", o.weight_decay);
}

template <class Options> Moments moments(const Options& o) {
  return {o.beta1, 1 - o.beta1, o.beta2, 1 - o.beta2};
}

/// 1 - beta^t, by which a mean that began at 0 is too small.
double correction(double beta, int64_t t) { return 1 - std::pow(beta, static_cast<double>(t)); }

template <class Options> Slope slope(const Options& o, double rate, bool is_decoupled) {
  return is_decoupled ? decoupled(o, rate) : coupled(o);
}

template <class Options> void adam(const Options& o, const Update& u, const Slope& slope) {
  const double rate = u.learning_rate / correction(o.beta1, u.count);
  const double scale = 1 / std::sqrt(correction(o.beta2, u.count));
  if (o.amsgrad)
    fused(AdamStep<true>{slope, moments(o), rate, scale, o.eps}, u);
  else
    fused(AdamStep<false>{slope, moments(o), rate, scale, o.eps}, u);
}

/// What the rules of this family share.
template <class Options> struct AdamFamily : RuleDefaults {
  static std::vector<Slot> slots(const Options& o) {
    if constexpr (requires { o.amsgrad; })
      if (o.amsgrad) return {{"first"}, {"second"}, {"largest_second"}};
    return {{"first"}, {"second"}};
  }
  static bool has_momentum(const Options&) { return true; }
  static double* momentum(Options& o) { return &o.beta1; }
};

}  // namespace

template <> struct Rule<AdamOptions> : AdamFamily<AdamOptions> {
  static constexpr std::string_view name = "Adam";
  static void check_options(const AdamOptions& o) { check_adam(name, o); }
  static void update(const AdamOptions& o, const Update& u) {
    adam(o, u, slope(o, u.learning_rate, o.decoupled_decay));
  }
};

template <> struct Rule<AdamWOptions> : AdamFamily<AdamWOptions> {
  static constexpr std::string_view name = "AdamW";
  static void check_options(const AdamWOptions& o) { check_adam(name, o); }
  static void update(const AdamWOptions& o, const Update& u) { adam(o, u, decoupled(o, u.learning_rate)); }
};

template <> struct Rule<AdamaxOptions> : AdamFamily<AdamaxOptions> {
  static constexpr std::string_view name = "Adamax";
  static void check_options(const AdamaxOptions& o) { check_adam(name, o); }
  static std::vector<Slot> slots(const AdamaxOptions&) { return {{"first"}, {"largest"}}; }
  static void update(const AdamaxOptions& o, const Update& u) {
    const double rate = u.learning_rate / correction(o.beta1, u.count);
    fused(AdamaxStep{coupled(o), o.beta1, 1 - o.beta1, o.beta2, rate, o.eps}, u);
  }
};

template <> struct Rule<NAdamOptions> : AdamFamily<NAdamOptions> {
  static constexpr std::string_view name = "NAdam";
  static void check_options(const NAdamOptions& o) {
    check_adam(name, o);
    check_at_least_0(name, "a momentum decay", o.momentum_decay);
  }
  static std::vector<Slot> slots(const NAdamOptions&) {
    return {{"first"}, {"second"}, {.name = "mu_product", .initial = 1, .scalar = true}};
  }
  static void update(const NAdamOptions& o, const Update& u) {
    const auto mu = [&](int64_t t) {
      return o.beta1 * (1 - 0.5 * std::pow(0.96, static_cast<double>(t) * o.momentum_decay));
    };
    double& product = *u.moments[2].raw<double>();
    const double now = mu(u.count), next = mu(u.count + 1);
    product *= now;
    fused(
        NAdamStep{slope(o, u.learning_rate, o.decoupled_decay), moments(o),
                  u.learning_rate * (1 - now) / (1 - product), u.learning_rate * next / (1 - product * next),
                  1 / std::sqrt(correction(o.beta2, u.count)), o.eps},
        u);
  }
};

template <> struct Rule<RAdamOptions> : AdamFamily<RAdamOptions> {
  static constexpr std::string_view name = "RAdam";
  static void check_options(const RAdamOptions& o) { check_adam(name, o); }
  static void update(const RAdamOptions& o, const Update& u) {
    const auto t = static_cast<double>(u.count);
    const double rate = u.learning_rate / correction(o.beta1, u.count);
    const double whole = correction(o.beta2, u.count);
    const double limit = 2 / (1 - o.beta2) - 1;
    const double rho = limit - 2 * t * std::pow(o.beta2, t) / whole;
    const Slope s = slope(o, u.learning_rate, o.decoupled_decay);
    if (rho <= 5) return fused(RAdamStep<false>{s, moments(o), rate, o.eps}, u);
    const double rectified =
        std::sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho) * whole);
    fused(RAdamStep<true>{s, moments(o), rate * rectified, o.eps}, u);
  }
};

template <> struct Rule<SparseAdamOptions> : AdamFamily<SparseAdamOptions> {
  static constexpr std::string_view name = "SparseAdam";
  static void check_options(const SparseAdamOptions& o) { check_adam(name, o); }
  static const char* dense_only(const SparseAdamOptions&) { return nullptr; }
  static bool sparse_only() { return true; }
  static void update(const SparseAdamOptions& o, const Update& u) {
    const double rate =
        u.learning_rate * std::sqrt(correction(o.beta2, u.count)) / correction(o.beta1, u.count);
    fused(AdamStep<false>{{.sign = o.maximize ? -1.0 : 1.0}, moments(o), rate, 1, o.eps}, u);
  }
};

}  // namespace detail

template class Updating<AdamOptions>;
template class Updating<AdamWOptions>;
template class Updating<AdamaxOptions>;
template class Updating<NAdamOptions>;
template class Updating<RAdamOptions>;
template class Updating<SparseAdamOptions>;

}  // namespace reel
