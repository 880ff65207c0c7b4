// Every update rule in several settings, for tests that hold all of them to something.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "optimizers/adam.h"
#include "optimizers/adaptive.h"
#include "optimizers/muon.h"
#include "optimizers/sgd.h"

namespace reel {

/// The name of the reference values, and the optimizer that they come from, for a matrix and a vector.
struct RuleCase {
  std::string name;
  std::function<std::unique_ptr<Optimizer>(const std::vector<Tensor>& parameters, bool maximize)> make;
};

template <class Rule, class Options> RuleCase rule_case(const std::string& name, Options options) {
  return {name, [options](const std::vector<Tensor>& parameters, bool maximize) {
            Options own = options;
            own.maximize = own.maximize != maximize;
            return std::make_unique<Rule>(parameters, own);
          }};
}

inline RuleCase muon_case(const std::string& name, const MuonOptions& options) {
  return {name, [options](const std::vector<Tensor>& parameters, bool maximize) {
            MuonOptions own = options, rest = options;
            own.maximize = rest.maximize = maximize;
            rest.adamw = true;
            return std::make_unique<Muon>(
                std::vector<ParameterGroup<MuonOptions>>{{{parameters[0]}, own}, {{parameters[1]}, rest}});
          }};
}

inline std::vector<RuleCase> all_rules() {
  return {
      rule_case<SGD>("sgd_maximize",
                     SGDOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.05, .maximize = true}),
      rule_case<Adam>("adam_maximize", AdamOptions{.lr = 0.01, .weight_decay = 0.1, .maximize = true}),
      rule_case<Adam>("adam_later", AdamOptions{.lr = 0.01, .weight_decay = 0.1, .decoupled_decay = true}),
      rule_case<AdamW>("adam_later", AdamWOptions{.lr = 0.01, .weight_decay = 0.1}),
      rule_case<Adamax>("adamax",
                        AdamaxOptions{.lr = 0.02, .beta1 = 0.8, .beta2 = 0.95, .weight_decay = 0.05}),
      rule_case<NAdam>("nadam", NAdamOptions{.lr = 0.01, .beta1 = 0.85, .beta2 = 0.98, .weight_decay = 0.05}),
      rule_case<NAdam>("nadam_later", NAdamOptions{.lr = 0.01, .weight_decay = 0.1, .decoupled_decay = true}),
      rule_case<RAdam>("radam", RAdamOptions{.lr = 0.02, .beta1 = 0.9, .beta2 = 0.95, .weight_decay = 0.05}),
      rule_case<RAdam>("radam_late", RAdamOptions{.lr = 0.02}),
      rule_case<RAdam>("radam_later",
                       RAdamOptions{.lr = 0.02, .beta2 = 0.95, .weight_decay = 0.1, .decoupled_decay = true}),
      rule_case<RMSprop>("rmsprop", RMSpropOptions{.lr = 0.01, .alpha = 0.9, .weight_decay = 0.05}),
      rule_case<RMSprop>("rmsprop_momentum", RMSpropOptions{.lr = 0.01, .alpha = 0.9, .momentum = 0.8}),
      rule_case<RMSprop>("rmsprop_centered",
                         RMSpropOptions{.lr = 0.01, .alpha = 0.9, .eps = 1e-3, .centered = true}),
      rule_case<RMSprop>(
          "rmsprop_both",
          RMSpropOptions{.lr = 0.01, .alpha = 0.9, .eps = 1e-3, .momentum = 0.8, .centered = true}),
      rule_case<Adagrad>("adagrad", AdagradOptions{.lr = 0.1}),
      rule_case<Adagrad>(
          "adagrad_all",
          AdagradOptions{.lr = 0.1, .lr_decay = 0.05, .weight_decay = 0.05, .initial_accumulator = 0.3}),
      rule_case<Adadelta>("adadelta", AdadeltaOptions{}),
      rule_case<Adadelta>("adadelta_all",
                          AdadeltaOptions{.lr = 0.5, .rho = 0.8, .eps = 1e-4, .weight_decay = 0.05}),
      rule_case<Rprop>("rprop", RpropOptions{}),
      rule_case<Rprop>(
          "rprop_all",
          RpropOptions{.lr = 0.05, .eta_minus = 0.6, .eta_plus = 1.1, .min_step = 1e-2, .max_step = 0.08}),
      rule_case<ASGD>("asgd",
                      ASGDOptions{.lr = 0.1, .lambd = 0.02, .alpha = 0.6, .t0 = 10, .weight_decay = 0.05}),
      rule_case<Lion>("lion", LionOptions{.lr = 0.01, .beta1 = 0.9, .beta2 = 0.97, .weight_decay = 0.1}),
      muon_case("muon", {.lr = 0.02, .weight_decay = 0.1}),
      muon_case("muon_match",
                {.lr = 0.02, .weight_decay = 0, .nesterov = false, .scale = MuonScale::match_adamw}),
  };
}

}  // namespace reel
