// What elementwise ops compute at the edges of the number range (as PyTorch does), that position and layout
// do not matter, and how dtypes and shapes combine.
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <string>

#include "framework/random.h"
#include "framework/tape.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/math.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(const Tensor&, const Tensor&);

const std::map<std::string, Unary> unary = {
    {"exp", exp}, {"expm1", expm1}, {"log", log}, {"log1p", log1p}, {"tanh", tanh}, {"sigmoid", sigmoid},
    {"sqrt", sqrt}, {"rsqrt", rsqrt}, {"relu", relu}, {"abs", abs}, {"square", square},
    {"reciprocal", reciprocal}, {"sin", sin}, {"cos", cos}, {"sign", sign},
    {"neg", operator- }, {"erf", erf}, {"softplus", softplus}, {"silu", silu}};

const std::map<std::string, Binary> binary = {
    {"add", operator+ },
     {"sub", operator- },
      {"mul", operator* }, {"div", operator/ }, {"pow", pow}, {"maximum", maximum}, {"minimum", minimum}};

/// The gradient of sum(f(x)).
Tensor gradient_of_sum(Unary f, const Tensor& x) {
  Tape tape;
  tape.watch(x);
  const Tensor y = f(x);
  return tape.gradient(y, {x}, {.gradient = ones_like(y)})[0];
}

bool same_bits(const Tensor& a, const Tensor& b) {
  const Tensor left = contiguous(a), right = contiguous(b);
  return left.shape() == right.shape() && left.dtype() == right.dtype() &&
         std::memcmp(left.raw_bytes(), right.raw_bytes(),
                     static_cast<size_t>(left.numel()) * item_size(left.dtype())) == 0;
}

/// Values in [0.25, 4), where every op has a finite result.
Tensor some_values(const Shape& shape, DType dtype, uint64_t seed = 3) {
  Random random(seed);
  return uniform(shape, 0.25, 4, {.dtype = dtype}, random);
}

/// A random view of the given shape: axes in any order in memory, with gaps, or repeated.
Tensor random_view(const Shape& shape, Random& random) {
  Shape wide = shape, steps = shape, order = shape;
  const Tensor axes = permutation(static_cast<int64_t>(shape.rank()), random);
  for (size_t i = 0; i < shape.rank(); ++i) order[i] = axes.data<int64_t>()[i];
  std::vector<bool> repeated(shape.rank());
  for (size_t i = 0; i < shape.rank(); ++i) {
    const auto axis = static_cast<size_t>(order[i]);
    repeated[axis] = random.below(5) == 0;
    steps[axis] = 1 + random.below(2);
    wide[i] = repeated[axis] ? 1 : shape[axis] * steps[axis];
  }
  Tensor x = uniform(wide, 0.25, 4, {.dtype = DType::float64}, random);
  Shape inverse = order;
  for (size_t i = 0; i < order.rank(); ++i) inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  x = permute(x, Axes(inverse));
  for (size_t axis = 0; axis < shape.rank(); ++axis)
    if (!repeated[axis]) x = slice(x, static_cast<int64_t>(axis), {.step = steps[axis]});
  return broadcast_to(x, shape);
}

}  // namespace

TEST_CASE("functions of one argument are PyTorch's, to the edges of the range", "[elementwise]") {
  const SafetensorsFile file = load_reference("ops/elementwise_extreme");
  for (const std::string dtype : {"f32", "f64"}) {
    const Tensor& x = file.at(dtype + ".x");
    // A dozen units in the last place; where sigmoid and silu underflow early, the absolute part.
    const double relative = dtype == "f32" ? 0x1p-20 : 0x1p-48;
    const double absolute = dtype == "f32" ? 2e-37 : 4e-306;
    for (const auto& [name, f] : unary) {
      INFO(dtype << " " << name);
      const std::string prefix = dtype + "." + name;
      CHECK(difference(f(x), file.at(prefix + ".value"), absolute, relative) == "");
      CHECK(difference(gradient_of_sum(f, x), file.at(prefix + ".grad"), absolute, relative) == "");
    }
  }
}

TEST_CASE("functions of two arguments are PyTorch's, for all pairs of special values", "[elementwise]") {
  const SafetensorsFile file = load_reference("ops/binary_extreme");
  const Tensor &a = file.at("a"), &b = file.at("b");
  for (const auto& [name, f] : binary) {
    INFO(name << ", element 11 i + j of the pairs of special values i and j");
    Tape tape;
    tape.watch(a);
    tape.watch(b);
    const Tensor y = f(a, b);
    const auto gradients = tape.gradient(y, {a, b}, {.gradient = ones_like(y)});
    CHECK(difference(y, file.at(name + ".value"), 0, 1e-14) == "");
    CHECK(difference(gradients[0], file.at(name + ".grad.a"), 0, 1e-14) == "");
    CHECK(difference(gradients[1], file.at(name + ".grad.b"), 0, 1e-14) == "");
  }
}

TEST_CASE("a result does not depend on the position of its element", "[elementwise]") {
  for (DType dtype : {DType::float32, DType::float64}) {
    const Tensor memory = some_values({80}, dtype);
    for (const auto& [name, f] : unary) {
      std::vector<Tensor> singles;
      for (int64_t i = 0; i < 80; ++i) singles.push_back(f(clone(narrow(memory, 0, i, 1))));
      const Tensor expected = cat(singles, 0);
      const Tensor expected_gradient = gradient_of_sum(f, memory);
      bool same = true;
      for (int64_t length = 1; length <= 70; ++length)
        for (int64_t offset : {0, 1, 2, 3, 5, 8, 10}) {
          const Tensor x = narrow(memory, 0, offset, length);
          same &= same_bits(f(x), narrow(expected, 0, offset, length));
          same &= same_bits(gradient_of_sum(f, x), narrow(expected_gradient, 0, offset, length));
        }
      INFO(name << " " << detail::text(dtype));
      CHECK(same);
    }
  }
}

TEST_CASE("a result does not depend on the layout", "[elementwise]") {
  // Long enough for several tiles, and for a second thread.
  const Tensor memory = some_values({300, 130}, DType::float32);
  const Tensor flat = clone(transpose(memory));
  for (const auto& [name, f] : unary) {
    INFO(name);
    CHECK(same_bits(f(transpose(memory)), f(flat)));
    CHECK(same_bits(f(slice(memory, 0, {.step = 3})), slice(f(memory), 0, {.step = 3})));
    CHECK(same_bits(f(slice(memory, 1, {.start = 5})), slice(f(memory), 1, {.start = 5})));
  }
  for (const auto& [name, f] : binary) {
    INFO(name);
    CHECK(same_bits(f(transpose(memory), flat), f(flat, flat)));
    CHECK(same_bits(f(flat, narrow(flat, 0, 7, 1)),
                    f(flat, clone(broadcast_to(narrow(flat, 0, 7, 1), flat.shape())))));
  }
}

TEST_CASE("broadcasting of any shapes and strides is that of a loop over indices", "[elementwise]") {
  Random random(17);
  for (int round = 0; round < 400; ++round) {
    Shape full;
    for (int64_t rank = random.below(5); rank > 0; --rank)
      full.push_back(random.below(8) == 0 ? 0 : 1 + random.below(6));
    if (round % 50 == 0) full = {3, 700};  // longer than a tile
    const auto part = [&] {
      Shape shape;
      for (auto axis = static_cast<size_t>(random.below(static_cast<int64_t>(full.rank()) + 1));
           axis < full.rank(); ++axis)
        shape.push_back(random.below(4) == 0 ? 1 : full[axis]);
      return shape;
    };
    const Tensor a = random_view(part(), random), b = random_view(part(), random);
    const Shape shape = detail::broadcast_shapes("test", a.shape(), b.shape());
    const auto at = [](const Tensor& x, const Shape& index) {
      Shape own = x.shape();
      for (size_t i = 0; i < x.rank(); ++i)
        own[i] = x.shape()[i] == 1 ? 0 : index[index.rank() - x.rank() + i];
      return element(x, own);
    };
    INFO(a.shape().str() << " strides " << a.strides().str() << " with " << b.shape().str() << " strides "
                         << b.strides().str());
    CHECK(difference(a + b, build(shape, DType::float64,
                                  [&](const Shape& i) { return at(a, i) + at(b, i); })) == "");
    CHECK(difference(a / b, build(shape, DType::float64,
                                  [&](const Shape& i) { return at(a, i) / at(b, i); })) == "");
    CHECK(difference(maximum(a, b), build(shape, DType::float64, [&](const Shape& i) {
                       return std::max(at(a, i), at(b, i));
                     })) == "");
  }
}

TEST_CASE("a scalar stands on either side and takes the tensor's dtype", "[elementwise]") {
  for (DType dtype : {DType::float32, DType::float64}) {
    const Tensor x = tensor({1, 2, -4}, {.dtype = dtype});
    const TensorOptions options{.dtype = dtype};
    CHECK(difference(x + 1.5, tensor({2.5, 3.5, -2.5}, options)) == "");
    CHECK(difference(1.5 + x, tensor({2.5, 3.5, -2.5}, options)) == "");
    CHECK(difference(x - 1.5, tensor({-0.5, 0.5, -5.5}, options)) == "");
    CHECK(difference(1.5 - x, tensor({0.5, -0.5, 5.5}, options)) == "");
    CHECK(difference(x * 3, tensor({3, 6, -12}, options)) == "");
    CHECK(difference(3 * x, tensor({3, 6, -12}, options)) == "");
    CHECK(difference(x / 4, tensor({0.25, 0.5, -1}, options)) == "");
    CHECK(difference(4 / x, tensor({4, 2, -1}, options)) == "");
    CHECK(difference(pow(x, 2), tensor({1, 4, 16}, options)) == "");
    CHECK(difference(pow(x, 0), tensor({1, 1, 1}, options)) == "");
    CHECK(difference(-x, tensor({-1, -2, 4}, options)) == "");
  }
}

TEST_CASE("int64 arithmetic is exact", "[elementwise]") {
  const int64_t big = int64_t{1} << 60;
  const Tensor a = from_vector<int64_t>({big + 1, -7, 3}), b = from_vector<int64_t>({1, 2, -5});
  CHECK((a + b).to_vector<int64_t>() == std::vector<int64_t>{big + 2, -5, -2});
  CHECK((a - b).to_vector<int64_t>() == std::vector<int64_t>{big, -9, 8});
  CHECK((a * b).to_vector<int64_t>() == std::vector<int64_t>{big + 1, -14, -15});
  CHECK((-a).to_vector<int64_t>() == std::vector<int64_t>{-big - 1, 7, -3});
  CHECK((a + 1).to_vector<int64_t>() == std::vector<int64_t>{big + 2, -6, 4});
  CHECK((2 * b).to_vector<int64_t>() == std::vector<int64_t>{2, 4, -10});
  CHECK((10 - b).to_vector<int64_t>() == std::vector<int64_t>{9, 8, 15});
}

TEST_CASE("an op assigned to its own operand gives a new value and leaves others alone", "[elementwise]") {
  Tensor a = tensor({1, 2});
  const Tensor before = a;
  a += tensor({10, 20});
  a *= tensor({2, 2});
  a -= tensor({1, 1});
  CHECK(difference(a, tensor({21, 43})) == "");
  CHECK(difference(before, tensor({1, 2})) == "");
}

TEST_CASE("at a tie each side of maximum and minimum gets half, at a kink the slope is 0", "[elementwise]") {
  for (Binary f : {static_cast<Binary>(maximum), static_cast<Binary>(minimum)}) {
    const Tensor a = tensor({1, 2}), b = tensor({1, 2});
    Tape tape;
    tape.watch(a);
    tape.watch(b);
    const auto gradients = tape.gradient(f(a, b), {a, b}, {.gradient = tensor({1, 3})});
    CHECK(difference(gradients[0], tensor({0.5, 1.5})) == "");
    CHECK(difference(gradients[1], tensor({0.5, 1.5})) == "");
  }
  CHECK(gradient_of_sum(relu, tensor({0, -0.0})).to_vector<float>() == std::vector<float>{0, 0});
  CHECK(gradient_of_sum(abs, tensor({0, -0.0})).to_vector<float>() == std::vector<float>{0, 0});
}

TEST_CASE("powers of zero, of negative numbers and to zero are C's", "[elementwise]") {
  const Tensor x = tensor({0, -2, 3, -2}, {.dtype = DType::float64}),
               y = tensor({0, 3, 0, 0.5}, {.dtype = DType::float64});
  const auto powers = pow(x, y).to_vector<double>();
  CHECK(powers[0] == 1);
  CHECK(std::abs(powers[1] + 8) < 1e-14);
  CHECK(powers[2] == 1);
  CHECK(std::isnan(powers[3]));
}

}  // namespace reel
