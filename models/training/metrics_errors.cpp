#include "models/training/metrics_errors.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace reel {
namespace detail {

void MeanError::update(const Tensor& prediction, const Tensor& target, const Tensor& mask) {
  check(prediction.shape() == target.shape(), "[{}] predictions {} and targets {} differ in shape", name(),
        prediction, target);
  const size_t columns = scales_.size();
  if (columns > 1)
    check(target.rank() >= 1 && target.shape().back() == static_cast<int64_t>(columns),
          "[{}] expected targets [..., {}] as the training series has it, got {}", name(), columns, target);
  const auto count = counted(name(), target, mask);
  const auto predicted = doubles(name(), prediction);
  const auto wanted = doubles(name(), target);
  double sum = 0, number = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!count[i]) continue;
    sum += term_(predicted[i], wanted[i], columns == 0 ? 1 : scales_[i % columns]);
    ++number;
  }
  at(0) += sum;
  at(1) += number;
}

}  // namespace detail

namespace {

double absolute(double p, double y, double scale) { return std::abs(p - y) / scale; }
double square(double p, double y, double) { return (p - y) * (p - y); }
double relative(double p, double y, double) {
  return std::abs(p - y) / std::max(std::abs(y), std::numeric_limits<double>::epsilon());
}
double symmetric(double p, double y, double) {
  const double size = std::abs(p) + std::abs(y);
  return size == 0 ? 0 : 2 * std::abs(p - y) / size;
}

std::vector<double> naive_errors(const Tensor& training, int64_t season) {
  constexpr const char* name = "mean_absolute_scaled_error";
  check(training.rank() == 1 || training.rank() == 2, "[{}] expected a training series [S] or [S, C], got {}",
        name, training);
  check(season >= 1 && training.size(0) > season,
        "[{}] a season of {} needs a longer training series than {}", name, season, training);
  const auto values = detail::doubles(name, training);
  const auto columns = static_cast<size_t>(training.rank() == 2 ? training.size(1) : 1);
  const size_t lag = static_cast<size_t>(season) * columns;
  std::vector<double> scales(columns, 0.0);
  for (size_t i = lag; i < values.size(); ++i) scales[i % columns] += std::abs(values[i] - values[i - lag]);
  for (size_t c = 0; c < columns; ++c) {
    scales[c] /= static_cast<double>(training.size(0) - season);
    check(scales[c] > 0 && std::isfinite(scales[c]),
          "[{}] the naive forecast of column {} of the training series {} has the error {}, by which nothing "
          "can be "
          "measured",
          name, c, training, scales[c]);
  }
  return scales;
}

}  // namespace

MeanAbsoluteError::MeanAbsoluteError() : MeanError("mean_absolute_error", absolute) {}
RootMeanSquareError::RootMeanSquareError() : MeanError("root_mean_square_error", square) {}
double RootMeanSquareError::value() const { return std::sqrt(mean()); }
MeanAbsolutePercentageError::MeanAbsolutePercentageError()
    : MeanError("mean_absolute_percentage_error", relative) {}
SymmetricMeanAbsolutePercentageError::SymmetricMeanAbsolutePercentageError()
    : MeanError("symmetric_mean_absolute_percentage_error", symmetric) {}
MeanAbsoluteScaledError::MeanAbsoluteScaledError(const Tensor& training, int64_t season)
    : MeanError("mean_absolute_scaled_error", absolute, naive_errors(training, season)) {}

}  // namespace reel
