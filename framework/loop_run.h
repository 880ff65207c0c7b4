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

/// Which rows are at work in which step. Where sequences have lengths of their own, the longest stand first: the rows
/// of a step are then the first so many, and lie without gaps, step after step.
struct LoopExtent {
  int64_t steps = 0, rows = 0;
  bool reverse = false;
  std::vector<int64_t> active;   ///< Rows of each step, which never grow; empty: all rows in all steps.
  std::vector<int64_t> offsets;  ///< Beside `active`: the rows of all steps before each, and at last of all.
  std::vector<int64_t> places;   ///< Beside `active`: where in a sequence of states each of the T + 1 begins.

  static LoopExtent whole(int64_t steps, int64_t rows, bool reverse);
  static LoopExtent ragged(std::vector<int64_t> active, int64_t rows, bool reverse);
  bool is_ragged() const { return !active.empty(); }
  int64_t total() const { return is_ragged() ? offsets.back() : steps * rows; }
  int64_t active_at(int64_t t) const { return is_ragged() ? active[static_cast<size_t>(t)] : rows; }
  int64_t place(int64_t p) const { return is_ragged() ? places[static_cast<size_t>(p)] : p * rows; }
  /// Steps that row `row` takes part in.
  int64_t length_of(int64_t row) const;
};

/// What a run has written and backward reads: one tensor for each of the plan's buffers.
struct LoopMemory {
  std::vector<Tensor> weights;
  std::vector<Tensor> buffers;
};

struct LoopRun {
  Tensor output;                  // [T, N, W]; ragged: [total, W]
  std::vector<Tensor> finals;     // states after the last step
  std::vector<Tensor> sequences;  // states after every step, if the plan has them, like the output
  std::shared_ptr<LoopMemory> memory;
};

/// Gradients that come to what a run has given.
struct LoopGradients {
  Tensor output;
  std::vector<Tensor> finals, sequences;
};

LoopRun run_forward(const LoopPlan& plan, LoopGiven given, const LoopExtent& extent);

/// Gradients in the order of LoopGiven's lists, ragged inputs' as [1, total, W]; undefined where none is wanted. Those from
/// above are undefined where none comes.
LoopGiven run_backward(const LoopPlan& plan, const LoopMemory& memory, const LoopExtent& extent,
                       const LoopGradients& above);

}  // namespace reel::detail
