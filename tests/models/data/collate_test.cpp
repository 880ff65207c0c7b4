#include "models/data/collate.h"

#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

struct Sample {
  Tensor x;
  std::vector<Tensor> more;
  Tensor bias;
  REEL_FIELDS(x, more, bias)
};

const Tensor a = tensor({1, 2}), b = tensor({3, 4});

}  // namespace

TEST_CASE("tensors are stacked, whatever they are in", "[collate]") {
  const Tensor stacked = tensor({{1, 2}, {3, 4}});
  CHECK(difference(Collate{}(std::vector{a, b}), stacked).empty());
  const auto [left, right] = Collate{}(std::vector{std::pair(a, b), std::pair(b, a)});
  CHECK(difference(left, stacked).empty());
  CHECK(difference(right, tensor({{3, 4}, {1, 2}})).empty());
  const auto array = Collate{}(std::vector{std::array{a, b, a}, std::array{b, b, b}});
  CHECK(difference(array[0], stacked).empty());
  CHECK(difference(array[1], tensor({{3, 4}, {3, 4}})).empty());
  const auto list = Collate{}(std::vector{std::vector{a, b}, std::vector{b, a}});
  REQUIRE(list.size() == 2);
  CHECK(difference(list[0], stacked).empty());
  const Sample fields = Collate{}(std::vector{Sample{a, {b}, {}}, Sample{b, {a}, {}}});
  CHECK(difference(fields.x, stacked).empty());
  CHECK(difference(fields.more.at(0), tensor({{3, 4}, {1, 2}})).empty());
  CHECK_FALSE(fields.bias.defined());
}

TEST_CASE("numbers become tensors of their type, and strings a vector", "[collate]") {
  const auto [whole, narrow_whole, real, half, flag, word] =
      Collate{}(std::vector{std::tuple(int64_t{1}, 2, 3.5, 4.5F, true, std::string("a")),
                            std::tuple(int64_t{5}, 6, 7.5, 8.5F, false, std::string("b"))});
  CHECK(whole.to_vector<int64_t>() == std::vector<int64_t>{1, 5});
  CHECK(narrow_whole.to_vector<int64_t>() == std::vector<int64_t>{2, 6});
  CHECK(real.to_vector<double>() == std::vector<double>{3.5, 7.5});
  CHECK(half.to_vector<float>() == std::vector<float>{4.5F, 8.5F});
  CHECK(flag.to_vector<bool>() == std::vector<bool>{true, false});
  CHECK(word == std::vector<std::string>{"a", "b"});
  CHECK(Collate{}(std::vector<bool>{true, false}).to_vector<bool>() == std::vector<bool>{true, false});
}

TEST_CASE("samples that do not fit together are refused", "[collate]") {
  CHECK_THROWS_WITH(Collate{}(std::vector{a, tensor({1})}),
                    contains_text("[Collate]") && contains_text("float32 [2] and float32 [1]"));
  CHECK_THROWS_WITH(Collate{}(std::vector{a, ones({2}, {.dtype = DType::float64})}),
                    contains_text("float64 [2]"));
  CHECK_THROWS_WITH(Collate{}(std::vector{a, Tensor()}), contains_text("undefined in 1 of 2"));
  CHECK_THROWS_WITH(Collate{}(std::vector{std::vector{a}, std::vector{a, b}}), contains_text("got 1 and 2"));
  CHECK_THROWS_WITH(Collate{}(std::vector<Tensor>{}), contains_text("got none"));
}

TEST_CASE("sequences are padded at the end", "[collate]") {
  const std::vector<Tensor> sequences = {tensor({{1, 2}, {3, 4}, {5, 6}}), tensor({{7, 8}}), zeros({0, 2})};
  const Padded padded = pad_sequences(sequences, {.value = -1, .batch_first = true, .multiple_of = 2});
  CHECK(padded.values.shape() == Shape{3, 4, 2});
  CHECK(padded.values.to_vector<float>() == std::vector<float>{1,  2,  3,  4,  5,  6,  -1, -1,  //
                                                               7,  8,  -1, -1, -1, -1, -1, -1,  //
                                                               -1, -1, -1, -1, -1, -1, -1, -1});
  CHECK(padded.lengths.to_vector<int64_t>() == std::vector<int64_t>{3, 1, 0});
  const Padded time_first = pad_sequences(sequences);
  CHECK(time_first.values.shape() == Shape{3, 3, 2});
  CHECK(time_first.values.to_vector<float>() ==
        std::vector<float>{1, 2, 7, 8, 0, 0, 3, 4, 0, 0, 0, 0, 5, 6, 0, 0, 0, 0});
  const std::vector<Tensor> tokens = {arange(2), arange(1)};
  CHECK(pad_sequences(tokens, {.value = 9}).values.to_vector<int64_t>() == std::vector<int64_t>{0, 0, 1, 9});

  const auto [inputs, targets] =
      PadCollate{{.value = 9}}(std::vector{std::pair(arange(2), true), std::pair(arange(1), false)});
  CHECK(inputs.values.to_vector<int64_t>() == std::vector<int64_t>{0, 0, 1, 9});
  CHECK(targets.to_vector<bool>() == std::vector<bool>{true, false});

  CHECK_THROWS_WITH(pad_sequences(std::vector{arange(2), ones({2})}),
                    contains_text("[pad_sequences]") && contains_text("int64 [2] and float32 [2]"));
  CHECK_THROWS_WITH(pad_sequences(std::vector{ones({2, 3}), ones({2, 4})}), contains_text("float32 [2, 4]"));
  CHECK_THROWS_WITH(pad_sequences(tokens, {.value = 0.5}), contains_text("int64 cannot hold the value 0.5"));
  CHECK_THROWS_WITH(pad_sequences(tokens, {.multiple_of = 0}), contains_text("multiple_of"));
  CHECK_THROWS_WITH(pad_sequences(std::vector<Tensor>{}), contains_text("got none"));
  CHECK_THROWS_WITH(pad_sequences(std::vector{scalar(1)}), contains_text("an axis of time"));
}

}  // namespace reel
