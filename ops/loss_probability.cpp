// Losses of probabilities that are given for each element on its own.
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/loss.h"
#include "ops/loss_common.h"
#include "ops/loss_formulas.h"
#include "ops/reduction.h"

namespace reel {
namespace {

/// Sigmoid cross-entropy of each element; arguments checked.
Tensor logit_losses(const Tensor& logits, const Tensor& target, const Tensor& pos_weight) {
  return pos_weight.defined() ? apply(WeightedLogitCrossEntropy{}, logits, target, pos_weight)
                              : apply(LogitCrossEntropy{}, logits, target);
}

}  // namespace

Tensor binary_cross_entropy(const Tensor& input, const Tensor& target,
                            const BinaryCrossEntropyOptions& options) {
  constexpr std::string_view name = BinaryCrossEntropy::name;
  detail::check_same_shape(name, input, target);
  detail::check_weight(name, "weight", options.weight, target);
  const Tensor values = detail::contiguous_values(input);
  detail::dispatch_floating(name, values.dtype(), [&](auto zero) {
    const auto* p = values.raw<decltype(zero)>();
    for (int64_t i = 0; i < values.numel(); ++i)
      check(p[i] >= 0 && p[i] <= 1, "[{}] an input in [0, 1] expected, got {} at position {} of {}", name,
            static_cast<double>(p[i]), i, input);
  });
  return detail::reduced(detail::weighted(apply(BinaryCrossEntropy{}, input, target), options.weight),
                         options.reduction);
}

Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target,
                                        const BinaryCrossEntropyWithLogitsOptions& options) {
  constexpr std::string_view name = LogitCrossEntropy::name;
  detail::check_same_shape(name, logits, target);
  detail::check_weight(name, "weight", options.weight, target);
  detail::check_weight(name, "pos_weight", options.pos_weight, target);
  const Tensor losses = logit_losses(logits, target, options.pos_weight);
  return detail::reduced(detail::weighted(losses, options.weight), options.reduction);
}

Tensor sigmoid_focal_loss(const Tensor& logits, const Tensor& target, const FocalLossOptions& options) {
  constexpr std::string_view name = "sigmoid_focal_loss";
  detail::check_same_shape(name, logits, target);
  check(options.gamma >= 0, "[{}] a gamma of at least 0 expected, got {}", name, options.gamma);
  check(options.alpha <= 1, "[{}] an alpha of at most 1 expected, got {}", name, options.alpha);
  Tensor losses = logit_losses(logits, target, {});
  if (options.gamma > 0) {
    // 1 - p_t, without subtracting from 1.
    const Tensor missed = sigmoid(logits) * (1 - target) + sigmoid(-logits) * target;
    losses *= pow(missed, options.gamma);
  }
  if (options.alpha >= 0) losses *= target * (2 * options.alpha - 1) + (1 - options.alpha);
  return detail::reduced(losses, options.reduction);
}

Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target,
                                   const MultilabelSoftMarginLossOptions& options) {
  constexpr std::string_view name = "multilabel_soft_margin_loss";
  detail::check_same_shape(name, input, target);
  check(input.rank() >= 1, "[{}] an input [..., C] expected, got {}", name, input);
  detail::check_weight(name, "weight", options.weight, input);
  const Tensor losses = detail::weighted(logit_losses(input, target, {}), options.weight);
  return detail::reduced(mean(losses, -1), options.reduction);
}

Tensor kl_div(const Tensor& input, const Tensor& target, const KlDivOptions& options) {
  detail::check_broadcast("kl_div", input, target);
  check(options.reduction != KlReduction::batchmean || input.rank() >= 1,
        "[kl_div] batchmean needs a batch, got {}", input);
  Tensor losses;
  if (options.log_target) {
    losses = exp(target) * (target - input);
  } else {
    const Tensor absent = equal(target, 0);
    const Tensor t = masked_fill(target, absent, 1);  // keeps the logarithm and its slope finite
    losses = masked_fill(t * (log(t) - input), absent, 0);
  }
  switch (options.reduction) {
    case KlReduction::none:
      return losses;
    case KlReduction::mean:
      return mean(losses);
    case KlReduction::sum:
      return sum(losses);
    case KlReduction::batchmean:
      return sum(losses) / static_cast<double>(input.shape()[0]);
  }
  throw Error("[kl_div] unknown reduction");
}

}  // namespace reel
