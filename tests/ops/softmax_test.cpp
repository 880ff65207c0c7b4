#include "ops/softmax.h"

#include <cmath>

#include "framework/random.h"
#include "framework/tape.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

using Function = Tensor (*)(const Tensor&, int64_t);

Tensor gradient(Function f, const Tensor& x, int64_t axis, const Tensor& w) {
  Tape tape;
  tape.watch(x);
  return tape.gradient(sum(f(x, axis) * w), {x})[0];
}

}  // namespace

TEST_CASE("softmax and log_softmax are PyTorch's along each axis", "[softmax]") {
  struct Case {
    const char* file;
    Function f;
  };
  for (const Case& c : {Case{"ops/softmax", softmax}, Case{"ops/log_softmax", log_softmax}}) {
    const SafetensorsFile file = load_reference(c.file);
    for (DType dtype : {DType::float64, DType::float32}) {
      const double tolerance = dtype == DType::float64 ? 1e-14 : 2e-6;
      const Tensor x = cast(file.at("x"), dtype), w = cast(file.at("w"), dtype);
      for (int64_t axis = 0; axis < 3; ++axis) {
        const std::string name = "axis" + std::to_string(axis);
        INFO(c.file << " " << name << " " << detail::text(dtype));
        CHECK(difference_in_value(c.f(x, axis), file.at(name + ".value"), tolerance) == "");
        CHECK(difference_in_value(c.f(x, axis - 3), file.at(name + ".value"), tolerance) == "");
        CHECK(difference_in_value(gradient(c.f, x, axis, w), file.at(name + ".grad"), tolerance) == "");
      }
    }
  }
}

TEST_CASE("softmax over differences of 1000 stays finite, gradients included", "[softmax]") {
  for (DType dtype : {DType::float32, DType::float64}) {
    const TensorOptions options{.dtype = dtype};
    const Tensor x = tensor({{1000, 0, -1000}, {-1000, 1000, 1000}}, options),
                 w = tensor({{1, 2, 3}, {4, 5, 7}}, options);
    // p = [1 0 0], [0 1/2 1/2]; gradients p * (w - sum(p * w)) and w - p * sum(w).
    CHECK(difference(softmax(x), tensor({{1, 0, 0}, {0, 0.5, 0.5}}, options)) == "");
    CHECK(difference(gradient(softmax, x, -1, w), tensor({{0, 0, 0}, {0, -0.5, 0.5}}, options), 1e-6) == "");
    const double half = std::log(0.5);
    CHECK(difference(log_softmax(x), tensor({{0, -1000, -2000}, {-2000 + half, half, half}}, options), 0,
                     1e-6) == "");
    CHECK(difference(gradient(log_softmax, x, -1, w), tensor({{-5, 2, 3}, {4, -3, -1}}, options), 1e-5) ==
          "");
  }
}

TEST_CASE("softmax gives nothing to minus infinity, and nan to rows of nothing else", "[softmax]") {
  for (DType dtype : {DType::float32, DType::float64}) {
    const Tensor x = tensor({{-INFINITY, 0, 0}, {-INFINITY, -INFINITY, -INFINITY}}, {.dtype = dtype});
    INFO(detail::text(dtype));
    const auto p = numbers(softmax(x)), logs = numbers(log_softmax(x));
    CHECK(p[0] == 0);
    CHECK(std::abs(p[1] - 0.5) < 1e-6);
    CHECK(logs[0] == -INFINITY);
    CHECK(std::abs(logs[2] - std::log(0.5)) < 1e-6);
    for (size_t i = 3; i < 6; ++i) {
      CHECK(std::isnan(p[i]));
      CHECK(std::isnan(logs[i]));
    }
  }
}

TEST_CASE("softmax and log_softmax of every rank along every axis are exp over its sum", "[softmax]") {
  Random random(6);
  for (DType dtype : {DType::float32, DType::float64}) {
    Shape shape;
    for (size_t rank = 1; rank <= Shape::max_rank; ++rank) {
      shape.push_back(rank % 2 == 0 ? 2 : 3);
      const Tensor x = randn(shape, {.dtype = dtype}, random), e = exp(x);
      for (size_t axis = 0; axis < rank; ++axis) {
        INFO("axis " << axis << " of " << shape.str());
        const Tensor expected = e / sum(e, axis, true);
        CHECK(difference(softmax(x, static_cast<int64_t>(axis)), expected, 1e-6) == "");
        CHECK(difference(log_softmax(x, static_cast<int64_t>(axis)), log(expected), 2e-5) == "");
      }
    }
  }
}

TEST_CASE("softmax of views, of one class and of nothing", "[softmax]") {
  for (DType dtype : {DType::float32, DType::float64}) {
    const TensorOptions options{.dtype = dtype};
    const Tensor x = tensor({{0.5, -1, 2}, {3, 0, 1}}, options);
    for (int64_t axis : {0, 1})
      CHECK(difference(softmax(transpose(x), axis), transpose(softmax(x, 1 - axis)), 1e-7) == "");
    CHECK(difference(softmax(broadcast_to(scalar(7, options), {2, 4})), full({2, 4}, 0.25, options)) == "");
    CHECK(difference(softmax(reshape(x, {6, 1})), ones({6, 1}, options)) == "");
    CHECK(difference(log_softmax(reshape(x, {6, 1})), zeros({6, 1}, options)) == "");
    CHECK(softmax(zeros({0, 3}, options)).shape() == Shape{0, 3});
    CHECK(softmax(zeros({3, 0}, options)).shape() == Shape{3, 0});
    CHECK(softmax(zeros({2, 0, 3}, options), 0).shape() == Shape{2, 0, 3});
  }
}

}  // namespace reel
