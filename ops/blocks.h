// The three ops on which indexing stands: taking, adding and putting blocks of a tensor's memory by number. Internal;
// what turns indices into numbers of blocks is in gather.cpp and index.cpp.
#pragma once

#include <reel/framework/tensor.h>

namespace reel::detail {

/// A contiguous tensor of shape `whole` seen as blocks of `width` elements, of which `part` lists some.
struct Blocks {
  Shape whole;
  Shape part;  ///< numel() is `width` times the number of positions.
  int64_t width = 1;
  int64_t groups =
      1;  ///< The positions fall into so many equal runs that never name the same block: threads share them.
};

/// y = the blocks of x that `positions` (int64, contiguous) names, one after the other; zeros for -1.
Tensor take_blocks(const Tensor& x, const Tensor& positions, const Blocks& blocks);
/// y = zeros of shape `whole`, to which the blocks of x are added at `positions`, in order; -1 leaves one out. The
/// transpose of take_blocks.
Tensor add_blocks(const Tensor& x, const Tensor& positions, const Blocks& blocks);
/// y = x with its blocks at `positions` replaced by those of `values`; no position may come twice, -1 leaves one out.
Tensor put_blocks(const Tensor& x, const Tensor& values, const Tensor& positions, const Blocks& blocks);

/// `positions` with -1 for all that a later one repeats.
Tensor last_of_each(const Tensor& positions, const Blocks& blocks);

/// The index at which the `place`-th element of a shape stands, in row-major order.
Shape index_of(int64_t place, const Shape& shape);

}  // namespace reel::detail
