// What all metrics have in common: numbers added up over batches, which can be saved and restored.
#pragma once

#include <cstdint>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

/// Target that classification metrics pass over unless told otherwise, as the losses do.
constexpr int64_t default_ignore_index = -100;

/// A bool mask for padded sequences: true at the steps before each sequence's end. int64 lengths [N]
/// give [T, N], or [N, T] with batch_first.
Tensor sequence_mask(const Tensor& lengths, int64_t steps, bool batch_first = false);

namespace detail {

/// The numbers that a metric adds up. Counts are exact up to 2^53.
class Totals {
 public:
  void reset();
  /// What restore() takes up in a metric of the same options, in this process or another.
  std::vector<double> state() const { return totals_; }
  void restore(const std::vector<double>& state);  ///< Throws on a state of another length.

 protected:
  Totals(const char* name, size_t count) : name_(name), totals_(count) {}
  double& at(size_t i) { return totals_[i]; }
  double at(size_t i) const { return totals_[i]; }
  const char* name() const { return name_; }

 private:
  const char* name_;  // lives for ever
  std::vector<double> totals_;
};

/// Which elements of a target count: all without a mask, else those where the mask (bool or uint8, of the target's
/// shape) is not 0. Throws naming the metric.
std::vector<bool> counted(const char* name, const Tensor& target, const Tensor& mask);

/// The values of float32 or float64 as double; throws naming the metric on other dtypes.
std::vector<double> doubles(const char* name, const Tensor& x);

/// Checks that the target is int64 and the scores are floating, of the target's shape with the classes as a last axis;
/// returns the number of classes.
int64_t check_scores(const char* name, const Tensor& scores, const Tensor& target);

}  // namespace detail
}  // namespace reel
