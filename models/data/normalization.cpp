#include "models/data/normalization.h"

#include <algorithm>
#include <cmath>

#include "models/data/json_text.h"
#include "ops/arithmetic.h"

namespace reel {
namespace {

/// The values of each column that are not missing.
std::vector<std::vector<double>> columns_of(const Tensor& training) {
  check(is_floating(training.dtype()) && training.rank() >= 1,
        "[normalizer] expected a training part float32 or float64 [..., C], got {}", training);
  const auto columns = static_cast<size_t>(training.shape().back());
  check(columns > 0, "[normalizer] the training part {} has no columns", training);
  std::vector<double> values;
  if (training.dtype() == DType::float64) {
    values = training.to_vector<double>();
  } else {
    const auto narrow = training.to_vector<float>();
    values.assign(narrow.begin(), narrow.end());
  }
  std::vector<std::vector<double>> result(columns);
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) continue;
    check(std::isfinite(values[i]), "[normalizer] column {} of the training part has an infinite value",
          i % columns);
    result[i % columns].push_back(values[i]);
  }
  for (size_t c = 0; c < columns; ++c)
    check(!result[c].empty(), "[normalizer] column {} of the training part {} has no value", c, training);
  return result;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double deviation(const std::vector<double>& values, double center) {
  double sum = 0;
  for (double value : values) sum += (value - center) * (value - center);
  return std::sqrt(sum / static_cast<double>(values.size()));
}

/// Of sorted values, at (n - 1) q counted from 0, interpolated linearly.
double quantile(const std::vector<double>& sorted, double q) {
  const double place = static_cast<double>(sorted.size() - 1) * q;
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

bool varies(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [&](double value) { return value != values[0]; });
}

void check_columns(const char* what, const Tensor& x, int64_t columns) {
  check(is_floating(x.dtype()) && x.rank() >= 1 && x.shape().back() == columns,
        "[normalizer.{}] expected float32 or float64 [..., {}], got {}", what, columns, x);
}

Tensor row(const std::vector<double>& values, DType dtype) {
  if (dtype == DType::float64) return from_vector(values);
  return from_vector(std::vector<float>(values.begin(), values.end()));
}

}  // namespace

Normalizer::Normalizer(std::vector<double> center, std::vector<double> scale) {
  check(center.size() == scale.size(), "[normalizer] {} centers and {} scales", center.size(), scale.size());
  for (size_t c = 0; c < center.size(); ++c)
    check(std::isfinite(center[c]) && std::isfinite(scale[c]) && scale[c] > 0,
          "[normalizer] column {} needs a finite center and a finite scale above 0, got {} and {}", c,
          center[c], scale[c]);
  center_ = std::move(center);
  scale_ = std::move(scale);
}

Normalizer Normalizer::standard(const Tensor& training, const StandardOptions& options) {
  std::vector<double> center, scale;
  for (const auto& values : columns_of(training)) {
    const double average = varies(values) ? mean(values) : values[0];
    const double spread = options.scale ? deviation(values, average) : 0;
    center.push_back(options.center ? average : 0);
    scale.push_back(spread > 0 ? spread : 1);
  }
  return {std::move(center), std::move(scale)};
}

Normalizer Normalizer::min_max(const Tensor& training, const MinMaxOptions& options) {
  check(std::isfinite(options.low) && std::isfinite(options.high) && options.low < options.high,
        "[normalizer] low must be below high, got {} and {}", options.low, options.high);
  std::vector<double> center, scale;
  for (const auto& values : columns_of(training)) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    const double spread = *high > *low ? *high - *low : 1;
    scale.push_back(spread / (options.high - options.low));
    center.push_back(*low - options.low * scale.back());
  }
  return {std::move(center), std::move(scale)};
}

Normalizer Normalizer::robust(const Tensor& training, const RobustOptions& options) {
  check(options.low >= 0 && options.low < options.high && options.high <= 1,
        "[normalizer] expected quantiles 0 <= low < high <= 1, got {} and {}", options.low, options.high);
  std::vector<double> center, scale;
  for (auto& values : columns_of(training)) {
    std::sort(values.begin(), values.end());
    const double spread = quantile(values, options.high) - quantile(values, options.low);
    center.push_back(quantile(values, 0.5));
    scale.push_back(spread > 0 ? spread : 1);
  }
  return {std::move(center), std::move(scale)};
}

Tensor Normalizer::transform(const Tensor& x) const {
  check_columns("transform", x, columns());
  return (x - row(center_, x.dtype())) / row(scale_, x.dtype());
}

Tensor Normalizer::inverse(const Tensor& x) const {
  check_columns("inverse", x, columns());
  return x * row(scale_, x.dtype()) + row(center_, x.dtype());
}

Normalizer Normalizer::select(std::span<const int64_t> wanted) const {
  std::vector<double> center, scale;
  for (int64_t column : wanted) {
    check(column >= 0 && column < columns(), "[normalizer.select] there is no column {} of {}", column,
          columns());
    center.push_back(center_[static_cast<size_t>(column)]);
    scale.push_back(scale_[static_cast<size_t>(column)]);
  }
  return {std::move(center), std::move(scale)};
}

namespace {

constexpr std::string_view format_name = "reel.normalizer";
constexpr int64_t newest_version = 1;

std::vector<double> numbers_of(const nlohmann::json& object, std::string_view key, const std::string& name) {
  std::vector<double> numbers;
  for (const nlohmann::json& value : detail::json_array(object, key, name)) {
    check<FileError>(value.is_number(), "{}: {} must hold numbers, got {}", name, key, value.type_name());
    numbers.push_back(value.get<double>());
  }
  return numbers;
}

}  // namespace

// {"format", "version", "center": [numbers], "scale": [numbers]}; numbers are written so that they come back the same.
std::string Normalizer::to_json() const {
  return nlohmann::json{
      {"format", format_name}, {"version", newest_version}, {"center", center_}, {"scale", scale_}}
      .dump();
}

Normalizer Normalizer::from_json(std::string_view text, const std::string& name) {
  const nlohmann::json object = detail::parse_json(text, name);
  detail::check_format(object, format_name, newest_version, name);
  detail::check_keys(object, {"format", "version", "center", "scale"}, name);
  auto center = numbers_of(object, "center", name);
  auto scale = numbers_of(object, "scale", name);
  try {
    return {std::move(center), std::move(scale)};
  } catch (const Error& error) {
    throw FileError(name + ": " + error.what());
  }
}

void Normalizer::save(const std::string& path) const { detail::write_json_file(path, to_json()); }

Normalizer Normalizer::load(const std::string& path) { return from_json(detail::read_json_file(path), path); }

}  // namespace reel
