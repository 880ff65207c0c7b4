// Reading and writing along one axis by int64 indices, under PyTorch's and NumPy's names. Writing gives a new tensor.
// Indices out of range are refused with the place where they stand. Gradients add up in a fixed order. Indexing along
// several axes is in index.h.
#pragma once

#include <reel/framework/tensor.h>

namespace reel {

/// The slices of x along `axis` that `indices` (one axis) names, each in [0, extent).
Tensor index_select(const Tensor& x, int64_t axis, const Tensor& indices);
/// x with the slices of `source` along `axis` added at `indices`: source is shaped like index_select(x, axis, indices).
Tensor index_add(const Tensor& x, int64_t axis, const Tensor& indices, const Tensor& source);

/// y[i, j, k] = x[i, indices[i, j, k], k] for axis 1: `indices`, each in [0, extent), have as many axes as x and, but
/// along `axis`, no more elements.
Tensor gather(const Tensor& x, int64_t axis, const Tensor& indices);
/// The same by NumPy's rule: x and `indices` broadcast along the other axes, and negative indices count from the end.
Tensor take_along_axis(const Tensor& x, const Tensor& indices, int64_t axis);

/// x but for y[i, indices[i, j, k], k] = values[i, j, k] for axis 1: indices as in gather(), values broadcast to their
/// shape. Of several values for one place the last stays, and takes the gradient alone.
Tensor scatter(const Tensor& x, int64_t axis, const Tensor& indices, const Tensor& values);
Tensor scatter(const Tensor& x, int64_t axis, const Tensor& indices, double value);
/// The same, the values added to what x holds.
Tensor scatter_add(const Tensor& x, int64_t axis, const Tensor& indices, const Tensor& values);

}  // namespace reel
