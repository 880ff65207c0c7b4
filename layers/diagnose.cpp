#include "layers/diagnose.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <unordered_map>

#include "framework/op_watch.h"
#include "framework/random.h"
#include "framework/recording.h"
#include "layers/scan_watch.h"
#include "ops/arithmetic.h"
#include "ops/shape.h"

namespace reel {
namespace detail {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

using List = std::vector<Tensor>;

std::vector<double> doubles(const Tensor& tensor) {
  return cast_values(tensor, DType::float64).to_vector<double>();
}

double norm_of(const Tensor& tensor) {
  double sum = 0;
  for (double value : doubles(tensor)) sum += value * value;
  return std::sqrt(sum);
}

// The largest singular value

/// Norm of each row of the batch, over all tensors; of all together where the tensors have no such rows.
std::vector<double> row_norms(const List& tensors, int64_t rows) {
  std::vector<double> sums(static_cast<size_t>(rows), 0);
  for (const Tensor& tensor : tensors) {
    const std::vector<double> values = doubles(tensor);
    for (size_t i = 0; i < values.size(); ++i) sums[i * sums.size() / values.size()] += values[i] * values[i];
  }
  for (double& sum : sums) sum = std::sqrt(sum);
  return sums;
}

/// Each row to length 1; rows of zeros stay.
void normalize_rows(List& tensors, const std::vector<double>& norms) {
  std::vector<double> factors;
  for (double norm : norms) factors.push_back(norm > 0 ? 1 / norm : 0);
  const auto rows = static_cast<int64_t>(norms.size());
  for (Tensor& tensor : tensors) {
    Shape shape;
    for (size_t i = 0; i < tensor.rank(); ++i) shape.push_back(i == 0 ? rows : 1);
    tensor = tensor * cast_values(from_vector(factors, shape), tensor.dtype());
  }
}

/// By power iteration on J^T J, each row of the batch for itself. `f` maps the state to the next one.
template <class F>
double largest_singular_value(const F& f, const List& state, int64_t batch, int64_t iterations) {
  const bool by_rows = std::all_of(state.begin(), state.end(), [&](const Tensor& tensor) {
    return tensor.rank() > 0 && tensor.shape()[0] == batch;
  });
  const int64_t rows = by_rows ? batch : 1;
  Random random(1);
  List v;
  for (const Tensor& tensor : state)
    v.push_back(cast_values(normal(tensor.shape(), 0, 1, {.dtype = DType::float64}, random), tensor.dtype()));
  normalize_rows(v, row_norms(v, rows));
  double largest = 0;
  for (int64_t i = 0; i < iterations; ++i) {
    v = vjp(f, state, jvp(f, state, v).second).second;
    const std::vector<double> squares = row_norms(v, rows);
    largest = 0;
    for (double square : squares) largest = std::isnan(square) ? nan : std::max(largest, std::sqrt(square));
    if (largest == 0 || !std::isfinite(largest)) return largest;
    normalize_rows(v, squares);
  }
  return largest;
}

// Watching

/// Where in the layers an op stands.
struct OpPlace {
  int64_t scan = -1;  // -1: outside of all steps
  int64_t step = -1;
  std::string op;
};

class Watcher final : public ScanWatch, public OpWatch {
 public:
  Watcher(Tape& tape, size_t directions, const DiagnoseOptions& options)
      : tape_(tape), directions_(directions), options_(options) {}

  Diagnosis finish(const Tensor& loss) {
    check(loss.defined() && loss.numel() == 1 && is_floating(loss.dtype()),
          "[diagnose] the loss must be one floating number, got {}", loss);
    check(!result_.layers.empty(), "[diagnose] no recurrent layer has run");
    check(current_recording()->slot_of(loss, "diagnose", 0) >= 0,
          "[diagnose] the loss does not depend on what the layers gave");
    result_.loss = loss.item();
    going_back_ = true;
    if (!result_.forward) result_.forward = carried_;
    List wanted;
    for (const auto& [place, tensor] : states_) wanted.push_back(tensor);
    for (const auto& leaf : current_recording()->leaves)
      if (leaf.tensor.requires_grad()) wanted.push_back(leaf.tensor);  // there may be a nan on the way to it
    const List gradients = tape_.gradient(loss, wanted, {.gradient = ones_like(loss)});
    for (size_t i = 0; i < states_.size(); ++i) {
      const StatePlace& place = states_[i].first;
      LayerDiagnosis& layer = result_.layers[place.scan];
      const double norm = norm_of(gradients[i]);
      layer.tensor_gradients[place.tensor][place.step] = norm;
      layer.gradients[place.step] = std::hypot(layer.gradients[place.step], norm);
    }
    for (size_t i = 0; i < result_.layers.size(); ++i) {
      LayerDiagnosis& layer = result_.layers[i];
      for (size_t t = 0; t < layer.saturated.size(); ++t)
        layer.saturated[t] =
            gate_elements_[i][t] > 0 ? saturated_elements_[i][t] / gate_elements_[i][t] : nan;
    }
    return std::move(result_);
  }

  void ran(std::string_view op, Inputs inputs, std::span<const Tensor> outputs) override {
    if (looks_away_ || going_back_) return;
    if (in_step_) {
      ops_.push_back({std::string(op), label(op), {outputs.begin(), outputs.end()}});
      if (outputs.size() == 1) look_at_gate(op, outputs[0]);
    }
    if (result_.forward) return;
    for (const Tensor& output : outputs) {
      const std::string found = first_anomaly(output, options_.infinities);
      if (found.empty()) continue;
      bool inherited = false;
      for (size_t i = 0; i < inputs.size(); ++i)
        inherited = inherited || !first_anomaly(inputs[i], true).empty();
      if (in_step_)
        result_.forward = non_finite(found, {scan(), step_, ops_.back().label}, inherited);
      else if (!inherited)
        result_.forward = non_finite(found, {-1, -1, std::string(op)}, false);
      else if (
          !carried_)  // what only hands it on tells little: the step that takes it up is the one to be named
        carried_ = non_finite(found, {-1, -1, std::string(op)}, true);
      return;
    }
  }

  void went_back(const Node& node, size_t, const Tensor& gradient) override {
    if (looks_away_ || result_.backward) return;
    const std::string found = first_anomaly(gradient, options_.infinities);
    if (found.empty()) return;
    const auto place = places_.find(&node);
    result_.backward = non_finite(
        found, place == places_.end() ? OpPlace{-1, -1, std::string(node.rules->name)} : place->second,
        false);
  }

 private:
  struct StatePlace {
    size_t scan, step, tensor;
  };
  struct SeenOp {
    std::string name, label;
    List outputs;
  };

  int64_t scan() const { return static_cast<int64_t>(result_.layers.size()) - 1; }

  void scan_begins(const Tensor& xs, int64_t count, bool reverse) override {
    LayerDiagnosis layer;
    const size_t index = result_.layers.size();
    layer.reverse = reverse;
    if (directions_ > 0) {
      layer.layer = static_cast<int64_t>(index / directions_);
      layer.reverse = layer.reverse || index % directions_ == 1;
    } else if (index > 0) {
      const bool second = reverse && !result_.layers.back().reverse && xs.impl() == last_input_.impl();
      layer.layer = result_.layers.back().layer + (second ? 0 : 1);
    }
    for (int64_t step : options_.jacobian_steps)
      check(step < count, "[diagnose] jacobian_steps names step {}, and {} has {} steps", step, layer.name(),
            count);
    last_input_ = xs;
    runs_back_ = reverse;
    const auto steps = static_cast<size_t>(count);
    steps_ = count;
    layer.gradients.assign(steps, 0);
    layer.saturated.assign(steps, nan);
    layer.jacobians.assign(steps, nan);
    gate_elements_.emplace_back(steps, 0.0);
    saturated_elements_.emplace_back(steps, 0.0);
    result_.layers.push_back(std::move(layer));
  }

  void do_step(int64_t index, const StepFunction& step, const Tensor& x, List& state,
               Tensor& output) override {
    step_ = runs_back_ ? steps_ - 1 - index : index;
    const List before = state;
    const size_t first_node = current_recording()->nodes.size();
    std::vector<RandomJournal::Entry> drawn;
    ops_.clear();
    numbers_.clear();
    {
      RandomJournal journal;
      in_step_ = true;
      step.step(step.cell, x, state, output);
      in_step_ = false;
      drawn = journal.take();
    }
    note_places();
    looks_away_ = true;
    keep_states(state, output, first_node);
    const auto& at = options_.jacobian_steps;
    if (options_.jacobian_iterations > 0 &&
        (at.empty() || std::find(at.begin(), at.end(), step_) != at.end()))
      result_.layers.back().jacobians[static_cast<size_t>(step_)] = jacobian(step, x, before, drawn);
    looks_away_ = false;
  }

  /// "sigmoid 1", "forget/sigmoid 0".
  std::string label(std::string_view op) {
    std::string path = scope_path();
    std::string name = path.empty() ? std::string(op) : path + "/" + std::string(op);
    const int64_t number = numbers_[name]++;
    return fmt::format("{} {}", name, number);
  }

  void look_at_gate(std::string_view op, const Tensor& output) {
    const bool is_tanh = op == "tanh";
    if (!is_tanh && op != "sigmoid" && op != "hardsigmoid") return;
    double saturated = 0;
    double all = 0;
    for (double y : doubles(output)) {
      if (std::isnan(y)) continue;
      ++all;
      saturated +=
          is_tanh ? std::abs(y) > options_.tanh_limit : y < options_.sigmoid_low || y > options_.sigmoid_high;
    }
    const auto t = static_cast<size_t>(step_);
    gate_elements_.back()[t] += all;
    saturated_elements_.back()[t] += saturated;
    std::vector<GateDiagnosis>& gates = result_.layers.back().gates;
    const std::string& name = ops_.back().label;
    auto gate = std::find_if(gates.begin(), gates.end(), [&](const auto& one) { return one.name == name; });
    if (gate == gates.end())
      gate = gates.insert(gates.end(), {name, std::vector<double>(static_cast<size_t>(steps_), nan)});
    gate->saturated[t] = all > 0 ? saturated / all : nan;
  }

  /// Which op of which step each node is that the step has recorded.
  void note_places() {
    const Recording& list = *current_recording();
    for (const SeenOp& op : ops_)
      for (const Tensor& output : op.outputs) {
        const TapeMark mark = output.impl()->mark.load(std::memory_order_relaxed);
        if (mark.tape != list.uid || mark.slot < 0) continue;
        const int32_t node = list.producer[static_cast<size_t>(mark.slot)];
        if (node >= 0)
          places_.try_emplace(list.nodes[static_cast<size_t>(node)], OpPlace{scan(), step_, op.label});
      }
    ops_.clear();
  }

  /// Notes the states. What the step has only handed on, or gives out as several states, gets names of its own:
  /// its gradient would be that of them all.
  void keep_states(List& state, Tensor& output, size_t first_node) {
    auto& gradients = result_.layers.back().tensor_gradients;
    gradients.resize(std::max(gradients.size(), state.size()),
                     std::vector<double>(static_cast<size_t>(steps_), 0));
    const List given_out = state;
    for (size_t j = 0; j < state.size(); ++j) {
      if (!state[j].defined() || !is_floating(state[j].dtype())) continue;
      const auto uses = std::count_if(given_out.begin(), given_out.end(),
                                      [&](const Tensor& other) { return other.impl() == state[j].impl(); });
      if (uses > 1 || !is_made_since(first_node, state[j])) {
        const Tensor own = alias(state[j]);
        if (j == 0 && output.impl() == state[j].impl()) output = own;
        state[j] = own;
      }
      tape_.watch(state[j]);
      states_.emplace_back(StatePlace{result_.layers.size() - 1, static_cast<size_t>(step_), j}, state[j]);
    }
  }

  static bool is_made_since(size_t first_node, const Tensor& tensor) {
    const Recording& list = *current_recording();
    const TapeMark mark = tensor.impl()->mark.load(std::memory_order_relaxed);
    if (mark.tape != list.uid || mark.slot < 0) return false;
    const int32_t node = list.producer[static_cast<size_t>(mark.slot)];
    return node >= 0 && static_cast<size_t>(node) >= first_node;
  }

  double jacobian(const StepFunction& step, const Tensor& x, const List& before,
                  const std::vector<RandomJournal::Entry>& drawn) const {
    const NoTape beside;
    List floating;
    for (const Tensor& tensor : before)
      if (is_floating(tensor.dtype())) floating.push_back(tensor);
    const auto next = [&](const List& given) {
      const RandomJournal same_numbers(drawn);
      List state = before;
      size_t i = 0;
      for (Tensor& tensor : state)
        if (is_floating(tensor.dtype())) tensor = given[i++];
      Tensor output;
      step.step(step.cell, x, state, output);
      List result;
      for (const Tensor& tensor : state)
        if (is_floating(tensor.dtype())) result.push_back(tensor);
      return result;
    };
    return largest_singular_value(next, floating, x.shape()[0], options_.jacobian_iterations);
  }

  NonFinite non_finite(const std::string& value, const OpPlace& place, bool inherited) const {
    NonFinite result;
    result.value = value;
    result.op = place.op;
    result.inherited = inherited;
    if (place.scan < 0) return result;
    result.layer = result_.layers[static_cast<size_t>(place.scan)].layer;
    result.reverse = result_.layers[static_cast<size_t>(place.scan)].reverse;
    result.step = place.step;
    return result;
  }

  Tape& tape_;
  size_t directions_;
  const DiagnoseOptions& options_;
  Diagnosis result_;
  std::optional<NonFinite> carried_;  // the first outside of the steps that came with the data
  Tensor last_input_;
  int64_t steps_ = 0, step_ = 0;
  bool runs_back_ = false, in_step_ = false, looks_away_ = false, going_back_ = false;
  std::vector<SeenOp> ops_;                 // of the step that runs
  std::map<std::string, int64_t> numbers_;  // how often each name has come in it
  std::unordered_map<const Node*, OpPlace> places_;
  std::vector<std::pair<StatePlace, Tensor>> states_;
  std::vector<std::vector<double>> gate_elements_, saturated_elements_;  // by scan and step
};

}  // namespace

Diagnosis diagnose(FunctionRef run, size_t directions, const DiagnoseOptions& options) {
  check(options.jacobian_iterations >= 0, "[diagnose] at least 0 iterations expected, got {}",
        options.jacobian_iterations);
  check(options.sigmoid_low <= options.sigmoid_high,
        "[diagnose] sigmoid_low {} must not be above sigmoid_high {}", options.sigmoid_low,
        options.sigmoid_high);
  for (int64_t step : options.jacobian_steps)
    check(step >= 0, "[diagnose] steps are counted from 0, got {} among jacobian_steps", step);
  const NoTape from_tapes_around;
  Tape tape;
  Watcher watcher(tape, directions, options);
  const List losses = run({});
  check(losses.size() == 1, "[diagnose] the function must return one loss, got {} tensors", losses.size());
  return watcher.finish(losses[0]);
}

}  // namespace detail

std::string LayerDiagnosis::name() const {
  return fmt::format("layer {}{}", layer, reverse ? " reverse" : "");
}

double LayerDiagnosis::gradient_factor() const {
  const auto counts = [](double norm) { return norm > 0 && std::isfinite(norm); };
  const auto first = std::find_if(gradients.begin(), gradients.end(), counts);
  const auto last = std::find_if(gradients.rbegin(), gradients.rend(), counts);
  if (first == gradients.end() || first == last.base() - 1) return detail::nan;
  const double ratio = reverse ? *last / *first : *first / *last;
  return std::pow(ratio, 1 / static_cast<double>(last.base() - 1 - first));
}

std::string NonFinite::text() const {
  const std::string place =
      step < 0 ? "outside of the steps"
               : fmt::format("at step {} of layer {}{}", step, layer, reverse ? " reverse" : "");
  return fmt::format("{} {}, in {}{}", value, place, op, inherited ? ", which was given one" : "");
}

}  // namespace reel
