// What a compiled loop runs on: what is taken out of the steps, for all of them at once; and the loop once more by its
// own ops. Internal.
#pragma once

#include <memory>
#include <vector>

#include <reel/framework/loop_run.h>
#include <reel/layers/ragged.h>

namespace reel::detail {

/// What a loop runs on, as far as it is no part of its plan.
struct LoopSource {
  Tensor xs;                             // [T, N, ...]
  std::shared_ptr<const Ragged> ragged;  // null: every step counts

  LoopExtent extent(bool reverse) const {
    return ragged ? LoopExtent::ragged(ragged->active, ragged->batch, reverse)
                  : LoopExtent::whole(xs.shape()[0], xs.shape()[1], reverse);
  }
};

/// The value of every slot that does not depend on the state, for all steps where it depends on the inputs:
/// [T, N, ...], or without gaps [1, P, ...].
std::vector<Tensor> hoist(const StepTrace& trace, const std::vector<Recording::Leaf>& leaves,
                          const std::vector<Dependence>& depends, const LoopSource& source);

/// The inputs that a loop reads, of `values` by slot; tensors of rows of the batch in the order of the rows.
std::vector<Tensor> inputs_of(const LoopPlan& plan, const std::vector<int32_t>& slots,
                              const LoopSource& source, const std::vector<Tensor>& values);

/// The tensors that a plan wants to see, expanded to full rows; `inputs` are those of `slots`.
LoopGiven given_to(const LoopPlan& plan, const LoopExtent& extent, const std::vector<int32_t>& slots,
                   const std::vector<Tensor>& inputs, const std::vector<Tensor>& states);

/// The loop step by step with its own ops: outputs, last states, and, if the plan has them, all states. `inputs`
/// are those of `slots` and then the states.
std::vector<Tensor> replay_steps(const LoopPlan& plan, const LoopExtent& extent,
                                 const std::vector<int32_t>& slots, const std::vector<Tensor>& inputs);

}  // namespace reel::detail
