// That the checker of gradients finds what is wrong: ops with a wrong slope, a wrong vjp, or only a wrong
// second derivative.
#include "framework/gradcheck.h"

#include <cmath>

#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/elementwise/formula.h"
#include "ops/math.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

constexpr TensorOptions wide{.dtype = DType::float64};

struct WrongSine {  // the slope is one in a thousand off
  static constexpr std::string_view name = "wrong_sine";
  template <class T> static T value(T x) {
    using std::sin;
    return sin(x);
  }
  template <class T> static T slope(T x, T) {
    using std::cos;
    return T(1.001) * cos(x);
  }
};

struct WrongSecondArgument {
  static constexpr std::string_view name = "wrong_second_argument";
  template <class T> static T value(T a, T b) { return a - b; }
  template <class T> static T slope0(T, T, T) { return T(1); }
  template <class T> static T slope1(T, T, T) { return T(1); }
};

struct NanSlope {
  static constexpr std::string_view name = "nan_slope";
  template <class T> static T value(T x) { return x * x; }
  template <class T> static T slope(T x, T) { return (x - x) / (x - x); }
};

/// y = x^3 with a gradient that is right, but constant to the tape.
struct FrozenCube {
  static constexpr std::string_view name = "frozen_cube";
  TensorSpec shape(Inputs in) const { return {in[0].shape(), in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const { detail::copy_values(in[0] * in[0] * in[0], out); }
  Saves saves(uint32_t) const { return Saves::input(0); }
  void vjp(Backward& b) const { b.set(0, b.grad() * detach(b.input(0) * b.input(0) * 3)); }
};

template <class F> TensorFunction unary(F op) {
  return [op](const std::vector<Tensor>& x) { return std::vector<Tensor>{apply(op, x[0])}; };
}

std::vector<Tensor> cube(const std::vector<Tensor>& x) { return {x[0] * x[0] * x[0]}; }

}  // namespace

TEST_CASE("gradcheck passes what is right", "[gradcheck]") {
  const TensorFunction f = [](const std::vector<Tensor>& x) {
    return std::vector<Tensor>{sin(x[0]) * x[1], sum(x[1])};
  };
  const std::vector<Tensor> inputs{tensor({0.5, -1, 2}, wide), tensor({1, 2, 3}, wide)};
  const GradcheckResult result = gradcheck(f, inputs);
  CHECK(result);
  CHECK(result.message.empty());
  CHECK(result.largest_error < 1e-8);
  CHECK(gradgradcheck(f, inputs));
}

TEST_CASE("gradcheck fails a slope that is off by a thousandth, and says where", "[gradcheck]") {
  const GradcheckResult result = gradcheck(unary(WrongSine{}), {tensor({0.5, -1, 2}, wide)});
  CHECK_FALSE(result);
  CHECK(result.passed == false);
  CHECK(result.largest_error > 1e-4);
  CHECK_THAT(result.message, contains_text("input 0") && contains_text("[0]"));
}

TEST_CASE("gradcheck fails a wrong slope of a second argument", "[gradcheck]") {
  const TensorFunction f = [](const std::vector<Tensor>& x) {
    return std::vector<Tensor>{apply(WrongSecondArgument{}, x[0], x[1])};
  };
  const GradcheckResult result = gradcheck(f, {tensor({1, 2}, wide), tensor({3, 4}, wide)});
  CHECK_FALSE(result);
  CHECK_THAT(result.message, contains_text("input 1"));
}

TEST_CASE("gradcheck fails a nan", "[gradcheck]") {
  const GradcheckResult result = gradcheck(unary(NanSlope{}), {tensor({1}, wide)});
  CHECK_FALSE(result);
  CHECK(std::isnan(result.largest_error));
}

TEST_CASE("gradgradcheck fails a gradient that is right but cannot be differentiated", "[gradcheck]") {
  const std::vector<Tensor> x{tensor({1, 2}, wide)};
  CHECK(gradcheck(unary(FrozenCube{}), x));
  CHECK_FALSE(gradgradcheck(unary(FrozenCube{}), x));
}

TEST_CASE("gradcheck fails a gradient that is lost on the way", "[gradcheck]") {
  const TensorFunction f = [](const std::vector<Tensor>& x) { return std::vector<Tensor>{detach(x[0]) * 2}; };
  CHECK_FALSE(gradcheck(f, {tensor({1, 2}, wide)}));
}

TEST_CASE("gradcheck leaves its inputs alone, whatever their layout", "[gradcheck]") {
  const Tensor x = transpose(tensor({{1, 2, 3}, {4, 5, 6}}, wide));
  const Tensor before = clone(x);
  CHECK(gradcheck(cube, {x}));
  CHECK(gradgradcheck(cube, {x}));
  CHECK(difference(x, before) == "");
  CHECK(x.version() == 0);
}

TEST_CASE("gradcheck wants float64", "[gradcheck]") {
  CHECK_THROWS_WITH(gradcheck(cube, {tensor({1})}), contains_text("float64") && contains_text("float32"));
}

}  // namespace reel
