// Metrics of regression and forecasting: MAE, RMSE, MAPE, sMAPE, MASE.
#pragma once

#include <cstdint>
#include <vector>

#include <reel/models/training/metric_totals.h>

namespace reel {

namespace detail {

/// A mean over elements; nan before there is one.
class MeanError : public Totals {
 public:
  /// Predictions and targets of one shape, float32 or float64; where the mask (bool or uint8) is 0 nothing counts.
  void update(const Tensor& prediction, const Tensor& target, const Tensor& mask = {});

 protected:
  /// The error of one element in a column of the last axis.
  using Term = double (*)(double prediction, double target, double scale);
  MeanError(const char* name, Term term) : Totals(name, 2), term_(term) {}
  MeanError(const char* name, Term term, std::vector<double> scales)
      : Totals(name, 2), term_(term), scales_(std::move(scales)) {}
  double mean() const { return at(0) / at(1); }

 private:
  Term term_;
  std::vector<double> scales_;  // by column; none: 1
};

}  // namespace detail

/// mean |p - y|.
class MeanAbsoluteError : public detail::MeanError {
 public:
  MeanAbsoluteError();
  double value() const { return mean(); }
};

/// sqrt(mean (p - y)^2), over all elements of all batches.
class RootMeanSquareError : public detail::MeanError {
 public:
  RootMeanSquareError();
  double value() const;
};

/// MAPE: mean |p - y| / max(|y|, 2^-52), a fraction, not per cent (scikit-learn's definition).
class MeanAbsolutePercentageError : public detail::MeanError {
 public:
  MeanAbsolutePercentageError();
  double value() const { return mean(); }
};

/// sMAPE of the M3 and M4 competitions (Makridakis and Hibon 2000): mean 2 |p - y| / (|p| + |y|), from 0 to 2, not per
/// cent; 0 where both are 0. Others leave out the 2, or take p + y without signs.
class SymmetricMeanAbsolutePercentageError : public detail::MeanError {
 public:
  SymmetricMeanAbsolutePercentageError();
  double value() const { return mean(); }
};

/// MASE (Hyndman and Koehler 2006, "Another look at measures of forecast accuracy"): mean |p - y| / scale, where the scale
/// is the mean absolute error of the naive forecast y[t - season] in the training series.
class MeanAbsoluteScaledError : public detail::MeanError {
 public:
  /// The training series [S] (or [S, C]: a scale for each column, which is then the last axis of what is measured).
  /// Throws where it has no more than `season` rows, and where its naive forecast makes no error.
  explicit MeanAbsoluteScaledError(const Tensor& training, int64_t season = 1);
  double value() const { return mean(); }
};

}  // namespace reel
