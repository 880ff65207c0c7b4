#include "layers/scan.h"

#include <algorithm>
#include <span>

#include "framework/checkpoint.h"
#include "framework/recording.h"
#include "framework/tape.h"
#include "layers/compiled_scan.h"
#include "layers/eager_scan.h"
#include "layers/scan_watch.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel::detail {
namespace {

/// Zeros of the shapes that one step on zeros shows, where no step counts.
ScanOutputs outputs_of_no_step(const ScanCall& call, std::vector<Tensor> state, bool with_states) {
  const NoTape values_only;
  Shape shape = call.xs.shape();
  const int64_t steps = shape[0];
  shape.erase(0);
  Tensor output;
  call.step.step(call.step.cell, zeros(shape, {.dtype = call.xs.dtype()}), state, output);
  const auto over_steps = [&](const Tensor& x) {
    Shape whole = x.shape();
    whole.insert(0, steps);
    return zeros(whole, {.dtype = x.dtype()});
  };
  ScanOutputs result{over_steps(output), {}};
  if (with_states)
    for (const Tensor& tensor : state) result.sequences.push_back(over_steps(tensor));
  return result;
}

}  // namespace

int64_t output_width(StepFunction step, const Tensor& xs, std::vector<Tensor> state) {
  const auto spatial = static_cast<int64_t>(xs.rank()) - 3;
  return outputs_of_no_step({.step = step, .xs = xs}, std::move(state), false).output.size(-1 - spatial);
}

int64_t settle_cell(Module& cell, StepFunction step, std::vector<Tensor> state, int64_t input, int64_t hidden,
                    const Shape& spatial) {
  const NoTape values_only;
  Shape shape{1, input};
  for (const int64_t extent : spatial) shape.push_back(extent);
  const Tensor x = zeros(shape);
  const std::vector<Tensor> before = state;
  Tensor output;
  SizeInference sizes(hidden);
  step.step(step.cell, x, state, output);
  sizes.resolve(cell);
  state = before;
  step.step(step.cell, x, state, output);
  check(alike(before, state), "[cell] step() must return a state like the one it is given: ({}) became ({})",
        shapes_of(before), shapes_of(state));
  check(output.defined() && output.rank() >= 1 + spatial.rank() && output.shape()[0] == 1,
        "[cell] step() must return an output with one row for each row of x; for x {} it gave {}", x, output);
  return output.size(-1 - static_cast<int64_t>(spatial.rank()));
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

/// Steps [begin, begin + count) of a padding.
Padding steps_of(const Padding& padding, int64_t begin, int64_t count) {
  Padding part;
  if (padding.mask.defined()) part.mask = narrow(padding.mask, 0, begin, count);
  if (padding.lengths.defined()) {
    std::vector<int64_t> lengths = padding.lengths.to_vector<int64_t>();
    for (int64_t& length : lengths) length = std::clamp<int64_t>(length - begin, 0, count);
    part.lengths = from_vector(lengths);
  }
  return part;
}

ScanOutputs run(const ScanCall& call, std::vector<Tensor>& state, bool with_states) {
  if (call.ragged && call.ragged->active.empty()) return outputs_of_no_step(call, state, with_states);
  ScanOutputs result;
  std::string reason;
  // A single step has nothing to gain: tracing it costs as much as running it (an LSTM of width 256 on one row takes
  // 145 us as it is, 328 us compiled).
  if (call.xs.shape()[0] > 1 && scan_compiled(call, state, with_states, result, reason)) return result;
  return scan_eagerly(call, state, with_states);
}

/// Some steps as one op that runs them again in backward.
ScanOutputs checkpoint_steps(ScanCall call, std::vector<Tensor>& state, bool with_states) {
  TensorList arguments = state;
  arguments.push_back(call.xs);
  // The cell itself may be gone by then.
  const std::shared_ptr<const void> kept = call.step.copy(call.step.cell);
  if (kept) call.step.cell = kept.get();
  call.xs = Tensor();
  TensorList results = checkpoint(
      [call, kept, with_states](TensorList given) {
        ScanCall part = call;
        part.xs = given.back();
        given.pop_back();
        ScanOutputs outputs = run(part, given, with_states);
        given.push_back(std::move(outputs.output));
        given.insert(given.end(), outputs.sequences.begin(), outputs.sequences.end());
        return given;
      },
      arguments);
  const auto tensors = static_cast<std::ptrdiff_t>(state.size());
  std::copy(results.begin(), results.begin() + tensors, state.begin());
  return {results[state.size()], {results.begin() + tensors + 1, results.end()}};
}

/// The scan in segments that keep what is saved within the budget.
ScanOutputs scan_within(const ScanCall& call, const Padding& padding, std::vector<Tensor>& state,
                        int64_t budget, bool with_states) {
  const int64_t steps = call.xs.shape()[0], batch = call.xs.shape()[1];
  // `count` steps after the first `done` ones, in the order in which they come.
  const auto part = [&](int64_t done, int64_t count) {
    const int64_t begin = call.reverse ? steps - done - count : done;
    ScanCall result = call;
    result.xs = narrow(call.xs, 0, begin, count);
    result.ragged = ragged(steps_of(padding, begin, count), count, batch, "scan");
    return result;
  };
  // The first step shows what a step saves.
  const size_t recorded = current_recording()->nodes.size();
  std::vector<ScanOutputs> parts;
  const ScanCall first = part(0, 1);
  const bool empty = first.ragged && first.ragged->active.empty();
  parts.push_back(empty ? outputs_of_no_step(first, state, with_states)
                        : scan_eagerly(first, state, with_states));
  const auto step_bytes =
      static_cast<int64_t>(saved_bytes(*current_recording(), recorded, std::vector<Tensor>{call.xs}));
  const int64_t segment = segment_length(steps, step_bytes, bytes_of(state), budget);
  for (int64_t done = 1; done < steps; done += segment) {
    const ScanCall next = part(done, std::min(segment, steps - done));
    parts.push_back(segment == steps ? run(next, state, with_states)
                                     : checkpoint_steps(next, state, with_states));
  }
  if (call.reverse) std::reverse(parts.begin(), parts.end());
  const auto joined = [&](auto of_part) {
    std::vector<Tensor> tensors;
    for (const ScanOutputs& outputs : parts) tensors.push_back(of_part(outputs));
    return cat(tensors, 0);
  };
  ScanOutputs result{joined([](const ScanOutputs& outputs) { return outputs.output; }), {}};
  for (size_t j = 0; j < parts[0].sequences.size(); ++j)
    result.sequences.push_back(joined([j](const ScanOutputs& outputs) { return outputs.sequences[j]; }));
  return result;
}

}  // namespace

Tensor scan_steps(StepFunction step, const Tensor& xs, std::vector<Tensor>& state, const ScanOptions& options,
                  std::vector<Tensor>* sequences) {
  check(xs.rank() >= 2, "[scan] a sequence [T, N, ...] expected, got {}", xs);
  check(options.memory_budget >= 0, "[scan] a memory budget of at least 0 bytes expected, got {}",
        options.memory_budget);
  if (ScanWatch* watch = ScanWatch::current()) return watch->scan(step, xs, state, options, sequences);
  const int64_t steps = xs.shape()[0], batch = xs.shape()[1];
  const Padding padding{.lengths = options.lengths, .mask = options.mask};
  ScanCall call{step, xs, options.reverse, ragged(padding, steps, batch, "scan"), step.begin != nullptr};
  std::shared_ptr<const void> begun;
  if (step.begin) {
    begun = step.begin(step.cell, {.steps = steps, .batch = batch, .dtype = xs.dtype()});
    call.step.cell = begun.get();
    call.step.begin = nullptr;
  }
  ScanOutputs result;
  const bool with_states = sequences != nullptr;
  if (steps == 0)
    result = outputs_of_no_step(call, state, with_states);
  else if (options.memory_budget > 0 && recording())
    result = scan_within(call, padding, state, options.memory_budget, with_states);
  else
    result = run(call, state, with_states);
  if (sequences) *sequences = std::move(result.sequences);
  return result.output;
}

}  // namespace reel::detail
