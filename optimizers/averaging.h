// Averages of the parameters over training: EMA, a mean that fades, and SWA, a mean of equal parts. Both keep a copy of
// each parameter, which can be put in its place for validation and saving.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

/// What both averages share.
class WeightAverage {
 public:
  virtual ~WeightAverage() = default;
  WeightAverage(const WeightAverage&) = delete;
  WeightAverage& operator=(const WeightAverage&) = delete;

  /// Takes the parameters' present values into the averages, after an optimizer's step. Throws while they are swapped.
  void update();
  /// Exchanges parameters and averages; a second call puts them back.
  void swap();
  bool swapped() const { return swapped_; }
  /// Writes the averages to other tensors of the same shapes and dtypes.
  void copy_to(const std::vector<Tensor>& parameters) const;
  /// In the order of the parameters.
  const std::vector<Tensor>& averages() const { return averages_; }
  int64_t updates() const { return updates_; }

  /// "updates" and "0.average", ... Throws while they are swapped.
  std::vector<std::pair<std::string, Tensor>> state_dict() const;
  /// Restores what state_dict gave. Throws, before anything is changed, where names, shapes or dtypes do not agree.
  void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state);

 protected:
  /// Begins with copies of the parameters: floating, contiguous tensors.
  WeightAverage(std::string name, std::vector<Tensor> parameters);
  /// The part that the new values have in the average; `updates` counts from 0.
  virtual double weight(int64_t updates) const = 0;

 private:
  void check_in_place(const char* what) const;

  std::string name_;
  std::vector<Tensor> parameters_, averages_;
  int64_t updates_ = 0;
  bool swapped_ = false;
};

struct EMAOptions {
  double decay = 0.999;  ///< In [0, 1].
  bool warm_up = false;  ///< The decay of update t, from 0, is at most (1 + t) / (10 + t), as in TensorFlow.
};

/// average = decay * average + (1 - decay) * p, beginning with the parameters at construction.
class EMA final : public WeightAverage {
 public:
  explicit EMA(std::vector<Tensor> parameters, EMAOptions options = {});

 private:
  double weight(int64_t updates) const override;
  EMAOptions options_;
};

/// The plain mean of the parameters at all updates. Izmailov et al., "Averaging weights leads to wider optima and better
/// generalization", 2018. Statistics of batch normalisation belong to the weights that made them: run the training data
/// through the network once after swap().
class SWA final : public WeightAverage {
 public:
  explicit SWA(std::vector<Tensor> parameters);

 private:
  double weight(int64_t updates) const override;
};

/// In its scope the averages stand in the parameters' place.
class WithAverages {
 public:
  explicit WithAverages(WeightAverage& average);
  ~WithAverages();
  WithAverages(const WithAverages&) = delete;
  WithAverages& operator=(const WithAverages&) = delete;

 private:
  WeightAverage& average_;
};

}  // namespace reel
