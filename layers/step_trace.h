// One step of a cell as a trace, and what can be asked of it. Internal.
#pragma once

#include <vector>

#include <reel/framework/loop_plan.h>
#include <reel/layers/cell.h>

namespace reel::detail {

/// The step for inputs like xs [T, N, ...]; throws TraceStop where it cannot be traced.
StepTrace trace_step(StepFunction step, const void* cell, const Tensor& xs,
                     const std::vector<Tensor>& states);

/// Whether the second step is the first one again, down to what it reads.
bool repeats(const StepTrace& first, const StepTrace& second);

/// Whether a slot is x or a state.
bool is_given(const StepTrace& trace, int32_t slot);

TensorSpec spec_of(const StepTrace& trace, int32_t slot);

/// Slots that the next state and the output need.
std::vector<bool> needed_slots(const StepTrace& trace);

/// Slots that the loop reads from outside, each once.
std::vector<int32_t> slots_read(const StepTrace& trace, const std::vector<Dependence>& depends);

}  // namespace reel::detail
