// The steps that bench_optimizers measures, which each side provides: one step with a gradient that is given, of one
// float32 parameter.
#pragma once

#include <cstdint>
#include <functional>

namespace reel::bench {

struct OptimizerCalls {
  std::function<void()> sgd;  ///< With momentum.
  std::function<void()> adam;
  std::function<void()> adamw;
};

OptimizerCalls reel_optimizers(int64_t elements);
OptimizerCalls torch_optimizers(int64_t elements);  ///< Only where the build has found libtorch.

}  // namespace reel::bench
