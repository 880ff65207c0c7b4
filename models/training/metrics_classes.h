// Metrics of classification: accuracy, the confusion matrix, and precision, recall and F1 from it.
#pragma once

#include <cstdint>
#include <vector>

#include <reel/models/training/metric_totals.h>

namespace reel {

struct AccuracyOptions {
  int64_t top_k = 1;                            ///< The target is among the k classes of highest score.
  int64_t ignore_index = default_ignore_index;  ///< Such targets do not count.
};

/// The share of right predictions. nan before there is one.
class Accuracy : public detail::Totals {
 public:
  explicit Accuracy(const AccuracyOptions& options = {});
  /// Scores [..., C] (logits or probabilities) or, for top_k = 1, classes int64 [...]; targets int64 [...]; where the mask
  /// (bool or uint8 [...]) is 0 nothing counts. Of equal scores the lower class is ranked first; nan is never right.
  void update(const Tensor& prediction, const Tensor& target, const Tensor& mask = {});
  double value() const;

 private:
  AccuracyOptions options_;
};

enum class Average : uint8_t {
  macro,     ///< Mean over classes.
  micro,     ///< Of the counts of all classes together; with one class for each element, the accuracy.
  weighted,  ///< Mean over classes weighted by their numbers of targets.
};

struct ConfusionOptions {
  int64_t ignore_index = default_ignore_index;  ///< Such targets do not count.
  /// What 0 / 0 is: precision of a class never predicted, recall of one that never occurs, F1 of one that does neither.
  /// nan leaves such classes out of averages. As scikit-learn's parameter of this name.
  double zero_division = 0;
};

/// How often each class was taken for which. Averages are over all classes, also those that never occur (scikit-learn,
/// told all labels).
class ConfusionMatrix : public detail::Totals {
 public:
  explicit ConfusionMatrix(int64_t classes, const ConfusionOptions& options = {});
  /// Scores [..., C], of which the highest counts (the first, if equal), or classes int64 [...]; targets int64 [...]; mask
  /// as in Accuracy.
  void update(const Tensor& prediction, const Tensor& target, const Tensor& mask = {});
  Tensor value() const;  ///< int64 [C, C]: row the target, column the prediction.

  double accuracy() const;                ///< nan before there is a prediction.
  std::vector<double> support() const;    ///< Targets of each class.
  std::vector<double> precision() const;  ///< Of what was predicted as the class, the share that is.
  std::vector<double> recall() const;     ///< Of what is of the class, the share predicted so.
  std::vector<double> f1() const;         ///< 2 tp / (2 tp + fp + fn).
  double precision(Average average) const;
  double recall(Average average) const;
  double f1(Average average) const;

 private:
  struct Counts {
    double hits, predicted, actual;
  };
  std::vector<Counts> counts() const;
  double averaged(const std::vector<double>& scores, Average average, double micro) const;
  double ratio(double part, double whole) const;

  int64_t classes_;
  ConfusionOptions options_;
};

}  // namespace reel
