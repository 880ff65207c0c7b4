#include "layers/compiled_scan.h"

#include <algorithm>
#include <list>
#include <map>

#include "framework/random.h"
#include "framework/tape.h"
#include "framework/trace.h"
#include "layers/loop_source.h"
#include "layers/step_trace.h"
#include "ops/reduction.h"
#include "ops/shape.h"

namespace reel::detail {
namespace {

/// Programs whose plans a thread keeps; the least recently used goes first.
constexpr size_t kept_programs = 64;

struct KeptProgram {
  StepTrace trace;     // whose leaves have shapes, and no values
  std::string reason;  // not empty: it cannot be planned
  std::map<std::vector<bool>, std::shared_ptr<const LoopPlan>> plans;  // by what is wanted
};

KeptProgram& kept_program(const StepTrace& trace) {
  static thread_local std::list<KeptProgram> kept;
  for (auto it = kept.begin(); it != kept.end(); ++it) {
    if (!same_program(it->trace, trace)) continue;
    kept.splice(kept.begin(), kept, it);
    return kept.front();
  }
  KeptProgram program{trace, {}, {}};
  // All wanted is the hardest case: what can be planned so can be planned with less.
  plan_loop(trace, {.training = true, .states = true}, std::vector<bool>(trace.list->producer.size(), true),
            program.reason);
  for (auto& leaf : trace.list->leaves)
    leaf.tensor = view(zeros({}, {.dtype = leaf.tensor.dtype()}), leaf.tensor.shape(),
                       broadcast_strides({}, {}, leaf.tensor.shape()));
  kept.push_front(std::move(program));
  if (kept.size() > kept_programs) kept.pop_back();
  return kept.front();
}

std::shared_ptr<const LoopPlan> plan_for(KeptProgram& program, LoopWish wish,
                                         const std::vector<bool>& wanted) {
  std::vector<bool> key = wanted;
  key.push_back(wish.training);
  key.push_back(wish.states);
  std::shared_ptr<const LoopPlan>& plan = program.plans[key];
  if (!plan) {
    std::string reason;
    plan = plan_loop(program.trace, wish, wanted, reason);
    check(plan != nullptr, "[scan] the step could be planned with all gradients, but not with these: {}",
          reason);
  }
  return plan;
}

/// outputs, last states = the loop over what was taken out of it and the states before it
struct Loop {
  static constexpr std::string_view name = "scan";

  std::shared_ptr<const LoopPlan> plan;
  LoopExtent extent;
  std::vector<int32_t> slots;  // of the inputs that are no states, in order
  LoopSource source;           // what the scan was given, from which all of that can be made again
  std::vector<Tensor> states;  // in the order of the rows
  std::vector<Recording::Leaf> leaves;
  std::vector<uint32_t> versions;  // of all these, and of the results
  mutable std::shared_ptr<LoopMemory> memory;
  std::vector<Tensor> results;

  size_t index_of(int32_t slot) const {
    return static_cast<size_t>(std::find(slots.begin(), slots.end(), slot) - slots.begin());
  }

  void note_versions() { versions = versions_now(); }

  void vjp(Backward& b) const {
    check_unchanged();
    if (b.recorded()) return replay(b);
    std::vector<Tensor> from_above;
    for (size_t k = 0; k < b.output_count(); ++k) from_above.push_back(b.has_grad(k) ? b.grad(k) : Tensor());
    const auto finals_end = from_above.begin() + 1 + static_cast<std::ptrdiff_t>(states.size());
    const LoopGiven gradients =
        run_backward(*plan, *memory, extent,
                     {from_above[0], {from_above.begin() + 1, finals_end}, {finals_end, from_above.end()}});
    const auto set = [&](size_t i, const Tensor& gradient) {
      if (gradient.defined() && b.needs(i)) b.set(i, gradient);
    };
    for (size_t i = 0; i < plan->inputs.size(); ++i) {
      if (!gradients.inputs[i].defined()) continue;
      const size_t at = index_of(plan->inputs[i].slot);
      Shape shape = b.input_shape(at);
      while (shape.rank() < 3) shape.insert(1, 1);
      set(at, reshape(sum_to(gradients.inputs[i], shape), b.input_shape(at)));
    }
    for (size_t i = 0; i < plan->fixed.size(); ++i) {
      if (!gradients.fixed[i].defined()) continue;
      const size_t at = index_of(plan->fixed[i].slot);
      Shape shape = b.input_shape(at);
      if (shape.rank() == 2 && gradients.fixed[i].rank() == 1) shape.erase(0);
      set(at, reshape(sum_to(gradients.fixed[i], shape), b.input_shape(at)));
    }
    for (size_t i = 0; i < plan->weights.size(); ++i)
      set(index_of(plan->weights[i].slot), gradients.weights[i]);
    for (size_t j = 0; j < plan->states.size(); ++j) set(slots.size() + j, gradients.states[j]);
  }

  void release() const { memory.reset(); }

 private:
  template <class F> void for_each_read(const F& f) const {
    f(source.xs, "the input");
    for (const Tensor& state : states) f(state, "a state");
    for (const auto& leaf : leaves) f(leaf.tensor, "a value that the step reads");
    for (const Tensor& result : results) f(result, "a result");
  }

  std::vector<uint32_t> versions_now() const {
    std::vector<uint32_t> now;
    for_each_read([&](const Tensor& tensor, const char*) { now.push_back(tensor.version()); });
    return now;
  }

  void check_unchanged() const {
    size_t i = 0;
    for_each_read([&](const Tensor& tensor, const char* what) {
      const uint32_t saved = versions[i++];
      check(
          tensor.version() == saved,
          "[backward] {} of [scan], {}, was saved at version {} and has been changed in place since, last by "
          "[{}] (version {})",
          what, tensor, saved, tensor.impl()->storage->last_change, tensor.version());
    });
  }

  /// The loop step by step, with its own ops, so that the gradient can be differentiated again.
  void replay(Backward& b) const {
    const StepTrace& trace = plan->trace;
    // What was taken out is made again before the inner tape: to that, they are values that come from outside.
    const std::vector<Tensor> hoisted = hoist(trace, leaves, plan->dependence, source);
    std::vector<Tensor> inputs = inputs_of(*plan, slots, source, hoisted);
    inputs.insert(inputs.end(), states.begin(), states.end());
    Tape tape;
    const std::vector<Tensor> replayed = replay_steps(*plan, extent, slots, inputs);
    std::vector<Tensor> ys, seeds;
    for (size_t k = 0; k < replayed.size(); ++k) {
      if (!b.has_grad(k)) continue;
      ys.push_back(replayed[k]);
      seeds.push_back(b.grad(k));
    }
    std::vector<Tensor> wanted;
    std::vector<size_t> places;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!b.needs(i)) continue;
      wanted.push_back(inputs[i]);
      places.push_back(i);
    }
    const std::vector<Tensor> gradients = tape.gradient(ys, seeds, wanted, {.create_graph = true});
    for (size_t i = 0; i < places.size(); ++i) b.set(places[i], gradients[i]);
  }
};

}  // namespace

bool scan_compiled(const ScanCall& call, std::vector<Tensor>& state, bool with_states, ScanOutputs& outputs,
                   std::string& reason) {
  StepTrace trace;
  const StepFunction& step = call.step;
  stop_trace("scans inside a step");
  if (call.xs.shape()[1] == 0) {
    reason = "the batch has no rows";
    return false;
  }
  try {
    const std::shared_ptr<const void> cell = step.copy(step.cell);
    if (!cell) {
      reason = "the cell cannot be copied, is of a derived class, or its step is noexcept";
      return false;
    }
    trace = trace_step(step, cell.get(), call.xs, state);
    if (!repeats(trace, trace_step(step, cell.get(), call.xs, state))) {
      reason = "the second step is not the first one again, or makes tensors past the ops";
      return false;
    }
  } catch (const TraceStop& stop) {
    reason = stop.reason;
    return false;
  } catch (const Error& error) {  // which the eager scan repeats, unless it came of there being no values
    reason = error.what();
    return false;
  }
  for (size_t j = 0; j < state.size(); ++j) {  // the eager scan says what is wrong
    const TensorSpec next = spec_of(trace, trace.next[j]);
    if (next.shape == state[j].shape() && next.dtype == state[j].dtype()) continue;
    reason = "the state does not keep its shapes";
    return false;
  }
  // The leaves' values are taken before a kept program drops them.
  const std::vector<Dependence> depends = dependences(trace);
  std::vector<Recording::Leaf> leaves = trace.list->leaves;
  KeptProgram& program = kept_program(trace);
  if (!program.reason.empty()) {
    reason = program.reason;
    return false;
  }
  const Ragged* ragged = call.ragged.get();
  Loop loop;
  loop.source = {call.xs, call.ragged};
  loop.extent = loop.source.extent(call.reverse);
  const std::vector<Tensor> values = hoist(trace, leaves, depends, loop.source);
  loop.slots = slots_read(trace, depends);
  for (const Tensor& tensor : state) loop.states.push_back(ragged ? ragged->sort(tensor) : tensor);
  std::vector<bool> wanted(values.size(), false);
  bool training = false;
  const auto tracked = [&](const Tensor& x) { return is_floating(x.dtype()) && is_tracked(x, Loop::name); };
  for (int32_t slot : loop.slots) {
    wanted[static_cast<size_t>(slot)] = tracked(values[static_cast<size_t>(slot)]);
    training = training || wanted[static_cast<size_t>(slot)];
  }
  for (const Tensor& tensor : loop.states) training = tracked(tensor) || training;
  loop.plan = plan_for(program, {.training = training, .states = with_states}, wanted);
  std::vector<Tensor> inputs = inputs_of(*loop.plan, loop.slots, loop.source, values);
  LoopRun run = run_forward(*loop.plan, given_to(*loop.plan, loop.extent, loop.slots, inputs, loop.states),
                            loop.extent);
  std::vector<Tensor> results{run.output};
  results.insert(results.end(), run.finals.begin(), run.finals.end());
  results.insert(results.end(), run.sequences.begin(), run.sequences.end());
  if (training) {
    inputs.insert(inputs.end(), loop.states.begin(), loop.states.end());
    // Handles that are nobody's: one that is recorded would keep itself alive.
    for (size_t k = 0; k < results.size(); ++k)
      if (k == 0 || k > state.size())  // what shares memory with what backward reads
        loop.results.push_back(view(results[k], results[k].shape(), results[k].strides()));
    for (auto& leaf : leaves)
      if (!is_given(trace, leaf.slot)) loop.leaves.push_back(std::move(leaf));
    loop.note_versions();
    loop.memory = std::move(run.memory);
    std::vector<const Tensor*> pointers;
    for (const Tensor& input : inputs) pointers.push_back(&input);
    record(rules_of<Loop>, &loop, Inputs(pointers), results);
  }
  const auto padded = [&](const Tensor& x) { return ragged ? ragged->unpack(x) : x; };
  outputs.output = padded(results[0]);
  for (size_t j = 0; j < state.size(); ++j)
    state[j] = ragged ? ragged->unsort(results[j + 1]) : results[j + 1];
  for (size_t k = 1 + state.size(); k < results.size(); ++k) outputs.sequences.push_back(padded(results[k]));
  return true;
}

std::string explain_steps(StepFunction step, const Tensor& xs, const std::vector<Tensor>& state) {
  std::string reason;
  std::shared_ptr<const void> begun;
  if (step.begin) {
    const NoTape values_only;
    const Random before = default_random();  // an explanation draws nothing
    begun = step.begin(step.cell, {.steps = xs.shape()[0], .batch = xs.shape()[1], .dtype = xs.dtype()});
    default_random() = before;
    step.cell = begun.get();
  }
  try {
    const std::shared_ptr<const void> cell = step.copy(step.cell);
    if (!cell)
      return "step by step: the cell cannot be copied, is of a derived class, or its step is noexcept\n";
    const StepTrace trace = trace_step(step, cell.get(), xs, state);
    if (!repeats(trace, trace_step(step, cell.get(), xs, state))) {
      reason = "the second step is not the first one again, or makes tensors past the ops";
    } else if (const auto plan = plan_loop(trace, {.training = true},
                                           std::vector<bool>(trace.list->producer.size(), true), reason)) {
      return plan->notes;
    }
  } catch (const TraceStop& stop) {
    reason = stop.reason;
  }
  return "step by step: " + reason + "\n";
}

}  // namespace reel::detail
