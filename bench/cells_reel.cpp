#include <reel/reel.h>

#include <memory>
#include <vector>

#include "bench/cells.h"

namespace reel::bench {
namespace {

struct MinimalCell : Cell {
  Linear xf, hf, xc, hc;
  REEL_FIELDS(xf, hf, xc, hc)
  Tensor step(const Tensor& x, const Tensor& h) const {
    const Tensor f = sigmoid(xf(x) + hf(h));
    return (1 - f) * h + f * tanh(xc(x) + hc(f * h));
  }
};

struct EightCell : Cell {
  Linear xi, xf, xg, xo, hi, hf, hg, ho;
  REEL_FIELDS(xi, xf, xg, xo, hi, hf, hg, ho)
  LSTMState step(const Tensor& x, const LSTMState& s) const {
    const Tensor i = sigmoid(xi(x) + hi(s.h));
    const Tensor f = sigmoid(xf(x) + hf(s.h));
    const Tensor g = tanh(xg(x) + hg(s.h));
    const Tensor o = sigmoid(xo(x) + ho(s.h));
    const Tensor c = f * s.c + i * g;
    return {o * tanh(c), c};
  }
};

template <class Layer>
std::function<void()> step_of(Layer made, const Tensor& input, const Padding& padding = {}) {
  auto layer = std::make_shared<Layer>(std::move(made));
  return [layer, x = input, padding]() mutable {
    for (Tensor& p : layer->parameters()) p.zero_grad();
    x.zero_grad();
    Tape tape;
    const Tensor y = (*layer)(x, padding).output;
    tape.backward(y, {.gradient = ones_like(y)});
  };
}

}  // namespace

CellCalls reel_cells(CellShape s) {
  const Tensor x = randn({s.T, s.N, s.I}).requires_grad_();
  return {step_of(LSTM(s.I, s.H), x), step_of(Recurrent<MinimalCell>({s.I, s.H}), x),
          step_of(Recurrent<EightCell>({s.I, s.H}), x)};
}

std::function<void()> reel_layers(LayerShape s) {
  Padding padding;
  if (s.counting < 1) {
    std::vector<int64_t> lengths;
    const double most = 2 * s.counting * static_cast<double>(s.T);
    for (int64_t n = 0; n < s.N; ++n)
      lengths.push_back(
          static_cast<int64_t>(most * (static_cast<double>(n) + 0.5) / static_cast<double>(s.N)));
    padding.lengths = from_vector(lengths);
  }
  return step_of(LSTM(s.H, s.H,
                      {.layers = s.layers,
                       .bidirectional = s.bidirectional,
                       .merge = s.bidirectional ? Merge::sum : Merge::concat}),
                 randn({s.T, s.N, s.H}).requires_grad_(), padding);
}

}  // namespace reel::bench
