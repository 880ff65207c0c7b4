// The classic cells, as formulas over public ops. Formulas, names, gate order and initialisation are
// PyTorch's, so that weights travel.
#pragma once

#include <reel/layers/cell.h>

namespace reel {

/// The non-linearity of an Elman cell.
enum class Nonlinearity { tanh, relu };

struct RNNCellOptions {
  Nonlinearity nonlinearity = Nonlinearity::tanh;
  bool bias = true;
};

/// h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or with relu. Elman, "Finding structure in time", 1990.
struct RNNCell : Cell {
  using Options = RNNCellOptions;
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;
  RNNCell(int64_t input, int64_t hidden, Options options = {});
  Tensor step(const Tensor& x, const Tensor& h) const;
  REEL_FIELDS(weight_ih, weight_hh, bias_ih, bias_hh)

 private:
  Nonlinearity nonlinearity_;
};

struct LSTMState {
  Tensor h, c;
  REEL_FIELDS(h, c)
};

struct LSTMCellOptions {
  bool bias = true;
};

/// i, f, g, o = W_ih x + b_ih + W_hh h + b_hh;  c' = sigmoid(f) c + sigmoid(i) tanh(g);  h' = sigmoid(o)
/// tanh(c'). Hochreiter and Schmidhuber, "Long short-term memory", 1997; forget gate by Gers et al., 2000.
struct LSTMCell : Cell {
  using Options = LSTMCellOptions;
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;
  LSTMCell(int64_t input, int64_t hidden, Options options = {});
  LSTMState step(const Tensor& x, const LSTMState& state) const;
  REEL_FIELDS(weight_ih, weight_hh, bias_ih, bias_hh)
};

struct GRUCellOptions {
  bool bias = true;
  bool reset_after =
      true;  ///< The reset gate is applied after the product, as in PyTorch; else before it, as in the paper.
};

/// r, z = sigmoid of W_ih x + b_ih + W_hh h + b_hh;  h' = (1 - z) n + z h  with
/// n = tanh(W_in x + b_in + r (W_hn h + b_hn)), or n = tanh(W_in x + b_in + W_hn (r h) + b_hn) with the reset
/// before. Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014.
struct GRUCell : Cell {
  using Options = GRUCellOptions;
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;
  GRUCell(int64_t input, int64_t hidden, Options options = {});
  Tensor step(const Tensor& x, const Tensor& h) const;
  REEL_FIELDS(weight_ih, weight_hh, bias_ih, bias_hh)

 private:
  Tensor step_reset_before(const Tensor& x, const Tensor& h) const;
  bool reset_after_;
};

}  // namespace reel
