// The training steps that bench_cells measures, which each side provides: forward and backward in float32, with
// respect to the input and every parameter.
#pragma once

#include <cstdint>
#include <functional>

namespace reel::bench {

struct CellShape {
  int64_t T, N, I, H;
};

struct CellCalls {
  std::function<void()> lstm;  ///< The library's own LSTM.
  std::function<void()>
      minimal;  ///< f = sigmoid(W x + U h); h' = (1 - f) h + f tanh(V x + W (f h)), by four layers.
  std::function<void()> eight;  ///< The LSTM's equations by eight layers, four on x and four on h.
};

CellCalls reel_cells(CellShape shape);
CellCalls torch_cells(CellShape shape);  ///< Only where the build has found libtorch.

/// An LSTM of our own with I = H: layers, both directions, and how many of each row's steps count.
struct LayerShape {
  int64_t T = 64, N = 32, H = 256;
  int64_t layers = 1;
  bool bidirectional = false;
  double counting = 1;  ///< The mean share of steps that count; the lengths are spread evenly around it.
};
std::function<void()> reel_layers(LayerShape shape);

}  // namespace reel::bench
