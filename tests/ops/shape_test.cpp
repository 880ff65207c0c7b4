#include "ops/shape.h"

#include <numeric>

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

/// 0, 1, 2, ... in the given shape.
Tensor counting(const Shape& shape) { return reshape(cast(arange(shape.numel()), DType::float32), shape); }

bool share_memory(const Tensor& a, const Tensor& b) {
  return a.impl()->storage.get() == b.impl()->storage.get();
}

std::vector<float> count_up(int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  std::iota(values.begin(), values.end(), 0.F);
  return values;
}

}  // namespace

TEST_CASE("reshape keeps row-major order and infers one extent", "[shape]") {
  const Tensor x = counting({2, 3, 4});
  for (const Shape& shape :
       {Shape{24}, Shape{6, 4}, Shape{-1}, Shape{4, -1}, Shape{2, 3, 2, -1, 1}, Shape{1, 24}}) {
    const Tensor y = reshape(x, shape);
    CHECK(y.to_vector<float>() == count_up(24));
    CHECK(share_memory(x, y));
  }
  CHECK(reshape(x, {4, -1}).shape() == Shape{4, 6});
  CHECK(reshape(counting({1}), {}).shape() == Shape{});
  CHECK(reshape(zeros({0, 3}), {7, 0}).shape() == Shape{7, 0});
  CHECK(reshape(zeros({0, 3}), {-1, 3}).shape() == Shape{0, 3});
}

TEST_CASE("reshape of a view is a view where strides allow it, else a copy", "[shape]") {
  const Tensor x = counting({2, 3, 4});
  const Tensor t = transpose(x);  // [2, 4, 3]
  const Tensor expected = build({2, 12}, DType::float32, [](const Shape& i) {
    return static_cast<double>(12 * i[0] + 4 * (i[1] % 3) + i[1] / 3);
  });
  CHECK(difference(reshape(t, {2, 12}), expected) == "");
  CHECK_FALSE(share_memory(reshape(t, {2, 12}), x));
  CHECK(share_memory(reshape(t, {1, 2, 4, 1, 3}), x));
  CHECK(share_memory(reshape(t, {2, 2, 2, 3}), x));  // one axis in two
  CHECK(difference(reshape(t, {2, 2, 2, 3}), reshape(clone(t), {2, 2, 2, 3})) == "");

  const Tensor cut = narrow(x, 2, 1, 2);  // rows with gaps
  CHECK(share_memory(reshape(cut, {6, 2}), x));
  CHECK(difference(reshape(cut, {6, 2}), reshape(clone(cut), {6, 2})) == "");
  CHECK_FALSE(share_memory(reshape(cut, {12}), x));
  CHECK(difference(reshape(cut, {12}), reshape(clone(cut), {12})) == "");

  const Tensor repeated = broadcast_to(counting({3, 1}), {2, 3, 4});
  for (const Shape& shape : {Shape{6, 4}, Shape{24}, Shape{2, 12}, Shape{2, 3, 2, 2}})
    CHECK(difference(reshape(repeated, shape), reshape(clone(repeated), shape)) == "");
}

TEST_CASE("flatten, squeeze and unsqueeze", "[shape]") {
  const Tensor x = counting({2, 3, 1, 4});
  CHECK(flatten(x).shape() == Shape{24});
  CHECK(flatten(x, 1).shape() == Shape{2, 12});
  CHECK(flatten(x, 0, 1).shape() == Shape{6, 1, 4});
  CHECK(flatten(x, 1, -2).shape() == Shape{2, 3, 4});
  CHECK(flatten(scalar(3)).shape() == Shape{1});
  CHECK(squeeze(x, 2).shape() == Shape{2, 3, 4});
  CHECK(squeeze(x, -2).shape() == Shape{2, 3, 4});
  CHECK(unsqueeze(x, 0).shape() == Shape{1, 2, 3, 1, 4});
  CHECK(unsqueeze(x, -1).shape() == Shape{2, 3, 1, 4, 1});
  CHECK(unsqueeze(x, 4).shape() == Shape{2, 3, 1, 4, 1});
  const Tensor t = transpose(counting({2, 3}));
  CHECK(difference(squeeze(unsqueeze(t, 1), 1), t) == "");
  CHECK(share_memory(unsqueeze(t, 1), t));
}

TEST_CASE("axes change places without a copy", "[shape]") {
  const Tensor x = counting({2, 3, 4});
  const Tensor p = permute(x, {2, 0, 1});
  CHECK(p.shape() == Shape{4, 2, 3});
  CHECK(share_memory(p, x));
  CHECK(difference(p, build({4, 2, 3}, DType::float32, [](const Shape& i) {
                     return static_cast<double>(12 * i[1] + 4 * i[2] + i[0]);
                   })) == "");
  CHECK(difference(permute(x, {-1, 0, -2}), p) == "");
  CHECK(difference(transpose(x), permute(x, {0, 2, 1})) == "");
  CHECK(difference(transpose(x, 0, -1), permute(x, {2, 1, 0})) == "");
  CHECK_FALSE(transpose(x).is_contiguous());
  CHECK(transpose(counting({1, 5})).is_contiguous());  // one axis has nothing to step over
}

TEST_CASE("broadcast_to repeats without a copy", "[shape]") {
  const Tensor x = counting({3, 1});
  const Tensor y = broadcast_to(x, {2, 3, 4});
  CHECK(share_memory(x, y));
  CHECK(y.strides() == Shape{0, 1, 0});
  CHECK(difference(y, build({2, 3, 4}, DType::float32,
                            [](const Shape& i) { return static_cast<double>(i[1]); })) == "");
  CHECK(broadcast_to(scalar(2), {0, 3}).shape() == Shape{0, 3});
  CHECK(broadcast_to(x, {3, 0}).numel() == 0);
}

TEST_CASE("clone has memory of its own, contiguous only where it must", "[shape]") {
  const Tensor x = counting({2, 3});
  Tensor copy = clone(x);
  copy.fill_(7);
  CHECK(x.to_vector<float>() == count_up(6));
  CHECK(share_memory(contiguous(x), x));
  const Tensor t = contiguous(transpose(x));
  CHECK(t.is_contiguous());
  CHECK(t.to_vector<float>() == std::vector<float>{0, 3, 1, 4, 2, 5});
  CHECK(clone(transpose(x)).is_contiguous());
}

TEST_CASE("copies of large transposed tensors are right", "[shape]") {
  // Beyond one square, several planes, extents that fill no square.
  for (const Shape& shape : {Shape{70, 33}, Shape{3, 65, 40}, Shape{2, 3, 33, 35}, Shape{400, 300}}) {
    const Tensor x = counting(shape);
    for (DType dtype : {DType::float32, DType::float64, DType::uint8}) {
      const Tensor t = transpose(cast(x, dtype == DType::uint8 ? DType::boolean : dtype), 0, -1);
      const Tensor copy = clone(t);
      bool same = true;
      for_each_index(t.shape(),
                     [&](const Shape& index) { same &= element(t, index) == element(copy, index); });
      INFO(shape.str() << " " << detail::text(dtype));
      CHECK(same);
    }
  }
}

TEST_CASE("cast converts values, floats to integers by truncation", "[shape]") {
  const Tensor x = tensor({-1.7, 0, 0.4, 2.9});
  CHECK(cast(x, DType::int64).to_vector<int64_t>() == std::vector<int64_t>{-1, 0, 0, 2});
  CHECK(cast(x, DType::boolean).to_vector<bool>() == std::vector<bool>{true, false, true, true});
  CHECK(cast(x, DType::float64).to_vector<double>()[3] == static_cast<double>(2.9F));
  CHECK(cast(tensor({0.1}, {.dtype = DType::float64}), DType::float32).item<float>() == 0.1F);
  CHECK(cast(arange(3), DType::float32).to_vector<float>() == std::vector<float>{0, 1, 2});
  CHECK(cast(from_vector<bool>({true, false}), DType::float32).to_vector<float>() ==
        std::vector<float>{1, 0});
  CHECK(cast(transpose(tensor({{1, 2}, {3, 4}})), DType::int64).to_vector<int64_t>() ==
        std::vector<int64_t>{1, 3, 2, 4});
  CHECK(share_memory(cast(x, DType::float32), x));
}

TEST_CASE("detach shares the memory and stops the gradient", "[shape]") {
  const Tensor x = tensor({2, 3});
  Tape tape;
  tape.watch(x);
  const Tensor y = x * x;
  CHECK(share_memory(detach(y), y));
  const Tensor z = detach(y) * x;
  CHECK(difference(tape.gradient(z, {x}, {.gradient = ones({2})})[0], tensor({4, 9})) ==
        "");  // x^2 taken as a constant
}

}  // namespace reel
