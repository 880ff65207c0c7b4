// The LSTM cell as everybody means it; its kin is in lstm_variants.h. Names, gate order and initialisation of the
// weights are PyTorch's.
#pragma once

#include <reel/layers/cell.h>
#include <reel/layers/cells/activation.h>

namespace reel {

struct LSTMState {
  Tensor h, c;
  REEL_FIELDS(h, c)
};

struct LSTMCellOptions {
  bool bias = true;
  bool recurrent_bias = true;  ///< With `bias`, b_hh beside b_ih, as PyTorch has it; Keras has b_ih alone.
  double forget_bias = 0;     ///< Added to what the forget gate's b_ih begins with; 1 in Keras. Jozefowicz et
                              ///< al., "An empirical exploration of recurrent network architectures", 2015.
  Activation gate = sigmoid;  ///< Of i, f and o.
  Activation candidate = tanh;      ///< Of g.
  Activation output = tanh;         ///< Of the new carry.
  double clip = detail::unbounded;  ///< Sums before the activations are clipped to [-clip, clip], as in ONNX.
};

/// i, f, g, o = W_ih x + b_ih + W_hh h + b_hh;  c' = sigmoid(f) c + sigmoid(i) tanh(g);  h' = sigmoid(o)
/// tanh(c'). Hochreiter and Schmidhuber, "Long short-term memory", 1997; forget gate by Gers et al., 2000.
struct LSTMCell : Cell {
  using Options = LSTMCellOptions;
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;
  LSTMCell(int64_t input, int64_t hidden, Options options = {});
  LSTMState step(const Tensor& x, const LSTMState& state) const;
  const Options& options() const { return options_; }
  WeightLayout layout() const;
  REEL_FIELDS(weight_ih, weight_hh, bias_ih, bias_hh)

 private:
  Options options_;
};

}  // namespace reel
