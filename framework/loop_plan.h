// The plan of a compiled loop: what one traced step of a cell becomes, to be run over all steps. Internal.
//
// Of the step's ops, those that depend on parameters alone (`fixed`) or on the inputs too but not on the state
// (`input`) are taken out of the loop by whoever runs the plan. What is left is cut into stages: products of rows,
// and then runs of elementwise ops, each run one pass over tiles that stay in cache. The backward plan is derived
// from the ops' slopes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <reel/framework/loop_role.h>
#include <reel/framework/recording.h>

namespace reel::detail {

/// A traced step: x and the state before it, the state after it and the output, by slot.
struct StepTrace {
  std::shared_ptr<Recording> list;
  int32_t x = -1;
  std::vector<int32_t> states;
  std::vector<int32_t> next;
  int32_t output = -1;
};

/// Whether two traces are the same program.
bool same_program(const StepTrace& a, const StepTrace& b);

/// What a slot depends on.
enum class Dependence : uint8_t { fixed, input, state };

/// Where in memory an operand of a tile op lies.
struct Access {
  int32_t buffer = -1;  ///< In LoopPlan::buffers; or, `scratch`, the tile of that number.
  bool scratch = false;
  uint8_t shift = 0;  ///< Steps ahead in a sequence of states: those before a step and after it.
  int64_t column = 0;
};

/// One call of a formula's loop on a tile.
struct TileOp {
  TileKernel kernel = nullptr;
  const void* formula = nullptr;
  uint32_t count = 0;
  Access in[2 * max_arity];
  Access out;
};

/// Tile ops on values of one width, in one pass.
struct TilePass {
  int64_t width = 0;
  std::vector<TileOp> ops;
  int32_t tiles = 0;  ///< How many scratch tiles they use.
};

struct LoopBuffer {
  enum class Kind : uint8_t {
    input,       ///< Given: [T, N, width].
    row,         ///< Given: [width], one for all rows.
    matrix,      ///< Given: [N, width], one for all steps.
    states,      ///< [T + 1, N, width], the first being what was given.
    steps,       ///< [T, N, width]
    one_step,    ///< [N, width], written anew in each step.
    carried,     ///< Two of [N, width], exchanged after each step.
    row_sum,     ///< [width] for each thread, to which is added.
    matrix_sum,  ///< [N, width], to which is added.
  };
  Kind kind;
  int64_t width;
  bool backward = false;  ///< Exists in the backward pass alone.
  bool zeroed = false;    ///< Begins with zeros.
  bool cleared = false;   ///< Begins every step with zeros.
};

/// Products with one left operand, joined.
struct LoopProduct {
  struct Part {
    int32_t weight;  ///< In LoopPlan::weights.
    int64_t column;  ///< Where its columns begin.
    int64_t columns;
    bool transposed;
  };
  std::vector<Part> parts;
  Access left;
  int64_t inner = 0, columns = 0;
  int32_t out = -1;            ///< Buffer of the results.
  int32_t out_gradient = -1;   ///< Buffer of their gradients, over all steps.
  int32_t left_gradient = -1;  ///< Buffer that receives the left operand's, or -1.
  const ProductRole* role = nullptr;
};

struct LoopStage {
  std::vector<int32_t> products;  ///< Run first; in backward last.
  std::vector<TilePass> forward, backward;
};

/// A tensor that a plan is run with, and where its gradient comes out.
struct LoopOperand {
  int32_t slot = -1;      ///< In the trace.
  int32_t buffer = -1;    ///< -1 for weights, which go into products.
  int32_t gradient = -1;  ///< Buffer, or -1: none wanted, or
  int32_t aliased = -1;   ///< the gradient of product `aliased` from column `alias_column` on.
  int64_t alias_column = 0;
  int64_t width = 0;
};

class LoopPlan {
 public:
  std::vector<LoopBuffer> buffers;
  std::vector<std::unique_ptr<LoopRole>> roles_kept;  // what products point to; formulas live in the trace
  std::vector<LoopProduct> products;
  std::vector<LoopStage> stages;
  std::vector<LoopOperand> inputs, fixed, weights;
  std::vector<int32_t> states;  ///< Buffers of the states' sequences.
  /// In backward: buffers that hold, before the first step back, the gradient of each state after the last step,
  /// and the passes that afterwards gather that of the state before the first into `initial_gradients`.
  std::vector<int32_t> final_gradients, initial_gradients;
  std::vector<TilePass> tail;
  int32_t output = -1;  ///< Buffer of the outputs; `output_shift` into a sequence of states.
  uint8_t output_shift = 0;
  int32_t output_gradient = -1;        ///< Buffer of the gradient that comes to the outputs.
  std::vector<Dependence> dependence;  ///< Of every slot of the trace.
  StepTrace trace;
  DType dtype = DType::float32;
  bool training = false;
  bool has_states = false;               ///< The states after every step are results, too.
  std::vector<int32_t> state_gradients;  ///< Buffers of the gradients that come to these.
  std::string notes;                     ///< A line for each op of the step: where it has gone.
};

/// What a plan is to do beside the outputs and the last states.
struct LoopWish {
  bool training = false;  ///< Also a backward plan.
  bool states = false;    ///< The states after every step as results.
};

/// Plans the loop of a traced step. `wanted` tells for each slot of a leaf, hoisted value or fixed value whether its
/// gradient is wanted. Null where the step cannot be planned;
/// `reason` says why.
std::unique_ptr<LoopPlan> plan_loop(const StepTrace& trace, LoopWish wish, const std::vector<bool>& wanted,
                                    std::string& reason);

/// Slots by what they depend on. An op that depends on inputs and does not say how it works over time counts as
/// depending on the state.
std::vector<Dependence> dependences(const StepTrace& trace);

}  // namespace reel::detail
