#include "optimizers/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "optimizers/state.h"

namespace reel {
namespace {

/// From `from` at part 0 to `to` at part 1.
double annealed(Anneal anneal, double from, double to, double part) {
  if (anneal == Anneal::linear) return (to - from) * part + from;
  return to + (from - to) / 2 * (std::cos(std::numbers::pi * part) + 1);
}

void check_steps(const char* name, const char* what, int64_t steps) {
  check(steps >= 1, "[{}] expected {} of at least 1, got {}", name, what, steps);
}
void check_finite(const char* name, const char* what, double value, double least = 0) {
  check(value >= least && std::isfinite(value), "[{}] expected {} of at least {}, got {}", name, what, least,
        value);
}
void check_momenta(const char* name, double least, double most) {
  check(least >= 0 && least <= most && most < 1,
        "[{}] expected 0 <= min_momentum <= max_momentum < 1, got {} and {}", name, least, most);
}

/// A schedule from a function of the initial rate and the step.
template <class F> Schedule made(F f) {
  struct Made final : detail::ScheduleRule {
    F function;
    explicit Made(F g) : function(std::move(g)) {}
    double rate(double base, int64_t step) const override { return function(base, step); }
  };
  return Schedule(std::make_shared<Made>(std::move(f)));
}

double as_double(int64_t value) { return static_cast<double>(value); }

double half_cosine(double base, double least, double part) {
  return annealed(Anneal::cosine, base, least, part);
}

struct OneCycle final : detail::ScheduleRule {
  OneCycleOptions o;
  explicit OneCycle(const OneCycleOptions& options) : o(options) {}

  /// The values of a quantity at the cycle's start, peak, and end.
  double between(int64_t step, double start, double peak, double end) const {
    const double total = as_double(o.steps), at = as_double(std::min(step, o.steps - 1));
    const double up = o.rising * total - 1;
    if (at <= up) return annealed(o.anneal, start, peak, up > 0 ? at / up : 1);
    double from = up, value = peak;
    if (o.three_phases) {
      const double down = 2 * o.rising * total - 2;
      if (at <= down) return annealed(o.anneal, peak, start, (at - up) / (down - up));
      from = down;
      value = start;
    }
    return annealed(o.anneal, value, end, (at - from) / (total - 1 - from));
  }
  double rate(double base, int64_t step) const override {
    const double peak = o.max_rate > 0 ? o.max_rate : base;
    const double start = peak / o.start_divisor;
    return between(step, start, peak, start / o.final_divisor);
  }
  std::optional<double> momentum(int64_t step) const override {
    if (!o.cycle_momentum) return {};
    return between(step, o.max_momentum, o.min_momentum, o.max_momentum);
  }
};

struct Cyclic final : detail::ScheduleRule {
  CyclicOptions o;
  explicit Cyclic(const CyclicOptions& options) : o(options) {}

  /// 0 at the ends of a cycle, 1 (or what the mode makes of it) at its top.
  double height(int64_t step) const {
    const double up = as_double(o.up), total = up + as_double(o.down > 0 ? o.down : o.up);
    const double cycle = std::floor(1 + as_double(step) / total);
    const double part = 1 + as_double(step) / total - cycle, top = up / total;
    const double triangle = part <= top ? part / top : (part - 1) / (top - 1);
    switch (o.mode) {
      case CyclicOptions::Mode::triangular:
        return triangle;
      case CyclicOptions::Mode::triangular2:
        return triangle * std::exp2(1 - cycle);
      case CyclicOptions::Mode::exp_range:
        return triangle * std::pow(o.factor, as_double(step));
    }
    return triangle;
  }
  double rate(double base, int64_t step) const override {
    const double least = o.min_rate > 0 ? o.min_rate : base;
    return least + (o.max_rate - least) * height(step);
  }
  std::optional<double> momentum(int64_t step) const override {
    if (!o.cycle_momentum) return {};
    return o.max_momentum - (o.max_momentum - o.min_momentum) * height(step);
  }
};

struct Chained final : detail::ScheduleRule {
  std::vector<Schedule> schedules;
  explicit Chained(std::vector<Schedule> s) : schedules(std::move(s)) {}
  double rate(double base, int64_t step) const override {
    for (const Schedule& schedule : schedules) base = schedule.rate(base, step);
    return base;
  }
  std::optional<double> momentum(int64_t step) const override {
    std::optional<double> result;
    for (const Schedule& schedule : schedules)
      if (const auto own = schedule.momentum(step)) result = own;
    return result;
  }
};

struct Sequential final : detail::ScheduleRule {
  std::vector<Schedule> schedules;
  std::vector<int64_t> milestones;
  Sequential(std::vector<Schedule> s, std::vector<int64_t> m)
      : schedules(std::move(s)), milestones(std::move(m)) {}
  std::pair<const Schedule&, int64_t> at(int64_t step) const {
    const auto next = std::upper_bound(milestones.begin(), milestones.end(), step);
    return {schedules[static_cast<size_t>(next - milestones.begin())],
            next == milestones.begin() ? step : step - next[-1]};
  }
  double rate(double base, int64_t step) const override {
    const auto [schedule, own] = at(step);
    return schedule.rate(base, own);
  }
  std::optional<double> momentum(int64_t step) const override {
    const auto [schedule, own] = at(step);
    return schedule.momentum(own);
  }
};

}  // namespace

double Schedule::rate(double base, int64_t step) const {
  check(step >= 0, "[Schedule] expected a step of at least 0, got {}", step);
  return rule_->rate(base, step);
}

std::optional<double> Schedule::momentum(int64_t step) const {
  check(step >= 0, "[Schedule] expected a step of at least 0, got {}", step);
  return rule_->momentum(step);
}

Schedule step_schedule(int64_t every, double factor) {
  check_steps("step_schedule", "a number of steps", every);
  check_finite("step_schedule", "a factor", factor);
  return made([=](double base, int64_t step) { return base * std::pow(factor, as_double(step / every)); });
}

Schedule multi_step_schedule(const std::vector<int64_t>& milestones, double factor) {
  check_finite("multi_step_schedule", "a factor", factor);
  check(std::is_sorted(milestones.begin(), milestones.end()),
        "[multi_step_schedule] expected milestones that ascend, got {} of them that do not",
        milestones.size());
  return made([=](double base, int64_t step) {
    const auto passed = std::upper_bound(milestones.begin(), milestones.end(), step) - milestones.begin();
    return base * std::pow(factor, static_cast<double>(passed));
  });
}

Schedule exponential_schedule(double factor) {
  check_finite("exponential_schedule", "a factor", factor);
  return made([=](double base, int64_t step) { return base * std::pow(factor, as_double(step)); });
}

Schedule polynomial_schedule(int64_t steps, double power) {
  check_steps("polynomial_schedule", "a number of steps", steps);
  check_finite("polynomial_schedule", "a power", power);
  return made([=](double base, int64_t step) {
    return step >= steps ? 0 : base * std::pow(1 - as_double(step) / as_double(steps), power);
  });
}

Schedule linear_schedule(double from, double to, int64_t steps) {
  check_steps("linear_schedule", "a number of steps", steps);
  check_finite("linear_schedule", "a first factor", from);
  check_finite("linear_schedule", "a last factor", to);
  return made([=](double base, int64_t step) {
    return base * (from + (to - from) * as_double(std::min(step, steps)) / as_double(steps));
  });
}

Schedule constant_schedule(double factor, int64_t steps) {
  check(steps >= 0, "[constant_schedule] expected a number of steps of at least 0, got {}", steps);
  check_finite("constant_schedule", "a factor", factor);
  return made([=](double base, int64_t step) { return step < steps ? base * factor : base; });
}

Schedule cosine_schedule(int64_t steps, double least) {
  check_steps("cosine_schedule", "a number of steps", steps);
  check_finite("cosine_schedule", "a least rate", least);
  return made([=](double base, int64_t step) {
    return half_cosine(base, least, as_double(step) / as_double(steps));
  });
}

Schedule cosine_restarts_schedule(CosineRestartsOptions o) {
  check_steps("cosine_restarts_schedule", "a first period", o.first);
  check_steps("cosine_restarts_schedule", "a growth", o.growth);
  check_finite("cosine_restarts_schedule", "a least rate", o.least);
  return made([=](double base, int64_t step) {
    int64_t period = o.first;
    if (o.growth == 1) {
      step %= period;
    } else {
      for (; step >= period; period *= o.growth) step -= period;
    }
    return half_cosine(base, o.least, as_double(step) / as_double(period));
  });
}

Schedule one_cycle_schedule(OneCycleOptions o) {
  check(o.steps >= 2, "[one_cycle_schedule] expected steps of at least 2, got {}", o.steps);
  check_finite("one_cycle_schedule", "a max_rate", o.max_rate);
  check(o.rising >= 0 && o.rising < 1 && (!o.three_phases || (o.rising > 0 && o.rising <= 0.5)),
        "[one_cycle_schedule] expected a rising part in [0, 1), in (0, 0.5] with three phases, got {}",
        o.rising);
  check(o.start_divisor > 0 && o.final_divisor > 0,
        "[one_cycle_schedule] expected divisors above 0, got {} and {}", o.start_divisor, o.final_divisor);
  check_momenta("one_cycle_schedule", o.min_momentum, o.max_momentum);
  return Schedule(std::make_shared<OneCycle>(o));
}

Schedule cyclic_schedule(CyclicOptions o) {
  check_steps("cyclic_schedule", "steps up", o.up);
  check(o.down >= 0, "[cyclic_schedule] expected steps down of at least 0, got {}", o.down);
  check_finite("cyclic_schedule", "a min_rate", o.min_rate);
  check(o.max_rate > 0 && std::isfinite(o.max_rate), "[cyclic_schedule] expected a max_rate above 0, got {}",
        o.max_rate);
  check_finite("cyclic_schedule", "a factor", o.factor);
  check_momenta("cyclic_schedule", o.min_momentum, o.max_momentum);
  return Schedule(std::make_shared<Cyclic>(o));
}

Schedule inverse_sqrt_schedule(int64_t warm_up) {
  check_steps("inverse_sqrt_schedule", "a warm-up", warm_up);
  return made([=](double base, int64_t step) {
    const double part = as_double(step + 1) / as_double(warm_up);
    return base * std::min(part, 1 / std::sqrt(part));
  });
}

Schedule chained_schedule(std::vector<Schedule> schedules) {
  check(!schedules.empty(), "[chained_schedule] at least one schedule expected, got none");
  return Schedule(std::make_shared<Chained>(std::move(schedules)));
}

Schedule sequential_schedule(std::vector<Schedule> schedules, const std::vector<int64_t>& milestones) {
  check(
      !schedules.empty() && milestones.size() + 1 == schedules.size(),
      "[sequential_schedule] one milestone less than schedules expected, got {} schedules and {} milestones",
      schedules.size(), milestones.size());
  check(std::is_sorted(milestones.begin(), milestones.end()) && (milestones.empty() || milestones[0] >= 0),
        "[sequential_schedule] expected milestones that ascend from 0, got {} of them that do not",
        milestones.size());
  return Schedule(std::make_shared<Sequential>(std::move(schedules), milestones));
}

Schedule warmed_up(int64_t steps, const Schedule& then, double from) {
  check(steps >= 0, "[warmed_up] expected a number of steps of at least 0, got {}", steps);
  check_finite("warmed_up", "a first factor", from);
  if (steps == 0) return then;
  return sequential_schedule({linear_schedule(from, 1, steps), then}, {steps});
}

Schedule linear_with_warm_up(int64_t warm_up, int64_t steps) {
  check(warm_up >= 0 && warm_up < steps, "[linear_with_warm_up] expected 0 <= warm-up < steps, got {} and {}",
        warm_up, steps);
  return warmed_up(warm_up, linear_schedule(1, 0, steps - warm_up));
}

Schedule cosine_with_warm_up(int64_t warm_up, int64_t steps, double least) {
  check(warm_up >= 0 && warm_up < steps, "[cosine_with_warm_up] expected 0 <= warm-up < steps, got {} and {}",
        warm_up, steps);
  check_finite("cosine_with_warm_up", "a least rate", least);
  const int64_t falling = steps - warm_up;
  return warmed_up(warm_up, made([=](double base, int64_t step) {
                     return half_cosine(base, least, as_double(std::min(step, falling)) / as_double(falling));
                   }));
}

Scheduler::Scheduler(Optimizer& optimizer, Schedule schedule)
    : optimizer_(optimizer), schedule_(std::move(schedule)) {
  for (size_t i = 0; i < optimizer.group_count(); ++i) base_.push_back(optimizer.initial_learning_rate(i));
  apply(base_, 0);
}

void Scheduler::apply(const std::vector<double>& base, int64_t step) {
  const std::optional<double> momentum = schedule_.momentum(step);
  std::vector<double> rates;
  for (size_t i = 0; i < base.size(); ++i) {
    if (momentum) static_cast<void>(optimizer_.momentum(i));  // throws where there is none
    rates.push_back(schedule_.rate(base[i], step));
    check(rates[i] >= 0 && std::isfinite(rates[i]),
          "[Scheduler] expected rates of at least 0, got {} at step {}", rates[i], step);
  }
  for (size_t i = 0; i < base.size(); ++i) {
    optimizer_.set_learning_rate(rates[i], i);
    if (momentum) optimizer_.set_momentum(*momentum, i);
  }
}

void Scheduler::step() {
  apply(base_, step_ + 1);
  ++step_;
}

std::vector<std::pair<std::string, Tensor>> Scheduler::state_dict() const {
  return {{"step", detail::number(step_)}, {"initial_rates", from_vector(base_)}};
}

void Scheduler::load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state) {
  detail::StateReader reader("Scheduler", state);
  const int64_t step = reader.take_count("step", 0);
  const auto base =
      reader.take("initial_rates", {static_cast<int64_t>(base_.size())}, DType::float64).to_vector<double>();
  reader.finish();
  apply(base, step);
  base_ = base;
  step_ = step;
}

PlateauScheduler::PlateauScheduler(Optimizer& optimizer, PlateauOptions o)
    : optimizer_(optimizer),
      options_(o),
      best_(o.maximize ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity()) {
  check(o.factor > 0 && o.factor < 1, "[PlateauScheduler] expected a factor in (0, 1), got {}", o.factor);
  check(o.patience >= 0, "[PlateauScheduler] expected a patience of at least 0, got {}", o.patience);
  check_finite("PlateauScheduler", "a threshold", o.threshold);
  check(o.cooldown >= 0, "[PlateauScheduler] expected a cooldown of at least 0, got {}", o.cooldown);
  check_finite("PlateauScheduler", "a least rate", o.least);
  check_finite("PlateauScheduler", "an eps", o.eps);
}

bool PlateauScheduler::step(double metric) {
  ++step_;
  const double sign = options_.maximize ? 1 : -1;
  const double bound =
      options_.relative ? best_ * (1 + sign * options_.threshold) : best_ + sign * options_.threshold;
  if (options_.maximize ? metric > bound : metric < bound) {
    best_ = metric;
    bad_ = 0;
  } else {
    ++bad_;
  }
  if (cooldown_ > 0) {
    --cooldown_;
    bad_ = 0;
  }
  if (bad_ <= options_.patience) return false;
  cooldown_ = options_.cooldown;
  bad_ = 0;
  return reduce();
}

bool PlateauScheduler::reduce() {
  bool reduced = false;
  for (size_t i = 0; i < optimizer_.group_count(); ++i) {
    const double old = optimizer_.learning_rate(i);
    const double rate = std::max(old * options_.factor, options_.least);
    if (!(old - rate > options_.eps)) continue;
    optimizer_.set_learning_rate(rate, i);
    reduced = true;
  }
  return reduced;
}

std::vector<std::pair<std::string, Tensor>> PlateauScheduler::state_dict() const {
  return {{"step", detail::number(step_)},
          {"best", detail::number(best_)},
          {"bad", detail::number(bad_)},
          {"cooldown", detail::number(cooldown_)}};
}

void PlateauScheduler::load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state) {
  detail::StateReader reader("PlateauScheduler", state);
  const int64_t step = reader.take_count("step", 0), bad = reader.take_count("bad", 0),
                cooldown = reader.take_count("cooldown", 0);
  const double best = reader.take_number("best");
  reader.finish();
  step_ = step;
  bad_ = bad;
  cooldown_ = cooldown;
  best_ = best;
}

}  // namespace reel
