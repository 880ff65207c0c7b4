// Cells whose state meets itself element by element alone, so that all their products leave the loop.
#pragma once

#include <utility>

#include <reel/layers/cell.h>
#include <reel/layers/cells/activation.h>

namespace reel {

struct IndRNNCellOptions {
  Activation nonlinearity = relu;
  bool bias = true;
};

/// h' = relu(W_ih x + b_ih + u h), u a vector that begins with U(0, 1). Li et al., "Independently recurrent neural
/// network (IndRNN): building a longer and deeper RNN", 2018, equation 3.
struct IndRNNCell : Cell {
  using Options = IndRNNCellOptions;
  Tensor weight_ih, weight_hh, bias_ih;  // weight_hh [H]
  IndRNNCell(int64_t input, int64_t hidden, Options options = {});
  Tensor step(const Tensor& x, const Tensor& h) const;
  const Options& options() const { return options_; }
  REEL_FIELDS(weight_ih, weight_hh, bias_ih)

 private:
  Options options_;
};

struct SRUCellOptions {
  bool bias = true;           ///< Of f and r.
  Activation gate = sigmoid;  ///< Of f and r.
};

/// f = sigmoid(W_f x + v_f c + b_f);  c' = f c + (1 - f) W x;  r = sigmoid(W_r x + v_r c + b_r);  h = r c' + (1 - r) x.
/// Where x is not of the hidden size, a product W_x x stands for it. The output is h, the state c. weight_ih holds W, W_f,
/// W_r and, then, W_x. Lei et al., "Simple recurrent units for highly parallelizable recurrence", 2018, equations 1 to 4.
struct SRUCell : Cell {
  using Options = SRUCellOptions;
  Tensor weight_ih, weight_cf, weight_cr, bias_f, bias_r;  // [3 H or 4 H, I], then [H]
  SRUCell(int64_t input, int64_t hidden, Options options = {});
  std::pair<Tensor, Tensor> step(const Tensor& x, const Tensor& c) const;
  const Options& options() const { return options_; }
  REEL_FIELDS(weight_ih, weight_cf, weight_cr, bias_f, bias_r)

 private:
  Options options_;
};

/// How a QRNN mixes old and new; a letter for each of its gates.
enum class Pooling { f, fo, ifo };

struct QRNNCellOptions {
  int64_t window = 2;  ///< k, the step and the k - 1 before it that the gates see: at least 2.
  Pooling pooling = Pooling::fo;
  bool bias = true;
  Activation gate = sigmoid;
  Activation candidate = tanh;
};

struct QRNNState {
  Tensor c;
  Tensor past;  ///< [N, (k - 1) I], the inputs of the steps before, the latest first.
  REEL_FIELDS(c, past)
};

/// z, f, o, i = W_ih x + W_past [x before, ...] + b;  c' = sigmoid(f) c + (1 - sigmoid(f)) tanh(z), or, with pooling
/// ifo, sigmoid(f) c + sigmoid(i) tanh(z);  h = sigmoid(o) c', or, with pooling f, c'. Bradbury et al.,
/// "Quasi-recurrent neural networks", 2016, equations 1 to 5.
struct QRNNCell : Cell {
  using Options = QRNNCellOptions;
  Tensor weight_ih, weight_past, bias_ih;  // two, three or four gates in the order z, f, o, i
  QRNNCell(int64_t input, int64_t hidden, Options options = {});
  std::pair<Tensor, QRNNState> step(const Tensor& x, const QRNNState& state) const;
  QRNNState initial_state(int64_t batch) const;
  const Options& options() const { return options_; }
  REEL_FIELDS(weight_ih, weight_past, bias_ih)

 private:
  int64_t hidden_;
  Options options_;
};

}  // namespace reel
