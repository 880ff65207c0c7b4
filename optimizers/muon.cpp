#include "optimizers/muon.h"

#include <algorithm>
#include <cmath>

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "optimizers/rule.h"

namespace reel {
namespace detail {
namespace {

/// `x` with all of its singular values near 1.
Tensor orthogonal(Tensor x, int64_t iterations) {
  constexpr double a = 3.4445, b = -4.775, c = 2.0315;
  const bool tall = x.shape()[0] > x.shape()[1];
  if (tall) x = transpose(x, 0, 1);
  x = x * (1 / std::max(std::sqrt(sum(x * x).item()), 1e-7));
  for (int64_t i = 0; i < iterations; ++i) {
    const Tensor gram = matmul(x, transpose(x, 0, 1));
    x = x * a + matmul(gram * b + matmul(gram, gram) * c, x);
  }
  return contiguous_values(tall ? transpose(x, 0, 1) : x);
}

}  // namespace

template <> struct Rule<MuonOptions> : RuleDefaults {
  static constexpr std::string_view name = "Muon";
  static void check_options(const MuonOptions& o) {
    check_at_least_0(name, "a weight decay", o.weight_decay);
    check_fraction(name, "a momentum", o.momentum);
    check(o.iterations >= 1 && o.iterations <= 100, "[Muon] expected 1 to 100 iterations, got {}",
          o.iterations);
    check_fraction(name, "a beta1", o.beta1);
    check_fraction(name, "a beta2", o.beta2);
    check_at_least_0(name, "an eps", o.eps);
  }
  static void check_parameter(const MuonOptions& o, const Tensor& parameter) {
    check(o.adamw || parameter.rank() >= 2,
          "[Muon] parameters of at least 2 axes expected, got {}: put it into a group with .adamw = true",
          parameter);
  }
  static std::vector<Slot> slots(const MuonOptions& o) {
    return o.adamw ? std::vector<Slot>{{"first"}, {"second"}} : std::vector<Slot>{{"momentum"}};
  }
  static bool has_momentum(const MuonOptions&) { return true; }
  static double* momentum(MuonOptions& o) { return o.adamw ? &o.beta1 : &o.momentum; }

  static void update(const MuonOptions& o, const Update& u) {
    const Slope slope = decoupled(o, u.learning_rate);
    if (o.adamw) {
      const auto t = static_cast<double>(u.count);
      const double rate = u.learning_rate / (1 - std::pow(o.beta1, t));
      const double scale = 1 / std::sqrt(1 - std::pow(o.beta2, t));
      fused(AdamStep<false>{slope, {o.beta1, 1 - o.beta1, o.beta2, 1 - o.beta2}, rate, scale, o.eps}, u);
      return;
    }
    if (u.parameter.numel() == 0) return;
    const NoTape scope;
    Tensor direction = empty_like(u.parameter);
    fused(MuonMomentumStep{slope.sign, o.momentum, 1 - o.momentum, o.nesterov ? o.momentum : 1.0},
          {direction, u.gradient, u.rows, u.moments, u.count, u.learning_rate});
    const int64_t rows = u.parameter.shape()[0], columns = u.parameter.numel() / rows;
    const Tensor move = orthogonal(reshape(direction, {rows, columns}), o.iterations);
    const auto height = static_cast<double>(rows), width = static_cast<double>(columns);
    const double factor = o.scale == MuonScale::original ? std::sqrt(std::max(1.0, height / width))
                                                         : 0.2 * std::sqrt(std::max(height, width));
    fused(PlainStep{{.shrink = slope.shrink}, u.learning_rate * factor}, u.parameter, move);
  }
};

}  // namespace detail

template class Updating<MuonOptions>;

std::vector<ParameterGroup<MuonOptions>> muon_groups(
    const std::vector<std::pair<std::string, Tensor>>& parameters, const std::vector<std::string>& not_these,
    const MuonOptions& matrices, MuonOptions rest) {
  check(!matrices.adamw, "[muon_groups] the matrices' options expected to be Muon's, got adamw = true");
  rest.adamw = true;
  ParameterGroup<MuonOptions> inner{{}, matrices}, outer{{}, rest};
  for (const auto& [name, tensor] : parameters) {
    const bool is_excluded = std::any_of(not_these.begin(), not_these.end(),
                                         [&](const std::string& pattern) { return matches(name, pattern); });
    (tensor.rank() >= 2 && !is_excluded ? inner : outer).parameters.push_back(tensor);
  }
  std::vector<ParameterGroup<MuonOptions>> groups;
  for (auto* group : {&inner, &outer})
    if (!group->parameters.empty()) groups.push_back(std::move(*group));
  return groups;
}

}  // namespace reel
