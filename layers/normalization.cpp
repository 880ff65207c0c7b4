#include "layers/normalization.h"

#include "ops/normalization.h"

namespace reel {
namespace detail {

BatchNorm::BatchNorm(const char* name, size_t least, size_t most, int64_t channels,
                     BatchNormLayerOptions options)
    : name_(name), least_(least), most_(most), channels_(channels), options_(options) {
  check(channels >= 1, "[{}] expected at least 1 channel, got {}", name, channels);
  if (options.affine) {
    weight = parameter(ones({channels}));
    bias = parameter(zeros({channels}));
  }
  if (!options.track_running_stats) return;
  running_mean.value = zeros({channels});
  running_var.value = ones({channels});
  num_batches_tracked.value = zeros({}, {.dtype = DType::int64});
}

Tensor BatchNorm::run(const Tensor& x) const {
  check(x.rank() >= least_ && x.rank() <= most_, "[{}] expected an input of {} axes, got {}", name_,
        least_ == most_ ? std::to_string(least_) : std::to_string(least_) + " or " + std::to_string(most_),
        x);
  check(x.shape()[1] == channels_, "[{}] expected an input of {} channels, got {}", name_, channels_, x);
  const bool tracked = running_mean.value.defined();
  const bool training = is_training() || !tracked;
  const Tensor y = batch_norm(x, running_mean.value, running_var.value, weight, bias,
                              {.training = training, .momentum = options_.momentum, .eps = options_.eps});
  if (training && tracked) ++*Tensor(num_batches_tracked.value).mutable_data<int64_t>();
  return y;
}

}  // namespace detail

GroupNorm::GroupNorm(int64_t groups, int64_t channels, GroupNormOptions options)
    : groups_(groups), channels_(channels), eps_(options.eps) {
  check(groups >= 1 && channels >= 1 && channels % groups == 0,
        "[GroupNorm] expected a number of groups that divides the channels, got {} groups and {} channels",
        groups, channels);
  if (!options.affine) return;
  weight = detail::parameter(ones({channels}));
  bias = detail::parameter(zeros({channels}));
}

Tensor GroupNorm::operator()(const Tensor& x) const {
  check(x.rank() >= 2 && x.shape()[1] == channels_, "[GroupNorm] expected an input [N, {}, ...], got {}",
        channels_, x);
  return group_norm(x, groups_, weight, bias, eps_);
}

RMSNorm::RMSNorm(const Shape& shape, RMSNormOptions options) : shape_(shape), eps_(options.eps) {
  check(!shape.empty() && shape.numel() >= 1, "[RMSNorm] expected extents of at least 1, got shape {}",
        shape);
  if (options.affine) weight = detail::parameter(ones(shape));
}

Tensor RMSNorm::operator()(const Tensor& x) const { return rms_norm(x, shape_, weight, eps_); }

}  // namespace reel
