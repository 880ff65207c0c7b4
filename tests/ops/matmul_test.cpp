#include "ops/matmul.h"

#include <cmath>

#include "framework/memory.h"
#include "framework/random.h"
#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

Tensor random_tensor(const Shape& shape, DType dtype, Random& random) {
  return uniform(shape, -1, 1, {.dtype = dtype}, random);
}

/// The product by NumPy's definition, one dot product in double for each element.
Tensor naive(const Tensor& a, const Tensor& b) {
  const bool row = a.rank() == 1, column = b.rank() == 1;
  const Tensor left = row ? unsqueeze(a, 0) : a, right = column ? unsqueeze(b, 1) : b;
  const auto leading = [](const Tensor& x) { return Shape(std::span(x.shape().begin(), x.rank() - 2)); };
  const Shape stack = detail::broadcast_shapes("naive", leading(left), leading(right));
  const int64_t K = left.size(-1);
  Shape shape = stack;
  if (!row) shape.push_back(left.size(-2));
  if (!column) shape.push_back(right.size(-1));
  const auto at = [&](const Tensor& x, const Shape& index, int64_t i, int64_t j) {
    Shape own = x.shape();
    for (size_t axis = 0; axis + 2 < x.rank(); ++axis)
      own[axis] = x.shape()[axis] == 1 ? 0 : index[stack.rank() - (x.rank() - 2) + axis];
    own[x.rank() - 2] = i;
    own[x.rank() - 1] = j;
    return element(x, own);
  };
  return build(shape, DType::float64, [&](const Shape& index) {
    const int64_t i = row ? 0 : index[stack.rank()], j = column ? 0 : index[index.rank() - 1];
    double sum = 0;
    for (int64_t k = 0; k < K; ++k) sum += at(left, index, i, k) * at(right, index, k, j);
    return sum;
  });
}

/// |error| <= K * 2^-24 (or 2^-53) * sum |a b|, and the elements lie in [-1, 1].
double rounding(DType dtype, int64_t K) {
  return static_cast<double>(K) * static_cast<double>(K + 1) * (dtype == DType::float32 ? 0x1p-24 : 0x1p-53);
}

void compare(const Tensor& a, const Tensor& b) {
  INFO(a.shape().str() << " strides " << a.strides().str() << " times " << b.shape().str() << " strides "
                       << b.strides().str() << ", " << detail::text(a.dtype()));
  CHECK(difference_in_value(matmul(a, b), naive(a, b), rounding(a.dtype(), a.size(-1))) == "");
}

struct Pair {
  Shape a, b;
};

const std::vector<Pair> pairs = {{{3}, {3}},
                                 {{3}, {3, 4}},
                                 {{2, 3}, {3}},
                                 {{2, 3}, {3, 4}},
                                 {{5, 2, 3}, {3}},
                                 {{3}, {5, 3, 4}},
                                 {{5, 2, 3}, {3, 4}},
                                 {{2, 3}, {5, 3, 4}},
                                 {{5, 2, 3}, {5, 3, 4}},
                                 {{5, 2, 3}, {1, 3, 4}},
                                 {{1, 2, 3}, {5, 3, 4}},
                                 {{2, 1, 2, 3}, {5, 3, 4}},
                                 {{2, 5, 2, 3}, {3, 4}},
                                 {{1, 1}, {1, 1}},
                                 {{1, 7}, {7, 1}},
                                 {{7, 1}, {1, 7}},
                                 {{0, 3}, {3, 4}},
                                 {{2, 0}, {0, 4}},
                                 {{2, 3}, {3, 0}},
                                 {{0}, {0}},
                                 {{0, 2, 3}, {3, 4}},
                                 {{0, 2, 3}, {1, 3, 4}},
                                 {{5, 2, 0}, {0, 4}},
                                 {{17, 33}, {33, 65}},
                                 {{3, 1, 9, 16}, {2, 16, 8}},
                                 {{2, 2, 1, 2, 3}, {2, 1, 3, 3, 1}},
                                 {{2, 3}, {1, 1, 3, 4}},
                                 {{5, 2, 3}, {1, 1, 3, 4}},
                                 {{3}, {1, 3, 4}},
                                 {{0, 2, 3}, {1, 1, 3, 4}},
                                 {{3}, {1, 2, 1, 2, 1, 2, 3, 2}},
                                 {{1, 2, 1, 2, 1, 2, 2, 3}, {3}},
                                 {{1, 2, 1, 2, 1, 2, 2, 3}, {2, 1, 1, 1, 2, 1, 3, 2}},
                                 {{2, 1, 2, 1, 1, 1, 2, 3}, {3, 2}}};

}  // namespace

TEST_CASE("products of all ranks and extents are sums of products", "[matmul]") {
  Random random(1);
  for (DType dtype : {DType::float32, DType::float64})
    for (const auto& [a, b] : pairs)
      compare(random_tensor(a, dtype, random), random_tensor(b, dtype, random));
}

TEST_CASE("products of views are those of their copies", "[matmul]") {
  Random random(2);
  for (DType dtype : {DType::float32, DType::float64}) {
    for (const auto& [sa, sb] : pairs) {
      if (sa.rank() < 2 || sb.rank() < 2) continue;
      const auto exchanged = [](Shape s) {
        std::swap(s[s.rank() - 1], s[s.rank() - 2]);
        return s;
      };
      const auto wide = [](Shape s) {
        for (int64_t& extent : s) extent = 2 * extent + 1;
        return s;
      };
      const auto narrowed = [](Tensor x) {
        for (size_t axis = 0; axis < x.rank(); ++axis)
          x = slice(x, static_cast<int64_t>(axis), {.start = 1, .step = 2});
        return x;
      };
      const auto ahead = [](Shape s, Tensor x) {  // the leading axes last in memory
        Shape order = s;
        for (size_t i = 0; i < s.rank(); ++i) order[i] = static_cast<int64_t>(s.rank() - 1 - i);
        return permute(clone(permute(x, Axes(order))), Axes(order));
      };
      const Tensor a = random_tensor(exchanged(sa), dtype, random),
                   b = random_tensor(exchanged(sb), dtype, random);
      compare(transpose(a), transpose(b));
      compare(narrowed(random_tensor(wide(sa), dtype, random)),
              narrowed(random_tensor(wide(sb), dtype, random)));
      compare(transpose(a), random_tensor(sb, dtype, random));
      compare(ahead(sa, random_tensor(sa, dtype, random)), ahead(sb, random_tensor(sb, dtype, random)));
      compare(broadcast_to(random_tensor({1, 1}, dtype, random), sa), random_tensor(sb, dtype, random));
      compare(random_tensor(sa, dtype, random), broadcast_to(random_tensor({1}, dtype, random), sb));
    }
  }
}

TEST_CASE("a transpose flag reads an operand with its last axes exchanged", "[matmul]") {
  Random random(3);
  for (DType dtype : {DType::float32, DType::float64}) {
    for (const Shape& stack : {Shape{}, Shape{2}, Shape{2, 3}}) {
      Shape sa = stack, sb = stack;
      for (int64_t extent : {4, 5}) sa.push_back(extent);
      for (int64_t extent : {5, 6}) sb.push_back(extent);
      const Tensor a = random_tensor(sa, dtype, random), b = random_tensor(sb, dtype, random);
      const Tensor at = clone(transpose(a)), bt = clone(transpose(b));
      const Tensor expected = naive(a, b);
      const double tolerance = rounding(dtype, 5);
      CHECK(difference_in_value(matmul(at, b, {.transpose_a = true}), expected, tolerance) == "");
      CHECK(difference_in_value(matmul(a, bt, {.transpose_b = true}), expected, tolerance) == "");
      CHECK(difference_in_value(matmul(at, bt, {.transpose_a = true, .transpose_b = true}), expected,
                                tolerance) == "");
    }
  }
}

TEST_CASE("addmm adds a bias of any shape that broadcasts", "[matmul]") {
  Random random(4);
  for (DType dtype : {DType::float32, DType::float64}) {
    const Tensor a = random_tensor({3, 5}, dtype, random), b = random_tensor({5, 4}, dtype, random);
    for (const Shape& shape : {Shape{}, Shape{1}, Shape{4}, Shape{1, 4}, Shape{3, 1}, Shape{3, 4}}) {
      const Tensor bias = random_tensor(shape, dtype, random);
      const Tensor expected = naive(a, b) + cast(bias, DType::float64);
      INFO("bias " << shape.str());
      CHECK(difference_in_value(addmm(bias, a, b), expected, rounding(dtype, 6)) == "");
      CHECK(difference_in_value(addmm(bias, clone(transpose(a)), clone(transpose(b)),
                                      {.transpose_a = true, .transpose_b = true}),
                                expected, rounding(dtype, 6)) == "");
    }
    const Tensor stack = random_tensor({2, 3, 5}, dtype, random), bias = random_tensor({4}, dtype, random);
    CHECK(difference_in_value(addmm(bias, stack, b), naive(stack, b) + cast(bias, DType::float64),
                              rounding(dtype, 6)) == "");
    CHECK(difference_in_value(addmm(bias, zeros({3, 0}, {.dtype = dtype}), zeros({0, 4}, {.dtype = dtype})),
                              broadcast_to(cast(bias, DType::float64), {3, 4})) == "");
    CHECK(addmm(bias, zeros({2, 0, 5}, {.dtype = dtype}), b).shape() == Shape{2, 0, 4});
  }
}

TEST_CASE("a product over no elements is zero", "[matmul]") {
  for (DType dtype : {DType::float32, DType::float64}) {
    const TensorOptions options{.dtype = dtype};
    CHECK(difference(matmul(zeros({2, 0}, options), zeros({0, 3}, options)), zeros({2, 3}, options)) == "");
    CHECK(difference(matmul(zeros({2, 2, 0}, options), zeros({2, 0, 3}, options)),
                     zeros({2, 2, 3}, options)) == "");
  }
}

TEST_CASE("nan and infinity go through a product as through sums", "[matmul]") {
  for (DType dtype : {DType::float32, DType::float64}) {
    const TensorOptions options{.dtype = dtype};
    const Tensor y = matmul(tensor({{INFINITY, 0}, {NAN, 1}}, options), tensor({{1, 0}, {2, 3}}, options));
    const auto values = numbers(y);
    CHECK(values[0] == INFINITY);
    CHECK(std::isnan(values[1]));  // inf * 0
    CHECK(std::isnan(values[2]));
    CHECK(std::isnan(values[3]));
  }
}

TEST_CASE("one matrix for a whole stack is not repeated, nor is its gradient", "[matmul]") {
  const Tensor a = ones({64, 8, 32}), b = ones({1, 32, 32}), g = ones({64, 8, 32});
  Tape tape;
  tape.watch(b);
  release_cached_memory();
  const Tensor gradient = tape.gradient(matmul(a, b), {b}, {.gradient = g})[0];
  CHECK(gradient.to_vector<float>() == std::vector<float>(32 * 32, 64.0F * 8));
  CHECK(cached_bytes() < 64 * 32 * 32 * sizeof(float));  // what was held for a while, and given back
}

TEST_CASE("stacks of matrices whose rows skip, with a rest", "[matmul]") {
  const Tensor whole = randn({2, 5, 4}), b = randn({2, 4, 6});
  const Tensor a = slice(whole, 1, {.step = 2});
  CHECK(difference(matmul(a, b), matmul(clone(a), b), 1e-6) == "");
  CHECK(difference(matmul(transpose(b), transpose(a)), transpose(matmul(clone(a), b)), 1e-6) == "");
}

// Rows of 256 floats, read across: these go through copies, a part at a time.
TEST_CASE("products across long rows whose columns collide agree with float64", "[matmul]") {
  Random random(5);
  const Tensor a = randn({2500, 256}, {}, random), b = randn({2500, 20}, {}, random);
  const auto wide = [](const Tensor& x) { return cast(x, DType::float64); };
  const Tensor expected = matmul(wide(a), wide(b), {.transpose_a = true});
  CHECK(difference_in_value(matmul(a, b, {.transpose_a = true}), expected, 2e-4) == "");
  CHECK(difference_in_value(matmul(transpose(a), b), expected, 2e-4) == "");
  CHECK(difference_in_value(matmul(a, contiguous(transpose(b)), {.transpose_a = true, .transpose_b = true}),
                            expected, 2e-4) == "");
  CHECK(difference_in_value(addmm(ones({20}), a, b, {.transpose_a = true}), expected + 1, 2e-4) == "");
}

}  // namespace reel
