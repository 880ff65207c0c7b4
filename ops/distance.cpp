#include "ops/distance.h"

#include <cmath>

#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/loss_common.h"
#include "ops/reduction.h"
#include "ops/shape.h"

namespace reel {
namespace {

/// s^(1 / p), with the gradient 0 at 0.
Tensor root(const Tensor& s, double p) {
  const Tensor zero = equal(s, 0);
  const Tensor positive = masked_fill(s, zero, 1);
  return masked_fill(p == 2 ? sqrt(positive) : pow(positive, 1 / p), zero, 0);
}

/// Over the last axis.
Tensor norm_of_rows(const Tensor& x, double p, bool keepdim) {
  if (std::isinf(p)) return max(abs(x), -1, keepdim);
  if (p == 1) return sum(abs(x), -1, keepdim);
  return root(sum(p == 2 ? square(x) : pow(abs(x), p), -1, keepdim), p);
}

/// x over its length, or over eps where that is larger.
Tensor unit(const Tensor& x, int64_t axis, double eps) {
  const Tensor squares = sum(square(x), axis, true);
  return x / sqrt(maximum(squares, scalar(eps * eps, {.dtype = x.dtype()})));
}

}  // namespace

Tensor pairwise_distance(const Tensor& x1, const Tensor& x2, const PairwiseDistanceOptions& options) {
  detail::check_broadcast("pairwise_distance", x1, x2);
  check(x1.rank() >= 1 || x2.rank() >= 1, "[pairwise_distance] vectors [..., D] expected, got {} and {}", x1,
        x2);
  check(options.p > 0, "[pairwise_distance] a p above 0 expected, got {}", options.p);
  return norm_of_rows(x1 - x2 + options.eps, options.p, options.keepdim);
}

Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, const CosineSimilarityOptions& options) {
  detail::check_broadcast("cosine_similarity", x1, x2);
  check(options.eps > 0, "[cosine_similarity] an eps above 0 expected, got {}", options.eps);
  const Shape common = detail::broadcast_shapes("cosine_similarity", x1.shape(), x2.shape());
  const auto axis =
      static_cast<int64_t>(detail::normalize_axis("cosine_similarity", options.axis, common.rank()));
  const Tensor a = broadcast_to(x1, common), b = broadcast_to(x2, common);
  return sum(unit(a, axis, options.eps) * unit(b, axis, options.eps), axis);
}

}  // namespace reel
