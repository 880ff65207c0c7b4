// Dropout.
#pragma once

#include <reel/framework/random.h>
#include <reel/framework/tensor.h>

namespace reel {

/// x with each element zeroed with probability `p` and the others scaled by 1 / (1 - p), so that the
/// expectation stays. p in [0, 1]. Srivastava et al., "Dropout", JMLR 2014.
Tensor dropout(const Tensor& x, double p, Random& random = default_random());

}  // namespace reel
