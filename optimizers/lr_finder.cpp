#include "optimizers/lr_finder.h"

#include <cmath>

#include "optimizers/state.h"

namespace reel::detail {
namespace {

/// Puts everything back at its end.
class Restore {
 public:
  Restore(Optimizer& optimizer, const std::vector<Tensor>& others)
      : optimizer_(optimizer), state_(optimizer.state_dict()), tensors_(optimizer.parameters()) {
    for (const Tensor& parameter : tensors_) {
      const Tensor gradient = gradient_values(parameter);
      gradients_.push_back({parameter.sparse_grad().rows, gradient.defined() ? copied(gradient) : gradient});
    }
    tensors_.insert(tensors_.end(), others.begin(), others.end());
    for (const Tensor& tensor : tensors_) values_.push_back(copied(tensor));
  }
  ~Restore() {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      copy_values(values_[i], tensors_[i]);
      tensors_[i].changed("find_learning_rate");
    }
    for (size_t i = 0; i < gradients_.size(); ++i) {
      if (gradients_[i].defined())
        tensors_[i].set_sparse_grad(gradients_[i].rows, gradients_[i].values);
      else
        tensors_[i].set_grad(gradients_[i].values);
    }
    optimizer_.load_state_dict(state_);
  }
  Restore(const Restore&) = delete;
  Restore& operator=(const Restore&) = delete;

 private:
  Optimizer& optimizer_;
  State state_;
  std::vector<Tensor> tensors_, values_;
  std::vector<SparseGradient> gradients_;  // without rows: dense
};

/// The rate at the steepest fall.
double steepest(const LearningRateCurve& curve) {
  double slope = 0, rate = 0;
  for (size_t i = 0; i + 1 < curve.smoothed.size(); ++i) {
    const size_t before = i == 0 ? 0 : i - 1;
    const double own = (curve.smoothed[i + 1] - curve.smoothed[before]) / static_cast<double>(i + 1 - before);
    if (own >= slope) continue;
    slope = own;
    rate = curve.rates[i];
  }
  return rate;
}

}  // namespace

LearningRateCurve find_learning_rate(Optimizer& optimizer, TrainStep& step,
                                     const LearningRateFinderOptions& o) {
  check(o.from > 0 && o.from < o.to && std::isfinite(o.to),
        "[find_learning_rate] expected 0 < from < to, got {} and {}", o.from, o.to);
  check(o.steps >= 3, "[find_learning_rate] expected at least 3 steps, got {}", o.steps);
  check(o.smoothing >= 0 && o.smoothing < 1, "[find_learning_rate] expected a smoothing in [0, 1), got {}",
        o.smoothing);
  check(o.diverged > 1, "[find_learning_rate] expected a diverged above 1, got {}", o.diverged);
  const Restore restore(optimizer, o.also_restore);
  const double first = optimizer.initial_learning_rate();
  LearningRateCurve curve;
  double mean = 0, least = 0;
  for (int64_t i = 0; i < o.steps; ++i) {
    const double rate =
        o.from * std::pow(o.to / o.from, static_cast<double>(i) / static_cast<double>(o.steps - 1));
    for (size_t k = 0; k < optimizer.group_count(); ++k)
      optimizer.set_learning_rate(first > 0 ? rate * (optimizer.initial_learning_rate(k) / first) : rate, k);
    const double loss = step.run();
    mean = o.smoothing * mean + (1 - o.smoothing) * loss;
    const double smoothed = mean / (1 - std::pow(o.smoothing, static_cast<double>(i + 1)));
    if (!std::isfinite(smoothed)) break;
    curve.rates.push_back(rate);
    curve.losses.push_back(loss);
    curve.smoothed.push_back(smoothed);
    if (i == 0 || smoothed < least) least = smoothed;
    if (least > 0 && smoothed > o.diverged * least) break;
  }
  curve.suggestion = steepest(curve);
  return curve;
}

}  // namespace reel::detail
