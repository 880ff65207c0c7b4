// LSTM cells whose gates see the carry, share a gate, or give out fewer numbers than they carry.
#pragma once

#include <reel/layers/cells/lstm.h>

namespace reel {

/// How a gate sees the carry: not at all, each unit its own number (weight [H]), or all of them (weight [H, H]).
enum class Peepholes { none, diagonal, full };
/// Which carry the output gate sees.
enum class Carry { next, previous };

struct PeepholeLSTMCellOptions {
  Peepholes peepholes = Peepholes::diagonal;
  Carry output_sees = Carry::next;
  bool bias = true;
  bool recurrent_bias = true;       ///< With `bias`, b_hh beside b_ih.
  double forget_bias = 0;           ///< Added to what the forget gate's b_ih begins with.
  Activation gate = sigmoid;        ///< Of i, f and o.
  Activation candidate = tanh;      ///< Of g.
  Activation output = tanh;         ///< Of the new carry.
  double clip = detail::unbounded;  ///< Sums before the activations are clipped to [-clip, clip], as in ONNX.
  double carry_clip = detail::unbounded;  ///< The new carry is, as in TensorFlow.
};

/// i, f, g, o as the LSTM's;  c' = sigmoid(f + w_cf c) c + sigmoid(i + w_ci c) tanh(g);  h' = sigmoid(o + w_co c')
/// tanh(c'), where w c is a product by element or of a matrix. Gers, Schraudolph and Schmidhuber, "Learning precise
/// timing with LSTM recurrent networks", 2002, equations 2 to 6.
struct PeepholeLSTMCell : Cell {
  using Options = PeepholeLSTMCellOptions;
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;
  Tensor weight_ci, weight_cf, weight_co;
  PeepholeLSTMCell(int64_t input, int64_t hidden, Options options = {});
  LSTMState step(const Tensor& x, const LSTMState& state) const;
  const Options& options() const { return options_; }
  WeightLayout layout() const;
  REEL_FIELDS(weight_ih, weight_hh, bias_ih, bias_hh, weight_ci, weight_cf, weight_co)

 private:
  Options options_;
};

struct CoupledLSTMCellOptions {
  Peepholes peepholes = Peepholes::none;
  Carry output_sees = Carry::next;
  bool bias = true;
  bool recurrent_bias = true;       ///< With `bias`, b_hh beside b_ih.
  Activation gate = sigmoid;        ///< Of i and o.
  Activation candidate = tanh;      ///< Of g.
  Activation output = tanh;         ///< Of the new carry.
  double clip = detail::unbounded;  ///< Sums before the activations are clipped to [-clip, clip], as in ONNX.
  double carry_clip = detail::unbounded;  ///< The new carry is.
};

/// i, g, o = W_ih x + b_ih + W_hh h + b_hh;  c' = (1 - i') c + i' tanh(g) with i' = sigmoid(i);  h' = sigmoid(o)
/// tanh(c'): what comes in pushes out as much, as ONNX's input_forget. Greff et al., "LSTM: a search space odyssey",
/// 2015, variant CIFG; with peepholes as PeepholeLSTMCell's.
struct CoupledLSTMCell : Cell {
  using Options = CoupledLSTMCellOptions;
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;  // three gates
  Tensor weight_ci, weight_co;
  CoupledLSTMCell(int64_t input, int64_t hidden, Options options = {});
  LSTMState step(const Tensor& x, const LSTMState& state) const;
  const Options& options() const { return options_; }
  WeightLayout layout() const;
  REEL_FIELDS(weight_ih, weight_hh, bias_ih, bias_hh, weight_ci, weight_co)

 private:
  Options options_;
};

struct ProjectedLSTMCellOptions {
  int64_t proj_size = 0;  ///< P, the width of h: at least 1, to be given.
  bool bias = true;
  bool recurrent_bias = true;       ///< With `bias`, b_hh beside b_ih.
  double forget_bias = 0;           ///< Added to what the forget gate's b_ih begins with.
  Activation gate = sigmoid;        ///< Of i, f and o.
  Activation candidate = tanh;      ///< Of g.
  Activation output = tanh;         ///< Of the new carry.
  double clip = detail::unbounded;  ///< Sums before the activations are clipped to [-clip, clip].
};

/// The LSTM with h' = W_hr (sigmoid(o) tanh(c')): h [N, P] beside c [N, H]. Sak, Senior and Beaufays, "Long short-term
/// memory recurrent neural network architectures for large scale acoustic modeling", 2014, without its second
/// projection: PyTorch's proj_size.
struct ProjectedLSTMCell : Cell {
  using Options = ProjectedLSTMCellOptions;
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;  // weight_hh [4 H, P]
  Tensor weight_hr;                               // [P, H]
  ProjectedLSTMCell(int64_t input, int64_t hidden, Options options);
  LSTMState step(const Tensor& x, const LSTMState& state) const;
  LSTMState initial_state(int64_t batch) const;
  const Options& options() const { return options_; }
  WeightLayout layout() const;
  REEL_FIELDS(weight_ih, weight_hh, bias_ih, bias_hh, weight_hr)

 private:
  Options options_;
};

}  // namespace reel
