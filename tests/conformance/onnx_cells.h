// The cells of ONNX with all their attributes, written as a user would.
#pragma once

#include <string>
#include <vector>

#include "layers/foreign_weights.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/rounding.h"
#include "ops/slicing.h"

namespace reel {

/// An activation by its name in ONNX, in small letters, with what its attributes say.
struct OnnxActivation {
  std::string name;
  double alpha = 0, beta = 0;

  Tensor operator()(const Tensor& x) const {
    if (name == "sigmoid") return sigmoid(x);
    if (name == "tanh") return tanh(x);
    if (name == "relu") return relu(x);
    if (name == "leakyrelu") return leaky_relu(x, alpha);
    check(name == "scaledtanh", "no activation {}", name);
    return alpha * tanh(beta * x);
  }
};

struct OnnxCellOptions {
  std::vector<OnnxActivation> activations;  ///< f, g, h of the LSTM; f, g of the GRU; f of the RNN.
  bool bias = true;
  double clip = 0;         ///< 0: none.
  bool peepholes = false;  ///< LSTM.
  bool coupled = false;    ///< LSTM: f = 1 - i.
  bool reset_after = false;
};

struct OnnxCell : Cell {
  using Options = OnnxCellOptions;
  Tensor weight_ih, weight_hh, bias_ih, bias_hh, weight_ch;
  REEL_FIELDS(weight_ih, weight_hh, bias_ih, bias_hh, weight_ch)

 protected:
  Options options_;
  OnnxCell(int64_t gates, int64_t input, int64_t hidden, Options options) : options_(std::move(options)) {
    weight_ih = zeros({gates * hidden, input});
    weight_hh = zeros({gates * hidden, hidden});
    if (options_.bias) {
      bias_ih = zeros({gates * hidden});
      bias_hh = zeros({gates * hidden});
    }
    if (options_.peepholes) weight_ch = zeros({3 * hidden});
  }
  Tensor act(size_t which, const Tensor& sum) const { return options_.activations.at(which)(clipped(sum)); }
  Tensor clipped(const Tensor& sum) const {
    return options_.clip > 0 ? clamp(sum, -options_.clip, options_.clip) : sum;
  }
  WeightLayout described(CellFamily family, std::string_view gates) const {
    return {.family = family,
            .gates = gates,
            .reset_after = options_.reset_after,
            .peepholes = options_.peepholes ? "iof" : "",
            .coupled = options_.coupled,
            .clipped = options_.clip > 0,
            .own_activations = true,
            .peephole = "weight_ch"};
  }
};

struct OnnxLSTMCell : OnnxCell {
  OnnxLSTMCell(int64_t input, int64_t hidden, Options options)
      : OnnxCell(4, input, hidden, std::move(options)) {}
  LSTMState step(const Tensor& x, const LSTMState& s) const {
    const auto [i, o, f, g] = chunk<4>(linear(x, weight_ih, bias_ih) + linear(s.h, weight_hh, bias_hh), -1);
    const auto seen = [&](const Tensor& sum, int64_t which, const Tensor& carry) {
      const int64_t hidden = weight_hh.size(1);
      return options_.peepholes ? sum + narrow(weight_ch, 0, which * hidden, hidden) * carry : sum;
    };
    const Tensor input_gate = act(0, seen(i, 0, s.c));
    const Tensor forget_gate = options_.coupled ? 1 - input_gate : act(0, seen(f, 2, s.c));
    const Tensor c = forget_gate * s.c + input_gate * act(1, g);
    return {act(0, seen(o, 1, c)) * options_.activations.at(2)(c), c};
  }
  WeightLayout layout() const { return described(CellFamily::lstm, "iofg"); }
};

struct OnnxGRUCell : OnnxCell {
  OnnxGRUCell(int64_t input, int64_t hidden, Options options)
      : OnnxCell(3, input, hidden, std::move(options)) {}
  Tensor step(const Tensor& x, const Tensor& h) const {
    const auto [xz, xr, xn] = chunk<3>(linear(x, weight_ih, bias_ih), -1);
    const auto [hz, hr, hn] = chunk<3>(linear(h, weight_hh, bias_hh), -1);
    const Tensor z = act(0, xz + hz), r = act(0, xr + hr);
    const int64_t hidden = h.size(1);
    const auto last = [&](const Tensor& rows) {
      return rows.defined() ? narrow(rows, 0, 2 * hidden, hidden) : rows;
    };
    const Tensor seen = options_.reset_after ? r * hn : linear(r * h, last(weight_hh), last(bias_hh));
    return (1 - z) * act(1, xn + seen) + z * h;
  }
  WeightLayout layout() const { return described(CellFamily::gru, "zrn"); }
};

struct OnnxRNNCell : OnnxCell {
  OnnxRNNCell(int64_t input, int64_t hidden, Options options)
      : OnnxCell(1, input, hidden, std::move(options)) {}
  Tensor step(const Tensor& x, const Tensor& h) const {
    return act(0, linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh));
  }
  WeightLayout layout() const { return described(CellFamily::rnn, "h"); }
};

}  // namespace reel
