// scan: a cell along time.
#pragma once

#include <string>

#include <reel/layers/cell.h>

namespace reel {

struct ScanOptions {
  bool reverse = false;  ///< From the last step to the first; outputs stay at their steps' places.
  /// Bytes that the steps may save for backward; 0: as many as they need. Above it the sequence is cut into
  /// segments whose steps backward computes again (see checkpoint()), as short as the budget asks; one that no
  /// cutting can meet is met as nearly as can be.
  int64_t memory_budget = 0;
};

/// What a scan or a recurrent layer gives: `auto [output, state] = ...`.
template <class State> struct ScanResult {
  Tensor output;  ///< Of every step.
  State state;    ///< After the last one.
};

namespace detail {

/// Applies `step` to xs[0], xs[1], ... (or backwards); `state` is left as the last step gives it. Returns the
/// outputs [T, N, ...]; at T = 0 their shape is learned from one step on zeros.
Tensor scan_steps(StepFunction step, const Tensor& xs, std::vector<Tensor>& state, ScanOptions options);

/// Columns of what `step` gives out.
int64_t output_width(StepFunction step, const Tensor& xs, std::vector<Tensor> state);
/// How scan_steps would go about it, in words.
std::string explain_steps(StepFunction step, const Tensor& xs, const std::vector<Tensor>& state);

}  // namespace detail

/// Applies a cell to xs [T, N, I], beginning with `state`: output [T, N, ...] and the last state.
template <RecurrentCell C>
ScanResult<detail::StateOf<C>> scan(const C& cell, const Tensor& xs, const detail::StateOf<C>& state,
                                    ScanOptions options = {}) {
  std::vector<Tensor> tensors = detail::tensors_of(state);
  Tensor output = detail::scan_steps(detail::step_function(cell), xs, tensors, options);
  return {std::move(output), detail::state_from<detail::StateOf<C>>(tensors)};
}

}  // namespace reel
