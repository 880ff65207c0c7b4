// Every update rule: against PyTorch and the papers over 50 steps, resumed, climbing, on many threads, and misused.
#include "tests/optimizers/rules.h"

#include <limits>

#include "framework/parallel.h"
#include "framework/random.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

Tensor parameter(const Tensor& values) { return clone(values).requires_grad_(); }

void run(Optimizer& optimizer, const SafetensorsFile& file, DType dtype, int64_t from, int64_t to,
         double sign = 1) {
  for (int64_t step = from; step < to; ++step) {
    Tensor a = optimizer.parameters()[0], b = optimizer.parameters()[1];
    a.set_grad(cast(select(file.at("grad_a"), 0, step), dtype) * sign);
    b.set_grad(cast(select(file.at("grad_b"), 0, step), dtype) * sign);
    optimizer.step();
  }
}

std::vector<Tensor> fresh(const SafetensorsFile& file, DType dtype) {
  return {parameter(cast(file.at("a"), dtype)), parameter(cast(file.at("b"), dtype))};
}

}  // namespace

TEST_CASE("every update rule is PyTorch's or its paper's over 50 steps", "[optimizer][rules]") {
  const SafetensorsFile file = load_reference("optimizers/more_rules");
  const auto marks = file.at("steps").to_vector<int64_t>();
  for (const RuleCase& rule : all_rules()) {
    for (DType dtype : {DType::float64, DType::float32}) {
      const std::vector<Tensor> parameters = fresh(file, dtype);
      const auto optimizer = rule.make(parameters, false);
      int64_t done = 0;
      for (size_t i = 0; i < marks.size(); done = marks[i++]) {
        run(*optimizer, file, dtype, done, marks[i]);
        INFO(rule.name << " " << detail::text(dtype) << ", step " << marks[i]);
        const double tolerance = dtype == DType::float64 ? 1e-12 : 2e-5;
        for (size_t k : {0, 1}) {
          const Tensor expected =
              select(file.at(rule.name + (k == 0 ? ".a" : ".b")), 0, static_cast<int64_t>(i));
          CHECK(difference_in_value(parameters[k], expected, tolerance) == "");
        }
      }
    }
  }
}

TEST_CASE("every rule climbs with maximize as it descends on the negative", "[optimizer][rules]") {
  const SafetensorsFile file = load_reference("optimizers/more_rules");
  for (const RuleCase& rule : all_rules()) {
    INFO(rule.name);
    const std::vector<Tensor> up = fresh(file, DType::float64), down = fresh(file, DType::float64);
    run(*rule.make(up, true), file, DType::float64, 0, 10, -1);
    run(*rule.make(down, false), file, DType::float64, 0, 10);
    for (size_t k : {0, 1}) {
      CHECK(difference(up[k], down[k]) == "");
      CHECK(difference(up[k], file.at(k == 0 ? "a" : "b")) != "");
    }
  }
}

TEST_CASE("every rule resumes to the bit", "[optimizer][rules]") {
  const SafetensorsFile file = load_reference("optimizers/more_rules");
  for (const RuleCase& rule : all_rules()) {
    for (DType dtype : {DType::float32, DType::float64}) {
      INFO(rule.name << " " << detail::text(dtype));
      const std::vector<Tensor> whole = fresh(file, dtype);
      const auto uninterrupted = rule.make(whole, false);
      run(*uninterrupted, file, dtype, 0, 17);
      const auto state = uninterrupted->state_dict();
      const std::vector<Tensor> resumed = {parameter(whole[0]), parameter(whole[1])};
      run(*uninterrupted, file, dtype, 17, 40);
      const auto other = rule.make(resumed, false);
      other->load_state_dict(state);
      run(*other, file, dtype, 17, 40);
      for (size_t k : {0, 1}) CHECK(difference(resumed[k], whole[k]) == "");
      const auto left = other->state_dict(), right = uninterrupted->state_dict();
      REQUIRE(left.size() == right.size());
      for (size_t i = 0; i < left.size(); ++i) {
        CHECK(left[i].first == right[i].first);
        CHECK(difference(left[i].second, right[i].second) == "");
      }
    }
  }
}

TEST_CASE("a rule's result depends neither on threads nor on an element's position", "[optimizer][rules]") {
  const int before = num_threads();
  const Tensor values = randn({100003}), gradient = randn({100003});
  const auto stepped = [&](int threads, int64_t from, int64_t to) {
    set_num_threads(threads);
    Tensor p = parameter(narrow(values, 0, from, to - from));
    Adam optimizer({p}, {.lr = 0.1, .amsgrad = true});
    for (int i = 0; i < 3; ++i) {
      p.set_grad(clone(narrow(gradient, 0, from, to - from)));
      optimizer.step();
    }
    return p;
  };
  const Tensor whole = stepped(1, 0, 100003);
  CHECK(difference(stepped(4, 0, 100003), whole) == "");
  CHECK(difference(stepped(1, 5, 18), narrow(whole, 0, 5, 13)) == "");
  CHECK(difference(stepped(1, 100002, 100003), narrow(whole, 0, 100002, 1)) == "");
  set_num_threads(before);
}

TEST_CASE("parameters without elements and of one are updated", "[optimizer][rules]") {
  for (const RuleCase& rule : all_rules()) {
    INFO(rule.name);
    const std::vector<Tensor> parameters = {parameter(zeros({0, 3})), parameter(ones({1}))};
    const auto optimizer = rule.make(parameters, false);
    for (Tensor p : parameters) p.set_grad(ones_like(p));
    optimizer->step();
    CHECK(parameters[1].item() != 1);
  }
}

TEST_CASE("a nan in a gradient is not hidden", "[optimizer][rules]") {
  for (const RuleCase& rule : all_rules()) {
    INFO(rule.name);
    const std::vector<Tensor> parameters = {parameter(ones({2, 2})), parameter(ones({3}))};
    const auto optimizer = rule.make(parameters, false);
    for (Tensor p : parameters) p.set_grad(full_like(p, std::numeric_limits<double>::quiet_NaN()));
    optimizer->step();
    for (const Tensor& p : parameters) CHECK(std::isnan(p.to_vector<float>()[0]));
  }
}

TEST_CASE("ASGD keeps the average of what comes after t0", "[optimizer][rules]") {
  Tensor p = parameter(zeros({1}, {.dtype = DType::float64}));
  ASGD optimizer({p}, {.lr = 1, .lambd = 0, .alpha = 0, .t0 = 2});
  double sum = 0;
  for (int t = 1; t <= 6; ++t) {
    p.set_grad(full_like(p, t));
    optimizer.step();
    if (t > 3) sum += p.item();
  }
  // 1/max(1, t - 1 - t0): the p of the fourth update begins the mean, with weight 1.
  for (const auto& [name, value] : optimizer.state_dict())
    if (name == "0.average") CHECK(value.item() == Approx(sum / 3));
}

TEST_CASE("Muon's updates are nearly orthogonal, whatever the gradient's size", "[optimizer][rules]") {
  for (double size : {1e-3, 1e3}) {
    Tensor p = parameter(zeros({6, 4}, {.dtype = DType::float64}));
    Muon optimizer({p}, {.lr = 1, .weight_decay = 0});
    p.set_grad(randn({6, 4}, {.dtype = DType::float64}) * size);
    optimizer.step();
    // Five iterations leave singular values between 0.7 and 1.2, here times sqrt(6 / 4).
    const double mean_square = sum(p * p).item() / 4 / 1.5;
    CHECK(mean_square > 0.4);
    CHECK(mean_square < 1.5);
  }
}

TEST_CASE("rules refuse options that make no sense, by name and value", "[optimizer][rules]") {
  const Tensor p = parameter(ones({2, 2}));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(Adamax({p}, {.beta2 = 1.5}), contains_text("[Adamax]") && contains_text("1.5"));
  CHECK_THROWS_WITH(NAdam({p}, {.momentum_decay = -1}),
                    contains_text("[NAdam]") && contains_text("momentum decay"));
  CHECK_THROWS_WITH(RAdam({p}, {.eps = nan}), contains_text("[RAdam]") && contains_text("eps"));
  CHECK_THROWS_WITH(RMSprop({p}, {.alpha = 1}), contains_text("[RMSprop]") && contains_text("alpha"));
  CHECK_THROWS_WITH(RMSprop({p}, {.momentum = -0.5}), contains_text("momentum") && contains_text("-0.5"));
  CHECK_THROWS_WITH(Adagrad({p}, {.initial_accumulator = -1}), contains_text("initial accumulator"));
  CHECK_THROWS_WITH(Adagrad({p}, {.lr_decay = nan}), contains_text("[Adagrad]"));
  CHECK_THROWS_WITH(Adadelta({p}, {.rho = 2}), contains_text("[Adadelta]") && contains_text("rho"));
  CHECK_THROWS_WITH(Rprop({p}, {.eta_minus = 1.1}), contains_text("[Rprop]") && contains_text("eta_minus"));
  CHECK_THROWS_WITH(Rprop({p}, {.min_step = 3, .max_step = 2}), contains_text("min_step"));
  CHECK_THROWS_WITH(ASGD({p}, {.lambd = -1}), contains_text("[ASGD]") && contains_text("lambd"));
  CHECK_THROWS_WITH(Lion({p}, {.beta1 = 1}), contains_text("[Lion]") && contains_text("beta1"));
  CHECK_THROWS_WITH(Lion({p}, {.lr = nan}), contains_text("[Lion]") && contains_text("learning rate"));
  CHECK_THROWS_WITH(Muon({p}, {.iterations = 0}), contains_text("[Muon]") && contains_text("iterations"));
  CHECK_THROWS_WITH(Muon({parameter(ones({3}))}),
                    contains_text("[Muon]") && contains_text("[3]") && contains_text("adamw"));
}

}  // namespace reel
