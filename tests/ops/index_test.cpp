#include "ops/index.h"

#include "framework/random.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/discrete.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

Tensor whole(const std::vector<int64_t>& values, const Shape& shape) { return from_vector(values, shape); }
Tensor whole(const std::vector<int64_t>& values) { return from_vector(values); }

/// Every element is 100 i + 10 j + k.
Tensor numbered(const Shape& shape) {
  return build(shape, DType::float32, [](const Shape& i) {
    double value = 0;
    for (int64_t place : i) value = 10 * value + static_cast<double>(place);
    return value;
  });
}

}  // namespace

TEST_CASE("tensors that index axes side by side take their place", "[index]") {
  const Tensor x = numbered({4, 5, 6});
  const Tensor rows = whole({3, -4}, {2, 1}), columns = whole({0, 2, -1});
  CHECK(difference(index(x, {rows, columns}), build({2, 3, 6}, DType::float32, [](const Shape& i) {
                     return (i[0] == 0 ? 300 : 0) +
                            10 * std::vector<double>{0, 2, 4}[static_cast<size_t>(i[1])] +
                            static_cast<double>(i[2]);
                   })) == "");
  CHECK(index(x, {Index::all, rows, columns}).shape() == Shape{4, 2, 3});
  CHECK(difference(index(x, {Index::all, 2}), select(x, 1, 2)) == "");
  CHECK(difference(index(x, {-1, 2, 3}), scalar(323)) == "");
  CHECK(difference(index(x, {}), x) == "");
  CHECK(difference(index(x, {Index::all, Index::all}), x) == "");
}

TEST_CASE("tensors that index axes apart put theirs first", "[index]") {
  const Tensor x = numbered({4, 5, 6});
  const Tensor rows = whole({3, 0, 1}), columns = whole({0, 5, 2});
  const Tensor y = index(x, {rows, Index::all, columns});
  CHECK(difference(y, build({3, 5}, DType::float32, [](const Shape& i) {
                     return std::vector<double>{300, 5, 102}[static_cast<size_t>(i[0])] +
                            10 * static_cast<double>(i[1]);
                   })) == "");
  CHECK(index(numbered({2, 3, 4, 5}), {Index::all, 1, Index::all, whole({4, 0})}).shape() == Shape{2, 2, 4});
  // Any layout of x and of the indices.
  const Tensor t = transpose(numbered({6, 5, 4}), 0, 2);
  CHECK(difference(index(t, {rows, Index::all, columns}), index(clone(t), {rows, Index::all, columns})) ==
        "");
  const Tensor every_second = slice(whole({3, 9, 0, 9, 1, 9}), 0, {.step = 2});
  CHECK(difference(index(x, {every_second}), index(x, {rows})) == "");
}

TEST_CASE("masks are the indices of their true elements", "[index]") {
  const Tensor x = numbered({3, 4});
  const Tensor large = greater(x, 11);
  CHECK(index(x, {large}).to_vector<float>() == std::vector<float>{12, 13, 20, 21, 22, 23});
  CHECK(difference(masked_select(x, large), index(x, {large})) == "");
  const Tensor found = nonzero(large);
  CHECK(difference(index(x, {select(found, 1, 0), select(found, 1, 1)}), index(x, {large})) == "");
  CHECK(index(x, {greater(x, 99)}).shape() == Shape{0});
  CHECK(index(x, {from_vector<bool>({true, false, true})}).shape() == Shape{2, 4});
  CHECK(masked_select(tensor({1, 2}), from_vector<bool>({true, false, true}, {3, 1})).to_vector<float>() ==
        std::vector<float>{1, 2, 1, 2});
  CHECK(nonzero(scalar(3)).shape() == Shape{1, 0});
  CHECK(nonzero(zeros({2, 0})).shape() == Shape{0, 2});
}

TEST_CASE("index_put writes where index reads", "[index]") {
  Random random(1);
  const Tensor x = randn({4, 5, 6}, {}, random);
  const std::vector<std::vector<Index>> ways = {{whole({3, 0})},
                                                {whole({3, 0}), whole({1, 1})},
                                                {Index::all, whole({4, 0, 2})},
                                                {whole({2, 1}), Index::all, whole({5, 0})},
                                                {greater(x, 0)},
                                                {2, -1}};
  for (const auto& items : ways) {
    const Tensor there = index(x, items);
    const Tensor values = randn(there.shape(), {}, random);
    CHECK(difference(index(index_put(x, items, values), items), values) == "");
    CHECK(difference(index_put(index_put(x, items, values), items, there), x) == "");
    CHECK(difference(index_put(x, items, values, {.accumulate = true}), index_put(x, items, there + values),
                     1e-6) == "");
  }
  CHECK(difference(index_put(zeros({3}), {whole({1, 1, -2})}, tensor({5, 6, 7})), tensor({0, 7, 0})) == "");
  CHECK(difference(index_put(zeros({3}), {whole({1, 1, -2})}, scalar(1), {.accumulate = true}),
                   tensor({0, 3, 0})) == "");
  CHECK(difference(index_put(arange(3), {whole({1})}, whole({9})), whole({0, 9, 2})) == "");
}

TEST_CASE("masked_scatter and masked_fill by a tensor", "[index]") {
  const Tensor x = zeros({2, 3});
  const Tensor mask = from_vector<bool>({true, false, true});
  CHECK(difference(masked_scatter(x, mask, tensor({1, 2, 3, 4, 5})), tensor({{1, 0, 2}, {3, 0, 4}})) == "");
  CHECK(difference(masked_fill(x, mask, scalar(7)), masked_fill(x, mask, 7.0)) == "");
  CHECK(difference(masked_fill(x, mask, reshape(tensor({7, 8}), {2, 1})), tensor({{7, 0, 7}, {8, 0, 8}})) ==
        "");
}

}  // namespace reel
