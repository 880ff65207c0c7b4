#include "models/data/sampler.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "tests/catch.h"

namespace reel {
namespace {

std::vector<int64_t> numbered(int64_t size) {
  std::vector<int64_t> numbers(static_cast<size_t>(size));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

std::vector<int64_t> sorted(std::vector<int64_t> values) {
  std::sort(values.begin(), values.end());
  return values;
}

double chi_square(const std::vector<double>& counts, const std::vector<double>& probabilities) {
  const double draws = std::accumulate(counts.begin(), counts.end(), 0.0);
  double sum = 0;
  for (size_t i = 0; i < counts.size(); ++i)
    sum += std::pow(counts[i] - draws * probabilities[i], 2) / (draws * probabilities[i]);
  return sum;
}

}  // namespace

TEST_CASE("an order is cut into batches", "[sampler]") {
  const EpochPlan plan = sequential_sampler()->plan(7, 3, false, Random(0));
  CHECK(plan.indices == numbered(7));
  CHECK(plan.ends == std::vector<int64_t>{3, 6, 7});
  CHECK(plan.batch(2).size() == 1);
  CHECK(plan.batch(1)[0] == 3);
  const EpochPlan whole = sequential_sampler()->plan(7, 3, true, Random(0));
  CHECK(whole.ends == std::vector<int64_t>{3, 6});
  CHECK(whole.indices == numbered(6));
}

TEST_CASE("a shuffled order is a permutation, the stream's, and any equally likely", "[sampler]") {
  const auto order = [](uint64_t seed, int64_t size) {
    return shuffle_sampler()->plan(size, 1, false, Random(seed)).indices;
  };
  CHECK(sorted(order(1, 100)) == numbered(100));
  CHECK(order(1, 100) == order(1, 100));
  CHECK(order(1, 100) != order(2, 100));
  std::map<std::vector<int64_t>, double> seen;
  for (uint64_t seed = 0; seed < 6000; ++seed) ++seen[order(seed, 3)];
  REQUIRE(seen.size() == 6);
  std::vector<double> counts;
  for (const auto& [permutation, count] : seen) counts.push_back(count);
  CHECK(chi_square(counts, std::vector<double>(6, 1.0 / 6)) < 20.5);  // 5 degrees of freedom: 0.999
}

TEST_CASE("a weighted sampler draws by the weights", "[sampler]") {
  const auto sampler = weighted_sampler({1, 0, 2, 5}, {.count = 20000});
  const EpochPlan plan = sampler->plan(4, 8, false, Random(3));
  std::vector<double> counts(4);
  for (int64_t index : plan.indices) ++counts[static_cast<size_t>(index)];
  CHECK(plan.indices.size() == 20000);
  CHECK(counts[1] == 0);
  CHECK(chi_square({counts[0], counts[2], counts[3]}, {0.125, 0.25, 0.625}) <
        13.8);  // 2 degrees of freedom: 0.999
  CHECK(weighted_sampler({1, 2})->plan(2, 1, false, Random(0)).indices.size() == 2);
  CHECK(weighted_sampler({1, 0})->plan(2, 1, false, Random(0)).indices == std::vector<int64_t>{0, 0});
}

TEST_CASE("without replacement, weights count among what is left", "[sampler]") {
  const auto sampler = weighted_sampler({0.5, 0.3, 0, 0.2}, {.count = 2, .replacement = false});
  std::map<std::vector<int64_t>, double> seen;
  for (uint64_t seed = 0; seed < 6000; ++seed) ++seen[sampler->plan(4, 2, false, Random(seed)).indices];
  const std::vector<double> w = {0.5, 0.3, 0, 0.2};
  std::vector<double> counts, probabilities;
  for (const auto& [order, count] : seen) {
    const double first = w[static_cast<size_t>(order[0])], second = w[static_cast<size_t>(order[1])];
    counts.push_back(count);
    probabilities.push_back(first * second / (1 - first));
  }
  REQUIRE(counts.size() == 6);
  CHECK(chi_square(counts, probabilities) < 20.5);
  const auto every =
      weighted_sampler({3, 1, 2}, {.replacement = false})->plan(3, 1, false, Random(0)).indices;
  CHECK(sorted(every) == numbered(3));
}

TEST_CASE("buckets hold each sample once, and batches samples of one bucket", "[sampler]") {
  std::vector<int64_t> lengths;
  Random random(7);
  for (int i = 0; i < 103; ++i) lengths.push_back(random.below(50));
  const auto bucket = [](int64_t length) { return length < 10 ? 0 : length < 30 ? 1 : 2; };
  const auto sampler = bucket_sampler(lengths, {.boundaries = {10, 30}});
  const EpochPlan plan = sampler->plan(103, 8, false, Random(1));
  CHECK(sorted(plan.indices) == numbered(103));
  for (int64_t b = 0; b < plan.batches(); ++b)
    for (int64_t index : plan.batch(b))
      CHECK(bucket(lengths[static_cast<size_t>(index)]) ==
            bucket(lengths[static_cast<size_t>(plan.batch(b)[0])]));
  CHECK(sampler->plan(103, 8, false, Random(1)).indices == plan.indices);
  CHECK(sampler->plan(103, 8, false, Random(2)).indices != plan.indices);

  const EpochPlan full = sampler->plan(103, 8, true, Random(1));
  for (int64_t b = 0; b < full.batches(); ++b) CHECK(full.batch(b).size() == 8);
  CHECK(full.batches() >= 103 / 8 - 2);

  // Of equally filled buckets, no batch spans more than its share of the sorted lengths.
  const EpochPlan equal = bucket_sampler(lengths, {.buckets = 4})->plan(103, 8, false, Random(1));
  CHECK(sorted(equal.indices) == numbered(103));
  const std::vector<int64_t> ascending = sorted(lengths);
  for (int64_t b = 0; b < equal.batches(); ++b) {
    const auto batch = equal.batch(b);
    const auto [low, high] = std::minmax_element(batch.begin(), batch.end(), [&](int64_t i, int64_t j) {
      return lengths[static_cast<size_t>(i)] < lengths[static_cast<size_t>(j)];
    });
    const int64_t least = lengths[static_cast<size_t>(*low)], greatest = lengths[static_cast<size_t>(*high)];
    const auto below = std::upper_bound(ascending.begin(), ascending.end(), least);
    const auto above = std::lower_bound(ascending.begin(), ascending.end(), greatest);
    CHECK(above - below <= 26);
  }
  const EpochPlan in_order =
      bucket_sampler({5, 1, 9}, {.buckets = 100, .shuffle = false})->plan(3, 4, false, Random(0));
  CHECK(in_order.indices == std::vector<int64_t>{1, 0, 2});
}

TEST_CASE("samplers refuse what makes no sense", "[sampler]") {
  CHECK_THROWS_WITH(weighted_sampler({}), contains_text("[weighted_sampler] expected weights, got none"));
  CHECK_THROWS_WITH(weighted_sampler({1, -1}), contains_text("got -1") && contains_text("at 1"));
  CHECK_THROWS_WITH(weighted_sampler({1, NAN}), contains_text("finite weights"));
  CHECK_THROWS_WITH(weighted_sampler({0, 0}), contains_text("all weights are 0"));
  CHECK_THROWS_WITH(weighted_sampler({1e308, 1e308}), contains_text("sum is too large"));
  CHECK_THROWS_WITH(weighted_sampler({1, 0}, {.replacement = false}),
                    contains_text("at least 2 weights above 0") && contains_text("got 1"));
  CHECK_THROWS_WITH(weighted_sampler({1, 2}, {.count = -1}), contains_text("got -1"));
  CHECK_THROWS_WITH(weighted_sampler({1, 2})->plan(3, 1, false, Random(0)),
                    contains_text("expected 2 samples") && contains_text("got 3"));
  CHECK_THROWS_WITH(bucket_sampler({1, 2})->plan(3, 1, false, Random(0)),
                    contains_text("[bucket_sampler] expected 2 samples"));
  CHECK_THROWS_WITH(bucket_sampler({1}, {.buckets = 0}), contains_text("at least 1 bucket"));
  CHECK_THROWS_WITH(bucket_sampler({1}, {.boundaries = {3, 3}}), contains_text("ascending"));
  CHECK_THROWS_WITH(bucket_sampler({-1}), contains_text("got -1 at 0"));
}

}  // namespace reel
