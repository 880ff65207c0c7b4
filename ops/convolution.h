// Convolutions over one, two and three spatial axes, and transposed ones, by oneDNN in float32. Layouts are
// PyTorch's: channels before the spatial axes.
#pragma once

#include <reel/framework/tensor.h>
#include <reel/ops/per_axis.h>

namespace reel {

struct ConvOptions {
  PerAxis stride = 1;
  PerAxis padding = 0;       ///< Zeros before and behind each spatial axis.
  PerAxis padding_end = {};  ///< Zeros behind it; as many as before unless given.
  PerAxis dilation = 1;      ///< Distance of the kernel's elements.
  int64_t groups = 1;        ///< Channels are cut into so many groups, each convolved on its own.
  bool same = false;  ///< As much padding as keeps the size, an odd one behind. Stride 1, no other padding.
};

/// y[n, o, s] = bias[o] + sum over c, k of weight[o, c, k] x[n, c, s * stride + k * dilation - padding]: a
/// cross-correlation. x [N, C, L] or [C, L], weight [O, C / groups, K], bias [O] or undefined -> [N, O, L']
/// or [O, L'] with L' = floor((L + paddings - dilation * (K - 1) - 1) / stride) + 1, at least 1.
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const ConvOptions& options = {});
/// The same over two spatial axes: x [N, C, H, W] or [C, H, W], weight [O, C / groups, K, K].
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const ConvOptions& options = {});
/// The same over three: x [N, C, D, H, W] or [C, D, H, W], weight [O, C / groups, K, K, K].
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const ConvOptions& options = {});

struct ConvTransposeOptions {
  PerAxis stride = 1;
  PerAxis padding = 0;         ///< Takes as much away at both ends as a convolution of this padding added.
  PerAxis output_padding = 0;  ///< Makes the result longer at the end; below stride or below dilation.
  PerAxis dilation = 1;
  int64_t groups = 1;
};

/// The transpose of conv1d, that is its gradient with respect to x: x [N, C, L] or [C, L], weight
/// [C, O / groups, K], bias [O] or undefined -> [N, O, L'] or [O, L'] with
/// L' = (L - 1) * stride - 2 * padding + dilation * (K - 1) + output_padding + 1, at least 1.
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTransposeOptions& options = {});
/// The same over two spatial axes: x [N, C, H, W] or [C, H, W], weight [C, O / groups, K, K].
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTransposeOptions& options = {});
/// The same over three: x [N, C, D, H, W] or [C, D, H, W], weight [C, O / groups, K, K, K].
Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const ConvTransposeOptions& options = {});

}  // namespace reel
