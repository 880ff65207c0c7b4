// LSTM and GRU whose sums are normalised over the layer.
#pragma once

#include <reel/layers/basic.h>
#include <reel/layers/cells/lstm.h>

namespace reel {

struct LayerNormLSTMCellOptions {
  bool bias = true;
  double forget_bias = 0;       ///< Added to what the forget gate's bias begins with.
  Activation gate = sigmoid;    ///< Of i, f and o.
  Activation candidate = tanh;  ///< Of g.
  Activation output = tanh;     ///< Of the normalised carry.
  double eps = 1e-5;            ///< Of the norms.
};

/// i, f, g, o = LN(W_ih x) + LN(W_hh h) + b;  c' = sigmoid(f) c + sigmoid(i) tanh(g);  h' = sigmoid(o) tanh(LN(c')).
/// Each LN has weight and bias of its own, and runs over all four gates together. Ba, Kiros and Hinton, "Layer
/// normalization", 2016, equations 20 to 22.
struct LayerNormLSTMCell : Cell {
  using Options = LayerNormLSTMCellOptions;
  Tensor weight_ih, weight_hh, bias;
  LayerNorm norm_ih, norm_hh, norm_c;
  LayerNormLSTMCell(int64_t input, int64_t hidden, Options options = {});
  LSTMState step(const Tensor& x, const LSTMState& state) const;
  const Options& options() const { return options_; }
  REEL_FIELDS(weight_ih, weight_hh, bias, norm_ih, norm_hh, norm_c)

 private:
  Options options_;
};

struct LayerNormGRUCellOptions {
  bool bias = true;
  Activation gate = sigmoid;    ///< Of r and z.
  Activation candidate = tanh;  ///< Of n.
  double eps = 1e-5;            ///< Of the norms.
};

/// r, z = sigmoid of LN(W_ih x) + LN(W_hh h) + b;  h' = (1 - z) n + z h  with n = tanh(LN(W_in x) + r LN(W_hn h) + b_n).
/// The gates r and z are normalised together, the candidate by itself, each with weight and bias of its own. Ba, Kiros
/// and Hinton, 2016, supplement, equations 27 to 29, where z and 1 - z change places.
struct LayerNormGRUCell : Cell {
  using Options = LayerNormGRUCellOptions;
  Tensor weight_ih, weight_hh, bias;
  LayerNorm norm_ih, norm_hh;  // of the gates
  LayerNorm norm_in, norm_hn;  // of the candidate
  LayerNormGRUCell(int64_t input, int64_t hidden, Options options = {});
  Tensor step(const Tensor& x, const Tensor& h) const;
  const Options& options() const { return options_; }
  REEL_FIELDS(weight_ih, weight_hh, bias, norm_ih, norm_hh, norm_in, norm_hn)

 private:
  Options options_;
};

}  // namespace reel
