// Draws from further distributions, on the streams of random.h: the same values on any number of threads. Nothing that
// is drawn has a gradient.
#pragma once

#include <reel/framework/random.h>

namespace reel {

Tensor rand_like(const Tensor& tensor,
                 Random& random = default_random());  ///< rand() of its shape and dtype.
Tensor randn_like(const Tensor& tensor, Random& random = default_random());  ///< randn() likewise.

/// 1 with the probability that stands at each place, else 0, in the dtype of `probabilities` (floating, in [0, 1]).
Tensor bernoulli(const Tensor& probabilities, Random& random = default_random());

/// Density rate * exp(-rate * x) over x > 0; rate above 0. Floating dtypes.
Tensor exponential(const Shape& shape, double rate = 1, TensorOptions options = {},
                   Random& random = default_random());

/// Distribution function exp(-exp(-(x - location) / scale)); scale above 0. Floating dtypes.
Tensor gumbel(const Shape& shape, double location = 0, double scale = 1, TensorOptions options = {},
              Random& random = default_random());

/// Normal under the condition that the value lies in [low, high], which are values, not multiples of the deviation; either
/// may be infinite. By the inverse of the distribution function, in double precision. Throws where the range lies more
/// than 37 deviations from the mean: no double tells its probability from 0. Floating dtypes.
Tensor truncated_normal(const Shape& shape, double mean, double deviation, double low, double high,
                        TensorOptions options = {}, Random& random = default_random());

/// Category k with probability weights[..., k] / sum of weights[..., :]: `count` int64 draws [..., count] from weights
/// [..., K] (floating, at least 0, not all 0). Without replacement no category comes twice, as if each draw were made
/// from those that are left; there must be as many weights above 0. With replacement by the inverse of the distribution
/// function, without by exponential races (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
Tensor multinomial(const Tensor& weights, int64_t count, bool replacement = false,
                   Random& random = default_random());

/// One draw int64 [...] with probabilities softmax(logits) over the last axis of logits [..., K], by the inverse of the
/// distribution function. A logit of -inf is never drawn; nan, inf, and nothing but -inf are refused.
Tensor categorical(const Tensor& logits, Random& random = default_random());

}  // namespace reel
