// Small linear algebra made of products: vectors, traces, bilinear forms, contractions of chosen axes.
#pragma once

#include <reel/framework/tensor.h>
#include <reel/ops/axes.h>

namespace reel {

/// a_i b_j of two vectors [M] and [N]: [M, N].
Tensor outer(const Tensor& a, const Tensor& b);
/// Sum of a_i b_i of two vectors of one length, floating dtypes.
Tensor dot(const Tensor& a, const Tensor& b);
/// Sum of the elements x_ii of a matrix.
Tensor trace(const Tensor& x);

/// Products summed over the last `count` axes of a and the first `count` of b, which must agree: [A..., C...] and
/// [C..., B...] give [A..., B...].
Tensor tensordot(const Tensor& a, const Tensor& b, int64_t count = 2);
/// The same over axes of a and axes of b, in pairs.
Tensor tensordot(const Tensor& a, const Tensor& b, const Axes& axes_a, const Axes& axes_b);

/// y_o = sum over i, j of a_i W_oij b_j: `a` [..., I], `b` [..., J] and `weight` [O, I, J] give [..., O]. The leading
/// axes of a and b must be equal. As torch.nn.functional.bilinear.
Tensor bilinear(const Tensor& a, const Tensor& b, const Tensor& weight);
/// The same plus `bias` [O].
Tensor bilinear(const Tensor& a, const Tensor& b, const Tensor& weight, const Tensor& bias);

namespace detail {
/// Axes i < j, of one extent, as one, which comes last: their diagonal. A view where the strides allow it.
Tensor diagonal_last(const Tensor& x, size_t i, size_t j);
}  // namespace detail

}  // namespace reel
