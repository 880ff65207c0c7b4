// Products on raw tensors, off the tape: what the ops call. float32 runs on oneDNN.
#pragma once

#include <reel/framework/loop_role.h>
#include <reel/framework/tensor.h>

namespace reel::detail {

/// Products of rows with a matrix of parts side by side (or, `transposed`, with its transpose), packed once for
/// all of them; see ProductRole.
std::vector<std::unique_ptr<RowProduct>> pack_rows(std::span<const MatrixPart> parts, bool transposed,
                                                   std::span<const int64_t> rows);

/// out = op(a) op(b), or out += op(a) op(b). Matrices of one floating dtype; a and b of any strides, out
/// contiguous.
void gemm(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, const Tensor& out,
          bool accumulate);

/// out[i] = a[i] b[i] for stacks of matrices [B, M, K] and [B, K, N] of any strides; out contiguous [B, M,
/// N].
void batched_gemm(const Tensor& a, const Tensor& b, const Tensor& out);

/// Softmax of each row of a contiguous float32 matrix.
void softmax_rows(const Tensor& x, const Tensor& out);

}  // namespace reel::detail
