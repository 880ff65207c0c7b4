// Is the peer right? Holds oneDNN's primitives, as this benchmark drives them, to plain loops in float64.
#pragma once

#include "bench/peers/onednn_rnn.h"

namespace reel::bench {

/// Throws std::runtime_error unless the peer's outputs, and its gradients of input, weights and bias, agree
/// with reference loops and their central differences on a tiny problem.
void check_peer(PeerCell cell);

}  // namespace reel::bench
