#include "layers/step_trace.h"

#include <algorithm>

#include "framework/trace.h"

namespace reel::detail {

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

namespace {

/// Whether both are the same memory: a constant that the step makes anew could come of anything.
bool same_memory(const Tensor& a, const Tensor& b) {
  return a.impl() == b.impl() || (a.impl()->storage.get() == b.impl()->storage.get() &&
                                  a.raw_bytes() == b.raw_bytes() && a.strides() == b.strides());
}

}  // namespace

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

}  // namespace reel::detail
