// Reading and adding up rows by integer index.
#pragma once

#include <reel/framework/tensor.h>

namespace reel {

/// Rows of `weight` [V, E...] chosen by `indices` (int64, any shape): [indices..., E...]. The gradient adds
/// up the rows that were read. Throws on an index outside [0, V). With `sparse`, the gradient of a leaf that nothing
/// else has used is left as these rows (Tensor::sparse_grad), and costs nothing for the others.
Tensor embedding(const Tensor& weight, const Tensor& indices, bool sparse = false);

/// Zeros of shape [rows, E...] with rows of `x` [indices..., E...] added at `indices`: the transpose of
/// embedding().
Tensor scatter_rows(const Tensor& x, const Tensor& indices, int64_t rows);

/// x[..., index] along the last axis: `x` [..., C] and `indices` [...] (int64) give [...]. Where an index
/// equals `ignore` the result is 0; any other outside [0, C) throws.
Tensor pick(const Tensor& x, const Tensor& indices, int64_t ignore = -100);

}  // namespace reel
