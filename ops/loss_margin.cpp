#include <string>

#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/distance.h"
#include "ops/indexing.h"
#include "ops/loss.h"
#include "ops/loss_common.h"
#include "ops/reduction.h"
#include "ops/shape.h"

namespace reel {
namespace {

/// Targets that choose between cases may be int64 beside floating inputs.
void check_choices(std::string_view op, const Tensor& input, const Tensor& target) {
  detail::check_floating(op, input);
  check(target.dtype() == DType::int64 || target.dtype() == input.dtype(),
        "[{}] for {} a target of int64 or the same dtype expected, got {}", op, input, target);
}

/// x where the target is `value`, else 0.
Tensor where_target_is(double value, const Tensor& target, const Tensor& x) {
  return where(equal(target, value), x, scalar(0, {.dtype = x.dtype()}));
}

void check_class_rows(std::string_view op, const Tensor& input, const Tensor& target,
                      const Shape& target_shape) {
  detail::check_floating(op, input);
  check((input.rank() == 1 || input.rank() == 2) && input.shape().back() > 0,
        "[{}] an input [N, C] or [C] with at least one class expected, got {}", op, input);
  check(target.dtype() == DType::int64 && target.shape() == target_shape,
        "[{}] for an input {} a target int64 {} expected, got {}", op, input, target_shape, target);
}

}  // namespace

Tensor margin_ranking_loss(const Tensor& x1, const Tensor& x2, const Tensor& target,
                           const MarginLossOptions& options) {
  constexpr std::string_view name = "margin_ranking_loss";
  detail::check_broadcast(name, x1, x2);
  detail::check_broadcast(name, x1, target);
  detail::check_broadcast(name, x2, target);
  check(x1.rank() == x2.rank() && x1.rank() == target.rank(),
        "[margin_ranking_loss] arguments of one rank expected, got {}, {} and {}", x1, x2, target);
  return detail::reduced(relu(target * (x2 - x1) + options.margin), options.reduction);
}

Tensor cosine_embedding_loss(const Tensor& x1, const Tensor& x2, const Tensor& target,
                             const MarginLossOptions& options) {
  constexpr std::string_view name = "cosine_embedding_loss";
  constexpr double eps = 1e-12;
  detail::check_broadcast(name, x1, x2);
  check_choices(name, x1, target);
  check(target.rank() <= 1 && x1.rank() == target.rank() + 1 && x2.rank() == x1.rank(),
        "[{}] vectors [D] and a target [], or [N, D] and [N], expected, got {}, {} and {}", name, x1, x2,
        target);
  Shape rows = detail::broadcast_shapes(name, x1.shape(), x2.shape());
  rows.erase(rows.rank() - 1);
  detail::broadcast_shapes(name, rows, target.shape());
  const Tensor squares1 = sum(square(x1), -1) + eps, squares2 = sum(square(x2), -1) + eps;
  const Tensor cosine = sum(x1 * x2, -1) / sqrt(squares1 * squares2);
  const Tensor losses =
      where_target_is(1, target, 1 - cosine) + where_target_is(-1, target, relu(cosine - options.margin));
  return detail::reduced(losses, options.reduction);
}

Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target,
                            const HingeEmbeddingLossOptions& options) {
  constexpr std::string_view name = "hinge_embedding_loss";
  check_choices(name, input, target);
  detail::broadcast_shapes(name, input.shape(), target.shape());
  const Tensor zero = scalar(0, {.dtype = input.dtype()});
  const Tensor losses =
      where(equal(target, 1), zero, relu(options.margin - input)) + where(equal(target, -1), zero, input);
  return detail::reduced(losses, options.reduction);
}

Tensor soft_margin_loss(const Tensor& input, const Tensor& target, const LossOptions& options) {
  detail::check_same_dtype("soft_margin_loss", input, target);
  check(target.rank() <= input.rank() &&
            detail::broadcast_shapes("soft_margin_loss", input.shape(), target.shape()) == input.shape(),
        "[soft_margin_loss] a target that broadcasts to {} expected, got {}", input, target);
  return detail::reduced(softplus(-(target * input)), options.reduction);
}

Tensor multi_margin_loss(const Tensor& input, const Tensor& target, const MultiMarginLossOptions& options) {
  constexpr std::string_view name = "multi_margin_loss";
  Shape rows = input.shape();
  if (rows.rank() > 0) rows.erase(rows.rank() - 1);
  check_class_rows(name, input, target, rows);
  const int64_t classes = input.shape().back();
  check(options.p == 1 || options.p == 2, "[{}] a p of 1 or 2 expected, got {}", name, options.p);
  if (options.weight.defined())
    check(options.weight.dtype() == input.dtype() && options.weight.shape() == Shape{classes},
          "[{}] a weight {} [{}] expected for {}, got {}", name, input.dtype(), classes, input,
          options.weight);
  const std::vector<int64_t> labels = target.to_vector<int64_t>();
  for (size_t i = 0; i < labels.size(); ++i)
    check(labels[i] >= 0 && labels[i] < classes, "[{}] index {} at position {} is outside [0, {})", name,
          labels[i], i, classes);

  Tensor steps = relu(input - unsqueeze(pick(input, target, -1), -1) + options.margin);
  if (options.p == 2) steps = square(steps);
  const Tensor own = equal(arange(classes), unsqueeze(target, -1));
  Tensor losses = mean(masked_fill(steps, own, 0), -1);
  if (options.weight.defined()) losses *= embedding(options.weight, target);
  return detail::reduced(losses, options.reduction);
}

Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target, const LossOptions& options) {
  constexpr std::string_view name = "multilabel_margin_loss";
  check_class_rows(name, input, target, input.shape());
  const auto classes = static_cast<size_t>(input.shape().back());
  std::vector<int64_t> labels = target.to_vector<int64_t>();
  std::vector<bool> others(labels.size(), true);
  for (size_t row = 0; row < labels.size(); row += classes) {
    bool ended = false;
    for (size_t i = row; i < row + classes; ++i) {
      ended = ended || labels[i] == -1;
      if (ended) {
        labels[i] = -1;
        continue;
      }
      check(labels[i] >= 0 && labels[i] < input.shape().back(),
            "[{}] index {} at position {} is outside [0, {})", name, labels[i], i, classes);
      others[row + static_cast<size_t>(labels[i])] = false;
    }
  }
  // [..., label, class]
  const Tensor wanted = from_vector(labels, target.shape());
  Shape pairs = input.shape();
  pairs.push_back(input.shape().back());
  const Tensor own = unsqueeze(pick(broadcast_to(unsqueeze(input, -2), pairs), wanted, -1), -1);
  const Tensor counts =
      logical_and(unsqueeze(not_equal(wanted, -1), -1), unsqueeze(from_vector(others, target.shape()), -2));
  const Tensor steps = relu(unsqueeze(input, -2) - own + 1);
  const Tensor losses = sum(masked_fill(steps, logical_not(counts), 0), {-2, -1});
  return detail::reduced(losses / static_cast<double>(classes), options.reduction);
}

Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginLossOptions& options) {
  constexpr std::string_view name = "triplet_margin_loss";
  detail::check_broadcast(name, anchor, positive);
  detail::check_broadcast(name, anchor, negative);
  detail::check_broadcast(name, positive, negative);
  check(anchor.rank() >= 1 && anchor.rank() == positive.rank() && anchor.rank() == negative.rank(),
        "[{}] vectors [..., D] of one rank expected, got {}, {} and {}", name, anchor, positive, negative);
  check(options.p > 0, "[{}] a p above 0 expected, got {}", name, options.p);
  const PairwiseDistanceOptions norm{.p = options.p, .eps = options.eps};
  const Tensor near = pairwise_distance(anchor, positive, norm);
  Tensor far = pairwise_distance(anchor, negative, norm);
  if (options.swap) far = minimum(far, pairwise_distance(positive, negative, norm));
  return detail::reduced(relu(near - far + options.margin), options.reduction);
}

}  // namespace reel
