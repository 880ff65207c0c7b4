// Attention: averages of values, weighted by how well keys fit queries.
#pragma once

#include <reel/framework/random.h>
#include <reel/framework/tensor.h>

namespace reel {

struct AttentionOptions {
  /// Broadcasts to [..., L, S]. bool: true where a query may attend to a key. Of the dtype of the queries:
  /// added to the scores (-infinity where it may not). Undefined: everything may.
  Tensor mask = {};
  bool causal = false;       ///< Query i may attend to keys 0 to i only; beside what the mask says.
  double dropout_p = 0;      ///< Of the weights; in training only, which the caller knows.
  double scale = 0;          ///< What scores are multiplied by; 1 / sqrt(E) unless given.
  Random* random = nullptr;  ///< Of the dropout; the thread's own unless given.
};

/// softmax(q k^T * scale + mask) v: q [..., L, E], k [..., S, E], v [..., S, V] -> [..., L, V]; leading axes
/// broadcast. A query that may attend to nothing gets zeros. Vaswani et al., "Attention is all you need",
/// 2017, equation 1.
Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const AttentionOptions& options = {});

}  // namespace reel
