// Sliding windows along an axis.
#pragma once

#include <reel/framework/tensor.h>

namespace reel {

/// Windows of `size` elements along `axis`, `step` apart: x [..., n, ...] -> [..., (n - size) / step + 1, ..., size], the
/// window along a new last axis (PyTorch's Tensor.unfold). A view, whose windows share elements where they overlap:
/// their gradients add up. Throws on windows longer than the axis.
Tensor unfold(const Tensor& x, int64_t axis, int64_t size, int64_t step);

}  // namespace reel
