// oneDNN's own recurrent primitives, as the other side that exported weights are tried on.
#pragma once

#include "framework/safetensors.h"
#include "layers/weight_layout.h"

namespace reel::bench {

struct OnednnLayer {
  CellFamily family;
  bool reset_after = true;     ///< GRU: lbr_gru instead of gru.
  bool bidirectional = false;  ///< Joined, forward before backward.
};

/// float32 outputs [T, N, D S] for x [T, N, I] and zero states, by weights in plain layouts: weights_layer ldigo,
/// weights_iter ldigo, bias ldgo (or none: its primitives for CPUs want one, of zeros), and weights_peephole ldgo and weights_projection ldio if they are among them.
Tensor run_onednn(const OnednnLayer& options, const NamedTensors& weights, const Tensor& x);

}  // namespace reel::bench
