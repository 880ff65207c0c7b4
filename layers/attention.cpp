#include "layers/attention.h"

#include <cmath>

#include "framework/random.h"
#include "ops/attention.h"
#include "ops/compare.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel {
namespace {

/// Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010.
Tensor glorot(int64_t rows, int64_t columns) {
  const double bound = std::sqrt(6 / static_cast<double>(rows + columns));
  return detail::parameter(uniform({rows, columns}, -bound, bound));
}

/// [N, T, heads * part] -> [N, heads, T, part]
Tensor split_heads(const Tensor& x, int64_t heads) {
  const int64_t part = x.shape()[2] / heads;
  return transpose(reshape(x, {x.shape()[0], x.shape()[1], heads, part}), 1, 2);
}

}  // namespace

MultiHeadAttention::MultiHeadAttention(int64_t width, int64_t heads, MultiHeadAttentionOptions options)
    : width_(width), heads_(heads), options_(options) {
  check(width >= 1 && heads >= 1 && width % heads == 0,
        "[MultiHeadAttention] expected a number of heads that divides the width, got width {} and heads {}",
        width, heads);
  check(options.key_size >= 0 && options.value_size >= 0 && options.dropout >= 0 && options.dropout <= 1,
        "[MultiHeadAttention] expected sizes of at least 0 and a dropout in [0, 1], got key_size {}, "
        "value_size "
        "{} and dropout {}",
        options.key_size, options.value_size, options.dropout);
  if (options_.key_size == 0) options_.key_size = width;
  if (options_.value_size == 0) options_.value_size = width;
  if (options_.key_size == width && options_.value_size == width) {
    in_proj_weight = glorot(3 * width, width);
  } else {
    q_proj_weight = glorot(width, width);
    k_proj_weight = glorot(width, options_.key_size);
    v_proj_weight = glorot(width, options_.value_size);
  }
  if (options.bias) in_proj_bias = detail::parameter(zeros({3 * width}));
  out_proj = Linear(width, width, {.bias = options.bias});
  if (options.bias) out_proj.bias.fill_(0);
}

Tensor MultiHeadAttention::project(const Tensor& x, int64_t which) const {
  const Tensor* const own[] = {&q_proj_weight, &k_proj_weight, &v_proj_weight};
  const Tensor weight =
      in_proj_weight.defined() ? narrow(in_proj_weight, 0, which * width_, width_) : *own[which];
  return linear(x, weight,
                in_proj_bias.defined() ? narrow(in_proj_bias, 0, which * width_, width_) : Tensor());
}

Tensor MultiHeadAttention::operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                                      const MultiHeadAttentionMasks& masks) const {
  const size_t rank = query.rank();
  check(
      (rank == 2 || rank == 3) && key.rank() == rank && value.rank() == rank,
      "[MultiHeadAttention] expected query, key and value of 3 axes, or 2 without a batch, got {}, {} and {}",
      query, key, value);
  check(
      query.size(-1) == width_ && key.size(-1) == options_.key_size && value.size(-1) == options_.value_size,
      "[MultiHeadAttention] expected widths {}, {} and {} of query, key and value, got {}, {} and {}", width_,
      options_.key_size, options_.value_size, query, key, value);
  if (rank == 2) {
    const int64_t batch = options_.batch_first ? 0 : 1;
    MultiHeadAttentionMasks all = masks;
    if (all.keys.defined()) all.keys = unsqueeze(all.keys, 0);
    return squeeze((*this)(unsqueeze(query, batch), unsqueeze(key, batch), unsqueeze(value, batch), all),
                   batch);
  }
  const auto batch_first = [&](const Tensor& x) { return options_.batch_first ? x : transpose(x, 0, 1); };
  const Tensor q = batch_first(query), k = batch_first(key), v = batch_first(value);
  const int64_t batch = q.shape()[0], queries = q.shape()[1], keys = k.shape()[1];
  check(k.shape()[0] == batch && v.shape()[0] == batch && v.shape()[1] == keys,
        "[MultiHeadAttention] expected one batch, and as many keys as values, got {}, {} and {}", query, key,
        value);
  Tensor mask = masks.mask;
  if (mask.defined()) {
    const bool whole = mask.shape() == Shape{batch * heads_, queries, keys};
    check(whole || mask.shape() == Shape{queries, keys},
          "[MultiHeadAttention] expected a mask [{}, {}] or [{}, {}, {}], got {}", queries, keys,
          batch * heads_, queries, keys, mask);
    if (whole) mask = reshape(mask, {batch, heads_, queries, keys});
  }
  if (masks.keys.defined()) {
    check(masks.keys.dtype() == DType::boolean && masks.keys.shape() == Shape{batch, keys},
          "[MultiHeadAttention] expected keys bool [{}, {}], got {}", batch, keys, masks.keys);
    const Tensor real = reshape(masks.keys, {batch, 1, 1, keys});
    if (!mask.defined())
      mask = real;
    else if (mask.dtype() == DType::boolean)
      mask = logical_and(mask, real);
    else
      mask = where(real, mask, scalar(-INFINITY, {.dtype = mask.dtype()}));
  }
  const AttentionOptions how{
      .mask = mask, .causal = masks.causal, .dropout_p = is_training() ? options_.dropout : 0};
  const Tensor heads =
      scaled_dot_product_attention(split_heads(project(q, 0), heads_), split_heads(project(k, 1), heads_),
                                   split_heads(project(v, 2), heads_), how);
  return batch_first(out_proj(reshape(transpose(heads, 1, 2), {batch, queries, width_})));
}

}  // namespace reel
