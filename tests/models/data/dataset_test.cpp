#include "models/data/dataset.h"

#include <algorithm>
#include <numeric>

#include "ops/arithmetic.h"
#include "tests/catch.h"

namespace reel {
namespace {

std::vector<int64_t> all_of(const Dataset auto& data) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < data.size(); ++i) values.push_back(data.get(i));
  return values;
}

FunctionDataset<int64_t (*)(int64_t)> squares(int64_t size) {
  return {size, [](int64_t i) { return i * i; }};
}

}  // namespace

TEST_CASE("a data set of tensors gives their rows", "[dataset]") {
  const Tensor x = tensor({{1, 2}, {3, 4}, {5, 6}});
  const Tensor y = from_vector(std::vector<int64_t>{7, 8, 9});
  const TensorDataset pairs(x, y);
  static_assert(std::same_as<SampleOf<TensorDataset<2>>, std::array<Tensor, 2>>);
  static_assert(std::same_as<SampleOf<TensorDataset<1>>, Tensor>);
  CHECK(pairs.size() == 3);
  const auto [row, label] = pairs.get(2);
  CHECK(row.to_vector<float>() == std::vector<float>{5, 6});
  CHECK(label.item<int64_t>() == 9);
  CHECK(TensorDataset(x).get(0).to_vector<float>() == std::vector<float>{1, 2});

  CHECK_THROWS_WITH(pairs.get(3), contains_text("[TensorDataset] expected an index in [0, 3), got 3"));
  CHECK_THROWS_WITH(pairs.get(-1), contains_text("got -1"));
  CHECK_THROWS_WITH(TensorDataset(x, tensor({1, 2})), contains_text("float32 [3, 2] and float32 [2]"));
  CHECK_THROWS_WITH(TensorDataset(scalar(1)), contains_text("tensor 0 has no axis"));
  CHECK_THROWS_WITH(TensorDataset(x, Tensor()), contains_text("tensor 1 is undefined"));
}

TEST_CASE("a subset, a concatenation and a map are data sets of data sets", "[dataset]") {
  CHECK(all_of(Subset(squares(5), {4, 0, 4})) == std::vector<int64_t>{16, 0, 16});
  CHECK(all_of(Concat(squares(2), squares(0), Subset(squares(5), {3}))) == std::vector<int64_t>{0, 1, 9});
  CHECK(all_of(Mapped(squares(3), [](int64_t value) { return -value; })) == std::vector<int64_t>{0, -1, -4});
  CHECK_THROWS_WITH(Subset(squares(5), {5}), contains_text("[Subset] expected an index in [0, 5), got 5"));
  CHECK_THROWS_WITH(Concat(squares(2), squares(1)).get(3), contains_text("[Concat]"));
  CHECK_THROWS_WITH(squares(-1), contains_text("[FunctionDataset]"));
}

TEST_CASE("a map may draw random numbers", "[dataset]") {
  const Mapped data(squares(3),
                    [](int64_t value, Random& random) { return std::pair(value, random.below(1000)); });
  manual_seed(5);
  Random same(5);
  CHECK(data.get(2) == std::pair<int64_t, int64_t>(4, same.below(1000)));
}

TEST_CASE("a random split has each sample once, and is the seed's", "[dataset]") {
  const auto indices = [](const std::vector<double>& shares, uint64_t seed) {
    std::vector<std::vector<int64_t>> parts;
    for (const auto& part : random_split(squares(10), shares, seed)) parts.push_back(part.indices());
    return parts;
  };
  const auto parts = indices({7, 3}, 1);
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].size() == 7);
  std::vector<int64_t> joined = parts[0];
  joined.insert(joined.end(), parts[1].begin(), parts[1].end());
  std::sort(joined.begin(), joined.end());
  std::vector<int64_t> every(10);
  std::iota(every.begin(), every.end(), 0);
  CHECK(joined == every);
  CHECK(indices({7, 3}, 1) == parts);
  CHECK(indices({7, 3}, 2) != parts);
  CHECK(indices({0.7, 0.3}, 1) == parts);

  const auto thirds = indices({1.0 / 3, 1.0 / 3, 1.0 / 3}, 0);  // 3 each, and the tenth to the first
  CHECK(thirds[0].size() == 4);
  CHECK(thirds[1].size() == 3);
  CHECK(thirds[2].size() == 3);

  CHECK_THROWS_WITH(indices({5, 4}, 0), contains_text("the 10 samples") && contains_text("a sum of 9"));
  CHECK_THROWS_WITH(indices({}, 0), contains_text("[random_split]"));
  CHECK_THROWS_WITH(indices({1.5, -0.5}, 0), contains_text("at least 0"));
}

}  // namespace reel
