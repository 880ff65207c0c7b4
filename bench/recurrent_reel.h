// Reel's side of the recurrent benchmark: its public layers, used as any training program uses them.
#pragma once

#include <functional>
#include <span>

#include "bench/peers/onednn_rnn.h"

namespace reel::bench {

/// Forward alone, without a tape, as a program that answers does.
std::function<void()> reel_forward(PeerCell cell, RecurrentShape shape, std::span<const float> input);

/// One training step from these inputs, [T, N, I] and [T, N, H]: forward, and gradients of input, weights and
/// bias, which is what oneDNN's backward computes.
std::function<void()> reel_step(PeerCell cell, RecurrentShape shape, std::span<const float> input,
                                std::span<const float> output_gradient);

}  // namespace reel::bench
