#include <span>

#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/indexing.h"
#include "ops/loss.h"
#include "ops/loss_common.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/softmax.h"

namespace reel {
namespace {

Tensor classes_last(const Tensor& x, size_t axis) {
  if (axis + 1 == x.rank()) return x;
  Shape order;
  for (size_t i = 0; i < x.rank(); ++i)
    if (i != axis) order.push_back(static_cast<int64_t>(i));
  order.push_back(static_cast<int64_t>(axis));
  return permute(x, Axes(order));
}

void check_class_weight(std::string_view op, const Tensor& weight, const Tensor& scores, int64_t classes) {
  if (!weight.defined()) return;
  check(weight.dtype() == scores.dtype() && weight.shape() == Shape{classes},
        "[{}] a weight {} [{}] expected for {}, got {}", op, scores.dtype(), classes, scores, weight);
}

/// Targets that are indices, and what they count for.
class Indices {
 public:
  Indices(std::string_view op, const Tensor& targets, int64_t classes, int64_t ignore)
      : targets_(targets),
        ignore_(ignore),
        listed_(detail::contiguous_values(targets)),
        values_(listed_.raw<int64_t>(), static_cast<size_t>(listed_.numel())) {
    for (size_t i = 0; i < values_.size(); ++i) {
      check((values_[i] >= 0 && values_[i] < classes) || values_[i] == ignore,
            "[{}] index {} at position {} is outside [0, {})", op, values_[i], i, classes);
      counted_ += values_[i] != ignore;
    }
  }

  bool any_ignored() const { return counted_ < static_cast<int64_t>(values_.size()); }

  /// x without the ignored ones.
  Tensor without_ignored(const Tensor& x) const {
    return any_ignored() ? masked_fill(x, equal(targets_, static_cast<double>(ignore_)), 0) : x;
  }

  /// The weights of the targets' classes.
  Tensor weights(const Tensor& weight) const {
    std::vector<int64_t> rows(values_.begin(), values_.end());
    for (int64_t& row : rows)
      if (row == ignore_) row = 0;
    if (weight.numel() == 0) return zeros(targets_.shape(), {.dtype = weight.dtype()});
    return without_ignored(embedding(weight, from_vector(rows, targets_.shape())));
  }

  /// -log_probs[target] times the weights, where there are any.
  Tensor losses(const Tensor& log_probs, const Tensor& weights) const {
    return detail::weighted(-pick(log_probs, targets_, ignore_), weights);
  }

  Tensor reduced(const Tensor& losses, const Tensor& weights, Reduction reduction) const {
    if (reduction != Reduction::mean) return detail::reduced(losses, reduction);
    return weights.defined() ? sum(losses) / sum(weights) : sum(losses) / static_cast<double>(counted_);
  }

 private:
  Tensor targets_;
  int64_t ignore_;
  int64_t counted_ = 0;
  Tensor listed_;  // the targets without gaps
  std::span<const int64_t> values_;
};

Shape without_axis(Shape shape, size_t axis) {
  shape.erase(axis);
  return shape;
}

Tensor cross_entropy_of_probabilities(const Tensor& logits, const Tensor& targets, size_t axis,
                                      const CrossEntropyOptions& options) {
  check(options.ignore_index < 0,
        "[cross_entropy] targets {} are probabilities, of which none can be ignored, got ignore_index {}",
        targets, options.ignore_index);
  const auto classes = static_cast<double>(logits.shape()[axis]);
  Tensor wanted = classes_last(targets, axis);
  if (options.label_smoothing > 0)
    wanted = wanted * (1 - options.label_smoothing) + options.label_smoothing / classes;
  const Tensor terms = log_softmax(classes_last(logits, axis)) * detail::weighted(wanted, options.weight);
  return detail::reduced(-sum(terms, -1), options.reduction);
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options) {
  check(logits.rank() >= 1, "[cross_entropy] logits [..., C] expected, got {}", logits);
  check(options.label_smoothing >= 0 && options.label_smoothing <= 1,
        "[cross_entropy] label_smoothing must lie in [0, 1], got {}", options.label_smoothing);
  detail::check_floating("cross_entropy", logits);
  const size_t axis = detail::normalize_axis("cross_entropy", options.axis, logits.rank());
  const int64_t classes = logits.shape()[axis];
  check_class_weight("cross_entropy", options.weight, logits, classes);
  if (targets.dtype() == logits.dtype() && targets.shape() == logits.shape())
    return cross_entropy_of_probabilities(logits, targets, axis, options);
  const Shape expected = without_axis(logits.shape(), axis);
  check(
      targets.dtype() == DType::int64 && targets.shape() == expected,
      "[cross_entropy] for logits {} with the classes on axis {}, targets int64 {} or {} {} expected, got {}",
      logits, options.axis, expected, logits.dtype(), logits.shape(), targets);

  const Indices indices("cross_entropy", targets, classes, options.ignore_index);
  const Tensor log_probs = log_softmax(classes_last(logits, axis));
  const Tensor weights = options.weight.defined() ? indices.weights(options.weight) : Tensor();
  Tensor losses = indices.losses(log_probs, weights);
  if (options.label_smoothing > 0) {
    // The smoothed part weighs each class by its own weight, not by that of the target.
    const Tensor even = -mean(detail::weighted(log_probs, options.weight), -1);
    losses = losses * (1 - options.label_smoothing) + indices.without_ignored(even) * options.label_smoothing;
  }
  return indices.reduced(losses, weights, options.reduction);
}

Tensor nll_loss(const Tensor& log_probs, const Tensor& targets, const NllLossOptions& options) {
  check(log_probs.rank() >= 1, "[nll_loss] log_probs [..., C] expected, got {}", log_probs);
  detail::check_floating("nll_loss", log_probs);
  const size_t axis = detail::normalize_axis("nll_loss", options.axis, log_probs.rank());
  const int64_t classes = log_probs.shape()[axis];
  check_class_weight("nll_loss", options.weight, log_probs, classes);
  const Shape expected = without_axis(log_probs.shape(), axis);
  check(targets.dtype() == DType::int64 && targets.shape() == expected,
        "[nll_loss] for log_probs {} with the classes on axis {}, targets int64 {} expected, got {}",
        log_probs, options.axis, expected, targets);
  const Indices indices("nll_loss", targets, classes, options.ignore_index);
  const Tensor weights = options.weight.defined() ? indices.weights(options.weight) : Tensor();
  return indices.reduced(indices.losses(classes_last(log_probs, axis), weights), weights, options.reduction);
}

}  // namespace reel
