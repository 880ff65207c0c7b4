// Softmax and its logarithm, by oneDNN in float32.
#pragma once

#include <reel/framework/tensor.h>

namespace reel {

/// exp(x) / sum(exp(x)) along `axis`, safe against overflow. float32 and float64.
Tensor softmax(const Tensor& x, int64_t axis = -1);
/// x - log(sum(exp(x))) along `axis`, safe against overflow. float32 and float64.
Tensor log_softmax(const Tensor& x, int64_t axis = -1);

}  // namespace reel
