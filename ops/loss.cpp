#include "ops/loss.h"

#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/indexing.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/softmax.h"

namespace reel {
namespace {

Tensor classes_last(const Tensor& logits, int64_t axis) {
  const size_t at = detail::normalize_axis("cross_entropy", axis, logits.rank());
  if (at + 1 == logits.rank()) return logits;
  Shape order;
  for (size_t i = 0; i < logits.rank(); ++i)
    if (i != at) order.push_back(static_cast<int64_t>(i));
  order.push_back(static_cast<int64_t>(at));
  return permute(logits, Axes(order));
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options) {
  check(logits.rank() >= 1, "[cross_entropy] logits [..., C] expected, got {}", logits);
  check(options.label_smoothing >= 0 && options.label_smoothing <= 1,
        "[cross_entropy] label_smoothing must lie in [0, 1], got {}", options.label_smoothing);
  const Tensor scores = classes_last(logits, options.axis);
  Shape expected = scores.shape();
  expected.erase(expected.rank() - 1);
  check(targets.dtype() == DType::int64 && targets.shape() == expected,
        "[cross_entropy] for logits {} with the classes on axis {}, targets int64 {} expected, got {}",
        logits, options.axis, expected, targets);

  check(is_floating(logits.dtype()), "[cross_entropy] floating logits expected, got {}", logits);
  const std::vector<int64_t> classes = targets.to_vector<int64_t>();
  for (size_t i = 0; i < classes.size(); ++i)
    check((classes[i] >= 0 && classes[i] < scores.shape().back()) || classes[i] == options.ignore_index,
          "[cross_entropy] index {} at position {} is outside [0, {})", classes[i], i, scores.shape().back());
  const Tensor log_probabilities = log_softmax(scores);
  Tensor losses = -pick(log_probabilities, targets, options.ignore_index);
  if (options.label_smoothing > 0) {
    const Tensor even = masked_fill(-mean(log_probabilities, -1),
                                    equal(targets, static_cast<double>(options.ignore_index)), 0);
    losses = losses * (1 - options.label_smoothing) + even * options.label_smoothing;
  }
  if (options.reduction == Reduction::none) return losses;
  Tensor total = sum(losses);
  if (options.reduction == Reduction::sum) return total;
  int64_t counted = 0;
  for (int64_t target : classes) counted += target != options.ignore_index;
  return total / static_cast<double>(counted);
}

}  // namespace reel
