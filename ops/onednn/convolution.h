// Convolutions on raw float32 tensors, off the tape, in the memory layouts that oneDNN likes best.
#pragma once

#include <reel/ops/convolution_kernel.h>

namespace reel::detail {

/// As convolve(), for float32 and no empty tensor. Returns false, having done nothing, where oneDNN has no
/// fast way for this geometry.
bool onednn_convolve(ConvKind kind, const ConvGeometry& geometry, const Tensor& x, const Tensor& w,
                     const Tensor& y, const Tensor& bias);

}  // namespace reel::detail
