// Padding.
#pragma once

#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

/// What stands beside the tensor x = a b c d when three elements are added at either side.
enum class PadMode {
  constant,   ///< v v v | a b c d | v v v
  reflect,    ///< d c b | a b c d | c b a; fewer than the axis is long.
  replicate,  ///< a a a | a b c d | d d d
  circular,   ///< b c d | a b c d | a b c; at most as many as the axis is long.
};

/// Elements added along one axis.
struct PadAmount {
  int64_t axis;
  int64_t before = 0, after = 0;
};

struct PadOptions {
  PadMode mode = PadMode::constant;
  double value = 0;  ///< For PadMode::constant; must be a value of x's dtype.
};

/// x with elements added along axes: pad(x, {{-1, 2, 1}}) puts two before and one behind the last axis. Where several
/// axes are named, corners are padded along one axis after the other, as in PyTorch. A negative amount cuts off
/// instead, in mode constant only; the other modes need an axis that is not empty, and refuse negative amounts.
Tensor pad(const Tensor& x, const std::vector<PadAmount>& amounts, const PadOptions& options = {});

}  // namespace reel
