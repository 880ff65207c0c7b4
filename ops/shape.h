// Ops that show a tensor under another shape or layout. Views share the memory; their gradients are recorded
// like any other.
#pragma once

#include <reel/framework/tensor.h>
#include <reel/ops/axes.h>

namespace reel {

/// The same elements in row-major order under another shape; one extent may be -1 and is then inferred. A
/// view where the strides allow it, else a copy.
Tensor reshape(const Tensor& x, const Shape& shape);
/// Axes [first, last] as one. A view where the strides allow it.
Tensor flatten(const Tensor& x, int64_t first = 0, int64_t last = -1);
Tensor squeeze(const Tensor& x);                  ///< Without any axis of extent 1. A view.
Tensor squeeze(const Tensor& x, int64_t axis);    ///< Without an axis of extent 1. A view.
Tensor unsqueeze(const Tensor& x, int64_t axis);  ///< With a new axis of extent 1 before `axis`. A view.
/// Repeated, without copying, to a shape that x broadcasts to.
Tensor broadcast_to(const Tensor& x, const Shape& shape);
/// The same; -1 keeps the extent of an axis that x has.
Tensor expand(const Tensor& x, const Shape& shape);
Tensor transpose(const Tensor& x, int64_t a = -2, int64_t b = -1);  ///< Two axes exchanged. A view.
Tensor permute(const Tensor& x, const Axes& order);  ///< Axis i of the result is axis order[i] of x. A view.
Tensor swapaxes(const Tensor& x, int64_t a, int64_t b);  ///< NumPy's name of transpose(x, a, b).
/// Axis from[i] of x becomes axis to[i] of the result; the others keep their order. A view.
Tensor movedim(const Tensor& x, const Axes& from, const Axes& to);

Tensor contiguous(const Tensor& x);  ///< x itself if its memory is row-major without gaps, else a copy.
Tensor clone(const Tensor& x);       ///< A copy, contiguous.
Tensor cast(const Tensor& x, DType dtype);  ///< Values in another dtype; floats to integers by truncation.
/// The same memory, off the tape: no gradient flows through.
Tensor detach(const Tensor& x);

}  // namespace reel
