// Schedules against PyTorch's, and what resuming needs.
#include "optimizers/schedule.h"

#include <cmath>
#include <functional>

#include "optimizers/adam.h"
#include "optimizers/adaptive.h"
#include "optimizers/sgd.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

Tensor parameter() { return ones({1}).requires_grad_(); }

/// Two groups, as the reference values have them.
std::unique_ptr<SGD> two_groups() {
  return std::make_unique<SGD>(std::vector<ParameterGroup<SGDOptions>>{
      {{parameter()}, {.lr = 0.1, .momentum = 0.9}}, {{parameter()}, {.lr = 0.02, .momentum = 0.9}}});
}

struct Case {
  std::string name;
  Schedule schedule;
};

std::vector<Case> cases() {
  using Mode = CyclicOptions::Mode;
  return {
      {"step", step_schedule(7, 0.3)},
      {"multi_step", multi_step_schedule({5, 20, 20, 41}, 0.5)},
      {"exponential", exponential_schedule(0.93)},
      {"polynomial", polynomial_schedule(40, 1.7)},
      {"linear", linear_schedule(0.2, 0.9, 25)},
      {"constant", constant_schedule(0.25, 12)},
      {"cosine", cosine_schedule(25, 0.003)},
      {"restarts", cosine_restarts_schedule({.first = 7, .least = 0.001})},
      {"restarts_growing", cosine_restarts_schedule({.first = 7, .growth = 2, .least = 0.001})},
      {"one_cycle", one_cycle_schedule({.steps = 60})},
      {"one_cycle_linear", one_cycle_schedule({.max_rate = 0.5,
                                               .steps = 60,
                                               .rising = 0.25,
                                               .anneal = Anneal::linear,
                                               .start_divisor = 10,
                                               .final_divisor = 100})},
      {"one_cycle_three",
       one_cycle_schedule(
           {.max_rate = 0.5, .steps = 60, .three_phases = true, .min_momentum = 0.7, .max_momentum = 0.9})},
      {"triangular", cyclic_schedule({.max_rate = 0.5, .up = 7, .down = 12, .cycle_momentum = true})},
      {"triangular2",
       cyclic_schedule(
           {.min_rate = 0.01, .max_rate = 0.5, .up = 8, .mode = Mode::triangular2, .cycle_momentum = true})},
      {"exp_range", cyclic_schedule({.min_rate = 0.01,
                                     .max_rate = 0.5,
                                     .up = 8,
                                     .mode = Mode::exp_range,
                                     .factor = 0.97,
                                     .cycle_momentum = true})},
      {"inverse_sqrt", inverse_sqrt_schedule(10)},
      {"linear_with_warm_up", linear_with_warm_up(8, 50)},
      {"cosine_with_warm_up", cosine_with_warm_up(8, 50)},
      {"chained", chained_schedule({linear_schedule(0.1, 1, 10), exponential_schedule(0.95)})},
      {"sequential",
       sequential_schedule({linear_schedule(0.1, 1, 10), cosine_schedule(30), constant_schedule(0.5, 5)},
                           {10, 40})},
  };
}

double at(const Tensor& table, int64_t row, int64_t column) { return element(table, {row, column}); }

}  // namespace

TEST_CASE("schedules are PyTorch's over 60 steps, for every group", "[optimizer][schedule]") {
  const SafetensorsFile file = load_reference("optimizers/schedules");
  for (const Case& c : cases()) {
    const auto optimizer = two_groups();
    Scheduler scheduler(*optimizer, c.schedule);
    const Tensor& rates = file.at(c.name);
    for (int64_t step = 0; step < 60; ++step) {
      INFO(c.name << ", step " << step);
      CHECK(std::abs(optimizer->learning_rate(0) - at(rates, step, 0)) < 1e-12);
      CHECK(std::abs(optimizer->learning_rate(1) - at(rates, step, 1)) < 1e-12);
      if (c.schedule.momentum(step))
        CHECK(std::abs(optimizer->momentum(1) - element(file.at(c.name + ".momentum"), {step})) < 1e-12);
      optimizer->step();
      scheduler.step();
    }
    CHECK(scheduler.steps() == 60);
  }
}

TEST_CASE("a resumed schedule goes on to the bit", "[optimizer][schedule]") {
  for (const Case& c : cases()) {
    INFO(c.name);
    const auto whole = two_groups(), part = two_groups();
    Scheduler scheduler(*whole, c.schedule);
    for (int i = 0; i < 23; ++i) scheduler.step();
    const auto state = scheduler.state_dict();
    const auto optimizer_state = whole->state_dict();
    // A rate changed by hand before does not matter: schedules start from the options' rates.
    part->set_learning_rate(3);
    Scheduler resumed(*part, c.schedule);
    part->load_state_dict(optimizer_state);
    resumed.load_state_dict(state);
    for (int i = 0; i < 20; ++i) {
      for (size_t k : {0, 1}) {
        CHECK(part->learning_rate(k) == whole->learning_rate(k));
        CHECK(part->momentum(k) == whole->momentum(k));
      }
      scheduler.step();
      resumed.step();
    }
  }
}

TEST_CASE("plateau is PyTorch's, and resumes", "[optimizer][schedule]") {
  const SafetensorsFile file = load_reference("optimizers/schedules");
  const PlateauOptions relative{
      .factor = 0.5, .patience = 3, .threshold = 0.01, .cooldown = 2, .least = 0.002};
  const PlateauOptions absolute{
      .maximize = true, .factor = 0.3, .patience = 2, .threshold = 0.02, .relative = false};
  for (const bool first : {true, false}) {
    const PlateauOptions options = first ? relative : absolute;
    const Tensor& rates = file.at(first ? "plateau" : "plateau_absolute");
    auto optimizer = two_groups();
    auto scheduler = std::make_unique<PlateauScheduler>(*optimizer, options);
    for (int64_t step = 0; step < 60; ++step) {
      if (step % 7 == 3) {  // in another process
        const auto state = scheduler->state_dict();
        const auto rest = optimizer->state_dict();
        auto other = two_groups();
        other->load_state_dict(rest);
        scheduler = std::make_unique<PlateauScheduler>(*other, options);
        scheduler->load_state_dict(state);
        optimizer = std::move(other);
      }
      const double before = optimizer->learning_rate();
      const bool reduced = scheduler->step(element(file.at("plateau_metrics"), {step}));
      INFO((first ? "relative" : "absolute") << ", step " << step);
      CHECK(std::abs(optimizer->learning_rate(0) - at(rates, step, 0)) < 1e-12);
      CHECK(std::abs(optimizer->learning_rate(1) - at(rates, step, 1)) < 1e-12);
      if (optimizer->learning_rate() != before) CHECK(reduced);
    }
  }
}

TEST_CASE("a nan is no improvement to a plateau", "[optimizer][schedule]") {
  SGD optimizer({parameter()}, {.lr = 1});
  PlateauScheduler scheduler(optimizer, {.patience = 0});
  CHECK_FALSE(scheduler.step(1));
  CHECK(scheduler.step(std::nan("")));
  CHECK(optimizer.learning_rate() == Approx(0.1));
  CHECK(scheduler.best() == 1);
}

TEST_CASE("schedules of functions, and warm-up", "[optimizer][schedule]") {
  const Schedule schedule = lambda_schedule([](int64_t step) { return 1.0 / static_cast<double>(step + 1); });
  CHECK(schedule.rate(0.5, 3) == 0.125);
  CHECK(schedule.factor(1) == 0.5);
  CHECK_FALSE(schedule.momentum(0).has_value());
  const Schedule warm = warmed_up(4, schedule);
  CHECK(warm.factor(0) == 0);
  CHECK(warm.factor(2) == 0.5);
  CHECK(warm.factor(4) == 1);
  CHECK(warm.factor(5) == 0.5);
  CHECK(warmed_up(0, schedule).factor(0) == 1);
  // Vaswani et al., equation 3, with d_model = 512 and 4000 steps of warm-up, is ours with its peak as the rate.
  const Schedule vaswani = inverse_sqrt_schedule(4000);
  const double peak = std::pow(512, -0.5) * std::pow(4000, -0.5);
  for (int64_t n : {1, 1000, 4000, 100000}) {
    const auto t = static_cast<double>(n);
    CHECK(vaswani.rate(peak, n - 1) ==
          Approx(std::pow(512, -0.5) * std::min(std::pow(t, -0.5), t * std::pow(4000, -1.5))));
  }
  const Schedule cycle = one_cycle_schedule({.steps = 10});
  CHECK(cycle.factor(9) == Approx(1 / 25.0 / 1e4));
  CHECK(cycle.factor(10) == cycle.factor(9));
  CHECK(cycle.factor(1000) == cycle.factor(9));
}

TEST_CASE("momentum is cycled in rules that have one, beta1 in Adam's", "[optimizer][schedule]") {
  const Schedule cycle = one_cycle_schedule({.steps = 10});
  Adam adam({parameter()}, {.lr = 1});
  Scheduler scheduler(adam, cycle);
  CHECK(adam.momentum() == 0.95);
  for (int i = 0; i < 2; ++i) scheduler.step();
  CHECK(adam.momentum() == Approx(0.85));
  SGD plain({parameter()}, {.lr = 1});
  CHECK_THROWS_WITH(Scheduler(plain, cycle), contains_text("[SGD]") && contains_text("momentum"));
  CHECK(plain.learning_rate() == 1);
  Adagrad adagrad({parameter()});
  CHECK_THROWS_WITH(Scheduler(adagrad, cycle), contains_text("[Adagrad]") && contains_text("momentum"));
  Scheduler without(plain, one_cycle_schedule({.steps = 10, .cycle_momentum = false}));
  CHECK(plain.learning_rate() == Approx(1 / 25.0));
}

TEST_CASE("schedules refuse what makes no sense", "[optimizer][schedule]") {
  CHECK_THROWS_WITH(step_schedule(0), contains_text("[step_schedule]") && contains_text("0"));
  CHECK_THROWS_WITH(exponential_schedule(-1), contains_text("[exponential_schedule]"));
  CHECK_THROWS_WITH(multi_step_schedule({5, 3}), contains_text("ascend"));
  CHECK_THROWS_WITH(polynomial_schedule(0), contains_text("[polynomial_schedule]"));
  CHECK_THROWS_WITH(linear_schedule(0.1, std::nan(""), 3), contains_text("[linear_schedule]"));
  CHECK_THROWS_WITH(cosine_schedule(-1), contains_text("[cosine_schedule]"));
  CHECK_THROWS_WITH(cosine_restarts_schedule({.first = 0}), contains_text("[cosine_restarts_schedule]"));
  CHECK_THROWS_WITH(one_cycle_schedule({}), contains_text("[one_cycle_schedule]") && contains_text("steps"));
  CHECK_THROWS_WITH(one_cycle_schedule({.steps = 9, .rising = 0.7, .three_phases = true}),
                    contains_text("rising"));
  CHECK_THROWS_WITH(one_cycle_schedule({.steps = 9, .max_momentum = 1}), contains_text("max_momentum"));
  CHECK_THROWS_WITH(cyclic_schedule({}), contains_text("[cyclic_schedule]") && contains_text("max_rate"));
  CHECK_THROWS_WITH(inverse_sqrt_schedule(0), contains_text("[inverse_sqrt_schedule]"));
  CHECK_THROWS_WITH(chained_schedule({}), contains_text("[chained_schedule]"));
  CHECK_THROWS_WITH(sequential_schedule({step_schedule(1)}, {3}), contains_text("milestone"));
  CHECK_THROWS_WITH(cosine_with_warm_up(10, 10), contains_text("[cosine_with_warm_up]"));
  CHECK_THROWS_WITH(step_schedule(1).rate(1, -1), contains_text("step"));

  SGD optimizer({parameter()}, {.lr = 1});
  CHECK_THROWS_WITH(Scheduler(optimizer, lambda_schedule([](int64_t) { return -1.0; })),
                    contains_text("[Scheduler]"));
  CHECK(optimizer.learning_rate() == 1);
  CHECK_THROWS_WITH(PlateauScheduler(optimizer, {.factor = 1}), contains_text("factor"));
  CHECK_THROWS_WITH(PlateauScheduler(optimizer, {.patience = -1}), contains_text("patience"));
}

TEST_CASE("a schedule's state that does not fit is refused before anything changes",
          "[optimizer][schedule]") {
  SGD optimizer({parameter()}, {.lr = 1});
  Scheduler scheduler(optimizer, exponential_schedule(0.5));
  scheduler.step();
  auto state = scheduler.state_dict();
  state.pop_back();
  CHECK_THROWS_WITH(scheduler.load_state_dict(state), contains_text("initial_rates"));
  const auto two = two_groups();
  CHECK_THROWS_AS(scheduler.load_state_dict(Scheduler(*two, exponential_schedule(0.5)).state_dict()), Error);
  CHECK(scheduler.steps() == 1);
  CHECK(optimizer.learning_rate() == 0.5);
  PlateauScheduler plateau(optimizer);
  CHECK_THROWS_WITH(plateau.load_state_dict(scheduler.state_dict()), contains_text("[PlateauScheduler]"));
}

}  // namespace reel
