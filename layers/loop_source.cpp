#include "layers/loop_source.h"

#include <algorithm>

#include "framework/op.h"
#include "framework/tape.h"
#include "layers/step_trace.h"
#include "ops/gather.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel::detail {
namespace {

/// Whether an input is the matrix of a product, which has no rows of the batch.
bool is_weight(const Node& node, uint32_t input) {
  return input == 1 && node.rules->loop && node.rules->loop(node.op).kind == LoopRole::Kind::product;
}

bool has_rows_of_batch(const Tensor& x, int64_t batch) {
  return x.rank() == 2 && x.shape()[0] == batch && batch > 1;
}

/// Whether what leaves the loop treats every row by itself, so that it need not know which rows make a step.
bool works_by_rows(const StepTrace& trace, const std::vector<bool>& needed,
                   const std::vector<Dependence>& depends) {
  for (const Node* node : trace.list->nodes) {
    const auto out = static_cast<size_t>(node->first_output);
    if (!needed[out] || depends[out] != Dependence::input) continue;
    const LoopRole role = node->rules->loop ? node->rules->loop(node->op) : LoopRole{};
    if (node->outputs[0].shape.rank() != 2) return false;
    switch (role.kind) {
      case LoopRole::Kind::opaque:
        return false;
      case LoopRole::Kind::product:
        if (role.product.transpose_a ||
            depends[static_cast<size_t>(node->inputs[1].slot)] != Dependence::fixed)
          return false;
        break;
      case LoopRole::Kind::columns:
        if (role.columns.axis != 1) return false;
        break;
      case LoopRole::Kind::elementwise:
        for (uint32_t k = 0; k < node->input_count; ++k) {
          const Shape& shape = node->inputs[k].shape;
          if (depends[static_cast<size_t>(node->inputs[k].slot)] == Dependence::input && shape.rank() != 2)
            return false;
        }
        break;
    }
  }
  return true;
}

}  // namespace

std::vector<Tensor> hoist(const StepTrace& trace, const std::vector<Recording::Leaf>& leaves,
                          const std::vector<Dependence>& depends, const LoopSource& source) {
  const Recording& list = *trace.list;
  const std::vector<bool> needed = needed_slots(trace);
  const Ragged* ragged = source.ragged.get();
  const bool by_rows = ragged && works_by_rows(trace, needed, depends);
  std::vector<Tensor> values(list.producer.size());
  for (const auto& leaf : leaves) values[static_cast<size_t>(leaf.slot)] = leaf.tensor;
  for (int32_t slot : trace.states) values[static_cast<size_t>(slot)] = Tensor();
  // Whatever stands in the steps that do not count must not reach a gradient.
  values[static_cast<size_t>(trace.x)] = !ragged   ? source.xs
                                         : by_rows ? unsqueeze(ragged->pack(source.xs), 0)
                                                   : ragged->unpack(ragged->pack(source.xs));
  for (const Node* node : list.nodes) {
    const auto out = static_cast<size_t>(node->first_output);
    if (!needed[out] || depends[out] == Dependence::state) continue;
    std::vector<const Tensor*> inputs;
    std::vector<Tensor> rows(node->input_count);
    uint32_t stacked = 0;
    for (uint32_t k = 0; k < node->input_count; ++k) {
      const auto slot = static_cast<size_t>(node->inputs[k].slot);
      inputs.push_back(&values[slot]);
      if (depends[slot] == Dependence::input) {
        stacked |= 1U << k;
      } else if (by_rows && depends[out] == Dependence::input && !is_weight(*node, k) &&
                 has_rows_of_batch(values[slot], ragged->batch)) {
        rows[k] = unsqueeze(index_select(values[slot], 0, from_vector(ragged->row)), 0);
        inputs.back() = &rows[k];
        stacked |= 1U << k;
      }
    }
    values[out] = depends[out] == Dependence::fixed
                      ? node->rules->again(node->op, Inputs(inputs))
                      : node->rules->over_time(node->op, Inputs(inputs), stacked);
  }
  if (ragged && !by_rows) {
    for (size_t slot = 0; slot < values.size(); ++slot) {
      if (depends[slot] != Dependence::input || !values[slot].defined()) continue;
      Tensor& value = values[slot];
      while (value.rank() < 3) value = unsqueeze(value, 1);
      Shape shape = value.shape();
      shape[1] = ragged->batch;
      value = unsqueeze(ragged->pack(broadcast_to(value, shape)), 0);
    }
  }
  return values;
}

std::vector<Tensor> inputs_of(const LoopPlan& plan, const std::vector<int32_t>& slots,
                              const LoopSource& source, const std::vector<Tensor>& values) {
  std::vector<Tensor> result;
  for (int32_t slot : slots) result.push_back(values[static_cast<size_t>(slot)]);
  if (!source.ragged) return result;
  for (const LoopOperand& operand : plan.fixed) {
    if (plan.buffers[static_cast<size_t>(operand.buffer)].kind != LoopBuffer::Kind::matrix) continue;
    const auto at = static_cast<size_t>(std::find(slots.begin(), slots.end(), operand.slot) - slots.begin());
    if (has_rows_of_batch(result[at], source.ragged->batch))
      result[at] = source.ragged->sort(values[static_cast<size_t>(operand.slot)]);
  }
  return result;
}

std::vector<Tensor> replay_steps(const LoopPlan& plan, const LoopExtent& extent,
                                 const std::vector<int32_t>& slots, const std::vector<Tensor>& inputs) {
  const StepTrace& trace = plan.trace;
  const Recording& list = *trace.list;
  const std::vector<bool> needed = needed_slots(trace);
  const std::vector<Tensor> begin(inputs.end() - static_cast<std::ptrdiff_t>(trace.states.size()),
                                  inputs.end());
  std::vector<bool> of_rows(list.producer.size(), false);
  for (const LoopOperand& operand : plan.fixed)
    of_rows[static_cast<size_t>(operand.slot)] =
        plan.buffers[static_cast<size_t>(operand.buffer)].kind == LoopBuffer::Kind::matrix;
  const auto rows_of = [](const std::vector<Tensor>& tensors, int64_t first, int64_t count) {
    std::vector<Tensor> result;
    for (const Tensor& tensor : tensors) result.push_back(narrow(tensor, 0, first, count));
    return result;
  };
  const auto below = [](std::vector<Tensor> upper, const std::vector<Tensor>& lower) {
    for (size_t j = 0; j < upper.size(); ++j) upper[j] = cat({upper[j], lower[j]}, 0);
    return upper;
  };
  const bool ragged = extent.is_ragged();
  int64_t rows = extent.reverse && ragged ? 0 : extent.rows;
  std::vector<Tensor> state = rows_of(begin, 0, rows), ended = rows_of(begin, 0, 0);
  std::vector<std::vector<Tensor>> by_step(1 + (plan.has_states ? state.size() : 0),
                                           std::vector<Tensor>(static_cast<size_t>(extent.steps)));
  std::vector<Tensor> values(list.producer.size());
  for (int64_t i = 0; i < extent.steps; ++i) {
    const int64_t t = extent.reverse ? extent.steps - 1 - i : i;
    const int64_t active = extent.active_at(t);
    if (active < rows) {
      ended = below(rows_of(state, active, rows - active), ended);
      state = rows_of(state, 0, active);
    } else if (active > rows) {
      state = below(state, rows_of(begin, rows, active - rows));
    }
    rows = active;
    for (size_t k = 0; k < slots.size(); ++k) {
      const auto slot = static_cast<size_t>(slots[k]);
      const Tensor& given = inputs[k];
      if (plan.dependence[slot] != Dependence::input)
        values[slot] = ragged && of_rows[slot] && given.rank() == 2 && given.shape()[0] == extent.rows
                           ? narrow(given, 0, 0, active)
                           : given;
      else if (ragged)
        values[slot] = narrow(squeeze(given, 0), 0, extent.offsets[static_cast<size_t>(t)], active);
      else
        values[slot] = select(given, 0, t);
    }
    for (size_t j = 0; j < state.size(); ++j) values[static_cast<size_t>(trace.states[j])] = state[j];
    for (const Node* node : list.nodes) {
      const auto out = static_cast<size_t>(node->first_output);
      if (!needed[out] || plan.dependence[out] != Dependence::state) continue;
      std::vector<const Tensor*> given;
      for (uint32_t k = 0; k < node->input_count; ++k)
        given.push_back(&values[static_cast<size_t>(node->inputs[k].slot)]);
      const bool known =
          std::all_of(given.begin(), given.end(), [](const Tensor* x) { return x->defined(); });
      if (known) values[out] = node->rules->again(node->op, Inputs(given));  // else nothing needs it
    }
    for (size_t j = 0; j < state.size(); ++j) state[j] = values[static_cast<size_t>(trace.next[j])];
    const auto step = static_cast<size_t>(t);
    by_step[0][step] = values[static_cast<size_t>(trace.output)];
    for (size_t j = 1; j < by_step.size(); ++j) by_step[j][step] = state[j - 1];
  }
  if (ragged)
    state = extent.reverse ? below(state, rows_of(begin, rows, extent.rows - rows)) : below(state, ended);
  const auto joined = [&](const std::vector<Tensor>& of_steps) {
    return ragged ? cat(of_steps, 0) : stack(of_steps, 0);
  };
  std::vector<Tensor> results{joined(by_step[0])};
  results.insert(results.end(), state.begin(), state.end());
  for (size_t j = 1; j < by_step.size(); ++j) results.push_back(joined(by_step[j]));
  return results;
}

LoopGiven given_to(const LoopPlan& plan, const LoopExtent& extent, const std::vector<int32_t>& slots,
                   const std::vector<Tensor>& inputs, const std::vector<Tensor>& states) {
  const NoTape values_only;
  const auto of_slot = [&](const LoopOperand& operand) {
    return inputs[static_cast<size_t>(std::find(slots.begin(), slots.end(), operand.slot) - slots.begin())];
  };
  const int64_t steps = extent.is_ragged() ? 1 : extent.steps;
  const int64_t rows = extent.is_ragged() ? extent.total() : extent.rows;
  LoopGiven result;
  for (const LoopOperand& operand : plan.inputs) {
    Tensor x = of_slot(operand);
    while (x.rank() < 3) x = unsqueeze(x, 1);
    result.inputs.push_back(broadcast_to(x, {steps, rows, operand.width}));
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

}  // namespace reel::detail
