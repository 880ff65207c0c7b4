// Whole numbers made from values, and back: places of what is not zero, counts, places in an order, one-hot codes. None
// has a gradient.
#pragma once

#include <reel/framework/tensor.h>

namespace reel {

/// int64 [n, rank]: the index of each of the n elements that are not 0, in row-major order. Of any dtype; a nan is not
/// 0.
Tensor nonzero(const Tensor& x);

/// [indices..., classes]: 1 at the last axis' place `index`, else 0. Indices are int64 in [0, classes); classes = -1
/// takes the largest index plus 1.
Tensor one_hot(const Tensor& indices, int64_t classes = -1, TensorOptions options = {.dtype = DType::int64});

/// int64 counts of 0, 1, ... among the elements of x (int64, at least 0), `minimum_length` of them at least.
Tensor bincount(const Tensor& x, int64_t minimum_length = 0);

/// int64, shaped like `values`: the first place in `sorted` (one axis, ascending) at which each value could be inserted
/// and keep it so; with `right` the last such place. One dtype. A nan counts as larger than every number.
Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right = false);

}  // namespace reel
