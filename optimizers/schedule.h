// Learning rates over time. A Schedule is a pure function of the step number, so that resuming needs nothing but that
// number; a Scheduler applies one to an optimizer. PlateauScheduler alone has a memory.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <reel/framework/tensor.h>
#include <reel/optimizers/optimizer.h>

namespace reel {

namespace detail {
struct ScheduleRule {
  virtual ~ScheduleRule() = default;
  virtual double rate(double base, int64_t step) const = 0;
  /// Nothing where the schedule leaves the momentum alone.
  virtual std::optional<double> momentum(int64_t) const { return {}; }
};

template <class F> struct FactorRule final : ScheduleRule {
  F function;
  explicit FactorRule(F f) : function(std::move(f)) {}
  double rate(double base, int64_t step) const override { return base * static_cast<double>(function(step)); }
};
}  // namespace detail

/// The learning rate as a function of the step number, from 0, and of the group's initial rate. Copies are cheap.
class Schedule {
 public:
  explicit Schedule(std::shared_ptr<const detail::ScheduleRule> rule) : rule_(std::move(rule)) {}
  /// The rate of a group that begins with `base`. Throws for a negative step.
  double rate(double base, int64_t step) const;
  /// The rate as a multiple of the initial one.
  double factor(int64_t step) const { return rate(1, step); }
  /// The momentum (or beta1) at a step, of schedules that cycle it.
  std::optional<double> momentum(int64_t step) const;

 private:
  std::shared_ptr<const detail::ScheduleRule> rule_;
};

/// base * factor^floor(step / every).
Schedule step_schedule(int64_t every, double factor = 0.1);
/// Times `factor` at each of `milestones`, which ascend (one that stands twice counts twice).
Schedule multi_step_schedule(const std::vector<int64_t>& milestones, double factor = 0.1);
/// base * factor^step.
Schedule exponential_schedule(double factor);
/// base * (1 - step / steps)^power, 0 from `steps` on.
Schedule polynomial_schedule(int64_t steps, double power = 1);
/// base times a factor that goes from `from` to `to` within `steps`, and stays there.
Schedule linear_schedule(double from, double to, int64_t steps);
/// base * factor before `steps`, base from there on; PyTorch's ConstantLR.
Schedule constant_schedule(double factor, int64_t steps);
/// least + (base - least) (1 + cos(pi step / steps)) / 2; periodic as in PyTorch, beyond `steps` it rises again.
/// Loshchilov and Hutter, "SGDR", 2017, equation 5, without restarts. `least` is a rate, not a factor.
Schedule cosine_schedule(int64_t steps, double least = 0);

struct CosineRestartsOptions {
  int64_t first = 10;  ///< Steps of the first period.
  int64_t growth = 1;  ///< Each period is so many times as long as the one before.
  double least = 0;    ///< A rate, not a factor.
};
/// SGDR, equation 5: periods of a falling cosine, each beginning with the initial rate.
Schedule cosine_restarts_schedule(CosineRestartsOptions options);

enum class Anneal { cosine, linear };

struct OneCycleOptions {
  double max_rate = 0;  ///< The peak; 0: the group's own rate is the peak.
  int64_t steps = 0;    ///< Of the whole cycle; must be given.
  double rising = 0.3;  ///< Part of the steps in which the rate rises.
  Anneal anneal = Anneal::cosine;
  double start_divisor = 25;   ///< It begins with the peak over this,
  double final_divisor = 1e4;  ///< and ends with the first rate over this.
  bool three_phases = false;   ///< Down to the first rate in as many steps as up, and then to the last.
  bool cycle_momentum = true;  ///< Momentum, or beta1, falls while the rate rises, and the other way round.
  double min_momentum = 0.85;
  double max_momentum = 0.95;
};
/// One rise and one fall, and the last rate from there on. Smith and Topin, "Super-convergence", 2019.
Schedule one_cycle_schedule(OneCycleOptions options);

struct CyclicOptions {
  enum class Mode { triangular, triangular2, exp_range };
  double min_rate = 0;           ///< 0: the group's own rate is the lower one.
  double max_rate = 0;           ///< Must be given.
  int64_t up = 2000;             ///< Steps.
  int64_t down = 0;              ///< 0: as `up`.
  Mode mode = Mode::triangular;  ///< triangular2 halves the height every cycle; exp_range: times factor^step.
  double factor = 1;
  bool cycle_momentum = false;  ///< Momentum, or beta1, falls while the rate rises, and the other way round.
  double min_momentum = 0.8;
  double max_momentum = 0.9;
};
/// Triangles between two rates. Smith, "Cyclical learning rates", 2017.
Schedule cyclic_schedule(CyclicOptions options);

/// Rises linearly to the initial rate, reached at step warm_up - 1, and falls with 1 / sqrt(step) from there:
/// base * min((step + 1) / warm_up, sqrt(warm_up / (step + 1))). Vaswani et al., "Attention is all you need", 2017,
/// equation 3, whose peak is the initial rate here; step + 1 is the paper's step_num.
Schedule inverse_sqrt_schedule(int64_t warm_up);

/// base * f(step), f a function of an int64_t.
template <class F> Schedule lambda_schedule(F f) {
  return Schedule(std::make_shared<detail::FactorRule<F>>(std::move(f)));
}

/// The rate that each schedule makes of the last one's result, all at the same step: factors multiply.
Schedule chained_schedule(std::vector<Schedule> schedules);
/// One after the other: schedule i + 1 takes over at milestones[i] and counts from 0 there.
Schedule sequential_schedule(std::vector<Schedule> schedules, const std::vector<int64_t>& milestones);
/// A linear rise from `from` times the initial rate, at step 0, to `then` at its beginning, at step `steps`.
Schedule warmed_up(int64_t steps, const Schedule& then, double from = 0);
/// Linear warm-up from 0, then falling linearly to 0 at step `steps`.
Schedule linear_with_warm_up(int64_t warm_up, int64_t steps);
/// Linear warm-up from 0, then half a cosine down to `least`, at step `steps`, where it stays.
Schedule cosine_with_warm_up(int64_t warm_up, int64_t steps, double least = 0);

/// Applies a schedule to every group of an optimizer:
///   Scheduler scheduler(optimizer, cosine_schedule(1000));
///   for (...) { ...; optimizer.step(); scheduler.step(); }
/// The optimizer must outlive it.
class Scheduler {
 public:
  /// Sets the rates of step 0. Throws where the schedule cycles a momentum that the rule does not have.
  Scheduler(Optimizer& optimizer, Schedule schedule);
  /// Sets the rates of the next step.
  void step();
  int64_t steps() const { return step_; }
  double learning_rate(size_t group = 0) const { return optimizer_.learning_rate(group); }
  /// "step" and the groups' initial rates, "initial_rates".
  std::vector<std::pair<std::string, Tensor>> state_dict() const;
  /// Restores what state_dict gave, and sets the rates of that step. Throws, before anything is changed, where names,
  /// shapes or dtypes do not agree.
  void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state);

 private:
  void apply(const std::vector<double>& base, int64_t step);

  Optimizer& optimizer_;
  Schedule schedule_;
  std::vector<double> base_;
  int64_t step_ = 0;
};

struct PlateauOptions {
  bool maximize = false;    ///< The metric is better where it is larger.
  double factor = 0.1;      ///< Of the rate, in (0, 1).
  int64_t patience = 10;    ///< Calls without improvement that are borne before the rate is reduced.
  double threshold = 1e-4;  ///< An improvement is more than this,
  bool relative = true;     ///< as a part of the best metric, or in itself.
  int64_t cooldown = 0;     ///< Calls after a reduction that do not count.
  double least = 0;         ///< The least rate.
  double eps = 1e-8;        ///< Smaller reductions are left out.
};

/// Reduces the rates where a metric stops getting better; PyTorch's ReduceLROnPlateau. A nan is no improvement. The
/// optimizer must outlive it.
class PlateauScheduler {
 public:
  explicit PlateauScheduler(Optimizer& optimizer, PlateauOptions options = {});
  /// Takes the metric of one validation; returns whether it reduced a rate.
  bool step(double metric);
  double best() const { return best_; }
  /// "step", "best", "bad", "cooldown". The rates are part of the optimizer's state.
  std::vector<std::pair<std::string, Tensor>> state_dict() const;
  /// Restores what state_dict gave. Throws, before anything is changed, where names, shapes or dtypes do not agree.
  void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state);

 private:
  bool reduce();

  Optimizer& optimizer_;
  PlateauOptions options_;
  double best_;
  int64_t step_ = 0, bad_ = 0, cooldown_ = 0;
};

}  // namespace reel
