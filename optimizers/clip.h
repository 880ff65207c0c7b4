// Changing gradients before a step: clipping by norm, by value, by group, to the parameter's own size; and the mean
// over several backward passes.
#pragma once

#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

class Optimizer;

/// Scales all gradients so that the norm of all their elements together, of order `order` (infinity allowed),
/// is at most `max_norm`; returns the norm from before. Parameters without a gradient count as zero. The sum does not
/// depend on the number of threads.
double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm, double order = 2);
/// The same for each group of an optimizer on its own; returns the norms from before.
std::vector<double> clip_grad_norm_by_group(const Optimizer& optimizer, double max_norm, double order = 2);
/// Clamps every element of every gradient to [-limit, limit].
void clip_grad_value(const std::vector<Tensor>& parameters, double limit);

struct AdaptiveClipOptions {
  double clipping = 0.01;  ///< Largest ratio of a unit's gradient's norm to its parameters' norm.
  double eps = 1e-3;       ///< Least norm that parameters count with, so that zeros can be left.
};
/// Scales the gradient of each unit (a slice along axis 0 of a parameter of two and more axes; else the whole
/// parameter) so that its 2-norm is at most clipping * max(|w|, eps).
/// Brock et al., "High-performance large-scale image recognition without normalization", 2021, equation 3. The paper
/// leaves the last layer out: leave it out of the list.
void clip_grad_adaptive(const std::vector<Tensor>& parameters, AdaptiveClipOptions options = {});

/// Multiplies every gradient. After k backward passes, whose gradients add up, a factor of 1 / k makes their mean.
void scale_grad(const std::vector<Tensor>& parameters, double factor);

/// Makes a step of every k-th call, so that batches that do not fit in memory can be gathered:
///   GradientAccumulation accumulation(optimizer, 4);
///   for (...) { ...; tape.backward(loss); if (accumulation.step()) scheduler.step(); }
/// Checkpoints belong between steps (pending() is 0): gradients are not part of the optimizer's state.
class GradientAccumulation {
 public:
  /// `mean`: the step is made with the mean of the k gradients, not with their sum.
  GradientAccumulation(Optimizer& optimizer, int64_t k, bool mean = true);
  /// Counts one backward pass; returns whether it was the k-th and the optimizer made its step.
  bool step();
  /// Makes the step now with what has been gathered, as at the end of an epoch; returns whether there was anything.
  bool flush();
  int64_t pending() const { return pending_; }  ///< Backward passes since the last step.

 private:
  Optimizer& optimizer_;
  int64_t k_;
  bool mean_;
  int64_t pending_ = 0;
};

}  // namespace reel
