#include "ops/slicing.h"

#include "ops/arithmetic.h"
#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

using Values = std::vector<float>;

Tensor counting(const Shape& shape) { return reshape(cast(arange(shape.numel()), DType::float32), shape); }

bool share_memory(const Tensor& a, const Tensor& b) {
  return a.impl()->storage.get() == b.impl()->storage.get();
}

}  // namespace

TEST_CASE("slices are NumPy's", "[slicing]") {
  const Tensor x = counting({6});
  const auto values = [&](const SliceOptions& range) { return slice(x, 0, range).to_vector<float>(); };
  CHECK(values({}) == Values{0, 1, 2, 3, 4, 5});
  CHECK(values({.start = 2}) == Values{2, 3, 4, 5});
  CHECK(values({.stop = 2}) == Values{0, 1});
  CHECK(values({.start = 1, .stop = 5}) == Values{1, 2, 3, 4});
  CHECK(values({.step = 2}) == Values{0, 2, 4});
  CHECK(values({.start = 1, .step = 2}) == Values{1, 3, 5});
  CHECK(values({.step = 4}) == Values{0, 4});
  CHECK(values({.start = -2}) == Values{4, 5});
  CHECK(values({.stop = -4}) == Values{0, 1});
  CHECK(values({.start = -100, .stop = 100, .step = 5}) == Values{0, 5});
  CHECK(values({.start = 4, .stop = 2}).empty());
  CHECK(values({.start = 6}).empty());
  CHECK(values({.start = 100}).empty());
  CHECK(values({.stop = INT64_MIN}).empty());
  CHECK(values({.start = INT64_MIN}) == Values{0, 1, 2, 3, 4, 5});
  CHECK(values({.step = 100}) == Values{0});
}

TEST_CASE("a step far beyond the axis leaves the first element", "[slicing]") {
  CHECK(slice(counting({6}), 0, {.start = 1, .step = INT64_MAX}).to_vector<float>() == Values{1});
}

TEST_CASE("slices are views along any axis", "[slicing]") {
  const Tensor x = counting({3, 4});
  Tensor y = slice(x, -1, {.start = 1, .step = 2});
  CHECK(y.to_vector<float>() == Values{1, 3, 5, 7, 9, 11});
  CHECK(share_memory(x, y));
  CHECK(slice(slice(transpose(x), 0, {.start = 1}), 1, {.step = 2}).to_vector<float>() ==
        Values{1, 9, 2, 10, 3, 11});
  y.fill_(-1);
  CHECK(x.to_vector<float>() == Values{0, -1, 2, -1, 4, -1, 6, -1, 8, -1, 10, -1});
}

TEST_CASE("narrow and select", "[slicing]") {
  const Tensor x = counting({3, 4});
  CHECK(narrow(x, 0, 1, 2).to_vector<float>() == Values{4, 5, 6, 7, 8, 9, 10, 11});
  CHECK(narrow(x, 1, 3, 1).shape() == Shape{3, 1});
  CHECK(narrow(x, 1, 4, 0).shape() == Shape{3, 0});
  CHECK(select(x, 0, -1).to_vector<float>() == Values{8, 9, 10, 11});
  CHECK(select(x, 1, 2).to_vector<float>() == Values{2, 6, 10});
  CHECK(select(select(x, 0, 1), 0, 1).item() == 5);
  CHECK(share_memory(select(x, 1, 2), x));
}

TEST_CASE("cat and stack join copies", "[slicing]") {
  const Tensor a = tensor({{1, 2}, {3, 4}}), b = tensor({{5, 6}});
  CHECK(difference(cat({a, b}), tensor({{1, 2}, {3, 4}, {5, 6}})) == "");
  CHECK(difference(cat({a, transpose(a)}, 1), tensor({{1, 2, 1, 3}, {3, 4, 2, 4}})) == "");
  CHECK(difference(cat({a, zeros({0, 2}), b}, -2), tensor({{1, 2}, {3, 4}, {5, 6}})) == "");
  CHECK(difference(stack({tensor({1, 2}), tensor({3, 4})}), a) == "");
  CHECK(difference(stack({tensor({1, 3}), tensor({2, 4})}, 1), a) == "");
  CHECK(difference(stack({tensor({1, 3}), tensor({2, 4})}, -1), a) == "");
  CHECK(stack({a, a, a}, 1).shape() == Shape{2, 3, 2});
  CHECK(stack({scalar(1), scalar(2)}).to_vector<float>() == Values{1, 2});
  CHECK_FALSE(share_memory(cat({a}), a));
  CHECK(cat({arange(2), arange(3)}).to_vector<int64_t>() == std::vector<int64_t>{0, 1, 0, 1, 2});
  const std::vector<Tensor> many(100, tensor({1, 2}));
  CHECK(cat(many).numel() == 200);
  CHECK(stack(many, 1).shape() == Shape{2, 100});
}

TEST_CASE("split, chunk and unbind take apart what cat and stack join", "[slicing]") {
  const Tensor x = counting({5, 4});
  const auto extents = [](const std::vector<Tensor>& parts, int64_t axis) {
    std::vector<int64_t> result;
    for (const Tensor& part : parts) result.push_back(part.size(axis));
    return result;
  };
  using Extents = std::vector<int64_t>;
  CHECK(extents(split(x, 2), 0) == Extents{2, 2, 1});
  CHECK(extents(split(x, 100), 0) == Extents{5});
  CHECK(extents(split(x, {1, 0, 3}, 1), 1) == Extents{1, 0, 3});
  CHECK(extents(chunk(x, 2), 0) == Extents{3, 2});
  CHECK(extents(chunk(x, 4), 0) == Extents{2, 2, 1});  // as PyTorch: at most 4
  CHECK(extents(chunk(x, 2, -1), 1) == Extents{2, 2});
  CHECK(extents(chunk(zeros({0, 2}), 3), 0) == Extents{0});
  CHECK(unbind(x).size() == 5);
  CHECK(unbind(x, 1)[3].to_vector<float>() == Values{3, 7, 11, 15, 19});
  CHECK(unbind(zeros({0, 2})).empty());
  CHECK(difference(cat(split(x, {2, 3}, 0), 0), x) == "");
  CHECK(difference(cat(chunk(x, 3, 1), 1), x) == "");
  CHECK(difference(stack(unbind(x, 1), 1), x) == "");
  for (const Tensor& part : split(x, 2, 1)) CHECK(share_memory(part, x));
}

}  // namespace reel
