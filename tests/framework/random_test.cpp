#include "framework/random.h"

#include <cmath>
#include <map>
#include <set>

#include "framework/parallel.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

using Words = std::array<uint32_t, 4>;

/// Philox4x32-10 as the paper states it: a counter of four words and a key of two.
Words philox(Words counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * counter[0], p1 = uint64_t{0xCD9E8D57} * counter[2];
    const auto high = [](uint64_t p) { return static_cast<uint32_t>(p >> 32); };
    const auto low = [](uint64_t p) { return static_cast<uint32_t>(p); };
    counter = {high(p1) ^ counter[1] ^ key[0], low(p1), high(p0) ^ counter[3] ^ key[1], low(p0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

struct Moments {
  double mean = 0, variance = 0, skewness = 0, kurtosis = 0;
};

Moments moments(const Tensor& x) {
  const auto values = numbers(x);
  const auto n = static_cast<double>(values.size());
  Moments m;
  for (double v : values) m.mean += v / n;
  for (double v : values) m.variance += (v - m.mean) * (v - m.mean) / n;
  for (double v : values) {
    const double z = (v - m.mean) / std::sqrt(m.variance);
    m.skewness += z * z * z / n;
    m.kurtosis += z * z * z * z / n;
  }
  return m;
}

}  // namespace

TEST_CASE("the words are Philox4x32-10's", "[random]") {
  // The known answers that come with the paper hold our restatement, and that holds the stream.
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({~0U, ~0U, ~0U, ~0U}, {~0U, ~0U}) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
  CHECK(Random(0).next() == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  for (uint64_t seed : {uint64_t{1}, uint64_t{0x299f31d0a4093822}, ~uint64_t{0}})
    for (uint64_t position : {uint64_t{0}, uint64_t{1}, uint64_t{0xffffffff}, uint64_t{0x85a308d3243f6a88}})
      CHECK(Random(seed).peek(position) ==
            philox({static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), 0, 0},
                   {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}));
}

TEST_CASE("a stream moves, copies and comes back", "[random]") {
  Random random(3);
  const Words first = random.next();
  CHECK(random.position() == 1);
  Random copy = random;
  CHECK(copy.next() == random.next());
  CHECK(random.peek(2) == Random(3).peek(4));
  random.reserve(10);
  CHECK(random.position() == 12);
  random.restore(3, 0);
  CHECK(random.next() == first);
  CHECK(random.seed() == 3);
  CHECK(Random(4).next() != first);
  Random other(5);
  CHECK(randn({7}, {}, other).numel() == 7);
  CHECK(other.position() == 2);  // four floats to a place
}

TEST_CASE("draws are the same bits on any number of threads", "[random]") {
  const auto draw = [](int threads) {
    set_num_threads(threads);
    Random random(11);
    return std::vector<Tensor>{rand({70001}, {}, random), randn({70003}, {.dtype = DType::float64}, random),
                               bernoulli({50000}, 0.3, {}, random), permutation(1000, random),
                               randint(0, 10, {1000}, random)};
  };
  const int before = num_threads();
  const auto single = draw(1), shared = draw(2);
  set_num_threads(before);
  for (size_t i = 0; i < single.size(); ++i) CHECK(difference(shared[i], single[i]) == "");
}

TEST_CASE("one long draw is what short ones give that fill whole places", "[random]") {
  Random whole(2), parts(2);
  const auto all = rand({12}, {}, whole).to_vector<float>();
  std::vector<float> pieces;
  for (int i = 0; i < 3; ++i)
    for (float value : rand({4}, {}, parts).to_vector<float>()) pieces.push_back(value);
  CHECK(all == pieces);
}

TEST_CASE("moments of uniform and normal draws", "[random]") {
  constexpr int64_t n = 200000;  // bounds are five standard deviations of each estimate
  const double root = std::sqrt(static_cast<double>(n));
  for (DType dtype : {DType::float32, DType::float64}) {
    Random random(1);
    const Moments u = moments(uniform({n}, -1, 3, {.dtype = dtype}, random));
    CHECK(std::abs(u.mean - 1) < 5 * std::sqrt(16.0 / 12) / root);
    CHECK(std::abs(u.variance - 16.0 / 12) < 5 * 16.0 / std::sqrt(180.0) / root);
    const Moments g = moments(normal({n}, 2, 3, {.dtype = dtype}, random));
    CHECK(std::abs(g.mean - 2) < 5 * 3 / root);
    CHECK(std::abs(g.variance - 9) < 5 * 9 * std::sqrt(2.0) / root);
    CHECK(std::abs(g.skewness) < 5 * std::sqrt(6.0) / root);
    CHECK(std::abs(g.kurtosis - 3) < 5 * std::sqrt(24.0) / root);
  }
}

TEST_CASE("draws stay in their range", "[random]") {
  Random random(1);
  for (double value : numbers(rand({100000}, {}, random))) REQUIRE((value >= 0 && value < 1));
  for (double value : numbers(uniform({100000}, 2, 3, {.dtype = DType::float64}, random)))
    REQUIRE((value >= 2 && value < 3));
  for (double value : numbers(randn({100000}, {}, random))) REQUIRE(std::isfinite(value));
  for (int i = 0; i < 1000; ++i) {
    const double value = random.uniform();
    REQUIRE((value >= 0 && value < 1));
  }
}

TEST_CASE("a uniform draw never reaches its upper end by rounding", "[random]") {
  // 4 + the largest float below 1 rounds up to 5.
  Random random(1);
  for (float value : uniform({1 << 22}, 4, 5, {}, random).to_vector<float>()) REQUIRE(value < 5);
}

TEST_CASE("whole numbers below a bound are equally likely", "[random]") {
  Random random(1);
  constexpr int draws = 60000;
  std::array<int, 6> counts{};
  for (int i = 0; i < draws; ++i) ++counts.at(static_cast<size_t>(random.below(6)));
  double chi_squared = 0;
  for (int count : counts) chi_squared += std::pow(count - draws / 6, 2) / (draws / 6.0);
  CHECK(chi_squared < 25.7);  // 5 degrees of freedom: exceeded once in 10,000
  // 3 * 2^61 does not divide 2^64: taken modulo it, the lower two thirds would come up 3 of 4 times.
  const int64_t bound = int64_t{3} << 61;
  int lower = 0;
  for (int i = 0; i < draws; ++i) lower += random.below(bound) < bound / 3 * 2;
  CHECK(std::abs(lower / static_cast<double>(draws) - 2.0 / 3) < 5 * std::sqrt(2.0 / 9 / draws));
  CHECK(random.below(1) == 0);
  CHECK_THROWS_AS(random.below(0), Error);
  const Tensor x = randint(-2, 2, {1000}, random);
  std::set<int64_t> seen;
  for (int64_t value : x.to_vector<int64_t>()) seen.insert(value);
  CHECK(seen == std::set<int64_t>{-2, -1, 0, 1});
}

TEST_CASE("a permutation holds each number once, every order as likely", "[random]") {
  Random random(1);
  std::set<int64_t> seen;
  for (int64_t value : permutation(100, random).to_vector<int64_t>()) seen.insert(value);
  CHECK(seen.size() == 100);
  CHECK(*seen.rbegin() == 99);
  CHECK(permutation(0, random).numel() == 0);
  std::map<std::vector<int64_t>, int> orders;
  for (int i = 0; i < 6000; ++i) ++orders[permutation(3, random).to_vector<int64_t>()];
  CHECK(orders.size() == 6);
  for (const auto& [order, count] : orders) CHECK(std::abs(count - 1000) < 5 * std::sqrt(1000.0 * 5 / 6));
}

TEST_CASE("bernoulli draws ones with their probability", "[random]") {
  Random random(1);
  for (double p : {0.0, 0.2, 1.0}) {
    const double share = moments(bernoulli({100000}, p, {}, random)).mean;
    CHECK(std::abs(share - p) <= 5 * std::sqrt(p * (1 - p) / 100000) + 1e-9);
  }
  CHECK(bernoulli({3}, 1, {.dtype = DType::boolean}, random).to_vector<bool>() ==
        std::vector<bool>{true, true, true});
}

TEST_CASE("manual_seed restarts what functions draw from by default", "[random]") {
  manual_seed(5);
  const Tensor first = randn({4});
  const Tensor second = randn({4});
  CHECK(difference(first, second) != "");
  manual_seed(5);
  CHECK(difference(randn({4}), first) == "");
}

}  // namespace reel
