#include "framework/distributions.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "framework/parallel.h"
#include "tests/catch.h"
#include "tests/framework/misuse.h"
#include "tests/reference.h"

namespace reel {
namespace {

constexpr int64_t draws = 40000;
constexpr double infinity = std::numeric_limits<double>::infinity();
const TensorOptions wide{.dtype = DType::float64};

/// Kolmogorov and Smirnov's statistic: the largest distance between the draws' distribution and F, times sqrt(n).
template <class F> double kolmogorov(const Tensor& x, F distribution) {
  auto values = numbers(x);
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  double largest = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double f = distribution(values[i]);
    largest = std::max({largest, f - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - f});
  }
  return largest * std::sqrt(n);
}

/// Exceeded once in a million: 2 exp(-2 x^2) = 1e-6.
const double kolmogorov_bound = std::sqrt(std::log(2e6) / 2);

/// Pearson's statistic of counts against probabilities.
double chi_squared(const std::vector<int64_t>& counts, const std::vector<double>& probabilities) {
  double total = 0, sum = 0;
  for (int64_t count : counts) total += static_cast<double>(count);
  for (size_t i = 0; i < counts.size(); ++i) {
    const double expected = total * probabilities[i];
    if (expected == 0)
      CHECK(counts[i] == 0);
    else
      sum += std::pow(static_cast<double>(counts[i]) - expected, 2) / expected;
  }
  return sum;
}

/// Exceeded once in a million, by Wilson and Hilferty's approximation; 4.7534 is the normal distribution's quantile.
double chi_squared_bound(double freedom) {
  const double part = 2 / (9 * freedom);
  return freedom * std::pow(1 - part + 4.7534 * std::sqrt(part), 3);
}

std::vector<int64_t> counts_of(const Tensor& x, size_t categories) {
  std::vector<int64_t> counts(categories);
  for (int64_t value : x.to_vector<int64_t>()) ++counts.at(static_cast<size_t>(value));
  return counts;
}

double normal_below(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

bool within(const Tensor& x, double low, double high) {
  const auto values = numbers(x);
  return std::all_of(values.begin(), values.end(),
                     [=](double value) { return value >= low && value <= high; });
}

double mean_of(const Tensor& x) {
  double sum = 0;
  for (double value : numbers(x)) sum += value / static_cast<double>(x.numel());
  return sum;
}

}  // namespace

TEST_CASE("exponential, Gumbel and truncated normal draws follow their distributions", "[distributions]") {
  for (DType dtype : {DType::float32, DType::float64}) {
    const TensorOptions options{.dtype = dtype};
    Random random(1);
    CHECK(kolmogorov(exponential({draws}, 2.5, options, random),
                     [](double x) { return -std::expm1(-2.5 * x); }) < kolmogorov_bound);
    CHECK(kolmogorov(gumbel({draws}, 1, 2, options, random),
                     [](double x) { return std::exp(-std::exp(-(x - 1) / 2)); }) < kolmogorov_bound);
    struct Range {
      double mean, deviation, low, high;
    };
    for (const auto& [mean, deviation, low, high] :
         {Range{0, 1, -2, 2}, Range{1, 2, -1, 1.5}, Range{0, 1, -infinity, infinity},
          Range{0, 1, 3, infinity}, Range{0, 1, -infinity, -5}, Range{2, 0.5, 2.1, 2.2},
          Range{0, 1, -0.1, 6}}) {
      INFO(mean << " " << deviation << " in " << low << ", " << high);
      const auto upper = [&](double x) { return normal_below(-(x - mean) / deviation); };
      const Tensor x = truncated_normal({draws}, mean, deviation, low, high, options, random);
      CHECK(within(x, low, high));
      CHECK(kolmogorov(x, [&](double value) {
              // By the tail that is small.
              return low >= mean ? (upper(low) - upper(value)) / (upper(low) - upper(high))
                                 : (upper(2 * mean - value) - upper(2 * mean - low)) /
                                       (upper(2 * mean - high) - upper(2 * mean - low));
            }) < kolmogorov_bound);
    }
  }
}

TEST_CASE("moments of exponential, Gumbel and truncated normal draws", "[distributions]") {
  Random random(2);
  const double root = std::sqrt(static_cast<double>(draws));  // bounds are five standard deviations
  CHECK(std::abs(mean_of(exponential({draws}, 4, {}, random)) - 0.25) < 5 * 0.25 / root);
  constexpr double euler = 0.5772156649015329, pi = 3.141592653589793;
  CHECK(std::abs(mean_of(gumbel({draws}, 0, 1, {}, random)) - euler) < 5 * pi / std::sqrt(6.0) / root);
  // The mean above a is the density at a over the probability beyond: 10 deviations out it is 10.098 (Mills' ratio).
  const double density = std::exp(-50.0) / std::sqrt(2 * pi), mean = density / normal_below(-10);
  CHECK(std::abs(mean_of(truncated_normal({draws}, 0, 1, 10, infinity, wide, random)) - mean) <
        5 * 0.1 / root);
  CHECK(within(truncated_normal({1000}, 0, 1, 36, infinity, wide, random), 36,
               36.7));  // exp(-36 * 0.7) is 1e-11
}

TEST_CASE("truncated normal draws keep to the range in their dtype", "[distributions]") {
  Random random(3);
  // Neither end is a float; rounded to the nearest they would lie outside.
  const double low = 0.1, high = 0.7;
  CHECK(within(truncated_normal({draws}, 0, 100, low, high, {}, random), low, high));
}

TEST_CASE("the i-th value is the inverse of the distribution function at the i-th uniform one",
          "[distributions]") {
  Random random(4), uniforms(4);
  const Tensor x = truncated_normal({1001}, 0, 1, -infinity, infinity, wide, random);
  const auto u = rand({1001}, wide, uniforms).to_vector<double>();
  const auto values = numbers(x);
  double largest = 0;
  for (size_t i = 0; i < u.size(); ++i) {
    const double p = normal_below(values[i]);
    largest = std::max(largest, std::abs(p - u[i]) / std::min(u[i], 1 - u[i]));
  }
  CHECK(largest < 1e-13);
  CHECK(random.position() == uniforms.position());
}

TEST_CASE("bernoulli by probabilities of each place", "[distributions]") {
  Random random(5);
  const std::vector<double> p = {0, 0.25, 0.9, 1};
  for (DType dtype : {DType::float32, DType::float64}) {
    Tensor probabilities = empty({draws, 4}, {.dtype = dtype});
    probabilities.copy_(detail::cast_values(from_vector(p), dtype));
    const Tensor x = bernoulli(probabilities, random);
    CHECK(x.dtype() == dtype);
    std::vector<double> ones(4);
    bool binary = true;
    const auto values = numbers(x);
    for (size_t i = 0; i < values.size(); ++i) {
      binary &= values[i] == 0 || values[i] == 1;
      ones[i % 4] += values[i];
    }
    CHECK(binary);
    constexpr auto n = static_cast<double>(draws);
    for (size_t i = 0; i < 4; ++i)
      CHECK(std::abs(ones[i] / n - p[i]) <= 5 * std::sqrt(p[i] * (1 - p[i]) / n));
  }
}

TEST_CASE("multinomial with replacement draws by the weights", "[distributions]") {
  Random random(6);
  const Tensor weights = tensor({{0, 1, 3, 0, 4}, {2, 0, 0, 0, 0}});
  const Tensor x = multinomial(weights, draws, true, random);
  CHECK(x.shape() == Shape{2, draws});
  CHECK(x.dtype() == DType::int64);
  const Tensor first = detail::view(x, {draws}, {1});
  const auto counts = counts_of(first, 5);
  CHECK(chi_squared(counts, {0, 0.125, 0.375, 0, 0.5}) < chi_squared_bound(2));
  const Tensor second = detail::view(x, {draws}, {1}, draws);
  CHECK(counts_of(second, 5)[0] == draws);
  CHECK(multinomial(tensor({1, 1}), 3, true, random).shape() == Shape{3});
}

TEST_CASE("multinomial without replacement draws as if one after the other", "[distributions]") {
  Random random(7);
  Tensor weights = empty({draws, 4});
  weights.copy_(tensor({1, 2, 0, 5}));
  const auto x = multinomial(weights, 2, false, random).to_vector<int64_t>();
  std::map<std::pair<int64_t, int64_t>, size_t> pairs;
  std::vector<double> probabilities;
  const std::vector<double> w = {1, 2, 0, 5};
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t j = 0; j < 4; ++j) {
      if (i == j || w[static_cast<size_t>(i)] == 0 || w[static_cast<size_t>(j)] == 0) continue;
      const double first = w[static_cast<size_t>(i)], second = w[static_cast<size_t>(j)];
      pairs[{i, j}] = probabilities.size();
      probabilities.push_back(first / 8 * second / (8 - first));
    }
  std::vector<int64_t> counts(probabilities.size());
  for (size_t i = 0; i < x.size(); i += 2) ++counts.at(pairs.at({x[i], x[i + 1]}));
  CHECK(chi_squared(counts, probabilities) < chi_squared_bound(5));
  auto all = multinomial(tensor({1, 1e-30, 3}), 3, false, random).to_vector<int64_t>();
  std::sort(all.begin(), all.end());
  CHECK(all == std::vector<int64_t>{0, 1, 2});
}

TEST_CASE("categorical draws by the softmax of logits", "[distributions]") {
  Random random(8);
  Tensor logits = empty({draws, 4}, wide);
  logits.copy_(from_vector<double>({1000, 1000 + std::log(3.0), -infinity, 1000 + std::log(4.0)}));
  const Tensor x = categorical(logits, random);
  CHECK(x.shape() == Shape{draws});
  CHECK(chi_squared(counts_of(x, 4), {0.125, 0.375, 0, 0.5}) < chi_squared_bound(2));
  CHECK(categorical(tensor({-5}), random).item<int64_t>() == 0);
}

TEST_CASE("draws from distributions are the same on any number of threads, and streams replay",
          "[distributions]") {
  const auto draw = [](int threads) {
    set_num_threads(threads);
    Random random(11);
    std::vector<Tensor> all = {exponential({30001}, 1, {}, random),
                               gumbel({30001}, 0, 1, wide, random),
                               truncated_normal({30001}, 0, 1, -2, 2, {}, random),
                               bernoulli(full({30001}, 0.3), random),
                               multinomial(ones({300, 70}), 40, true, random),
                               multinomial(ones({300, 70}), 40, false, random),
                               categorical(zeros({20001, 3}), random),
                               rand_like(zeros({7}, wide), random),
                               randn_like(zeros({7}), random)};
    all.push_back(full({}, static_cast<double>(random.position()), wide));
    return all;
  };
  const int before = num_threads();
  const auto single = draw(1), shared = draw(2);
  set_num_threads(before);
  for (size_t i = 0; i < single.size(); ++i) CHECK(difference(shared[i], single[i]) == "");
  // Stopped and taken up again at the place where it was.
  Random whole(12), again;
  exponential({5}, 1, {}, whole);
  again.restore(whole.seed(), whole.position());
  CHECK(difference(gumbel({9}, 0, 1, {}, whole), gumbel({9}, 0, 1, {}, again)) == "");
  CHECK(whole.position() == 3 + 5);  // two to a place
}

TEST_CASE("distributions with parameters that mean nothing draw nothing", "[distributions][misuse]") {
  Random random(1);
  const Tensor whole = arange(3), p = tensor({0.5, 1.5}), w = tensor({{1, 0, 2}, {1, 1, 1}});
  refused({whole}, {"[bernoulli]", "floating", "int64 [3]"}, [&] { bernoulli(whole, random); });
  refused({p}, {"[bernoulli]", "[0, 1]", "1.5", "place 1"}, [&] { bernoulli(p, random); });
  refused({}, {"[exponential]", "above 0", "-1"}, [&] { exponential({2}, -1, {}, random); });
  refused({}, {"[exponential]", "floating", "int64"},
          [&] { exponential({2}, 1, {.dtype = DType::int64}, random); });
  refused({}, {"[gumbel]", "scale", "0"}, [&] { gumbel({2}, 0, 0, {}, random); });
  refused({}, {"[truncated_normal]", "low < high", "2", "-2"},
          [&] { truncated_normal({2}, 0, 1, 2, -2, {}, random); });
  refused({}, {"[truncated_normal]", "37"}, [&] { truncated_normal({2}, 0, 1, 40, 41, {}, random); });
  refused({}, {"[truncated_normal]", "float32"},
          [&] { truncated_normal({2}, 0, 1, 0.1, 0.1 + 1e-12, {}, random); });
  refused({w}, {"[multinomial]", "row 0", "2 weights", "3 draws"}, [&] { multinomial(w, 3, false, random); });
  refused({w}, {"[multinomial]", "at least 1"}, [&] { multinomial(w, 0, true, random); });
  refused({}, {"[multinomial]", "-1", "category 1", "row 0"}, [&] {
    multinomial(tensor({1, -1}), 1, true, random);
  });
  refused({}, {"[multinomial]", "row 0", "0"}, [&] { multinomial(zeros({2}), 1, true, random); });
  refused({whole}, {"[multinomial]", "int64 [3]"}, [&] { multinomial(whole, 1, true, random); });
  refused({}, {"[categorical]", "row 0"}, [&] { categorical(full({2, 2}, -infinity), random); });
  refused({}, {"[categorical]", "nan", "category 0"}, [&] { categorical(full({2}, std::nan("")), random); });
  refused({}, {"[categorical]"}, [&] { categorical(scalar(1), random); });
  CHECK(random.position() == 0);
}

}  // namespace reel
