// Padding, repeating, flipping, diagonals and windows: what is a view, what agrees with what, and edges.
#include <limits>

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/diagonal.h"
#include "ops/discrete.h"
#include "ops/flip.h"
#include "ops/gather.h"
#include "ops/matmul.h"
#include "ops/pad.h"
#include "ops/reduction.h"
#include "ops/repeat.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "ops/windows.h"
#include "tests/catch.h"
#include "tests/framework/misuse.h"
#include "tests/reference.h"

namespace reel {
namespace {

Tensor counting(const Shape& shape) { return reshape(cast(arange(shape.numel()), DType::float32), shape); }

bool share_memory(const Tensor& a, const Tensor& b) {
  return a.impl()->storage.get() == b.impl()->storage.get();
}

}  // namespace

TEST_CASE("expand, squeeze, movedim and swapaxes are views", "[layout]") {
  const Tensor x = counting({3, 1, 2});
  CHECK(expand(x, {4, -1, 5, 2}).shape() == Shape{4, 3, 5, 2});
  CHECK(share_memory(expand(x, {-1, 5, -1}), x));
  CHECK(squeeze(counting({1, 3, 1, 2, 1})).shape() == Shape{3, 2});
  CHECK(squeeze(counting({1, 1})).shape() == Shape{});
  CHECK(share_memory(squeeze(x), x));
  CHECK(difference(movedim(x, 0, -1), permute(x, {1, 2, 0})) == "");
  CHECK(difference(movedim(x, {0, 1}, {1, 0}), swapaxes(x, 0, 1)) == "");
  CHECK(share_memory(movedim(x, 0, -1), x));
}

TEST_CASE("repeats agree with what cat gives", "[layout]") {
  const Tensor x = counting({2, 3});
  CHECK(difference(repeat(x, {2, 2}), cat({cat({x, x}, 1), cat({x, x}, 1)}, 0)) == "");
  CHECK(difference(repeat(x, {3, 1, 1}), stack({x, x, x})) == "");
  CHECK(difference(tile(x, {2}), cat({x, x}, 1)) == "");
  CHECK(difference(repeat_interleave(x, 2, 0), index_select(x, 0, from_vector<int64_t>({0, 0, 1, 1}))) == "");
  CHECK(repeat(x, {0, 2}).shape() == Shape{0, 6});
  CHECK(repeat(scalar(2), {3}).to_vector<float>() == std::vector<float>{2, 2, 2});
  CHECK(repeat(transpose(x), {1, 2}).is_contiguous());
  CHECK(repeat(counting({1, 1, 1, 1, 1, 1, 1, 2}), {1, 2, 1, 1, 1, 1, 1, 3}).numel() ==
        12);  // at the most axes
  Tensor copy = repeat(ones({1, 1}), {2, 2});
  copy.fill_(3);  // memory of its own for each element
  CHECK(sum(copy).item() == 12);
  CHECK(repeat_interleave(arange(3), from_vector<int64_t>({1, 0, 2}), 0).to_vector<int64_t>() ==
        std::vector<int64_t>{0, 2, 2});
}

TEST_CASE("flip twice and roll forth and back are nothing", "[layout]") {
  const Tensor x = counting({2, 3, 4});
  CHECK(difference(flip(flip(x, {0, 2}), {-1, 0}), x) == "");
  CHECK(flip(counting({3}), 0).to_vector<float>() == std::vector<float>{2, 1, 0});
  CHECK(difference(flip(transpose(x), 1), transpose(flip(x, 2))) == "");
  CHECK(flip(zeros({0, 3}), {0, 1}).shape() == Shape{0, 3});
  CHECK(flip(from_vector<bool>({true, false}), 0).to_vector<bool>() == std::vector<bool>{false, true});
  CHECK(difference(roll(roll(x, {1, 2}, {0, 1}), {-1, -2}, {0, 1}), x) == "");
  CHECK(difference(roll(x, {1, 1}, {2, 2}), roll(x, 2, 2)) == "");
  CHECK(roll(arange(4), 1).to_vector<int64_t>() == std::vector<int64_t>{3, 0, 1, 2});
  CHECK(roll(arange(4), std::numeric_limits<int64_t>::min() + 1).numel() == 4);
}

TEST_CASE("what is padded and cut again is what it was", "[layout]") {
  const Tensor x = counting({2, 3});
  for (PadMode mode : {PadMode::constant, PadMode::reflect, PadMode::replicate, PadMode::circular}) {
    const Tensor y = pad(x, {{0, 1, 0}, {1, 2, 1}}, {.mode = mode});
    CHECK(y.shape() == Shape{3, 6});
    CHECK(difference(pad(y, {{0, -1, 0}, {1, -2, -1}}), x) == "");
  }
  CHECK(pad(arange(2), {{0, 1, 1}}, {.value = -5}).to_vector<int64_t>() ==
        std::vector<int64_t>{-5, 0, 1, -5});
  CHECK(pad(from_vector<bool>({true}), {{0, 0, 1}}).to_vector<bool>() == std::vector<bool>{true, false});
  CHECK(pad(zeros({0, 2}), {{0, 1, 1}}, {.value = 3}).to_vector<float>() == std::vector<float>{3, 3, 3, 3});
  CHECK(pad(x, {{1, -3, 2}}, {.value = 1}).to_vector<float>() == std::vector<float>{1, 1, 1, 1});
  CHECK(pad(x, {}).shape() == Shape{2, 3});
  CHECK(difference(pad(transpose(x), {{0, 0, 1}}), transpose(pad(x, {{1, 0, 1}}))) == "");
}

TEST_CASE("a matrix is its triangles' sum, less the diagonal counted twice", "[layout]") {
  const Tensor x = counting({2, 4, 3});
  CHECK(difference(tril(x) + triu(x, 1), x) == "");
  const Tensor square = counting({2, 3, 3});
  CHECK(difference(tril(square) + triu(square) - square, diag_embed(diagonal(square, 0, 1, 2))) == "");
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(difference(tril(full({2, 2}, infinity)), tensor({{infinity, 0}, {infinity, infinity}})) == "");
  CHECK(difference(tril(x, -100), zeros_like(x)) == "");
  CHECK(difference(triu(x, std::numeric_limits<int64_t>::min()), x) == "");
  CHECK(tril(reshape(arange(4), {2, 2})).to_vector<int64_t>() == std::vector<int64_t>{0, 0, 2, 3});
}

TEST_CASE("the diagonal is a view, and diag_embed its inverse", "[layout]") {
  Tensor x = zeros({3, 4});
  Tensor d = diagonal(x, 1);
  CHECK(d.shape() == Shape{3});
  d.fill_(5);
  CHECK(difference(x, tensor({{0, 5, 0, 0}, {0, 0, 5, 0}, {0, 0, 0, 5}})) == "");
  const Tensor v = counting({2, 3});
  for (int64_t offset : {-2, 0, 1}) CHECK(difference(diagonal(diag_embed(v, offset), offset, 1, 2), v) == "");
  CHECK(difference(sum(diagonal(counting({4, 4}))), sum(counting({4, 4}) * eye(4))) == "");
  CHECK(diagonal(x, 4).shape() == Shape{0});
  CHECK(diagonal(x, std::numeric_limits<int64_t>::min()).shape() == Shape{0});
  CHECK(difference(diag(diag(tensor({1, 2}), 1), 1), tensor({1, 2})) == "");
}

TEST_CASE("windows are views whose gradients add up", "[layout]") {
  const Tensor x = tensor({1, 2, 3, 4, 5});
  const Tensor w = unfold(x, 0, 3, 1);
  CHECK(difference(w, tensor({{1, 2, 3}, {2, 3, 4}, {3, 4, 5}})) == "");
  CHECK(share_memory(w, x));
  CHECK(unfold(x, 0, 2, 2).shape() == Shape{2, 2});
  CHECK(unfold(x, 0, 5, 7).shape() == Shape{1, 5});
  CHECK(unfold(zeros({2, 6, 3}), 1, 4, 2).shape() == Shape{2, 2, 3, 4});
  // A product with a kernel is a convolution.
  CHECK(difference(matmul(w, tensor({1, 0, -1})), tensor({-2, -2, -2})) == "");
  Tape tape;
  tape.watch(x);
  const Tensor y = unfold(x, 0, 3, 1);
  CHECK(difference(tape.gradient(y, {x}, {.gradient = ones({3, 3})})[0], tensor({1, 2, 3, 2, 1})) == "");
}

TEST_CASE("a view whose elements share places is not written to", "[layout][misuse]") {
  const Tensor x = tensor({1, 2, 3, 4, 5});
  Tensor overlapping = unfold(x, 0, 3, 1), apart = unfold(x, 0, 2, 2);
  refused({x}, {"[copy_]", "share places", "[3, 3]", "clone()"}, [&] { overlapping.fill_(0); });
  apart.fill_(0);
  CHECK(difference(x, tensor({0, 0, 0, 0, 5})) == "");
}

TEST_CASE("one_hot, bincount and searchsorted", "[layout]") {
  const Tensor n = from_vector<int64_t>({2, 0}, {1, 2});
  CHECK(difference(one_hot(n), from_vector<int64_t>({0, 0, 1, 1, 0, 0}, {1, 2, 3})) == "");
  CHECK(difference(one_hot(n, 3, {.dtype = DType::float32}),
                   reshape(tensor({{0, 0, 1}, {1, 0, 0}}), {1, 2, 3})) == "");
  CHECK(one_hot(from_vector<int64_t>({}), 4).shape() == Shape{0, 4});
  CHECK(bincount(from_vector<int64_t>({})).shape() == Shape{0});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(searchsorted(tensor({1, 2, nan}), tensor({nan, 3})).to_vector<int64_t>() ==
        std::vector<int64_t>{2, 2});
}

}  // namespace reel
