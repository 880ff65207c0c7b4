// The contract of an op, from a user's side: each kind of op defined here in one struct, with nothing else to
// do.
#include "framework/op.h"

#include <cmath>
#include <memory>

#include "framework/gradcheck.h"
#include "framework/tape.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/elementwise/formula.h"
#include "ops/math.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

constexpr TensorOptions wide{.dtype = DType::float64};

/// A formula with an attribute and two arguments: a * tanh(s b).
struct Gate {
  static constexpr std::string_view name = "gate";
  double s;
  template <class T> T value(T a, T b) const {
    using std::tanh;
    return a * tanh(T(s) * b);
  }
  template <class T> T slope0(T, T b, T) const {
    using std::tanh;
    return tanh(T(s) * b);
  }
  template <class T> T slope1(T a, T b, T) const {
    using std::tanh;
    const T t = tanh(T(s) * b);
    return a * T(s) * (T(1) - t * t);
  }
};

/// A formula of three arguments: a b + c.
struct MultiplyAdd {
  static constexpr std::string_view name = "multiply_add";
  template <class T> static T value(T a, T b, T c) { return a * b + c; }
  template <class T> static T slope0(T, T b, T, T) { return b; }
  template <class T> static T slope1(T a, T, T, T) { return a; }
  template <class T> static T slope2(T, T, T, T) { return T(1); }
};

/// A formula whose slope calls a function of a constant: e^2 x.
struct ScaledByConstant {
  static constexpr std::string_view name = "scaled_by_constant";
  template <class T> static T value(T x) {
    using std::exp;
    return exp(T(2)) * x;
  }
  template <class T> static T slope(T, T) {
    using std::exp;
    return exp(T(2));
  }
};

/// A formula without a slope.
struct Floor {
  static constexpr std::string_view name = "floor";
  template <class T> static T value(T x) {
    using std::floor;
    return floor(x);
  }
};

/// y[i, j] = a[i] b[j]
struct Outer {
  static constexpr std::string_view name = "outer";
  TensorSpec shape(Inputs in) const {
    check(in[0].rank() == 1 && in[1].rank() == 1, "[outer] vectors expected, got {} and {}", in[0], in[1]);
    return {{in[0].numel(), in[1].numel()}, in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const { detail::copy_values(unsqueeze(in[0], 1) * in[1], out); }
  Saves saves(uint32_t) const { return Saves::input(0) | Saves::input(1); }
  void vjp(Backward& b) const {
    if (b.needs(0)) b.set(0, matmul(b.grad(), b.input(1)));
    if (b.needs(1)) b.set(1, matmul(b.input(0), b.grad()));
  }
};

/// y[i] = x[i, i], without a copy
struct Diagonal {
  static constexpr std::string_view name = "diagonal";
  Tensor view(Inputs in) const {
    return detail::view(in[0], {in[0].shape()[0]}, {in[0].strides()[0] + in[0].strides()[1]});
  }
  void vjp(Backward& b) const { b.set(0, b.grad() * eye(b.input_shape(0)[0], {.dtype = b.input_dtype(0)})); }
};

/// sin and cos of x, two results
struct SinCos {
  static constexpr std::string_view name = "sin_cos";
  std::vector<Tensor> run(Inputs in) const { return {sin(in[0]), cos(in[0])}; }
  Saves saves(uint32_t) const { return Saves::output(0) | Saves::output(1); }
  void vjp(Backward& b) const { b.set(0, b.grad(0) * b.output(1) - b.grad(1) * b.output(0)); }
};

/// 2 x, with an attribute that owns something
struct Owning {
  static constexpr std::string_view name = "owning";
  std::shared_ptr<double> factor;
  TensorSpec shape(Inputs in) const { return {in[0].shape(), in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const { detail::copy_values(in[0] * *factor, out); }
  void vjp(Backward& b) const { b.set(0, b.grad() * *factor); }
};

struct ReadsUnsaved : Owning {
  static constexpr std::string_view name = "reads_unsaved";
  void vjp(Backward& b) const { b.set(0, b.input(0)); }
};

struct WrongShape : Owning {
  static constexpr std::string_view name = "wrong_shape";
  void vjp(Backward& b) const { b.set(0, scalar(1, {.dtype = b.input_dtype(0)})); }
};

template <class O, size_t inputs> TensorFunction function_of(O op) {
  return [op](const std::vector<Tensor>& x) {
    if constexpr (inputs == 1)
      return std::vector<Tensor>{apply(op, x[0])};
    else if constexpr (inputs == 2)
      return std::vector<Tensor>{apply(op, x[0], x[1])};
    else
      return std::vector<Tensor>{apply(op, x[0], x[1], x[2])};
  };
}

void check_gradients(const TensorFunction& f, const std::vector<Tensor>& inputs) {
  const GradcheckResult first = gradcheck(f, inputs), second = gradgradcheck(f, inputs);
  INFO(first.message << second.message);
  CHECK(first);
  CHECK(second);
}

}  // namespace

TEST_CASE("a user's formula is an op in float32, float64, with broadcasting and gradients", "[op]") {
  static_assert(Formula<Gate> && !Op<Gate>);
  const Tensor a = tensor({{1, 2, 3}, {4, 5, 6}}), b = tensor({0.5, -1, 2});
  const Tensor expected = a * tanh(1.5 * b);
  CHECK(difference(apply(Gate{1.5}, a, b), expected, 0, 1e-6) == "");
  const Tensor wide_a = cast(a, DType::float64), wide_b = cast(b, DType::float64);
  check_gradients(function_of<Gate, 2>({1.5}), {wide_a, wide_b});
  check_gradients(function_of<Gate, 2>({-0.3}), {wide_b, wide_a});
  CHECK_THROWS_WITH(apply(Gate{1}, a, wide_b), contains_text("[gate]") && contains_text("float64"));
  CHECK_THROWS_WITH(apply(Gate{1}, a, zeros({2})), contains_text("[gate]") && contains_text("[2, 3]"));
}

TEST_CASE("a formula may have three arguments", "[op]") {
  CHECK(difference(apply(MultiplyAdd{}, tensor({1, 2}), scalar(3), tensor({{1, 1}, {5, 5}})),
                   tensor({{4, 7}, {8, 11}})) == "");
  check_gradients(function_of<MultiplyAdd, 3>({}),
                  {tensor({1, 2}, wide), tensor({{0.5, 3}, {-1, 2}}, wide), scalar(7, wide)});
}

TEST_CASE("a slope may call functions of constants", "[op]") {
  CHECK(difference(apply(ScaledByConstant{}, tensor({1}, wide)), tensor({std::exp(2)}, wide), 0, 1e-15) ==
        "");
  check_gradients(function_of<ScaledByConstant, 1>({}), {tensor({1, -2}, wide)});
}

TEST_CASE("a formula without a slope is not recorded", "[op]") {
  const Tensor x = tensor({1.5, -0.5}, wide);
  Tape tape;
  tape.watch(x);
  CHECK(difference(apply(Floor{}, x), tensor({1, -1}, wide)) == "");
  CHECK(tape.size() == 0);
}

TEST_CASE("a user's general op is one struct", "[op]") {
  static_assert(KernelOp<Outer> && Op<Outer>);
  const Tensor a = tensor({1, 2}, wide), b = tensor({3, 4, 5}, wide);
  CHECK(difference(apply(Outer{}, a, b), tensor({{3, 4, 5}, {6, 8, 10}}, wide)) == "");
  check_gradients(function_of<Outer, 2>({}), {a, b});
  CHECK_THROWS_WITH(apply(Outer{}, a, scalar(1, wide)),
                    contains_text("[outer]") && contains_text("float64 []"));
}

TEST_CASE("an op that asks for one gradient saves and computes no other", "[op]") {
  Tensor a = tensor({1, 2}, wide).requires_grad_();
  const Tensor b = tensor({3, 4}, wide);
  Tape tape;
  tape.backward(sum(apply(Outer{}, a, b)));
  CHECK(difference(a.grad(), tensor({7, 7}, wide)) == "");
}

TEST_CASE("a user's view shares memory and has a gradient", "[op]") {
  static_assert(ViewOp<Diagonal>);
  Tensor x = tensor({{1, 2}, {3, 4}}, wide);
  const Tensor d = apply(Diagonal{}, x);
  CHECK(difference(d, tensor({1, 4}, wide)) == "");
  x.fill_(9);
  CHECK(difference(d, tensor({9, 9}, wide)) == "");
  check_gradients(function_of<Diagonal, 1>({}), {tensor({{1, 2}, {3, 4}}, wide)});
}

TEST_CASE("a user's op may have several results, some of them unused", "[op]") {
  static_assert(MultiOp<SinCos>);
  const Tensor x = tensor({0.3, 2}, wide);
  check_gradients([](const std::vector<Tensor>& in) { return apply(SinCos{}, in[0]); }, {x});
  check_gradients(
      [](const std::vector<Tensor>& in) { return std::vector<Tensor>{apply(SinCos{}, in[0])[1]}; }, {x});
}

TEST_CASE("attributes live as long as the tape and no longer", "[op]") {
  const auto factor = std::make_shared<double>(2);
  Tensor x = tensor({1, 2}).requires_grad_();
  {
    Tape tape;
    const Tensor y = sum(apply(Owning{factor}, x));
    CHECK(factor.use_count() == 2);
    tape.backward(y);
    CHECK(difference(x.grad(), tensor({2, 2})) == "");
  }
  CHECK(factor.use_count() == 1);
}

TEST_CASE("a faulty op is named", "[op]") {
  Tensor x = tensor({1, 2}).requires_grad_();
  const auto factor = std::make_shared<double>(2);
  {
    Tape tape;
    const Tensor y = sum(apply(ReadsUnsaved{{factor}}, x));
    CHECK_THROWS_WITH(tape.backward(y), contains_text("[reads_unsaved]") && contains_text("saves"));
  }
  {
    Tape tape;
    const Tensor y = sum(apply(WrongShape{{factor}}, x));
    CHECK_THROWS_WITH(tape.backward(y), contains_text("[wrong_shape]") && contains_text("[2]"));
  }
  CHECK_FALSE(x.grad().defined());
  CHECK(factor.use_count() == 1);
}

}  // namespace reel
