// Elements in another order along axes: turned round, or shifted in a ring.
#pragma once

#include <reel/framework/tensor.h>
#include <reel/ops/axes.h>

namespace reel {

/// In reverse order along `axes`. A copy, as in PyTorch.
Tensor flip(const Tensor& x, const Axes& axes);

/// Shifted by shifts[i] along axes[i]; what leaves at the end comes in at the front. Negative shifts go the other way,
/// an axis named twice is shifted twice.
Tensor roll(const Tensor& x, const Axes& shifts, const Axes& axes);
/// The same over all elements in row-major order.
Tensor roll(const Tensor& x, int64_t shift);

}  // namespace reel
