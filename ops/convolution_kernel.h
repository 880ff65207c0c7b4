// Convolutions on raw tensors, off the tape. The form x * w -> y is linear in each of three tensors; the
// three kinds compute one of them from the other two. Internal.
#pragma once

#include <reel/framework/tensor.h>

namespace reel::detail {

/// Extents of the spatial axes, one to three of each, and how the kernel moves over them.
struct ConvGeometry {
  Shape input = {}, kernel = {}, output = {};
  Shape stride = {}, dilation = {};
  Shape padding = {};  // before each axis; that behind it follows from the extents
  int64_t groups = 1;
};

enum class ConvKind { output, input, weight };

/// What `kind` names out of x [N, C, input...], w [O, C / groups, kernel...] and y [N, O, output...] is
/// computed from the other two. All contiguous, of one floating dtype. `bias` [O] may be undefined and is for
/// the kind `output`. By oneDNN where it has a fast way for float32, else by products over unfolded windows.
void convolve(ConvKind kind, const ConvGeometry& geometry, const Tensor& x, const Tensor& w, const Tensor& y,
              const Tensor& bias);

/// The way by products alone, for both dtypes: the result is added to what is there.
void convolve_unfolded(ConvKind kind, const ConvGeometry& geometry, const Tensor& x, const Tensor& w,
                       const Tensor& y);

}  // namespace reel::detail
