// A search for a learning rate before training.
#pragma once

#include <memory>
#include <vector>

#include <reel/framework/tensor.h>
#include <reel/optimizers/optimizer.h>

namespace reel {

struct LearningRateFinderOptions {
  double from = 1e-7;  ///< First rate.
  double to = 10;      ///< Last rate.
  int64_t steps = 100;
  double smoothing = 0.9;  ///< Of the losses' running mean; 0 takes them as they are.
  double diverged = 4;     ///< Stops where the smoothed loss is so many times the least one, or is no number.
  std::vector<Tensor> also_restore =
      {};  ///< Further tensors that training steps change, such as running statistics.
};

/// The losses by rate, in the order of the steps made.
struct LearningRateCurve {
  std::vector<double> rates;
  std::vector<double> losses;
  std::vector<double> smoothed;
  /// Where the smoothed loss falls most steeply over the logarithm of the rate; 0 where it never falls.
  double suggestion = 0;
};

namespace detail {
struct TrainStep {
  virtual ~TrainStep() = default;
  virtual double run() = 0;
};
LearningRateCurve find_learning_rate(Optimizer& optimizer, TrainStep& step,
                                     const LearningRateFinderOptions& options);
}  // namespace detail

/// Calls train_step(), a whole step that ends with optimizer.step() and returns its loss, at rates that grow
/// exponentially (of further groups in proportion to their initial rates). Parameters, gradients and the optimizer's
/// state are as before afterwards, also where train_step throws; random streams and the position in the data are not.
/// Smith, "Cyclical learning rates for training neural networks", 2017, section 3.3.
template <class F>
LearningRateCurve find_learning_rate(Optimizer& optimizer, F train_step,
                                     const LearningRateFinderOptions& options = {}) {
  struct Step final : detail::TrainStep {
    F& function;
    explicit Step(F& f) : function(f) {}
    double run() override { return static_cast<double>(function()); }
  } step(train_step);
  return detail::find_learning_rate(optimizer, step, options);
}

}  // namespace reel
