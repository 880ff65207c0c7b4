// Sums, means, extremes and their places, over any axes; without axes, over all of them. Floating sums are added
// up pairwise. Other reductions are in aggregate.h (products, logic, norms), statistics.h and sorting.h.
#pragma once

#include <reel/framework/tensor.h>
#include <reel/ops/axes.h>

namespace reel {

/// Of int64, uint8 and bool the sum is int64, without a gradient; it wraps around where it overflows.
Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, const Axes& axes, bool keepdim = false);
/// Arithmetic mean; nan over no elements.
Tensor mean(const Tensor& x);
Tensor mean(const Tensor& x, const Axes& axes, bool keepdim = false);
/// The largest element, of any dtype; a nan wins. Throws over no elements. Equal largest ones share the gradient
/// evenly, as in PyTorch's amax; for the gradient to one of them, and its place, see max_with_index().
Tensor max(const Tensor& x);
Tensor max(const Tensor& x, const Axes& axes, bool keepdim = false);
/// The smallest element, likewise.
Tensor min(const Tensor& x);
Tensor min(const Tensor& x, const Axes& axes, bool keepdim = false);
Tensor amax(const Tensor& x);  ///< PyTorch's and NumPy's name for max(), as which errors name it.
Tensor amax(const Tensor& x, const Axes& axes, bool keepdim = false);
Tensor amin(const Tensor& x);  ///< Likewise for min().
Tensor amin(const Tensor& x, const Axes& axes, bool keepdim = false);
/// int64 index of the largest element along `axis`, the first of equal ones; a nan counts as largest. No
/// gradient.
Tensor argmax(const Tensor& x, int64_t axis = -1, bool keepdim = false);
/// The same for the smallest element; a nan counts as smallest.
Tensor argmin(const Tensor& x, int64_t axis = -1, bool keepdim = false);

/// Sum of x over what broadcasting from `shape` to x's shape repeated: the gradient of broadcasting.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace reel
