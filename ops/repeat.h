// Ops that show elements several times, and grids of coordinates.
#pragma once

#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

/// x repeated counts[i] times along axis i; the counts are aligned at the last axis, and more of them than x has axes
/// make new ones in front, as in PyTorch. Throws on fewer.
Tensor repeat(const Tensor& x, const Shape& counts);
/// The same by NumPy's rule: missing counts in front are 1.
Tensor tile(const Tensor& x, const Shape& counts);
/// Each element along `axis` `count` times in a row.
Tensor repeat_interleave(const Tensor& x, int64_t count, int64_t axis);
/// The same with a count of its own for each element: int64 of one axis, as long as `axis`.
Tensor repeat_interleave(const Tensor& x, const Tensor& counts, int64_t axis);

/// How the axes of meshgrid() follow its inputs.
enum class Indexing {
  ij,  ///< Result [a, b, ...] for inputs of lengths a, b, ...: matrices.
  xy,  ///< [b, a, ...]: columns first, as pictures and NumPy by default.
};
/// For inputs of one axis (or none): each of them spread over the grid of all, as views.
std::vector<Tensor> meshgrid(const std::vector<Tensor>& inputs, Indexing indexing = Indexing::ij);

}  // namespace reel
