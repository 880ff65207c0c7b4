// Layers of convolutions and poolings.
#pragma once

#include <reel/layers/module.h>
#include <reel/ops/convolution.h>
#include <reel/ops/pooling.h>

namespace reel {

struct ConvLayerOptions {
  PerAxis stride = 1;
  PerAxis padding = 0;   ///< Zeros before and behind each spatial axis.
  PerAxis dilation = 1;  ///< Distance of the kernel's elements.
  int64_t groups = 1;    ///< Must divide both numbers of channels.
  bool bias = true;
  bool same = false;  ///< As much padding as keeps the size; with stride 1.
};

namespace detail {
/// What the layers of one, two and three spatial axes share. Weight [out, in / groups, kernel...] and bias
/// [out] are drawn from U(-1/sqrt(n), 1/sqrt(n)) with n = in / groups * kernel elements, as in PyTorch.
struct ConvLayer : Module {
  Tensor weight, bias;
  REEL_FIELDS(weight, bias)

 protected:
  ConvLayer(std::string_view name, size_t axes, int64_t in, int64_t out, const PerAxis& kernel,
            const ConvLayerOptions& options);
  ConvOptions options_;
};
}  // namespace detail

/// conv1d: x [N, in, L] or [in, L] -> [N, out, L'].
struct Conv1d : detail::ConvLayer {
  Conv1d(int64_t in, int64_t out, const PerAxis& kernel, const ConvLayerOptions& options = {})
      : ConvLayer("Conv1d", 1, in, out, kernel, options) {}
  Tensor operator()(const Tensor& x) const { return conv1d(x, weight, bias, options_); }
};
/// conv2d: x [N, in, H, W] or [in, H, W] -> [N, out, H', W'].
struct Conv2d : detail::ConvLayer {
  Conv2d(int64_t in, int64_t out, const PerAxis& kernel, const ConvLayerOptions& options = {})
      : ConvLayer("Conv2d", 2, in, out, kernel, options) {}
  Tensor operator()(const Tensor& x) const { return conv2d(x, weight, bias, options_); }
};
/// conv3d: x [N, in, D, H, W] or [in, D, H, W] -> [N, out, D', H', W'].
struct Conv3d : detail::ConvLayer {
  Conv3d(int64_t in, int64_t out, const PerAxis& kernel, const ConvLayerOptions& options = {})
      : ConvLayer("Conv3d", 3, in, out, kernel, options) {}
  Tensor operator()(const Tensor& x) const { return conv3d(x, weight, bias, options_); }
};

struct ConvTransposeLayerOptions {
  PerAxis stride = 1;
  PerAxis padding = 0;         ///< Takes as much away at both ends as a convolution of this padding added.
  PerAxis output_padding = 0;  ///< Makes the result longer at the end.
  PerAxis dilation = 1;
  int64_t groups = 1;
  bool bias = true;
};

namespace detail {
/// The same for transposed convolutions: weight [in, out / groups, kernel...], and n = out / groups * kernel
/// elements.
struct ConvTransposeLayer : Module {
  Tensor weight, bias;
  REEL_FIELDS(weight, bias)

 protected:
  ConvTransposeLayer(std::string_view name, size_t axes, int64_t in, int64_t out, const PerAxis& kernel,
                     const ConvTransposeLayerOptions& options);
  ConvTransposeOptions options_;
};
}  // namespace detail

/// conv_transpose1d: x [N, in, L] or [in, L] -> [N, out, L'].
struct ConvTranspose1d : detail::ConvTransposeLayer {
  ConvTranspose1d(int64_t in, int64_t out, const PerAxis& kernel,
                  const ConvTransposeLayerOptions& options = {})
      : ConvTransposeLayer("ConvTranspose1d", 1, in, out, kernel, options) {}
  Tensor operator()(const Tensor& x) const { return conv_transpose1d(x, weight, bias, options_); }
};
/// conv_transpose2d: x [N, in, H, W] or [in, H, W] -> [N, out, H', W'].
struct ConvTranspose2d : detail::ConvTransposeLayer {
  ConvTranspose2d(int64_t in, int64_t out, const PerAxis& kernel,
                  const ConvTransposeLayerOptions& options = {})
      : ConvTransposeLayer("ConvTranspose2d", 2, in, out, kernel, options) {}
  Tensor operator()(const Tensor& x) const { return conv_transpose2d(x, weight, bias, options_); }
};
/// conv_transpose3d: x [N, in, D, H, W] or [in, D, H, W] -> [N, out, D', H', W'].
struct ConvTranspose3d : detail::ConvTransposeLayer {
  ConvTranspose3d(int64_t in, int64_t out, const PerAxis& kernel,
                  const ConvTransposeLayerOptions& options = {})
      : ConvTransposeLayer("ConvTranspose3d", 3, in, out, kernel, options) {}
  Tensor operator()(const Tensor& x) const { return conv_transpose3d(x, weight, bias, options_); }
};

/// max_pool2d as a layer, for Sequential.
struct MaxPool2d : Module {
  PerAxis kernel;
  MaxPoolOptions options;
  explicit MaxPool2d(PerAxis extents, MaxPoolOptions how = {}) : kernel(extents), options(how) {}
  Tensor operator()(const Tensor& x) const { return max_pool2d(x, kernel, options); }
  REEL_FIELDS()
};
/// avg_pool2d as a layer, for Sequential.
struct AvgPool2d : Module {
  PerAxis kernel;
  AvgPoolOptions options;
  explicit AvgPool2d(PerAxis extents, AvgPoolOptions how = {}) : kernel(extents), options(how) {}
  Tensor operator()(const Tensor& x) const { return avg_pool2d(x, kernel, options); }
  REEL_FIELDS()
};

}  // namespace reel
