#include "layers/basic.h"

#include "framework/random.h"
#include "layers/initializers.h"
#include "ops/arithmetic.h"
#include "ops/dropout.h"
#include "ops/indexing.h"
#include "ops/normalization.h"

namespace reel {

Embedding::Embedding(int64_t count, int64_t width, EmbeddingOptions options) : sparse_(options.sparse) {
  check(count >= 1 && width >= 1, "[Embedding] expected sizes of at least 1, got count {} and width {}",
        count, width);
  weight = detail::parameter(normal_(empty({count, width})));
}

Tensor Embedding::operator()(const Tensor& indices) const { return embedding(weight, indices, sparse_); }

Dropout::Dropout(double probability) : p(probability) {
  check(p >= 0 && p <= 1, "[Dropout] expected a probability in [0, 1], got {}", p);
}

Tensor Dropout::operator()(const Tensor& x) const { return is_training() ? dropout(x, p) : x; }

LayerNorm::LayerNorm(const Shape& shape, LayerNormOptions options) : shape_(shape), eps_(options.eps) {
  check(!shape.empty() && shape.numel() >= 1, "[LayerNorm] expected extents of at least 1, got shape {}",
        shape);
  if (!options.affine) return;
  weight = detail::parameter(ones(shape));
  bias = detail::parameter(zeros(shape));
}

Tensor LayerNorm::operator()(const Tensor& x) const { return layer_norm(x, shape_, weight, bias, eps_); }

}  // namespace reel
