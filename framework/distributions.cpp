#include "framework/distributions.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "framework/parallel.h"

namespace reel {
namespace {

constexpr int64_t draws_per_task = 1 << 12;

/// Moved off 0 by half a step: in (0, 1).
double open(double uniform) { return std::max(uniform, 0x1p-54); }

/// The i-th of the uniform numbers that follow, two to a place.
double uniform_at(const Random& random, int64_t i) {
  return detail::uniform_pair(random.peek(static_cast<uint64_t>(i / 2)))[static_cast<size_t>(i % 2)];
}
/// Takes the places of so many numbers; returns where they begin.
Random reserve_draws(Random& random, int64_t count) {
  return random.reserve(static_cast<uint64_t>((count + 1) / 2));
}

/// Fills a tensor with f(uniform number, i) in [0, 1), two to a place of the stream.
template <class T, class F> void fill_draws(const Tensor& out, Random& random, F f) {
  const int64_t n = out.numel();
  const Random first = reserve_draws(random, n);
  detail::parallel_for((n + 1) / 2, draws_per_task, [&](int64_t begin, int64_t end) {
    for (int64_t place = begin; place < end; ++place) {
      const auto pair = detail::uniform_pair(first.peek(static_cast<uint64_t>(place)));
      for (int64_t i = 2 * place; i < std::min(n, 2 * place + 2); ++i)
        out.raw<T>()[i] = static_cast<T>(f(pair[static_cast<size_t>(i % 2)], i));
    }
  });
}

template <class F>
Tensor transformed(const char* op, const Shape& shape, TensorOptions options, Random& random, F f) {
  check(is_floating(options.dtype), "[{}] expected a floating dtype, got {}", op, options.dtype);
  Tensor result = empty(shape, options);
  detail::dispatch_floating(op, options.dtype, [&](auto zero) {
    fill_draws<decltype(zero)>(result, random, [&](double uniform, int64_t) { return f(uniform); });
  });
  return result;
}

double lower_tail(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

double polynomial(std::initializer_list<double> coefficients, double x) {
  double sum = 0;
  for (double c : coefficients) sum = sum * x + c;
  return sum;
}

/// x with lower_tail(x) = p, for p in (0, 0.5]: Acklam's rational approximation (relative error 1.15e-9), and one step of
/// Halley's method from there.
double lower_quantile(double p) {
  double x = 0;
  if (p < 0.02425) {
    const double q = std::sqrt(-2 * std::log(p));
    x = polynomial({-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                    -2.549732539343734e+00, 4.374664141464968e+00, 2.938163982698783e+00},
                   q) /
        polynomial(
            {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00, 3.754408661907416e+00, 1},
            q);
  } else {
    const double q = p - 0.5, r = q * q;
    x = q *
        polynomial({-3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02,
                    1.383577518672690e+02, -3.066479806614716e+01, 2.506628277459239e+00},
                   r) /
        polynomial({-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
                    6.680131188771972e+01, -1.328068155288572e+01, 1},
                   r);
  }
  const double error = (lower_tail(x) - p) * std::sqrt(2 * std::numbers::pi) * std::exp(x * x / 2);
  return x - error / (1 + x * error / 2);
}

/// The standard normal number in [low, high] below which `uniform` of the range's probability lies; low <= 0.
double truncated_quantile(double low, double high, double uniform) {
  const double below = lower_tail(low), above = lower_tail(-high);
  const double mass = high <= 0 ? lower_tail(high) - below : 1 - below - above;
  const double p = below + uniform * mass;
  return p <= 0.5 ? lower_quantile(p) : -lower_quantile(above + (1 - uniform) * mass);
}

/// The extents but the last, and how many rows these make.
Shape rows_of(const Tensor& x) {
  Shape shape = x.shape();
  shape.erase(shape.rank() - 1);
  return shape;
}

Tensor as_doubles(const Tensor& x) {
  return detail::contiguous_values(x.dtype() == DType::float64 ? x : detail::cast_values(x, DType::float64));
}

/// The first k with cumulative[k] > uniform * total: a category without weight never is. `cumulative` ends in the total.
int64_t inverse(const double* cumulative, int64_t n, double uniform) {
  const double total = cumulative[n - 1];
  const double* last =
      std::lower_bound(cumulative, cumulative + n, total);  // where rounding must not go beyond
  return std::min(std::upper_bound(cumulative, cumulative + n, uniform * total), last) - cumulative;
}

void check_weights(const Tensor& weights, int64_t rows, int64_t n, int64_t count, bool replacement) {
  const auto* values = weights.raw<double>();
  for (int64_t row = 0; row < rows; ++row) {
    int64_t positive = 0;
    double total = 0;
    for (int64_t k = 0; k < n; ++k) {
      const double weight = values[row * n + k];
      check(std::isfinite(weight) && weight >= 0,
            "[multinomial] expected finite weights of at least 0, got {} for category {} of row {}", weight,
            k, row);
      positive += weight > 0;
      total += weight;
    }
    check(positive > 0 && std::isfinite(total), "[multinomial] the weights of row {} add up to {}", row,
          total);
    check(replacement || positive >= count,
          "[multinomial] row {} has {} weights above 0, too few for {} draws without replacement", row,
          positive, count);
  }
}

}  // namespace

Tensor rand_like(const Tensor& tensor, Random& random) {
  return rand(tensor.shape(), {.dtype = tensor.dtype()}, random);
}
Tensor randn_like(const Tensor& tensor, Random& random) {
  return randn(tensor.shape(), {.dtype = tensor.dtype()}, random);
}

Tensor bernoulli(const Tensor& probabilities, Random& random) {
  check(is_floating(probabilities.dtype()), "[bernoulli] expected probabilities of a floating dtype, got {}",
        probabilities);
  const Tensor p = detail::contiguous_values(probabilities);
  return detail::dispatch_floating("bernoulli", p.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* values = p.raw<T>();
    for (int64_t i = 0; i < p.numel(); ++i)
      check(values[i] >= 0 && values[i] <= 1,
            "[bernoulli] expected probabilities in [0, 1], got {} at place {} of {}",
            static_cast<double>(values[i]), i, probabilities);
    Tensor result = empty(p.shape(), {.dtype = p.dtype()});
    fill_draws<T>(result, random,
                  [=](double uniform, int64_t i) { return uniform < static_cast<double>(values[i]); });
    return result;
  });
}

Tensor exponential(const Shape& shape, double rate, TensorOptions options, Random& random) {
  check(rate > 0 && std::isfinite(rate), "[exponential] expected a rate above 0, got {}", rate);
  return transformed("exponential", shape, options, random,
                     [=](double uniform) { return -std::log1p(-open(uniform)) / rate; });
}

Tensor gumbel(const Shape& shape, double location, double scale, TensorOptions options, Random& random) {
  check(scale > 0 && std::isfinite(scale), "[gumbel] expected a scale above 0, got {}", scale);
  check(std::isfinite(location), "[gumbel] expected a finite location, got {}", location);
  return transformed("gumbel", shape, options, random, [=](double uniform) {
    return location - scale * std::log(-std::log1p(-open(uniform)));
  });
}

Tensor truncated_normal(const Shape& shape, double mean, double deviation, double low, double high,
                        TensorOptions options, Random& random) {
  constexpr double furthest = 37;
  check(std::isfinite(mean) && std::isfinite(deviation) && deviation > 0,
        "[truncated_normal] expected a finite mean and a deviation above 0, got {} and {}", mean, deviation);
  check(low < high, "[truncated_normal] expected low < high, got {} and {}", low, high);
  double from = (low - mean) / deviation, to = (high - mean) / deviation;
  check(from < furthest && to > -furthest,
        "[truncated_normal] the range from {} to {} lies more than {} deviations from the mean, {}", low,
        high, furthest, mean);
  const bool mirrored = from > 0;  // small probabilities are exact in the lower tail only
  if (mirrored) {
    std::swap(from, to);
    from = -from;
    to = -to;
  }
  check(is_floating(options.dtype), "[truncated_normal] expected a floating dtype, got {}", options.dtype);
  return detail::dispatch_floating("truncated_normal", options.dtype, [&](auto zero) {
    using T = decltype(zero);
    constexpr T infinity = std::numeric_limits<T>::infinity();
    T least = static_cast<T>(low), most = static_cast<T>(high);  // rounded to within the range
    if (static_cast<double>(least) < low) least = std::nextafter(least, infinity);
    if (static_cast<double>(most) > high) most = std::nextafter(most, -infinity);
    check(least <= most, "[truncated_normal] no value of dtype {} lies in the range from {} to {}",
          options.dtype, low, high);
    Tensor result = empty(shape, options);
    fill_draws<T>(result, random, [=](double uniform, int64_t) {
      const double z = truncated_quantile(from, to, open(uniform));
      return std::clamp(static_cast<T>(mean + deviation * (mirrored ? -z : z)), least, most);
    });
    return result;
  });
}

Tensor multinomial(const Tensor& weights, int64_t count, bool replacement, Random& random) {
  check(weights.rank() >= 1 && is_floating(weights.dtype()),
        "[multinomial] expected weights [..., K] of a floating dtype, got {}", weights);
  check(count >= 1, "[multinomial] expected at least 1 draw, got {}", count);
  const Tensor values = as_doubles(weights);
  Shape shape = rows_of(weights);
  const int64_t rows = shape.numel(), n = weights.size(-1);
  check_weights(values, rows, n, count, replacement);
  shape.push_back(count);
  Tensor result = empty(shape, {.dtype = DType::int64});
  const Random first = reserve_draws(random, rows * (replacement ? count : n));
  detail::parallel_for(
      rows, std::max<int64_t>(1, draws_per_task / (n + count)), [&](int64_t begin, int64_t end) {
        std::vector<double> keys(static_cast<size_t>(n));
        std::vector<int64_t> order(static_cast<size_t>(n));
        for (int64_t row = begin; row < end; ++row) {
          const double* from = values.raw<double>() + row * n;
          int64_t* to = result.raw<int64_t>() + row * count;
          if (replacement) {
            std::partial_sum(from, from + n, keys.begin());
            for (int64_t i = 0; i < count; ++i)
              to[i] = inverse(keys.data(), n, uniform_at(first, row * count + i));
          } else {
            for (int64_t k = 0; k < n; ++k)
              keys[static_cast<size_t>(k)] =
                  from[k] > 0 ? -std::log1p(-open(uniform_at(first, row * n + k))) / from[k]
                              : std::numeric_limits<double>::infinity();
            std::iota(order.begin(), order.end(), 0);
            // Equal keys, of weights near 0 whose keys overflow, fall to those with a weight first.
            std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int64_t a, int64_t b) {
              const double key_a = keys[static_cast<size_t>(a)], key_b = keys[static_cast<size_t>(b)];
              return key_a != key_b ? key_a < key_b : from[a] != from[b] ? from[a] > from[b] : a < b;
            });
            std::copy_n(order.begin(), count, to);
          }
        }
      });
  return result;
}

Tensor categorical(const Tensor& logits, Random& random) {
  check(logits.rank() >= 1 && is_floating(logits.dtype()),
        "[categorical] expected logits [..., K] of a floating dtype, got {}", logits);
  const Tensor values = as_doubles(logits);
  const Shape shape = rows_of(logits);
  const int64_t rows = shape.numel(), n = logits.size(-1);
  for (int64_t row = 0; row < rows; ++row) {
    double largest = -std::numeric_limits<double>::infinity();
    for (int64_t k = 0; k < n; ++k) {
      const double logit = values.raw<double>()[row * n + k];
      check(logit < std::numeric_limits<double>::infinity(),
            "[categorical] expected finite logits or -inf, got {} for category {} of row {}", logit, k, row);
      largest = std::max(largest, logit);
    }
    check(std::isfinite(largest), "[categorical] row {} of {} has no category with a probability above 0",
          row, logits);
  }
  Tensor result = empty(shape, {.dtype = DType::int64});
  const Random first = reserve_draws(random, rows);
  detail::parallel_for(rows, std::max<int64_t>(1, draws_per_task / std::max<int64_t>(1, n)),
                       [&](int64_t begin, int64_t end) {
                         std::vector<double> cumulative(static_cast<size_t>(n));
                         for (int64_t row = begin; row < end; ++row) {
                           const double* from = values.raw<double>() + row * n;
                           const double largest = *std::max_element(from, from + n);
                           double total = 0;
                           for (int64_t k = 0; k < n; ++k)
                             cumulative[static_cast<size_t>(k)] = total += std::exp(from[k] - largest);
                           result.raw<int64_t>()[row] = inverse(cumulative.data(), n, uniform_at(first, row));
                         }
                       });
  return result;
}

}  // namespace reel
