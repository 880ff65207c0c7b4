// How an Options struct becomes an optimizer: the members of Updating, instantiated by the .cpp of each rule. Internal,
// not part of reel.h.
//
// A rule is Rule<Options> with
//   static constexpr std::string_view name;
//   static void check_options(const Options&);            throws for what makes no sense; lr is checked elsewhere
//   static std::vector<Slot> slots(const Options&);       what is kept beside each parameter
//   static void update(const Options&, const Update&);    one parameter's step
// and, where RuleDefaults does not do,
//   static bool has_momentum(const Options&);
//   static double* momentum(Options&);                    what set_momentum sets
//   static void check_parameter(const Options&, const Tensor&);
//   static const char* dense_only(const Options&);        null where sparse gradients are taken, else why not
//   static bool sparse_only();
#pragma once

#include <cmath>
#include <string>
#include <string_view>

#include <reel/optimizers/fused/formulas.h>
#include <reel/optimizers/fused/update.h>
#include <reel/optimizers/optimizer.h>

namespace reel {
namespace detail {

template <class Options> struct Rule;

struct RuleDefaults {
  template <class Options> static bool has_momentum(const Options&) { return false; }
  template <class Options> static double* momentum(Options&) { return nullptr; }
  template <class Options> static void check_parameter(const Options&, const Tensor&) {}
  template <class Options> static const char* dense_only(const Options&) {
    return "every element of a parameter moves";
  }
  static bool sparse_only() { return false; }
};

inline void check_at_least_0(std::string_view rule, const char* what, double value) {
  check(value >= 0 && std::isfinite(value), "[{}] expected {} of at least 0, got {}", rule, what, value);
}
/// In [0, 1).
inline void check_fraction(std::string_view rule, const char* what, double value) {
  check(value >= 0 && value < 1, "[{}] expected {} in [0, 1), got {}", rule, what, value);
}

/// The slope of rules whose decay is part of the gradient.
template <class Options> Slope coupled(const Options& o) {
  return {.sign = o.maximize ? -1.0 : 1.0, .decay = o.weight_decay, .shrink = 1};
}
/// And of those whose decay is not.
template <class Options> Slope decoupled(const Options& o, double rate) {
  return {.sign = o.maximize ? -1.0 : 1.0, .decay = 0, .shrink = 1 - rate * o.weight_decay};
}

/// The group of each parameter by its name: 0, or 1 + the first rule that matches.
std::vector<size_t> groups_by_name(std::string_view optimizer,
                                   const std::vector<std::pair<std::string, Tensor>>& parameters,
                                   const std::vector<NameRule>& rules);

}  // namespace detail

template <class Options> struct Updating<Options>::Parts {
  std::vector<Tensor> parameters;
  std::vector<size_t> group_of;
  std::vector<Options> options;

  std::vector<GroupSpec> specs() const {
    std::vector<GroupSpec> result;
    for (const Options& o : options) {
      detail::Rule<Options>::check_options(o);
      result.push_back({o.lr, detail::Rule<Options>::slots(o), detail::Rule<Options>::has_momentum(o)});
    }
    return result;
  }
};

template <class Options>
Updating<Options>::Updating(Parts parts, detail::OfParts)
    : Optimizer(std::string(detail::Rule<Options>::name), parts.parameters, parts.group_of, parts.specs()),
      options_(std::move(parts.options)) {
  for (size_t i = 0; i < parts.group_of.size(); ++i)
    detail::Rule<Options>::check_parameter(options_[parts.group_of[i]], Optimizer::parameters()[i]);
}

template <class Options>
Updating<Options>::Updating(std::vector<Tensor> parameters, Options options)
    : Updating(
          [&] {
            const size_t count = parameters.size();
            return Parts{std::move(parameters), std::vector<size_t>(count, 0), {options}};
          }(),
          detail::OfParts(0)) {}

template <class Options>
Updating<Options>::Updating(std::vector<ParameterGroup<Options>> groups)
    : Updating(
          [&] {
            Parts parts;
            for (size_t i = 0; i < groups.size(); ++i) {
              check(!groups[i].parameters.empty(),
                    "[{}] at least one parameter expected in group {}, got none", detail::Rule<Options>::name,
                    i);
              for (Tensor& parameter : groups[i].parameters) parts.parameters.push_back(std::move(parameter));
              parts.group_of.resize(parts.parameters.size(), i);
              parts.options.push_back(groups[i].options);
            }
            return parts;
          }(),
          detail::OfParts(0)) {}

template <class Options>
Updating<Options>::Updating(const std::vector<std::pair<std::string, Tensor>>& parameters, Options options,
                            const std::vector<NameRule>& rules)
    : Updating(
          [&] {
            constexpr std::string_view name = detail::Rule<Options>::name;
            Parts parts{{}, detail::groups_by_name(name, parameters, rules), {options}};
            for (const auto& [own, tensor] : parameters) parts.parameters.push_back(tensor);
            for (const NameRule& rule : rules) {
              Options own = options;
              if (rule.lr) own.lr = *rule.lr;
              if constexpr (requires { own.weight_decay; }) {
                if (rule.weight_decay) own.weight_decay = *rule.weight_decay;
              } else {
                check(!rule.weight_decay, "[{}] the rule for \"{}\" sets a weight decay, which {} has not",
                      name, rule.pattern, name);
              }
              parts.options.push_back(own);
            }
            return parts;
          }(),
          detail::OfParts(0)) {}

template <class Options> void Updating<Options>::update(const detail::Update& update, size_t group) {
  detail::Rule<Options>::update(options_[group], update);
}

template <class Options>
void Updating<Options>::check_gradient(const Tensor& parameter, bool sparse, size_t group) const {
  using Rule = detail::Rule<Options>;
  if (!sparse) {
    check(!Rule::sparse_only(), "[{}] sparse gradients expected, got a dense one of {}", Rule::name,
          parameter);
  } else if (const char* reason = Rule::dense_only(options_[group])) {
    check(false, "[{}] dense gradients expected, got a sparse one of {}: {}", Rule::name, parameter, reason);
  }
}

template <class Options> double* Updating<Options>::momentum_option(size_t group) {
  return detail::Rule<Options>::momentum(options_[group]);
}

}  // namespace reel
