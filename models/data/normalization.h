// Columns of data brought to one scale, by numbers that come from the training part alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

struct StandardOptions {
  bool center = true;  ///< Subtract the mean.
  bool scale = true;   ///< Divide by the standard deviation (of the population: divided by n).
};
struct MinMaxOptions {
  double low = 0, high = 1;  ///< Where the smallest and the largest value of the training part come to lie.
};
struct RobustOptions {
  double low = 0.25, high = 0.75;  ///< Quantiles whose distance is the scale, interpolated linearly.
};

/// (x - center) / scale, for each column: columns are the last axis of a tensor [..., C]. Fitted once, on the training
/// part; then applied to everything, and undone on predictions. Missing values (nan) are passed over in fitting and
/// stay missing. A column that does not vary counts as one whose spread is 1. Fitting is done in double precision,
/// applying in the tensor's dtype; tape and gradients go through transform() and inverse().
class Normalizer {
 public:
  Normalizer() = default;                                             ///< Of no columns: to be assigned to.
  Normalizer(std::vector<double> center, std::vector<double> scale);  ///< With numbers from elsewhere.

  // Fitted to float32 or float64 [..., C]. Throw on infinite values, and on a column without a value.
  static Normalizer standard(const Tensor& training, const StandardOptions& options = {});
  static Normalizer min_max(const Tensor& training, const MinMaxOptions& options = {});
  static Normalizer robust(const Tensor& training,
                           const RobustOptions& options = {});  ///< Around the median.

  int64_t columns() const { return static_cast<int64_t>(center_.size()); }
  const std::vector<double>& center() const { return center_; }
  const std::vector<double>& scale() const { return scale_; }

  Tensor transform(const Tensor& x) const;  ///< [..., C].
  Tensor inverse(const Tensor& x) const;    ///< x scale + center.
  /// For some of the columns, in the order given: what the targets among them need.
  Normalizer select(std::span<const int64_t> columns) const;

  std::string to_json() const;
  /// Throws FileError for anything but the text of to_json(); `name` is what the message begins with.
  static Normalizer from_json(std::string_view text, const std::string& name = "normalizer");
  void save(const std::string& path) const;  ///< Whole or not at all. Throws FileError.
  static Normalizer load(const std::string& path);

 private:
  std::vector<double> center_, scale_;
};

}  // namespace reel
