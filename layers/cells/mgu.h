// The minimal gated unit: one gate that both resets and updates.
#pragma once

#include <reel/layers/cell.h>
#include <reel/layers/cells/activation.h>

namespace reel {

struct MGUCellOptions {
  bool bias = true;
  bool recurrent_bias = true;  ///< With `bias`, b_hh beside b_ih.
  bool reset_after = false;    ///< The gate is applied after the product, as in a GRU of PyTorch's kind.
  Activation gate = sigmoid;
  Activation candidate = tanh;
};

/// f = sigmoid(W_if x + b_if + W_hf h + b_hf);  h' = (1 - f) h + f n  with n = tanh(W_in x + b_in + W_hn (f h) + b_hn),
/// or n = tanh(W_in x + b_in + f (W_hn h + b_hn)) with the reset after. The gates lie as f, n. Zhou et al., "Minimal
/// gated unit for recurrent neural networks", 2016, equations 8.
struct MGUCell : Cell {
  using Options = MGUCellOptions;
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;
  MGUCell(int64_t input, int64_t hidden, Options options = {});
  Tensor step(const Tensor& x, const Tensor& h) const;
  const Options& options() const { return options_; }
  REEL_FIELDS(weight_ih, weight_hh, bias_ih, bias_hh)

 private:
  Tensor step_reset_after(const Tensor& x, const Tensor& h) const;
  Options options_;
};

}  // namespace reel
