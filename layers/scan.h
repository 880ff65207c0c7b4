// scan: a cell along time.
#pragma once

#include <string>

#include <reel/layers/cell.h>

namespace reel {

/// Which steps of a batch count: by lengths, or by a mask, or, with neither, all. The others change no
/// state, have zeros as output and no gradient, and cost nothing but in a cell with begin() that cannot be compiled. Rows may come in any order; an end is each row's own, also where
/// the way goes backwards.
struct Padding {
  struct ByName {
  } by_name = {};       ///< Nothing: the others are given by name, {.lengths = ...}.
  Tensor lengths = {};  ///< int64 [N], from 0 to T: the first so many steps of each row.
  Tensor mask = {};     ///< bool [T, N], true where a step counts; gaps within a row are stepped over.
};

struct ScanOptions {
  bool reverse = false;  ///< From the last step to the first; outputs stay at their steps' places.
  Tensor lengths = {};   ///< See Padding.
  Tensor mask = {};
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

/// The same with the state after every step: `auto [output, state, states] = ...`.
template <class State> struct ScanStates {
  Tensor output;
  State state;
  State states;  ///< Tensors [T, N, ...].
};

namespace detail {

/// Applies `step` to xs[0], xs[1], ... (or backwards); `state` is left as the last step gives it. Returns the
/// outputs [T, N, ...]; at T = 0 their shape is learned from one step on zeros. `sequences`, if given, receives the
/// states after every step.
Tensor scan_steps(StepFunction step, const Tensor& xs, std::vector<Tensor>& state, const ScanOptions& options,
                  std::vector<Tensor>* sequences = nullptr);

/// Columns of what `step` gives out.
int64_t output_width(StepFunction step, const Tensor& xs, std::vector<Tensor> state);
/// How scan_steps would go about it, in words.
std::string explain_steps(StepFunction step, const Tensor& xs, const std::vector<Tensor>& state);

}  // namespace detail

/// Applies a cell to xs [T, N, I], beginning with `state`: output [T, N, ...] and the last state.
template <RecurrentCell C>
ScanResult<detail::StateOf<C>> scan(const C& cell, const Tensor& xs, const detail::StateOf<C>& state,
                                    const ScanOptions& options = {}) {
  std::vector<Tensor> tensors = detail::tensors_of(state);
  Tensor output = detail::scan_steps(detail::step_function(cell), xs, tensors, options);
  return {std::move(output), detail::state_from<detail::StateOf<C>>(tensors)};
}

/// The same, with the states after every step as well.
template <RecurrentCell C>
ScanStates<detail::StateOf<C>> scan_states(const C& cell, const Tensor& xs, const detail::StateOf<C>& state,
                                           const ScanOptions& options = {}) {
  std::vector<Tensor> tensors = detail::tensors_of(state), sequences;
  Tensor output = detail::scan_steps(detail::step_function(cell), xs, tensors, options, &sequences);
  return {std::move(output), detail::state_from<detail::StateOf<C>>(tensors),
          detail::state_from<detail::StateOf<C>>(sequences)};
}

}  // namespace reel
