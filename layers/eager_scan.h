// A scan step by step, by the cell's own ops. Internal.
#pragma once

#include <string>

#include <reel/layers/ragged.h>

namespace reel::detail {

/// One scan, without what is carried through it.
struct ScanCall {
  StepFunction step;
  Tensor xs;  ///< [T, N, ...]
  bool reverse = false;
  std::shared_ptr<const Ragged> ragged = nullptr;  ///< Null: every step counts.
  bool begun = false;  ///< The cell has prepared itself and may hold a row for each row of the batch.
};

/// What comes out beside the last state.
struct ScanOutputs {
  Tensor output;                  // [T, N, ...]
  std::vector<Tensor> sequences;  // states after every step, [T, N, ...]
};

/// T is at least 1. `with_states`: the sequences, too.
ScanOutputs scan_eagerly(const ScanCall& call, std::vector<Tensor>& state, bool with_states);

/// "float32 [2, 3], float32 [2, 4]"
std::string shapes_of(const std::vector<Tensor>& tensors);
/// The same shapes and dtypes.
bool alike(const std::vector<Tensor>& a, const std::vector<Tensor>& b);

}  // namespace reel::detail
