// The steps that bench_networks measures, which each side provides: forward and backward in float32, with
// respect to every input and parameter.
#pragma once

#include <functional>
#include <vector>

namespace reel::bench {

struct NetworkCalls {
  std::function<void()> conv2d;      ///< 64 -> 64 channels, 3x3, padding 1, over [16, 64, 32, 32].
  std::function<void()> max_pool;    ///< 2x2 over [16, 64, 32, 32].
  std::function<void()> max_pool3;   ///< 3x3, stride 2, padding 1, over [16, 64, 32, 32].
  std::function<void()> avg_pool;    ///< 2x2 over [16, 64, 32, 32].
  std::function<void()> layer_norm;  ///< Over the last axis of [4096, 256].
  std::function<void()> batch_norm;  ///< In training, over [16, 64, 32, 32].
  std::function<void()> group_norm;  ///< 8 groups over [16, 64, 32, 32].
  std::function<void()> attention;   ///< [8, 4, 128, 64].
};

NetworkCalls reel_networks();
NetworkCalls torch_networks();  ///< Only where the build has found libtorch.

}  // namespace reel::bench
