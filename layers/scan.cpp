#include "layers/scan.h"

#include <algorithm>
#include <span>

#include "framework/checkpoint.h"
#include "framework/recording.h"
#include "framework/tape.h"
#include "layers/compiled_scan.h"
#include "ops/slicing.h"

namespace reel::detail {
namespace {

std::string shapes(std::span<const Tensor> tensors) {
  std::string result;
  for (const Tensor& tensor : tensors) result += (result.empty() ? "" : ", ") + text(tensor);
  return result;
}

bool alike(std::span<const Tensor> a, std::span<const Tensor> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Tensor& x, const Tensor& y) {
    return x.defined() && y.defined() && x.shape() == y.shape() && x.dtype() == y.dtype();
  });
}

Tensor outputs_of_no_step(StepFunction step, const Tensor& xs, std::vector<Tensor> state) {
  const NoTape values_only;
  Shape shape = xs.shape();
  shape.erase(0);
  Tensor output;
  step.step(step.cell, zeros(shape, {.dtype = xs.dtype()}), state, output);
  shape = output.shape();
  shape.insert(0, 0);
  return zeros(shape, {.dtype = output.dtype()});
}

}  // namespace

int64_t output_width(StepFunction step, const Tensor& xs, std::vector<Tensor> state) {
  return outputs_of_no_step(step, xs, std::move(state)).size(-1);
}

int64_t settle_cell(Module& cell, StepFunction step, std::vector<Tensor> state, int64_t input,
                    int64_t hidden) {
  const NoTape values_only;
  const Tensor x = zeros({1, input});
  const std::vector<Tensor> before = state;
  Tensor output;
  {
    SizeInference sizes(hidden);
    step.step(step.cell, x, state, output);
    sizes.resolve(cell);
  }
  state = before;
  step.step(step.cell, x, state, output);
  check(alike(before, state), "[cell] step() must return a state like the one it is given: ({}) became ({})",
        shapes(before), shapes(state));
  check(output.defined() && output.rank() >= 1 && output.shape()[0] == 1,
        "[cell] step() must return an output with one row for each row of x; for x {} it gave {}", x, output);
  return output.size(-1);
}

namespace {

/// How many steps a segment has, so that what T/k segments keep and what the steps of one save stays within the
/// budget with as few computed again as possible.
int64_t segment_length(int64_t steps, int64_t step_bytes, int64_t state_bytes, int64_t budget) {
  if (steps * step_bytes <= budget) return steps;
  int64_t best = 1, best_bytes = INT64_MAX;
  for (int64_t k = steps; k >= 1; --k) {
    const int64_t bytes = (steps + k - 1) / k * state_bytes + k * step_bytes;
    if (bytes <= budget) return k;
    if (bytes < best_bytes) best = k, best_bytes = bytes;
  }
  return best;
}

int64_t bytes_of(const std::vector<Tensor>& tensors) {
  int64_t bytes = 0;
  for (const Tensor& tensor : tensors)
    bytes += tensor.numel() * static_cast<int64_t>(item_size(tensor.dtype()));
  return bytes;
}

/// Steps [begin, end) in the order in which they come, as one op that computes them again in backward.
void checkpoint_steps(StepFunction step, std::span<const Tensor> inputs, std::vector<Tensor>& state,
                      std::span<Tensor> outputs) {
  const size_t width = state.size();
  TensorList arguments = state;
  arguments.insert(arguments.end(), inputs.begin(), inputs.end());
  const TensorList results = checkpoint(
      [step, width](const TensorList& xs) {
        std::vector<Tensor> s(xs.begin(), xs.begin() + static_cast<int64_t>(width));
        TensorList ys(xs.size());
        for (size_t i = width; i < xs.size(); ++i) step.step(step.cell, xs[i], s, ys[i]);
        std::copy(s.begin(), s.end(), ys.begin());
        return ys;
      },
      arguments);
  std::copy_n(results.begin(), width, state.begin());
  std::copy_n(results.begin() + static_cast<int64_t>(width), outputs.size(), outputs.begin());
}

}  // namespace

Tensor scan_steps(StepFunction step, const Tensor& xs, std::vector<Tensor>& state, ScanOptions options) {
  check(xs.rank() >= 2, "[scan] a sequence [T, N, ...] expected, got {}", xs);
  check(options.memory_budget >= 0, "[scan] a memory budget of at least 0 bytes expected, got {}",
        options.memory_budget);
  std::vector<Tensor> inputs = unbind(xs, 0);
  if (inputs.empty()) return outputs_of_no_step(step, xs, state);
  if (options.memory_budget == 0) {
    Tensor output;
    std::string reason;
    if (scan_compiled(step, xs, state, options, output, reason)) return output;
  }
  if (options.reverse) std::reverse(inputs.begin(), inputs.end());
  Scratch<Tensor> outputs(inputs.size());

  // The first step shows whether the state keeps its shapes, and what a step saves.
  const bool bounded = options.memory_budget > 0 && recording();
  const size_t recorded = bounded ? current_recording()->nodes.size() : 0;
  const Scratch<Tensor> before(state.begin(), state.end());
  step.step(step.cell, inputs[0], state, outputs[0]);
  if (!alike(before, state))  // so that the message is made only where it is needed
    check(false, "[scan] the state must keep its shapes: step() turned ({}) into ({}) for an input {}",
          shapes(before), shapes(state), inputs[0]);
  const auto steps = static_cast<int64_t>(inputs.size());
  int64_t segment = steps;
  if (bounded) {
    const auto step_bytes =
        static_cast<int64_t>(saved_bytes(*current_recording(), recorded, std::vector<Tensor>{xs}));
    segment = segment_length(steps, step_bytes, bytes_of(state), options.memory_budget);
  }
  if (segment == steps) {
    for (size_t i = 1; i < inputs.size(); ++i) step.step(step.cell, inputs[i], state, outputs[i]);
  } else {
    for (int64_t begin = 1; begin < steps; begin += segment) {
      const auto count = static_cast<size_t>(std::min(segment, steps - begin));
      const auto at = static_cast<size_t>(begin);
      checkpoint_steps(step, std::span(inputs).subspan(at, count), state,
                       std::span(outputs).subspan(at, count));
    }
  }
  if (options.reverse) std::reverse(outputs.begin(), outputs.end());
  return stack(outputs, 0);
}

}  // namespace reel::detail
