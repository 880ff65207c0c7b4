#include "layers/eager_scan.h"

#include <algorithm>

#include "ops/compare.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel::detail {

std::string shapes_of(const std::vector<Tensor>& tensors) {
  std::string result;
  for (const Tensor& tensor : tensors) result += (result.empty() ? "" : ", ") + text(tensor);
  return result;
}

bool alike(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Tensor& x, const Tensor& y) {
    return x.defined() && y.defined() && x.shape() == y.shape() && x.dtype() == y.dtype();
  });
}

namespace {

void take_step(const StepFunction& step, const Tensor& x, std::vector<Tensor>& state, Tensor& output,
               bool check_state) {
  const std::vector<Tensor> before = check_state ? state : std::vector<Tensor>();
  step.step(step.cell, x, state, output);
  if (check_state && !alike(before, state))
    check(false, "[scan] the state must keep its shapes: step() turned ({}) into ({}) for an input {}",
          shapes_of(before), shapes_of(state), x);
}

/// Outputs and states of all steps, by step.
struct Steps {
  std::vector<Tensor> outputs;
  std::vector<std::vector<Tensor>> states;  // by tensor of the state

  Steps(size_t steps, size_t tensors, bool with_states)
      : outputs(steps), states(with_states ? tensors : 0, std::vector<Tensor>(steps)) {}
  void put(size_t t, const std::vector<Tensor>& state) {
    for (size_t j = 0; j < states.size(); ++j) states[j][t] = state[j];
  }
  /// `join` makes one tensor of those of all steps.
  template <class F> ScanOutputs joined(const F& join) const {
    ScanOutputs result;
    result.output = join(outputs);
    for (const auto& sequence : states) result.sequences.push_back(join(sequence));
    return result;
  }
};

ScanOutputs scan_whole(const ScanCall& call, std::vector<Tensor>& state, bool with_states) {
  const std::vector<Tensor> inputs = unbind(call.xs, 0);
  Steps steps(inputs.size(), state.size(), with_states);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const size_t t = call.reverse ? inputs.size() - 1 - i : i;
    take_step(call.step, inputs[t], state, steps.outputs[t], i == 0);
    steps.put(t, state);
  }
  return steps.joined([](const std::vector<Tensor>& of_steps) { return stack(of_steps, 0); });
}

std::vector<Tensor> rows_of(const std::vector<Tensor>& tensors, int64_t first, int64_t count) {
  std::vector<Tensor> result;
  for (const Tensor& tensor : tensors) result.push_back(narrow(tensor, 0, first, count));
  return result;
}

std::vector<Tensor> below(const std::vector<Tensor>& upper, const std::vector<Tensor>& lower) {
  std::vector<Tensor> result;
  for (size_t j = 0; j < upper.size(); ++j) result.push_back(cat({upper[j], lower[j]}, 0));
  return result;
}

/// Only the rows that a step has are computed.
ScanOutputs scan_packed(const ScanCall& call, std::vector<Tensor>& state, bool with_states) {
  const Ragged& ragged = *call.ragged;
  const Tensor xs = ragged.pack(call.xs);
  std::vector<Tensor> begin;
  for (const Tensor& tensor : state) begin.push_back(ragged.sort(tensor));
  const size_t count = ragged.active.size();
  Steps steps(count, state.size(), with_states);
  std::vector<int64_t> offsets{0};
  for (int64_t rows : ragged.active) offsets.push_back(offsets.back() + rows);
  // Forward rows end, and what they end with is put below; backward rows join, from what they begin with.
  int64_t rows = call.reverse ? 0 : ragged.batch;
  std::vector<Tensor> now = rows_of(begin, 0, rows), ended = rows_of(begin, 0, 0);
  for (size_t i = 0; i < count; ++i) {
    const size_t t = call.reverse ? count - 1 - i : i;
    const int64_t active = ragged.active[t];
    if (active < rows) {
      ended = below(rows_of(now, active, rows - active), ended);
      now = rows_of(now, 0, active);
    } else if (active > rows) {
      now = below(now, rows_of(begin, rows, active - rows));
    }
    rows = active;
    take_step(call.step, narrow(xs, 0, offsets[t], active), now, steps.outputs[t], i == 0);
    steps.put(t, now);
  }
  now = call.reverse ? below(now, rows_of(begin, rows, ragged.batch - rows)) : below(now, ended);
  for (size_t j = 0; j < state.size(); ++j) state[j] = ragged.unsort(now[j]);
  return steps.joined([&](const std::vector<Tensor>& of_steps) { return ragged.unpack(cat(of_steps, 0)); });
}

/// All rows are computed, and those without a step keep what they have: for a cell that holds a tensor of
/// rows of the batch.
ScanOutputs scan_masked(const ScanCall& call, std::vector<Tensor>& state, bool with_states) {
  const Ragged& ragged = *call.ragged;
  const std::vector<Tensor> inputs = unbind(ragged.unpack(ragged.pack(call.xs)), 0);
  std::vector<std::vector<bool>> counts(inputs.size(), std::vector<bool>(static_cast<size_t>(ragged.batch)));
  for (size_t i = 0; i < ragged.row.size(); ++i)
    counts[static_cast<size_t>(ragged.step[i])][static_cast<size_t>(ragged.row[i])] = true;
  Steps steps(inputs.size(), state.size(), with_states);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const size_t t = call.reverse ? inputs.size() - 1 - i : i;
    const Tensor mask = from_vector(counts[t]);
    const auto where_it_counts = [&](const Tensor& a, const Tensor& b) {
      Shape shape{ragged.batch};
      while (shape.rank() < a.rank()) shape.push_back(1);
      return where(reshape(mask, shape), a, b);
    };
    std::vector<Tensor> next = state;
    take_step(call.step, inputs[t], next, steps.outputs[t], i == 0);
    steps.outputs[t] = where_it_counts(steps.outputs[t], zeros_like(steps.outputs[t]));
    for (size_t j = 0; j < state.size(); ++j) state[j] = where_it_counts(next[j], state[j]);
    std::vector<Tensor> shown;
    if (with_states)
      for (const Tensor& tensor : state) shown.push_back(where_it_counts(tensor, zeros_like(tensor)));
    steps.put(t, shown);
  }
  return steps.joined([](const std::vector<Tensor>& of_steps) { return stack(of_steps, 0); });
}

}  // namespace

ScanOutputs scan_eagerly(const ScanCall& call, std::vector<Tensor>& state, bool with_states) {
  if (!call.ragged) return scan_whole(call, state, with_states);
  return call.begun ? scan_masked(call, state, with_states) : scan_packed(call, state, with_states);
}

}  // namespace reel::detail
