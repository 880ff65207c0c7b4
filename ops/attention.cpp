#include "ops/attention.h"

#include <cmath>
#include <limits>

#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/dropout.h"
#include "ops/matmul.h"
#include "ops/shape.h"
#include "ops/softmax.h"

namespace reel {
namespace {

constexpr std::string_view op = "scaled_dot_product_attention";
// Stands for -infinity in scores: exp() gives 0 beside any other, and no nan where there is no other.
constexpr double forbidden = -1e30;

Shape leading(const Tensor& x) { return Shape(std::span(x.shape().begin(), x.rank() - 2)); }

/// Whether two shapes broadcast; if so `result` is their common one.
bool broadcast(const Shape& a, const Shape& b, Shape& result) {
  result = a.rank() > b.rank() ? a : b;
  const Shape& shorter = a.rank() > b.rank() ? b : a;
  for (size_t i = 0; i < shorter.rank(); ++i) {
    int64_t& extent = result[result.rank() - 1 - i];
    const int64_t other = shorter[shorter.rank() - 1 - i];
    if (extent != other && extent != 1 && other != 1) return false;
    if (extent == 1) extent = other;
  }
  return true;
}

/// Shape of the scores; throws where the arguments do not fit.
Shape check_arguments(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  check(q.rank() >= 2 && k.rank() >= 2 && v.rank() >= 2,
        "[{}] expected q [..., L, E], k [..., S, E] and v [..., S, V], got {}, {} and {}", op, q, k, v);
  check(is_floating(q.dtype()) && q.dtype() == k.dtype() && q.dtype() == v.dtype(),
        "[{}] expected q, k and v of one floating dtype, got {}, {} and {}", op, q, k, v);
  check(q.size(-1) == k.size(-1) && k.size(-2) == v.size(-2) && q.size(-1) >= 1,
        "[{}] expected q [..., L, E], k [..., S, E] and v [..., S, V], got {}, {} and {}", op, q, k, v);
  check(options.dropout_p >= 0 && options.dropout_p <= 1, "[{}] expected a probability in [0, 1], got {}", op,
        options.dropout_p);
  Shape scores, common;
  check(broadcast(leading(q), leading(k), scores) && broadcast(scores, leading(v), common),
        "[{}] the leading axes of q {}, k {} and v {} do not broadcast", op, q, k, v);
  scores.push_back(q.size(-2));
  scores.push_back(k.size(-2));
  const Tensor& mask = options.mask;
  if (!mask.defined()) return scores;
  check(mask.dtype() == DType::boolean || mask.dtype() == q.dtype(),
        "[{}] expected a mask of dtype bool or {}, got {}", op, q.dtype(), mask);
  check(broadcast(mask.shape(), scores, common) && common == scores,
        "[{}] the mask {} does not broadcast to the scores {}", op, mask, scores);
  return scores;
}

/// True where key j lies behind query i.
Tensor later(int64_t queries, int64_t keys) {
  return less(reshape(arange(queries), {queries, 1}), arange(keys));
}

bool has_minus_infinity(const Tensor& mask) {
  const Tensor values = detail::contiguous_values(mask);
  return detail::dispatch_floating(op, mask.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* x = values.template raw<T>();
    bool found = false;
    for (int64_t i = 0; i < values.numel(); ++i) found |= x[i] == -std::numeric_limits<T>::infinity();
    return found;
  });
}

/// True where a query may not attend to a key; undefined where all may.
Tensor forbidden_places(const Shape& scores, const AttentionOptions& options) {
  Tensor places;
  if (options.mask.defined() && options.mask.dtype() == DType::boolean)
    places = logical_not(options.mask);
  else if (options.mask.defined() && has_minus_infinity(options.mask))
    places = equal(options.mask, -std::numeric_limits<double>::infinity());
  if (!options.causal) return places;
  const Tensor behind = later(scores[scores.rank() - 2], scores.back());
  return places.defined() ? logical_or(places, behind) : behind;
}

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const AttentionOptions& options) {
  const Shape shape = check_arguments(q, k, v, options);
  const double scale = options.scale != 0 ? options.scale : 1 / std::sqrt(static_cast<double>(q.size(-1)));
  Tensor scores = matmul(q * scale, k, {.transpose_b = true});
  if (options.mask.defined() && options.mask.dtype() != DType::boolean) scores = scores + options.mask;
  const Tensor places = forbidden_places(shape, options);
  if (places.defined()) scores = masked_fill(scores, places, forbidden);
  Tensor weights = softmax(scores, -1);
  // Only a query that may attend to nothing has weight there.
  if (places.defined()) weights = masked_fill(weights, places, 0);
  if (options.dropout_p > 0)
    weights = dropout(weights, options.dropout_p, options.random ? *options.random : default_random());
  return matmul(weights, v);
}

}  // namespace reel
