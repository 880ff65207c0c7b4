// Normalisation: to mean 0 and variance 1 over some of the axes, then scaled and shifted. float32 and
// float64. `weight` and `bias` may be undefined.
#pragma once

#include <reel/framework/tensor.h>

namespace reel {

/// (x - mean) / sqrt(variance + eps) * weight + bias over the last axes, those of `shape`, which weight and
/// bias have too. The variance is that of the population. Ba et al., "Layer normalization", 2016.
Tensor layer_norm(const Tensor& x, const Shape& shape, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

/// x / sqrt(mean(x^2) + eps) * weight over the last axes, those of `shape`. Zhang and Sennrich, "Root mean
/// square layer normalization", 2019. A negative `eps` stands for the dtype's epsilon, PyTorch's default.
Tensor rms_norm(const Tensor& x, const Shape& shape, const Tensor& weight = {}, double eps = -1);

/// x [N, C, ...] normalised over each of `groups` groups of channels of each example, all positions; weight
/// and bias [C]. Wu and He, "Group normalization", 2018.
Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double eps = 1e-5);

/// Each channel of each example by itself: group_norm with C groups; x has spatial axes, of more than one
/// element. Ulyanov et al., "Instance normalization", 2016.
Tensor instance_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double eps = 1e-5);

struct BatchNormOptions {
  bool training = false;  ///< By the batch's own statistics; else by the running ones.
  double momentum = 0.1;  ///< The share of the batch in the new running statistics.
  double eps = 1e-5;
};

/// x [N, C, ...] normalised over each channel; weight and bias [C]. In training by mean and variance of the
/// batch (N times positions must be above 1); running_mean and running_var [C], where defined, then move
/// towards them in place, the variance by the unbiased estimate. Otherwise by the running statistics.
/// Ioffe and Szegedy, "Batch normalization", 2015.
Tensor batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var,
                  const Tensor& weight = {}, const Tensor& bias = {}, const BatchNormOptions& options = {});

}  // namespace reel
