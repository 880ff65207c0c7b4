// Layers of normalisation over batches, groups and roots of mean squares. LayerNorm stands with the small
// layers in basic.h.
#pragma once

#include <reel/layers/module.h>

namespace reel {

struct BatchNormLayerOptions {
  double eps = 1e-5;
  double momentum = 0.1;            ///< The share of the batch in the new running statistics.
  bool affine = true;               ///< With weight and bias, which begin at 1 and 0.
  bool track_running_stats = true;  ///< Without them, batches are normalised by themselves in eval() too.
};

namespace detail {
/// What the layers of every number of spatial axes share. In training it normalises by the batch and moves
/// the running statistics, and counts batches; in eval() it normalises by the running statistics.
struct BatchNorm : Module {
  Tensor weight, bias;                                    // [C]
  Buffer running_mean, running_var, num_batches_tracked;  // [C], [C], int64 []
  REEL_FIELDS(weight, bias, running_mean, running_var, num_batches_tracked)

 protected:
  BatchNorm(const char* name, size_t least, size_t most, int64_t channels, BatchNormLayerOptions options);
  Tensor run(const Tensor& x) const;

 private:
  const char* name_;
  size_t least_, most_;  // ranks
  int64_t channels_;
  BatchNormLayerOptions options_;
};
}  // namespace detail

/// batch_norm of x [N, C] or [N, C, L].
struct BatchNorm1d : detail::BatchNorm {
  explicit BatchNorm1d(int64_t channels, BatchNormLayerOptions options = {})
      : BatchNorm("BatchNorm1d", 2, 3, channels, options) {}
  Tensor operator()(const Tensor& x) const { return run(x); }
};
/// batch_norm of x [N, C, H, W].
struct BatchNorm2d : detail::BatchNorm {
  explicit BatchNorm2d(int64_t channels, BatchNormLayerOptions options = {})
      : BatchNorm("BatchNorm2d", 4, 4, channels, options) {}
  Tensor operator()(const Tensor& x) const { return run(x); }
};
/// batch_norm of x [N, C, D, H, W].
struct BatchNorm3d : detail::BatchNorm {
  explicit BatchNorm3d(int64_t channels, BatchNormLayerOptions options = {})
      : BatchNorm("BatchNorm3d", 5, 5, channels, options) {}
  Tensor operator()(const Tensor& x) const { return run(x); }
};

struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;  ///< With weight and bias [C], which begin at 1 and 0.
};

/// group_norm of x [N, C, ...].
struct GroupNorm : Module {
  Tensor weight, bias;
  GroupNorm(int64_t groups, int64_t channels, GroupNormOptions options = {});
  Tensor operator()(const Tensor& x) const;
  REEL_FIELDS(weight, bias)

 private:
  int64_t groups_, channels_;
  double eps_;
};

struct RMSNormOptions {
  double eps = -1;     ///< Negative: the dtype's epsilon.
  bool affine = true;  ///< With a weight, which begins at 1.
};

/// rms_norm over the last axes, those of `shape`.
struct RMSNorm : Module {
  Tensor weight;
  explicit RMSNorm(int64_t width, RMSNormOptions options = {}) : RMSNorm(Shape{width}, options) {}
  explicit RMSNorm(const Shape& shape, RMSNormOptions options = {});
  Tensor operator()(const Tensor& x) const;
  REEL_FIELDS(weight)

 private:
  Shape shape_;
  double eps_;
};

}  // namespace reel
