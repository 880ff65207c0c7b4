// Derivatives as functions: against calculus, against each other, and nested.
#include "framework/functional.h"

#include <cmath>

#include "framework/gradcheck.h"
#include "framework/random.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/jacobian.h"
#include "ops/math.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/framework/misuse.h"
#include "tests/reference.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;
constexpr TensorOptions wide{.dtype = DType::float64};

/// x' A x / 2 + sum(sin(x)): gradient (A + A') x / 2 + cos(x), Hessian (A + A') / 2 - diag(sin(x)).
struct Quadratic {
  Tensor a = tensor({{2, 1, 0}, {-1, 3, 0.5}, {0, 4, 1}}, wide);
  Tensor x = tensor({0.3, -0.7, 1.1}, wide);

  Tensor operator()(const Tensor& t) const { return matmul(matmul(t, a), t) * 0.5 + sum(sin(t)); }
  Tensor gradient() const { return matmul((a + transpose(a)) * 0.5, x) + cos(x); }
  Tensor hessian() const { return (a + transpose(a)) * 0.5 - eye(3, wide) * sin(x); }
};

}  // namespace

TEST_CASE("value_and_grad gives the value and the gradient of calculus", "[functional]") {
  const Quadratic f;
  const auto [value, gradient] = value_and_grad(f, f.x);
  CHECK(difference(value, f(f.x), 0, 1e-15) == "");
  CHECK(difference(gradient, f.gradient(), 1e-15, 1e-14) == "");
  CHECK(difference(grad(f, f.x), gradient) == "");
}

TEST_CASE("value_and_grad of a closure over parameters leaves grad() alone", "[functional]") {
  Tensor w = tensor({1, 2}, wide), b = scalar(3, wide);
  w.requires_grad_();
  b.requires_grad_();
  const Tensor x = tensor({5, 7}, wide);
  const auto [loss, gradients] = value_and_grad([&] { return square(sum(w * x) + b); }, List{w, b});
  CHECK(loss.item() == 22 * 22);
  CHECK(gradients[0].to_vector<double>() == std::vector<double>{2 * 22 * 5, 2 * 22 * 7});
  CHECK(gradients[1].item() == 44);
  CHECK_FALSE(w.grad().defined());
  CHECK_FALSE(b.grad().defined());
}

TEST_CASE("grad takes a list of arguments, and gives zeros where one is not read", "[functional]") {
  const Tensor a = tensor({1, 2}, wide), b = tensor({3, 4}, wide);
  const List gradients = grad([](const List& x) { return sum(x[0] * x[0]); }, List{a, b});
  CHECK(gradients[0].to_vector<double>() == std::vector<double>{2, 4});
  CHECK(gradients[1].to_vector<double>() == std::vector<double>{0, 0});
  CHECK(grad([](const Tensor&) { return scalar(1, wide); }, a).to_vector<double>() ==
        std::vector<double>{0, 0});
  CHECK(grad([](const Tensor& x) { return x; }, scalar(5, wide)).item() == 1);
}

TEST_CASE("vjp and jvp are the products with the Jacobian", "[functional]") {
  const Tensor x = tensor({0.5, -1.5}, wide);
  const auto f = [](const Tensor& t) {
    const Tensor a = tensor({{1, 2}, {3, -1}, {0.5, 0.25}}, wide);
    return tanh(matmul(a, t)) * sum(t);
  };
  const Tensor j = jacobian(f, x);
  CHECK(j.shape() == Shape{3, 2});
  const Tensor v = tensor({1, -2, 0.5}, wide), u = tensor({0.25, 4}, wide);
  const auto [y, back] = vjp(f, x, v);
  CHECK(difference(y, f(x)) == "");
  CHECK(difference(back, matmul(v, j), 1e-15, 1e-13) == "");
  const auto [z, forward] = jvp(f, x, u);
  CHECK(difference(z, f(x)) == "");
  CHECK(difference(forward, matmul(j, u), 1e-15, 1e-13) == "");
  // And the Jacobian itself by differences.
  for (int64_t k = 0; k < 2; ++k) {
    Tensor step = zeros({2}, wide);
    step.mutable_data<double>()[k] = 1e-6;
    const Tensor column = (f(x + step) - f(x - step)) / 2e-6;
    for (int64_t i = 0; i < 3; ++i)
      CHECK(element(j, {i, k}) == Approx(column.data<double>()[i]).epsilon(1e-8));
  }
}

TEST_CASE("vjp and jvp of several arguments and results", "[functional]") {
  const Tensor a = tensor({1, 2}, wide), b = tensor({3, 5}, wide);
  const auto f = [](const List& x) { return List{x[0] * x[1], sum(x[1]), scalar(7, wide)}; };
  const auto [ys, gradients] =
      vjp(f, List{a, b}, List{tensor({1, 10}, wide), scalar(100, wide), scalar(1, wide)});
  CHECK(ys.size() == 3);
  CHECK(gradients[0].to_vector<double>() == std::vector<double>{3, 50});
  CHECK(gradients[1].to_vector<double>() == std::vector<double>{101, 120});
  const auto [zs, tangents] = jvp(f, List{a, b}, List{tensor({1, 0}, wide), tensor({0, 1}, wide)});
  CHECK(tangents[0].to_vector<double>() == std::vector<double>{3, 2});
  CHECK(tangents[1].item() == 1);
  CHECK(tangents[2].item() == 0);
}

TEST_CASE("jvp of a linear function, and of one that reads nothing", "[functional]") {
  const Tensor x = tensor({1, 2}, wide), u = tensor({3, 4}, wide);
  CHECK(jvp([](const Tensor& t) { return t * 2; }, x, u).second.to_vector<double>() ==
        std::vector<double>{6, 8});
  CHECK(jvp([](const Tensor& t) { return t; }, x, u).second.to_vector<double>() == std::vector<double>{3, 4});
  CHECK(jvp([](const Tensor&) { return scalar(1, wide); }, x, u).second.item() == 0);
}

TEST_CASE("hessian and hvp agree with calculus", "[functional]") {
  const Quadratic f;
  const Tensor h = hessian(f, f.x);
  CHECK(difference(h, f.hessian(), 1e-15, 1e-13) == "");
  const Tensor v = tensor({1, -2, 0.5}, wide);
  CHECK(difference(hvp(f, f.x, v), matmul(h, v), 1e-15, 1e-13) == "");
  CHECK(difference(jvp([&](const Tensor& t) { return grad(f, t); }, f.x, v).second, matmul(h, v), 1e-15,
                   1e-13) == "");
}

TEST_CASE("derivatives of any order by nesting", "[functional]") {
  const auto f = [](const Tensor& x) { return sum(x * x * x * x); };
  const auto d1 = [&](const Tensor& x) { return grad(f, x); };
  const auto d2 = [&](const Tensor& x) { return grad([&](const Tensor& t) { return sum(d1(t)); }, x); };
  const auto d3 = [&](const Tensor& x) { return grad([&](const Tensor& t) { return sum(d2(t)); }, x); };
  const Tensor x = tensor({-1.5, 2}, wide);
  CHECK(difference(d1(x), 4 * x * x * x, 0, 1e-14) == "");
  CHECK(difference(d2(x), 12 * x * x, 0, 1e-14) == "");
  CHECK(difference(d3(x), 24 * x, 0, 1e-14) == "");
}

// d/dx (x d/dy (x + y)) at y = 1 is 1: derivatives with respect to different arguments are kept apart (Siskind and
// Pearlmutter, "Nesting forward-mode AD in a functional framework", 2008).
TEST_CASE("nested derivatives do not confuse their arguments", "[functional]") {
  const Tensor x = scalar(3, wide);
  const Tensor d = grad(
      [](const Tensor& a) { return a * grad([&](const Tensor& b) { return a + b; }, scalar(1, wide)); }, x);
  CHECK(d.item() == 1);
  // The same tensor as captured value and as argument: d/dx (x * d/dt (x t^2) at t = x) = d/dx (2 x^3) = 6 x^2.
  const Tensor e =
      grad([](const Tensor& a) { return a * grad([&](const Tensor& t) { return a * t * t; }, a); }, x);
  CHECK(e.item() == 6 * 9);
}

TEST_CASE("transforms inside a tape are recorded, inside NoTape they still work", "[functional]") {
  Tensor w = scalar(2, wide);
  w.requires_grad_();
  Tape tape;
  // The penalty of a gradient: d/dw (d/dx w x^2 at 3)^2 = d/dw 36 w^2 = 72 w.
  const Tensor slope = grad([&](const Tensor& x) { return w * x * x; }, scalar(3, wide));
  tape.backward(square(slope));
  CHECK(w.grad().item() == 144);
  const NoTape none;
  const Tensor constant = grad([&](const Tensor& x) { return w * x * x; }, scalar(3, wide));
  CHECK(constant.item() == 12);
}

TEST_CASE("a tape inside NoTape records, and is constant to the one around it", "[functional]") {
  Tensor w = scalar(2, wide);
  w.requires_grad_();
  Tape outer;
  const Tensor y = w * 3;
  Tensor inside;
  {
    const NoTape none;
    const Tensor still = y * 2;
    Tape inner;
    inner.watch(y);
    inside = inner.gradient(y * y + still, {y})[0];  // 2 y
  }
  CHECK(inside.item() == 12);
  outer.backward(y * inside);
  CHECK(w.grad().item() == 36);
}

TEST_CASE("jacobians take any shapes, and nothing", "[functional]") {
  const Tensor x =
      build({2, 2}, DType::float64, [](const Shape& i) { return static_cast<double>(1 + 2 * i[0] + i[1]); });
  const Tensor j = jacobian([](const Tensor& t) { return matmul(t, t); }, x);
  CHECK(j.shape() == Shape{2, 2, 2, 2});
  // d (X X)_ij / d X_kl = [i = k] X_lj + [j = l] X_ik
  for_each_index(j.shape(), [&](const Shape& i) {
    const double expected =
        (i[0] == i[2] ? element(x, {i[3], i[1]}) : 0) + (i[1] == i[3] ? element(x, {i[0], i[2]}) : 0);
    CHECK(element(j, i) == expected);
  });
  CHECK(jacobian([](const Tensor& t) { return t * 2; }, zeros({0}, wide)).shape() == Shape{0, 0});
  CHECK(jacobian([](const Tensor& t) { return sum(t); }, x).shape() == Shape{2, 2});
}

TEST_CASE("gradcheck goes through transforms", "[functional]") {
  const auto f = [](const List& x) {
    return List{jacobian([&](const Tensor& t) { return tanh(t * x[1]); }, x[0]),
                hvp([&](const Tensor& t) { return sum(sin(t) * x[1]); }, x[0], x[1])};
  };
  const List inputs{tensor({0.5, -0.25}, wide), tensor({1.5, 0.75}, wide)};
  CHECK(gradcheck(f, inputs).message == "");
  CHECK(gradgradcheck(f, inputs).message == "");
}

TEST_CASE("transforms refuse what they cannot do", "[functional]") {
  const Tensor x = tensor({1, 2}, wide);
  const Tensor whole = from_vector(std::vector<int64_t>{1, 2});
  refused({x}, {"[value_and_grad]", "one element", "[2]"},
          [&] { grad([](const Tensor& t) { return t; }, x); });
  refused({whole}, {"[value_and_grad]", "floating", "int64"},
          [&] { grad([](const Tensor& t) { return sum(t); }, whole); });
  refused({x}, {"[vjp]", "must be like", "[2]", "[3]"},
          [&] { vjp([](const Tensor& t) { return t * 2; }, x, zeros({3}, wide)); });
  refused({x}, {"[jvp]", "tangents", "[2]", "[3]"},
          [&] { jvp([](const Tensor& t) { return t * 2; }, x, zeros({3}, wide)); });
  refused({x}, {"[hvp]", "one element"}, [&] { hvp([](const Tensor& t) { return t * 2; }, x, x); });
  refused({x}, {"[hessian]", "floating"}, [&] { hessian([](const Tensor& t) { return sum(t); }, whole); });
}

}  // namespace reel
