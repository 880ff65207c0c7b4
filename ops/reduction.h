// Reductions over any axes. Without axes, over all of them. float32 and float64; sums are added up pairwise.
#pragma once

#include <reel/framework/tensor.h>
#include <reel/ops/axes.h>

namespace reel {

Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, const Axes& axes, bool keepdim = false);
/// Arithmetic mean; nan over no elements.
Tensor mean(const Tensor& x);
Tensor mean(const Tensor& x, const Axes& axes, bool keepdim = false);
/// The largest element; a nan wins. Throws over no elements. Equal largest ones share the gradient evenly.
Tensor max(const Tensor& x);
Tensor max(const Tensor& x, const Axes& axes, bool keepdim = false);
/// The smallest element, likewise.
Tensor min(const Tensor& x);
Tensor min(const Tensor& x, const Axes& axes, bool keepdim = false);
/// int64 index of the largest element along `axis`, the first of equal ones; a nan counts as largest. No
/// gradient.
Tensor argmax(const Tensor& x, int64_t axis = -1, bool keepdim = false);

/// Sum of x over what broadcasting from `shape` to x's shape repeated: the gradient of broadcasting.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace reel
