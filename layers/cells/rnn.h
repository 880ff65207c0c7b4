// The simple recurrent cells: the state is what the last step gave, of its hidden units or of its outputs. Names,
// order and initialisation of the weights are PyTorch's.
#pragma once

#include <utility>

#include <reel/layers/cell.h>
#include <reel/layers/cells/activation.h>

namespace reel {

struct RNNCellOptions {
  Activation nonlinearity = tanh;
  bool bias = true;
  bool recurrent_bias = true;  ///< With `bias`, b_hh beside b_ih, as PyTorch has it; Keras has b_ih alone.
  double clip = detail::unbounded;  ///< The sum is clipped to [-clip, clip], as in ONNX.
};

/// h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or another function. Elman, "Finding structure in time", 1990.
struct RNNCell : Cell {
  using Options = RNNCellOptions;
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;
  RNNCell(int64_t input, int64_t hidden, Options options = {});
  Tensor step(const Tensor& x, const Tensor& h) const;
  const Options& options() const { return options_; }
  WeightLayout layout() const;
  REEL_FIELDS(weight_ih, weight_hh, bias_ih, bias_hh)

 private:
  Options options_;
};

struct JordanCellOptions {
  int64_t output_size = 0;  ///< O, the width of output and state; 0: the hidden size.
  Activation hidden = tanh;
  Activation output = sigmoid;
  double decay = 0;  ///< The share of the old state that the next one keeps, in [0, 1).
  bool bias = true;
};

/// h = tanh(W_ih x + b_ih + W_hh s + b_hh);  y = sigmoid(W_ho h + b_ho);  s' = y + decay s: the output y feeds back.
/// Jordan, "Serial order: a parallel distributed processing approach", 1986.
struct JordanCell : Cell {
  using Options = JordanCellOptions;
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;  // [H, I], [H, O], [H], [H]
  Tensor weight_ho, bias_ho;                      // [O, H], [O]
  JordanCell(int64_t input, int64_t hidden, Options options = {});
  std::pair<Tensor, Tensor> step(const Tensor& x, const Tensor& s) const;
  Tensor initial_state(int64_t batch) const;
  const Options& options() const { return options_; }
  REEL_FIELDS(weight_ih, weight_hh, bias_ih, bias_hh, weight_ho, bias_ho)

 private:
  Options options_;
};

}  // namespace reel
