#include "layers/scan.h"

#include <algorithm>
#include <span>

#include "framework/checkpoint.h"
#include "framework/recording.h"
#include "framework/tape.h"
#include "layers/compiled_scan.h"
#include "ops/shape.h"
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

/// Some steps as one op that runs them again in backward.
Tensor checkpoint_steps(StepFunction step, const Tensor& xs, std::vector<Tensor>& state, bool reverse) {
  TensorList arguments = state;
  arguments.push_back(xs);
  // The cell itself may be gone by then.
  const std::shared_ptr<const void> kept = step.copy(step.cell);
  if (kept) step.cell = kept.get();
  TensorList results = checkpoint(
      [step, kept, reverse](TensorList given) {
        const Tensor part = given.back();
        given.pop_back();
        given.push_back(scan_steps(step, part, given, {.reverse = reverse}));
        return given;
      },
      arguments);
  Tensor outputs = results.back();
  results.pop_back();
  state = std::move(results);
  return outputs;
}

/// The scan in segments that keep what is saved within the budget.
Tensor scan_within(StepFunction step, const Tensor& xs, std::vector<Tensor>& state,
                   const ScanOptions& options) {
  const int64_t steps = xs.shape()[0];
  // `count` steps after the first `done` ones, in the order in which they come.
  const auto part = [&](int64_t done, int64_t count) {
    return narrow(xs, 0, options.reverse ? steps - done - count : done, count);
  };
  // The first step shows what a step saves.
  const size_t recorded = current_recording()->nodes.size();
  Tensor first;
  step.step(step.cell, select(part(0, 1), 0, 0), state, first);
  const auto step_bytes =
      static_cast<int64_t>(saved_bytes(*current_recording(), recorded, std::vector<Tensor>{xs}));
  const int64_t segment = segment_length(steps, step_bytes, bytes_of(state), options.memory_budget);
  std::vector<Tensor> outputs{unsqueeze(first, 0)};
  for (int64_t done = 1; done < steps; done += segment) {
    const Tensor inputs = part(done, std::min(segment, steps - done));
    outputs.push_back(segment == steps ? scan_steps(step, inputs, state, {.reverse = options.reverse})
                                       : checkpoint_steps(step, inputs, state, options.reverse));
  }
  if (options.reverse) std::reverse(outputs.begin(), outputs.end());
  return cat(outputs, 0);
}

}  // namespace

Tensor scan_steps(StepFunction step, const Tensor& xs, std::vector<Tensor>& state, ScanOptions options) {
  check(xs.rank() >= 2, "[scan] a sequence [T, N, ...] expected, got {}", xs);
  check(options.memory_budget >= 0, "[scan] a memory budget of at least 0 bytes expected, got {}",
        options.memory_budget);
  std::shared_ptr<const void> begun;
  if (step.begin) {
    begun = step.begin(step.cell, {.steps = xs.shape()[0], .batch = xs.shape()[1], .dtype = xs.dtype()});
    step.cell = begun.get();
    step.begin = nullptr;
  }
  if (xs.shape()[0] == 0) return outputs_of_no_step(step, xs, state);
  if (options.memory_budget > 0 && recording()) return scan_within(step, xs, state, options);
  Tensor output;
  std::string reason;
  if (scan_compiled(step, xs, state, options, output, reason)) return output;
  std::vector<Tensor> inputs = unbind(xs, 0);
  if (options.reverse) std::reverse(inputs.begin(), inputs.end());
  std::vector<Tensor> outputs(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::vector<Tensor> before = i == 0 ? state : std::vector<Tensor>();
    step.step(step.cell, inputs[i], state, outputs[i]);
    if (i == 0 && !alike(before, state))
      check(false, "[scan] the state must keep its shapes: step() turned ({}) into ({}) for an input {}",
            shapes(before), shapes(state), inputs[i]);
  }
  if (options.reverse) std::reverse(outputs.begin(), outputs.end());
  return stack(outputs, 0);
}

}  // namespace reel::detail
