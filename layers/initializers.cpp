#include "layers/initializers.h"

#include <algorithm>
#include <cmath>

#include "framework/distributions.h"
#include "framework/op.h"
#include "layers/orthonormal.h"

namespace reel {
namespace {

void check_target(const char* op, const Tensor& x) {
  check(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x);
  check(!detail::is_recorded_result(x), "[{}] the tensor {} was recorded by a tape that is still open", op,
        x);
}

void check_weight(const char* op, const Tensor& weight) {
  check_target(op, weight);
  check(weight.rank() >= 2, "[{}] expected a weight of at least two axes, got {}", op, weight);
}

void check_matrix(const char* op, const Tensor& weight) {
  check_target(op, weight);
  check(weight.rank() == 2, "[{}] expected a matrix, got {}", op, weight);
}

Fans fans_of(const char* op, const Tensor& weight) {
  check(weight.rank() >= 2, "[{}] expected a weight of at least two axes, got {}", op, weight);
  int64_t field = 1;
  for (size_t i = 2; i < weight.rank(); ++i) field *= weight.shape()[i];
  return {weight.shape()[1] * field, weight.shape()[0] * field};
}

/// 1/sqrt(fan) and the like, of what has at least one element.
double deviation_for(const char* op, const Tensor& weight, double gain, double fan) {
  check(std::isfinite(gain) && gain >= 0, "[{}] expected a gain of at least 0, got {}", op, gain);
  return weight.numel() == 0 ? 0 : gain / std::sqrt(fan);
}

double xavier_deviation(const char* op, const Tensor& weight, double gain) {
  check_target(op, weight);
  const Fans f = fans_of(op, weight);
  return deviation_for(op, weight, gain, static_cast<double>(f.in + f.out) / 2);
}

double kaiming_deviation(const char* op, const Tensor& weight, const KaimingOptions& options) {
  check_target(op, weight);
  const Fans f = fans_of(op, weight);
  return deviation_for(op, weight, calculate_gain(options.nonlinearity, options.slope),
                       static_cast<double>(options.mode == FanMode::in ? f.in : f.out));
}

/// The uniform distribution of a given deviation reaches sqrt(3) times as far.
Tensor uniform_of_deviation(const Tensor& x, double deviation, Random& random) {
  const double bound = std::sqrt(3.0) * deviation;
  return uniform_(x, -bound, bound, random);
}

/// Copies float64 values, in x's row-major order, into x.
Tensor assign(Tensor x, const Tensor& values) {
  const Tensor fitting = detail::cast_values(values, x.dtype());
  x.copy_(detail::view(fitting, x.shape(), detail::contiguous_strides(x.shape())));
  return x;
}

}  // namespace

Fans fans(const Tensor& weight) { return fans_of("fans", weight); }

double calculate_gain(GainFor nonlinearity, double slope) {
  switch (nonlinearity) {
    case GainFor::linear:
    case GainFor::sigmoid:
      return 1;
    case GainFor::tanh:
      return 5.0 / 3;
    case GainFor::relu:
      return std::sqrt(2.0);
    case GainFor::leaky_relu:
      return std::sqrt(2 / (1 + slope * slope));
    case GainFor::selu:
      return 0.75;
  }
  detail::fail("[calculate_gain] unknown non-linearity", {});
}

Tensor constant_(Tensor x, double value) { return x.fill_(value); }
Tensor zeros_(Tensor x) { return x.fill_(0); }

Tensor uniform_(Tensor x, double low, double high, Random& random) {
  check_target("uniform_", x);
  return x.copy_(uniform(x.shape(), low, high, {.dtype = x.dtype()}, random));
}

Tensor normal_(Tensor x, double mean, double deviation, Random& random) {
  check_target("normal_", x);
  return x.copy_(normal(x.shape(), mean, deviation, {.dtype = x.dtype()}, random));
}

Tensor truncated_normal_(Tensor x, double mean, double deviation, double low, double high, Random& random) {
  check_target("truncated_normal_", x);
  return x.copy_(truncated_normal(x.shape(), mean, deviation, low, high, {.dtype = x.dtype()}, random));
}

Tensor uniform_fan_in_(Tensor weight, Random& random) {
  check_target("uniform_fan_in_", weight);
  const int64_t fan = fans_of("uniform_fan_in_", weight).in;
  const double bound = fan > 0 ? 1 / std::sqrt(static_cast<double>(fan)) : 0;
  return uniform_(weight, -bound, bound, random);
}

Tensor xavier_uniform_(Tensor weight, double gain, Random& random) {
  return uniform_of_deviation(weight, xavier_deviation("xavier_uniform_", weight, gain), random);
}
Tensor xavier_normal_(Tensor weight, double gain, Random& random) {
  return normal_(weight, 0, xavier_deviation("xavier_normal_", weight, gain), random);
}

Tensor kaiming_uniform_(Tensor weight, const KaimingOptions& options, Random& random) {
  return uniform_of_deviation(weight, kaiming_deviation("kaiming_uniform_", weight, options), random);
}
Tensor kaiming_normal_(Tensor weight, const KaimingOptions& options, Random& random) {
  return normal_(weight, 0, kaiming_deviation("kaiming_normal_", weight, options), random);
}

Tensor orthogonal_(Tensor weight, const OrthogonalOptions& options, Random& random) {
  check_weight("orthogonal_", weight);
  check(std::isfinite(options.gain), "[orthogonal_] expected a finite gain, got {}", options.gain);
  check(options.blocks >= 1 && weight.shape()[0] % options.blocks == 0,
        "[orthogonal_] the first axis of {} does not fall into {} blocks", weight, options.blocks);
  if (weight.numel() == 0) return weight;
  const int64_t rows = weight.shape()[0] / options.blocks, columns = weight.numel() / weight.shape()[0];
  Tensor values = empty({options.blocks, rows, columns}, {.dtype = DType::float64});
  auto* to = values.raw<double>();
  for (int64_t block = 0; block < options.blocks; ++block) {
    const Tensor q = detail::orthonormal_rows(std::min(rows, columns), std::max(rows, columns), random);
    const auto* from = q.raw<double>();
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        *to++ = options.gain * (rows <= columns ? from[i * columns + j] : from[j * rows + i]);
  }
  return assign(weight, values);
}

Tensor sparse_(Tensor weight, double sparsity, double deviation, Random& random) {
  check_matrix("sparse_", weight);
  check(sparsity >= 0 && sparsity <= 1, "[sparse_] expected a sparsity in [0, 1], got {}", sparsity);
  check(deviation >= 0, "[sparse_] expected a deviation of at least 0, got {}", deviation);
  const int64_t rows = weight.shape()[0], columns = weight.shape()[1];
  const auto count = static_cast<int64_t>(std::ceil(sparsity * static_cast<double>(rows)));
  Tensor values = normal({rows, columns}, 0, deviation, {.dtype = DType::float64}, random);
  for (int64_t j = 0; j < columns; ++j) {
    const Tensor order = permutation(rows, random);
    for (int64_t i = 0; i < count; ++i) values.raw<double>()[order.raw<int64_t>()[i] * columns + j] = 0;
  }
  return assign(weight, values);
}

Tensor identity_(Tensor weight) {
  check_matrix("identity_", weight);
  Tensor values = zeros(weight.shape(), {.dtype = DType::float64});
  const int64_t rows = weight.shape()[0], columns = weight.shape()[1];
  for (int64_t i = 0; i < std::min(rows, columns); ++i) values.raw<double>()[i * columns + i] = 1;
  return assign(weight, values);
}

}  // namespace reel
