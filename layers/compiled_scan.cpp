#include "layers/compiled_scan.h"

#include <algorithm>
#include <cstring>
#include <list>
#include <map>

#include "framework/loop_run.h"
#include "framework/tape.h"
#include "framework/trace.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel::detail {
namespace {

/// Programs whose plans a thread keeps; the least recently used goes first.
constexpr size_t kept_programs = 64;

// From a cell to a trace

StepTrace trace_step(StepFunction step, const void* cell, const Tensor& xs,
                     const std::vector<Tensor>& states) {
  Shape shape = xs.shape();
  shape.erase(0);
  const Tensor x = empty(shape, {.dtype = xs.dtype()});
  std::vector<Tensor> state;
  for (const Tensor& given : states) {
    if (!given.defined()) throw TraceStop{"a state is undefined"};
    state.push_back(empty_like(given));
  }
  StepTrace result;
  Trace trace;
  result.x = trace.give(x);
  for (const Tensor& s : state) result.states.push_back(trace.give(s));
  Tensor output;
  step.step(cell, x, state, output);
  for (const Tensor& s : state) result.next.push_back(trace.slot(s));
  result.output = trace.slot(output);
  trace.check_whole();
  result.list = trace.take();
  result.list->traced.clear();
  if (result.next.size() != result.states.size()) throw TraceStop{"the state changes its number of tensors"};
  return result;
}

bool is_given(const StepTrace& trace, int32_t slot) {
  return slot == trace.x || std::find(trace.states.begin(), trace.states.end(), slot) != trace.states.end();
}

/// Whether both are the same memory: a constant that the step makes anew could come of anything.
bool same_memory(const Tensor& a, const Tensor& b) {
  return a.impl() == b.impl() || (a.impl()->storage.get() == b.impl()->storage.get() &&
                                  a.raw_bytes() == b.raw_bytes() && a.strides() == b.strides());
}

/// Whether the second step is the first one again, down to what it reads.
bool repeats(const StepTrace& first, const StepTrace& second) {
  if (!same_program(first, second)) return false;
  for (size_t i = 0; i < first.list->leaves.size(); ++i)
    if (!is_given(first, first.list->leaves[i].slot) &&
        !same_memory(first.list->leaves[i].tensor, second.list->leaves[i].tensor))
      return false;
  return true;
}

TensorSpec spec_of(const StepTrace& trace, int32_t slot) {
  const int32_t made_by = trace.list->producer[static_cast<size_t>(slot)];
  if (made_by >= 0) {
    const Node& node = *trace.list->nodes[static_cast<size_t>(made_by)];
    return {node.outputs[slot - node.first_output].shape, node.outputs[slot - node.first_output].dtype};
  }
  for (const auto& leaf : trace.list->leaves)
    if (leaf.slot == slot) return {leaf.tensor.shape(), leaf.tensor.dtype()};
  return {};
}

// Plans that are kept

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
  plan_loop(trace, true, std::vector<bool>(trace.list->producer.size(), true), program.reason);
  for (auto& leaf : trace.list->leaves)
    leaf.tensor = view(zeros({}, {.dtype = leaf.tensor.dtype()}), leaf.tensor.shape(),
                       broadcast_strides({}, {}, leaf.tensor.shape()));
  kept.push_front(std::move(program));
  if (kept.size() > kept_programs) kept.pop_back();
  return kept.front();
}

std::shared_ptr<const LoopPlan> plan_for(KeptProgram& program, bool training,
                                         const std::vector<bool>& wanted) {
  std::vector<bool> key = wanted;
  key.push_back(training);
  std::shared_ptr<const LoopPlan>& plan = program.plans[key];
  if (!plan) {
    std::string reason;
    plan = plan_loop(program.trace, training, wanted, reason);
    check(plan != nullptr, "[scan] the step could be planned with all gradients, but not with these: {}",
          reason);
  }
  return plan;
}

// What leaves the loop

/// Slots that the next state and the output need.
std::vector<bool> needed_slots(const StepTrace& trace) {
  const Recording& list = *trace.list;
  std::vector<bool> needed(list.producer.size(), false);
  for (int32_t slot : trace.next) needed[static_cast<size_t>(slot)] = true;
  needed[static_cast<size_t>(trace.output)] = true;
  for (size_t i = list.nodes.size(); i-- > 0;) {
    const Node& node = *list.nodes[i];
    if (!needed[static_cast<size_t>(node.first_output)]) continue;
    for (uint32_t k = 0; k < node.input_count; ++k) needed[static_cast<size_t>(node.inputs[k].slot)] = true;
  }
  return needed;
}

/// The value of every slot that does not depend on the state, for all steps where it depends on the inputs.
std::vector<Tensor> hoist(const StepTrace& trace, const std::vector<Recording::Leaf>& leaves,
                          const std::vector<Dependence>& depends, const Tensor& xs) {
  const Recording& list = *trace.list;
  const std::vector<bool> needed = needed_slots(trace);
  std::vector<Tensor> values(list.producer.size());
  for (const auto& leaf : leaves) values[static_cast<size_t>(leaf.slot)] = leaf.tensor;
  for (int32_t slot : trace.states) values[static_cast<size_t>(slot)] = Tensor();
  values[static_cast<size_t>(trace.x)] = xs;
  for (const Node* node : list.nodes) {
    const auto out = static_cast<size_t>(node->first_output);
    if (!needed[out] || depends[out] == Dependence::state) continue;
    std::vector<const Tensor*> inputs;
    uint32_t stacked = 0;
    for (uint32_t k = 0; k < node->input_count; ++k) {
      const auto slot = static_cast<size_t>(node->inputs[k].slot);
      inputs.push_back(&values[slot]);
      if (depends[slot] == Dependence::input) stacked |= 1U << k;
    }
    values[out] = depends[out] == Dependence::fixed
                      ? node->rules->again(node->op, Inputs(inputs))
                      : node->rules->over_time(node->op, Inputs(inputs), stacked);
  }
  return values;
}

// The loop as one op

/// outputs, last states = the loop over what was taken out of it and the states before it
struct Loop {
  static constexpr std::string_view name = "scan";

  std::shared_ptr<const LoopPlan> plan;
  LoopExtent extent;
  std::vector<int32_t> slots;  // of the inputs that are no states, in order
  Tensor xs;                   // what the scan was given, from which all of that can be made again
  std::vector<Tensor> states;
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
    std::vector<Tensor> finals;
    for (size_t j = 1; j < b.output_count(); ++j) finals.push_back(b.has_grad(j) ? b.grad(j) : Tensor());
    const LoopGiven gradients =
        run_backward(*plan, *memory, extent, b.has_grad(0) ? b.grad(0) : Tensor(), finals);
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
    f(xs, "the input");
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
    const Recording& list = *trace.list;
    // What was taken out is made again before the inner tape: to that, they are values that come from outside.
    const std::vector<bool> needed = needed_slots(trace);
    const std::vector<Tensor> hoisted = hoist(trace, leaves, plan->dependence, xs);
    std::vector<Tensor> inputs;
    for (int32_t slot : slots) inputs.push_back(hoisted[static_cast<size_t>(slot)]);
    inputs.insert(inputs.end(), states.begin(), states.end());
    Tape tape;
    std::vector<Tensor> state = states;
    std::vector<Tensor> outputs(static_cast<size_t>(extent.steps));
    std::vector<Tensor> values(list.producer.size());
    for (int64_t i = 0; i < extent.steps; ++i) {
      const int64_t t = extent.reverse ? extent.steps - 1 - i : i;
      for (size_t k = 0; k < slots.size(); ++k) {
        const auto slot = static_cast<size_t>(slots[k]);
        values[slot] = plan->dependence[slot] == Dependence::input ? select(inputs[k], 0, t) : inputs[k];
      }
      for (size_t j = 0; j < state.size(); ++j) values[static_cast<size_t>(trace.states[j])] = state[j];
      for (const Node* node : list.nodes) {
        const auto out = static_cast<size_t>(node->first_output);
        if (!needed[out] || plan->dependence[out] != Dependence::state) continue;
        std::vector<const Tensor*> given;
        for (uint32_t k = 0; k < node->input_count; ++k)
          given.push_back(&values[static_cast<size_t>(node->inputs[k].slot)]);
        const bool known =
            std::all_of(given.begin(), given.end(), [](const Tensor* x) { return x->defined(); });
        if (known) values[out] = node->rules->again(node->op, Inputs(given));  // else nothing needs it
      }
      for (size_t j = 0; j < state.size(); ++j) state[j] = values[static_cast<size_t>(trace.next[j])];
      outputs[static_cast<size_t>(t)] = values[static_cast<size_t>(trace.output)];
    }
    std::vector<Tensor> ys, seeds;
    const auto add = [&](size_t k, const Tensor& y) {
      if (!b.has_grad(k)) return;
      ys.push_back(y);
      seeds.push_back(b.grad(k));
    };
    if (b.has_grad(0)) add(0, stack(outputs, 0));
    for (size_t j = 0; j < state.size(); ++j) add(j + 1, state[j]);
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

/// The tensors that a plan wants to see, expanded to full rows; `values` by slot.
LoopGiven given_to(const LoopPlan& plan, const LoopExtent& extent, const std::vector<Tensor>& values,
                   const std::vector<Tensor>& states) {
  const NoTape values_only;
  const auto of_slot = [&](const LoopOperand& operand) { return values[static_cast<size_t>(operand.slot)]; };
  LoopGiven result;
  for (const LoopOperand& operand : plan.inputs) {
    Tensor x = of_slot(operand);
    while (x.rank() < 3) x = unsqueeze(x, 1);
    result.inputs.push_back(broadcast_to(x, {extent.steps, extent.rows, operand.width}));
  }
  for (const LoopOperand& operand : plan.fixed) {
    const Tensor x = of_slot(operand);
    if (plan.buffers[static_cast<size_t>(operand.buffer)].kind == LoopBuffer::Kind::row)
      result.fixed.push_back(broadcast_to(x.rank() == 2 ? squeeze(x, 0) : x, {operand.width}));
    else
      result.fixed.push_back(broadcast_to(x, {extent.rows, operand.width}));
  }
  for (const LoopOperand& operand : plan.weights) result.weights.push_back(of_slot(operand));
  result.states = states;
  return result;
}

/// Slots that the loop reads from outside, each once.
std::vector<int32_t> slots_read(const StepTrace& trace, const std::vector<Dependence>& depends) {
  const std::vector<bool> needed = needed_slots(trace);
  std::vector<int32_t> result;
  const auto add = [&](int32_t slot) {
    if (depends[static_cast<size_t>(slot)] != Dependence::state &&
        std::find(result.begin(), result.end(), slot) == result.end())
      result.push_back(slot);
  };
  for (const Node* node : trace.list->nodes) {
    const auto out = static_cast<size_t>(node->first_output);
    if (!needed[out] || depends[out] != Dependence::state) continue;
    for (uint32_t k = 0; k < node->input_count; ++k) add(node->inputs[k].slot);
  }
  for (int32_t slot : trace.next) add(slot);
  add(trace.output);
  return result;
}

}  // namespace

bool scan_compiled(StepFunction step, const Tensor& xs, std::vector<Tensor>& state,
                   const ScanOptions& options, Tensor& output, std::string& reason) {
  StepTrace trace;
  stop_trace("scans inside a step");
  try {
    const std::shared_ptr<const void> cell = step.copy(step.cell);
    if (!cell) {
      reason = "the cell cannot be copied, is of a derived class, or its step is noexcept";
      return false;
    }
    trace = trace_step(step, cell.get(), xs, state);
    if (!repeats(trace, trace_step(step, cell.get(), xs, state))) {
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
  std::vector<Tensor> values = hoist(trace, leaves, depends, xs);
  Loop loop;
  loop.slots = slots_read(trace, depends);
  std::vector<Tensor> inputs;
  for (int32_t slot : loop.slots) inputs.push_back(values[static_cast<size_t>(slot)]);
  inputs.insert(inputs.end(), state.begin(), state.end());
  std::vector<bool> wanted(values.size(), false);
  bool training = false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool tracked = is_floating(inputs[i].dtype()) && is_tracked(inputs[i], Loop::name);
    training = training || tracked;
    if (i < loop.slots.size()) wanted[static_cast<size_t>(loop.slots[i])] = tracked;
  }
  loop.plan = plan_for(program, training, wanted);
  loop.extent = {xs.shape()[0], xs.shape()[1], options.reverse};
  LoopRun run = run_forward(*loop.plan, given_to(*loop.plan, loop.extent, values, state), loop.extent);
  output = std::move(run.output);
  loop.states = std::move(state);
  state = std::move(run.finals);
  if (!training) return true;
  std::vector<Tensor> outputs{output};
  outputs.insert(outputs.end(), state.begin(), state.end());
  // A handle that is nobody's: one that is recorded would keep itself alive.
  loop.results.push_back(view(output, output.shape(), output.strides()));
  loop.xs = xs;
  for (auto& leaf : leaves)
    if (!is_given(trace, leaf.slot)) loop.leaves.push_back(std::move(leaf));
  loop.note_versions();
  loop.memory = std::move(run.memory);
  std::vector<const Tensor*> pointers;
  for (const Tensor& input : inputs) pointers.push_back(&input);
  record(rules_of<Loop>, &loop, Inputs(pointers), outputs);
  return true;
}

std::string explain_steps(StepFunction step, const Tensor& xs, const std::vector<Tensor>& state) {
  std::string reason;
  try {
    const std::shared_ptr<const void> cell = step.copy(step.cell);
    if (!cell)
      return "step by step: the cell cannot be copied, is of a derived class, or its step is noexcept\n";
    const StepTrace trace = trace_step(step, cell.get(), xs, state);
    if (!repeats(trace, trace_step(step, cell.get(), xs, state))) {
      reason = "the second step is not the first one again, or makes tensors past the ops";
    } else if (const auto plan =
                   plan_loop(trace, true, std::vector<bool>(trace.list->producer.size(), true), reason)) {
      return plan->notes;
    }
  } catch (const TraceStop& stop) {
    reason = stop.reason;
  }
  return "step by step: " + reason + "\n";
}

}  // namespace reel::detail
