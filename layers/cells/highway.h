// Recurrent highway: a step that is several layers deep.
#pragma once

#include <vector>

#include <reel/layers/cell.h>
#include <reel/layers/cells/activation.h>

namespace reel {

struct RHNCellOptions {
  int64_t depth = 2;  ///< L, micro-layers in a step.
  bool bias = true;
  double transform_bias = -2;  ///< Added to what the gates' biases begin with, so that a step first carries
                               ///< most of the state on; without bias there is none.
  Activation gate = sigmoid;
  Activation candidate = tanh;
};

/// s_0 = h;  n, t = W_ih x [l = 1 only] + W_l s + b_l;  s_l = tanh(n) sigmoid(t) + s (1 - sigmoid(t)) for l = 1 .. L;
/// h' = s_L. Zilly et al., "Recurrent highway networks", 2017, equations 7 to 9, with the carry gate 1 - t.
struct RHNCell : Cell {
  using Options = RHNCellOptions;
  Tensor weight_ih;                        // [2 H, I]
  std::vector<Tensor> weight_hh, bias_hh;  // of each micro-layer: [2 H, H], [2 H]
  RHNCell(int64_t input, int64_t hidden, Options options = {});
  Tensor step(const Tensor& x, const Tensor& h) const;
  const Options& options() const { return options_; }
  REEL_FIELDS(weight_ih, weight_hh, bias_hh)

 private:
  Options options_;
};

}  // namespace reel
