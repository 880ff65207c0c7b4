// One training step of a character model, as models/charlm takes it, for measuring how much memory it needs.
#pragma once

namespace reel::bench {

struct MemoryModel {
  int vocabulary = 80, embedding = 64, hidden = 256, batch = 64, length = 64;
};

/// Builds model and optimizer (Adam), then takes `steps` training steps.
void reel_steps(const MemoryModel& model, int steps);
void torch_steps(const MemoryModel& model, int steps);  ///< Only where the build has found libtorch.

}  // namespace reel::bench
