#include <cmath>
#include <numbers>

#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/loss.h"
#include "ops/loss_common.h"
#include "ops/loss_formulas.h"
#include "ops/shape.h"

namespace reel {
namespace {

template <class F>
Tensor of_differences(F formula, const Tensor& input, const Tensor& target, Reduction reduction) {
  detail::check_same_shape(F::name, input, target);
  return detail::reduced(apply(formula, input, target), reduction);
}

}  // namespace

Tensor mse_loss(const Tensor& input, const Tensor& target, const LossOptions& options) {
  return of_differences(SquaredError{}, input, target, options.reduction);
}

Tensor l1_loss(const Tensor& input, const Tensor& target, const LossOptions& options) {
  return of_differences(AbsoluteError{}, input, target, options.reduction);
}

Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, const SmoothL1LossOptions& options) {
  check(options.beta >= 0, "[smooth_l1_loss] a beta of at least 0 expected, got {}", options.beta);
  detail::check_same_shape("smooth_l1_loss", input, target);
  if (options.beta == 0) return l1_loss(input, target, {.reduction = options.reduction});
  return of_differences(SmoothL1{options.beta}, input, target, options.reduction);
}

Tensor huber_loss(const Tensor& input, const Tensor& target, const HuberLossOptions& options) {
  check(options.delta > 0, "[huber_loss] a delta above 0 expected, got {}", options.delta);
  return of_differences(Huber{options.delta}, input, target, options.reduction);
}

Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, const PoissonNllLossOptions& options) {
  detail::check_broadcast("poisson_nll_loss", input, target);
  Tensor losses = options.log_input ? exp(input) - target * input : input - target * log(input + options.eps);
  if (options.full) {
    // A 1 in the place of small targets keeps the logarithm's slope finite where it does not count.
    const Tensor small = less_equal(target, 1);
    const Tensor t = masked_fill(target, small, 1);
    const Tensor stirling = t * log(t) - t + log(t * (2 * std::numbers::pi)) * 0.5;
    losses += masked_fill(stirling, small, 0);
  }
  return detail::reduced(losses, options.reduction);
}

Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, const Tensor& var,
                         const GaussianNllLossOptions& options) {
  constexpr std::string_view name = "gaussian_nll_loss";
  check(options.eps > 0, "[gaussian_nll_loss] an eps above 0 expected, got {}", options.eps);
  detail::check_broadcast(name, input, target);
  detail::check_same_dtype(name, input, var);
  Shape leading = input.shape(), column = input.shape();
  if (input.rank() > 0) {
    leading.erase(leading.rank() - 1);
    column[column.rank() - 1] = 1;
  }
  check(var.shape() == input.shape() || var.shape() == leading || var.shape() == column,
        "[gaussian_nll_loss] for an input {} a var {}, {} or {} expected, got {}", input, input.shape(),
        column, leading, var);
  const Tensor values = detail::contiguous_values(var);
  detail::dispatch_floating(name, values.dtype(), [&](auto zero) {
    const auto* v = values.raw<decltype(zero)>();
    for (int64_t i = 0; i < values.numel(); ++i)
      check(!(v[i] < 0), "[gaussian_nll_loss] variances of at least 0 expected, got {} at position {} of {}",
            static_cast<double>(v[i]), i, var);
  });
  const Tensor spread = var.shape() == input.shape() || var.shape() == column ? var : unsqueeze(var, -1);
  // Exactly eps, and as far as gradients go the variance itself.
  const Tensor floor = (spread - detach(spread)) + options.eps;
  const Tensor v = where(less(spread, options.eps), floor, spread);
  Tensor losses = (log(v) + square(input - target) / v) * 0.5;
  if (options.full) losses += 0.5 * std::log(2 * std::numbers::pi);
  return detail::reduced(losses, options.reduction);
}

}  // namespace reel
