// Diagonals of matrices, and the triangles beside them.
#pragma once

#include <reel/framework/tensor.h>

namespace reel {

/// x [..., m, n] with zeros above the diagonal that lies `diagonal` places above the main one.
Tensor tril(const Tensor& x, int64_t diagonal = 0);
/// The same with zeros below it.
Tensor triu(const Tensor& x, int64_t diagonal = 0);

/// The elements x[..., i, ..., i + offset, ...] of axes `a` and `b`, which disappear, along a new last axis; empty where
/// the offset leads outside. A view.
Tensor diagonal(const Tensor& x, int64_t offset = 0, int64_t a = 0, int64_t b = 1);
/// Matrices in axes `a` and `b` of the result that hold x's last axis on a diagonal, else zeros: x [..., n] gives extents
/// n + |offset| there.
Tensor diag_embed(const Tensor& x, int64_t offset = 0, int64_t a = -2, int64_t b = -1);
/// diagonal() of a matrix, diag_embed() of a vector; throws on any other rank.
Tensor diag(const Tensor& x, int64_t offset = 0);

}  // namespace reel
