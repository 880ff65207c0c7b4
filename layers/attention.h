// Attention with several heads.
#pragma once

#include <reel/layers/linear.h>

namespace reel {

struct MultiHeadAttentionOptions {
  double dropout = 0;  ///< Of the attention weights, while training.
  bool bias = true;
  int64_t key_size = 0;      ///< Width of the keys; that of the queries unless given.
  int64_t value_size = 0;    ///< Width of the values; likewise.
  bool batch_first = false;  ///< Tensors are [N, T, width] instead of [T, N, width].
};

/// Who may attend to what. true: may, as in scaled_dot_product_attention.
struct MultiHeadAttentionMasks {
  Tensor mask = {};     ///< [L, S] or [N * heads, L, S]; bool, or of the inputs' dtype, added to the scores.
  Tensor keys = {};     ///< bool [N, S] ([S] without a batch): which keys are no padding.
  bool causal = false;  ///< Position i may attend to positions 0 to i only.
};

/// Queries, keys and values are projected, attended to in `heads` parts of their width, joined and projected
/// again (Vaswani et al., "Attention is all you need", 2017, section 3.2.2). Names, shapes and initial values
/// of the parameters are those of PyTorch's MultiheadAttention: in_proj_weight [3 width, width] (or
/// q_proj_weight, k_proj_weight and v_proj_weight where widths differ), in_proj_bias, out_proj. Unlike there,
/// true in a mask means that attention is allowed.
struct MultiHeadAttention : Module {
  Tensor in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias;
  Linear out_proj;

  MultiHeadAttention(int64_t width, int64_t heads, MultiHeadAttentionOptions options = {});
  /// query [L, N, width], key [S, N, key_size], value [S, N, value_size], or all without N -> like query.
  Tensor operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                    const MultiHeadAttentionMasks& masks = {}) const;
  REEL_FIELDS(in_proj_weight, q_proj_weight, k_proj_weight, v_proj_weight, in_proj_bias, out_proj)

 private:
  Tensor project(const Tensor& x, int64_t which) const;
  int64_t width_, heads_;
  MultiHeadAttentionOptions options_;
};

}  // namespace reel
