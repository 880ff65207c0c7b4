// Running a plan over all steps, forward and back. Internal.
#pragma once

#include <memory>
#include <vector>

#include <reel/framework/loop_plan.h>

namespace reel::detail {

/// What a plan is run with, in the order of its lists; see LoopOperand for the shapes.
struct LoopGiven {
  std::vector<Tensor> inputs, fixed, weights, states;
};

struct LoopExtent {
  int64_t steps = 0, rows = 0;
  bool reverse = false;
};

/// What a run has written and backward reads: one tensor for each of the plan's buffers.
struct LoopMemory {
  std::vector<Tensor> weights;
  std::vector<Tensor> buffers;
};

struct LoopRun {
  Tensor output;               // [T, N, ...]
  std::vector<Tensor> finals;  // states after the last step
  std::shared_ptr<LoopMemory> memory;
};

LoopRun run_forward(const LoopPlan& plan, LoopGiven given, const LoopExtent& extent);

/// Gradients in the order of LoopGiven's lists; undefined where none is wanted. `output` and `finals` are those from
/// above, undefined where none comes.
LoopGiven run_backward(const LoopPlan& plan, const LoopMemory& memory, const LoopExtent& extent,
                       const Tensor& output, const std::vector<Tensor>& finals);

}  // namespace reel::detail
