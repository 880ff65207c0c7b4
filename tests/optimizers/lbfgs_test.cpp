// L-BFGS against PyTorch, resumed, and misused.
#include "optimizers/lbfgs.h"

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

Tensor parameter(const Tensor& values) { return clone(values).requires_grad_(); }

/// The loss of the reference values.
struct Problem {
  const SafetensorsFile& file;
  Tensor x, b;
  explicit Problem(const SafetensorsFile& f, DType dtype = DType::float64)
      : file(f), x(parameter(cast(f.at("x"), dtype))), b(parameter(cast(f.at("b"), dtype))) {}
  double operator()() const {
    Tape tape;
    const DType dtype = x.dtype();
    const Tensor residual = matmul(x, cast(file.at("m"), dtype)) - cast(file.at("t"), dtype);
    const Tensor loss = sum(square(residual)) + sum(square(x)) + sum(square(square(b))) + sum(square(b)) +
                        sum(b * cast(file.at("c"), dtype));
    tape.backward(loss);
    return loss.item();
  }
};

constexpr LBFGSOptions search{.lr = 1, .max_iterations = 2, .tolerance_grad = 1e-3, .history = 5};
constexpr LBFGSOptions plain{
    .lr = 0.3, .max_iterations = 1, .tolerance_grad = 1e-2, .history = 3, .line_search = LineSearch::none};

double valley(const Tensor& y) {
  Tape tape;
  const Tensor low = narrow(y, 0, 0, 3), high = narrow(y, 0, 1, 3);
  const Tensor loss = sum(100 * square(high - square(low)) + square(1 - low));
  tape.backward(loss);
  return loss.item();
}

}  // namespace

TEST_CASE("L-BFGS is PyTorch's over 50 steps", "[optimizer][lbfgs]") {
  const SafetensorsFile file = load_reference("optimizers/lbfgs");
  for (const bool with_search : {true, false}) {
    const std::string name = with_search ? "search" : "plain";
    const Problem problem(file);
    LBFGS optimizer({problem.x, problem.b}, with_search ? search : plain);
    for (int64_t step = 0; step < 50; ++step) {
      const double loss = optimizer.step(problem);
      INFO(name << ", step " << step + 1);
      CHECK(std::abs(loss - element(file.at(name + ".loss"), {step})) < 1e-12);
      CHECK(difference(problem.x, select(file.at(name + ".x"), 0, step), 1e-12) == "");
      CHECK(difference(problem.b, select(file.at(name + ".b"), 0, step), 1e-12) == "");
    }
    CHECK(optimizer.steps() == 50);
  }
}

TEST_CASE("L-BFGS follows PyTorch through Rosenbrock's valley to the minimum", "[optimizer][lbfgs]") {
  const SafetensorsFile file = load_reference("optimizers/lbfgs");
  Tensor y = parameter(file.at("valley.y"));
  LBFGS optimizer({y}, {.max_iterations = 5});
  for (int64_t step = 0; step < 12; ++step) {
    optimizer.step([&] { return valley(y); });
    INFO("step " << step + 1);
    // Rounding grows along the valley.
    CHECK(difference(y, select(file.at("valley.after"), 0, step), 1e-8) == "");
  }
  CHECK(difference(y, ones({4}, {.dtype = DType::float64}), 1e-4) == "");
  CHECK_FALSE(y.grad().defined());
}

TEST_CASE("L-BFGS works in float32, and resumes to the bit", "[optimizer][lbfgs]") {
  const SafetensorsFile file = load_reference("optimizers/lbfgs");
  for (DType dtype : {DType::float32, DType::float64}) {
    Problem whole(file, dtype), resumed(file, dtype);
    LBFGS optimizer({whole.x, whole.b}, search);
    for (int i = 0; i < 3; ++i) optimizer.step(whole);
    const auto state = optimizer.state_dict();
    resumed.x.copy_(whole.x);
    resumed.b.copy_(whole.b);
    for (int i = 0; i < 3; ++i) optimizer.step(whole);
    LBFGS other({resumed.x, resumed.b}, search);
    other.load_state_dict(state);
    CHECK(other.steps() == 3);
    for (int i = 0; i < 3; ++i) other.step(resumed);
    CHECK(difference(resumed.x, whole.x) == "");
    CHECK(difference(resumed.b, whole.b) == "");
    CHECK(other.evaluations() == optimizer.evaluations());
    CHECK(difference_in_value(whole.x, select(file.at("search.x"), 0, 5), 1e-3) == "");

    auto lacking = state;
    lacking.pop_back();
    CHECK_THROWS_WITH(other.load_state_dict(lacking), contains_text("[LBFGS]"));
    auto foreign = state;
    foreign.emplace_back("0.first", zeros({1}));
    CHECK_THROWS_WITH(other.load_state_dict(foreign), contains_text("0.first"));
    CHECK(other.steps() == 6);
  }
}

TEST_CASE("L-BFGS leaves the parameters in place where the closure throws", "[optimizer][lbfgs]") {
  const SafetensorsFile file = load_reference("optimizers/lbfgs");
  const Problem problem(file);
  LBFGS optimizer({problem.x, problem.b});
  int calls = 0;
  CHECK_THROWS_WITH(optimizer.step([&]() -> double {
    if (++calls == 2) throw Error("no data");
    return problem();
  }),
                    contains_text("no data"));
  CHECK(difference(problem.x, file.at("x")) == "");
  CHECK_THROWS_WITH(optimizer.step(), contains_text("[LBFGS]") && contains_text("closure"));
  CHECK_THROWS_WITH(LBFGS({problem.x}, {.max_iterations = 0}), contains_text("iteration"));
  CHECK_THROWS_WITH(LBFGS({problem.x}, {.history = 0}), contains_text("history"));
  CHECK_THROWS_WITH(LBFGS({problem.x}, {.tolerance_grad = -1}), contains_text("tolerances"));
  CHECK_THROWS_WITH(optimizer.set_momentum(0.5, 0), contains_text("[LBFGS]"));
}

}  // namespace reel
