#include "optimizers/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "optimizers/state.h"
#include "optimizers/strong_wolfe.h"

namespace reel {
namespace detail {

struct LBFGSMemory {
  struct Pair {
    Vector gradient_change, step;
    double inverse;  // 1 over their product
  };
  int64_t iterations = 0, evaluations = 0;
  std::deque<Pair> pairs;
  double scale = 1, length = 0;  // of the first estimate of the inverse Hessian; of the last step
  Vector direction, gradient;    // of the last iteration

  /// Takes in what the last step has shown about the curvature.
  void learn(const Vector& now, size_t history) {
    Pair pair{now, direction, 0};
    for (size_t i = 0; i < now.size(); ++i) {
      pair.gradient_change[i] -= gradient[i];
      pair.step[i] *= length;
    }
    const double product = dot(pair.gradient_change, pair.step);
    if (!(product > 1e-10)) return;
    scale = product / dot(pair.gradient_change, pair.gradient_change);
    pair.inverse = 1 / product;
    if (pairs.size() == history) pairs.pop_front();
    pairs.push_back(std::move(pair));
  }

  /// The two loops of algorithm 7.4.
  Vector newton_direction(const Vector& now) const {
    Vector d(now.size());
    for (size_t i = 0; i < d.size(); ++i) d[i] = -now[i];
    std::vector<double> alpha(pairs.size());
    for (size_t k = pairs.size(); k-- > 0;) {
      alpha[k] = dot(pairs[k].step, d) * pairs[k].inverse;
      for (size_t i = 0; i < d.size(); ++i) d[i] -= alpha[k] * pairs[k].gradient_change[i];
    }
    for (double& value : d) value *= scale;
    for (size_t k = 0; k < pairs.size(); ++k) {
      const double beta = dot(pairs[k].gradient_change, d) * pairs[k].inverse;
      for (size_t i = 0; i < d.size(); ++i) d[i] += (alpha[k] - beta) * pairs[k].step[i];
    }
    return d;
  }
};

namespace {

Vector gathered(const std::vector<Tensor>& tensors) {
  Vector all;
  for (const Tensor& tensor : tensors)
    for (double value : cast_values(tensor, DType::float64).to_vector<double>()) all.push_back(value);
  return all;
}

/// The loss as a function of the parameters, along a line.
class Loss final : public LineFunction {
 public:
  Loss(std::vector<Tensor> parameters, LossClosure& closure, int64_t& evaluations)
      : parameters_(std::move(parameters)), closure_(closure), evaluations_(evaluations) {}

  /// Loss and gradient where the parameters are.
  LinePoint here() {
    for (Tensor& parameter : parameters_) parameter.zero_grad();
    LinePoint point;
    ++evaluations_;
    point.loss = closure_.run();
    std::vector<Tensor> gradients;
    for (const Tensor& parameter : parameters_)
      gradients.push_back(parameter.grad().defined() ? parameter.grad() : zeros_like(parameter));
    point.gradient = gathered(gradients);
    return point;
  }
  /// Begins a line at the present parameters.
  void aim(const Vector& direction) {
    direction_ = direction;
    origin_.clear();
    for (const Tensor& parameter : parameters_) origin_.push_back(copied(parameter));
  }
  /// Moves the parameters to a point of the line.
  void move_to(double at) {
    size_t begin = 0;
    for (size_t k = 0; k < parameters_.size(); ++k) {
      dispatch_floating("LBFGS", parameters_[k].dtype(), [&](auto zero) {
        using T = decltype(zero);
        const T* from = origin_[k].raw<T>();
        T* to = parameters_[k].raw<T>();
        for (int64_t i = 0; i < parameters_[k].numel(); ++i)
          to[i] =
              static_cast<T>(static_cast<double>(from[i]) + at * direction_[begin + static_cast<size_t>(i)]);
      });
      begin += static_cast<size_t>(parameters_[k].numel());
      parameters_[k].changed("optimizer step");
    }
  }
  LinePoint evaluate(double at) override {
    struct Back {
      Loss& loss;
      ~Back() { loss.move_back(); }
    } back{*this};
    move_to(at);
    LinePoint point = here();
    point.at = at;
    return point;
  }

 private:
  void move_back() {
    for (size_t k = 0; k < parameters_.size(); ++k) {
      copy_values(origin_[k], parameters_[k]);
      parameters_[k].changed("optimizer step");
    }
  }

  std::vector<Tensor> parameters_, origin_;
  LossClosure& closure_;
  int64_t& evaluations_;
  Vector direction_;
};

Tensor as_tensor(const Vector& vector) { return from_vector(vector); }

}  // namespace
}  // namespace detail

using detail::Vector;

LBFGS::LBFGS(std::vector<Tensor> parameters, LBFGSOptions options)
    : Optimizer("LBFGS", parameters, std::vector<size_t>(parameters.size(), 0), {{options.lr, {}}}),
      options_(options),
      memory_(std::make_unique<detail::LBFGSMemory>()) {
  check(options.max_iterations >= 1, "[LBFGS] expected at least 1 iteration, got {}", options.max_iterations);
  check(options.max_evaluations >= 0, "[LBFGS] expected a number of evaluations of at least 0, got {}",
        options.max_evaluations);
  check(options.tolerance_grad >= 0 && options.tolerance_change >= 0,
        "[LBFGS] expected tolerances of at least 0, got {} and {}", options.tolerance_grad,
        options.tolerance_change);
  check(options.history >= 1, "[LBFGS] expected a history of at least 1, got {}", options.history);
  if (options_.max_evaluations == 0) options_.max_evaluations = options.max_iterations * 5 / 4;
}

LBFGS::~LBFGS() = default;

void LBFGS::step() {
  check(false, "[LBFGS] step(closure) expected, got step(): the loss is needed several times");
}

int64_t LBFGS::evaluations() const { return memory_->evaluations; }

double LBFGS::minimize(detail::LossClosure& closure) {
  detail::LBFGSMemory& m = *memory_;
  detail::Loss function(parameters(), closure, m.evaluations);
  const int64_t before = m.evaluations;
  detail::LinePoint point = function.here();
  const double first_loss = point.loss;
  const auto is_minimum = [&] { return detail::largest_size(point.gradient) <= options_.tolerance_grad; };
  for (int64_t i = 1; i <= options_.max_iterations && !is_minimum(); ++i) {
    if (m.iterations > 0) m.learn(point.gradient, static_cast<size_t>(options_.history));
    Vector direction = m.newton_direction(point.gradient);
    const double last_loss = point.loss;
    double length = learning_rate();
    if (m.iterations == 0) {
      double sum = 0;
      for (double value : point.gradient) sum += std::abs(value);
      length *= std::min(1.0, 1 / sum);
    }
    ++m.iterations;
    m.gradient = point.gradient;
    m.direction = std::move(direction);
    m.length = length;
    point.at = 0;
    point.slope = detail::dot(point.gradient, m.direction);
    if (point.slope > -options_.tolerance_change) break;

    function.aim(m.direction);
    if (options_.line_search == LineSearch::strong_wolfe) {
      point = detail::strong_wolfe(function, m.direction, point, length, options_.tolerance_change).point;
      m.length = point.at;
      function.move_to(m.length);
    } else {
      function.move_to(length);
      if (i < options_.max_iterations) point = function.here();
    }
    if (m.evaluations - before >= options_.max_evaluations ||
        detail::largest_size(m.direction) * std::abs(m.length) <= options_.tolerance_change ||
        std::abs(point.loss - last_loss) < options_.tolerance_change)
      break;
  }
  zero_grad();
  count_step();
  return first_loss;
}

std::vector<std::pair<std::string, Tensor>> LBFGS::state_dict() const {
  auto state = Optimizer::state_dict();
  const detail::LBFGSMemory& m = *memory_;
  state.emplace_back("lbfgs.iterations", detail::number(m.iterations));
  state.emplace_back("lbfgs.evaluations", detail::number(m.evaluations));
  if (m.iterations == 0) return state;
  state.emplace_back("lbfgs.scale", detail::number(m.scale));
  state.emplace_back("lbfgs.length", detail::number(m.length));
  state.emplace_back("lbfgs.direction", detail::as_tensor(m.direction));
  state.emplace_back("lbfgs.gradient", detail::as_tensor(m.gradient));
  state.emplace_back("lbfgs.pairs", detail::number(static_cast<int64_t>(m.pairs.size())));
  for (size_t k = 0; k < m.pairs.size(); ++k) {
    const std::string prefix = "lbfgs." + std::to_string(k);
    state.emplace_back(prefix + ".gradient_change", detail::as_tensor(m.pairs[k].gradient_change));
    state.emplace_back(prefix + ".step", detail::as_tensor(m.pairs[k].step));
  }
  return state;
}

void LBFGS::load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state) {
  detail::State own, rest;
  for (const auto& entry : state) (entry.first.starts_with("lbfgs.") ? own : rest).push_back(entry);
  detail::StateReader reader(name(), own);
  auto m = std::make_unique<detail::LBFGSMemory>();
  m->iterations = reader.take_count("lbfgs.iterations", 0);
  m->evaluations = reader.take_count("lbfgs.evaluations", 0);
  if (m->iterations > 0) {
    int64_t size = 0;
    for (const Tensor& parameter : parameters()) size += parameter.numel();
    const auto take = [&](const std::string& key) {
      return reader.take(key, {size}, DType::float64).to_vector<double>();
    };
    m->scale = reader.take_number("lbfgs.scale");
    m->length = reader.take_number("lbfgs.length");
    m->direction = take("lbfgs.direction");
    m->gradient = take("lbfgs.gradient");
    const int64_t pairs = reader.take_count("lbfgs.pairs", 0);
    check(pairs <= options_.history, "[LBFGS] the state has {} pairs, and the history is {} long", pairs,
          options_.history);
    for (int64_t k = 0; k < pairs; ++k) {
      const std::string prefix = "lbfgs." + std::to_string(k);
      detail::LBFGSMemory::Pair pair{take(prefix + ".gradient_change"), take(prefix + ".step"), 0};
      pair.inverse = 1 / detail::dot(pair.gradient_change, pair.step);
      m->pairs.push_back(std::move(pair));
    }
  }
  reader.finish();
  Optimizer::load_state_dict(rest);
  memory_ = std::move(m);
}

}  // namespace reel
