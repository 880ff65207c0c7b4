// LSTM cells over grids: their products are convolutions, their state has spatial axes.
#pragma once

#include <reel/layers/cells/lstm.h>
#include <reel/ops/per_axis.h>

namespace reel {

struct ConvLSTMCellOptions {
  PerAxis size;            ///< The extents of the grid, {L} or {H, W}: to be given.
  PerAxis kernel = 3;      ///< Of both convolutions, whose padding keeps the grid's size.
  bool peepholes = false;  ///< The gates see the carry, every place of the grid by a number of its own.
  bool bias = true;
  double forget_bias = 0;       ///< Added to what the forget gate's bias begins with.
  Activation gate = sigmoid;    ///< Of i, f and o.
  Activation candidate = tanh;  ///< Of g.
  Activation output = tanh;     ///< Of the new carry.
};

namespace detail {
/// i, f, g, o = W_ih * x + W_hh * h + b, where * is a convolution;  c' = sigmoid(f + w_cf c) c + sigmoid(i + w_ci c)
/// tanh(g);  h' = sigmoid(o + w_co c') tanh(c'). Shi et al., "Convolutional LSTM network: a machine learning approach for
/// precipitation nowcasting", 2015, equations 3. Weights are drawn from U(-1/sqrt(n), 1/sqrt(n)), n = hidden channels
/// times kernel elements.
struct ConvLSTMCell : Cell {
  using Options = ConvLSTMCellOptions;
  Tensor weight_ih, weight_hh, bias;       // [4 C, I, kernel...], [4 C, C, kernel...], [4 C]
  Tensor weight_ci, weight_cf, weight_co;  // [C, size...]
  LSTMState step(const Tensor& x, const LSTMState& state) const;
  LSTMState initial_state(int64_t batch) const;
  /// The extents behind the channels, of inputs and of states.
  Shape spatial() const { return size_; }
  const Options& options() const { return options_; }
  REEL_FIELDS(weight_ih, weight_hh, bias, weight_ci, weight_cf, weight_co)

 protected:
  ConvLSTMCell(std::string_view name, size_t axes, int64_t input, int64_t hidden, const Options& options);

 private:
  Shape size_;
  Options options_;
};
}  // namespace detail

/// x [N, input, L], state [N, hidden, L] of h and of c.
struct ConvLSTM1dCell : detail::ConvLSTMCell {
  ConvLSTM1dCell(int64_t input, int64_t hidden, const Options& options)
      : ConvLSTMCell("ConvLSTM1dCell", 1, input, hidden, options) {}
};
/// x [N, input, H, W], state [N, hidden, H, W] of h and of c.
struct ConvLSTM2dCell : detail::ConvLSTMCell {
  ConvLSTM2dCell(int64_t input, int64_t hidden, const Options& options)
      : ConvLSTMCell("ConvLSTM2dCell", 2, input, hidden, options) {}
};

}  // namespace reel
