// Distances and similarities of vectors.
#pragma once

#include <cstdint>

#include <reel/framework/tensor.h>

namespace reel {

struct PairwiseDistanceOptions {
  double p = 2;       ///< Of the norm: above 0, or infinity.
  double eps = 1e-6;  ///< Added to the differences.
  bool keepdim = false;
};
/// |x1 - x2 + eps|_p over the last axis. Broadcasts. A distance of exactly 0 has the gradient 0.
Tensor pairwise_distance(const Tensor& x1, const Tensor& x2, const PairwiseDistanceOptions& options = {});

struct CosineSimilarityOptions {
  int64_t axis = 1;   ///< PyTorch's default.
  double eps = 1e-8;  ///< Either length is at least this; above 0.
};
/// x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along an axis. Broadcasts. This is the formula of PyTorch since 1.13, whose
/// gradient differs where a length is below eps: here it is that of the formula.
Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, const CosineSimilarityOptions& options = {});

}  // namespace reel
