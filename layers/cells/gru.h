// The gated recurrent unit. Names, gate order and initialisation of the weights are PyTorch's.
#pragma once

#include <reel/layers/cell.h>
#include <reel/layers/cells/activation.h>

namespace reel {

struct GRUCellOptions {
  bool bias = true;
  bool recurrent_bias = true;  ///< With `bias`, b_hh beside b_ih, as PyTorch and cuDNN have it; one bias
                               ///< alone is Keras's layout without reset_after.
  bool reset_after =
      true;  ///< The reset gate is applied after the product, as in PyTorch; else before it, as in the paper.
  Activation gate = sigmoid;        ///< Of r and z.
  Activation candidate = tanh;      ///< Of n.
  double clip = detail::unbounded;  ///< Sums before the activations are clipped to [-clip, clip], as in ONNX.
};

/// r, z = sigmoid of W_ih x + b_ih + W_hh h + b_hh;  h' = (1 - z) n + z h  with
/// n = tanh(W_in x + b_in + r (W_hn h + b_hn)), or n = tanh(W_in x + b_in + W_hn (r h) + b_hn) with the reset
/// before. Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, equations 5 to 8.
struct GRUCell : Cell {
  using Options = GRUCellOptions;
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;
  GRUCell(int64_t input, int64_t hidden, Options options = {});
  Tensor step(const Tensor& x, const Tensor& h) const;
  const Options& options() const { return options_; }
  WeightLayout layout() const;
  REEL_FIELDS(weight_ih, weight_hh, bias_ih, bias_hh)

 private:
  Tensor step_reset_before(const Tensor& x, const Tensor& h) const;
  Tensor gate(const Tensor& sum) const { return options_.gate(detail::clipped(sum, options_.clip)); }
  Tensor candidate(const Tensor& sum) const {
    return options_.candidate(detail::clipped(sum, options_.clip));
  }
  Options options_;
};

}  // namespace reel
