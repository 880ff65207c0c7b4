#include "bench/recurrent_reel.h"

#include <reel/reel.h>

#include <memory>
#include <stdexcept>
#include <vector>

namespace reel::bench {
namespace {

struct Inputs {
  Tensor x, dy;
};

template <class Layer> std::function<void()> step_of(Layer made, const Inputs& inputs) {
  auto layer = std::make_shared<Layer>(std::move(made));
  if (!inputs.dy.defined()) return [layer, x = inputs.x] { (*layer)(x); };
  return [layer, x = inputs.x, dy = inputs.dy]() mutable {
    for (Tensor& p : layer->parameters()) p.zero_grad();
    x.zero_grad();
    Tape tape;
    auto [h, state] = (*layer)(x);
    tape.backward(h, {.gradient = dy});
  };
}

std::function<void()> call_of(PeerCell cell, RecurrentShape s, const Inputs& inputs) {
  switch (cell) {
    case PeerCell::lstm:
      return step_of(LSTM(s.I, s.H), inputs);
    case PeerCell::peephole_lstm:
      return step_of(Recurrent<PeepholeLSTMCell>(s.I, s.H), inputs);
    case PeerCell::gru:
      return step_of(GRU(s.I, s.H, {}, {.reset_after = false}), inputs);
    case PeerCell::lbr_gru:
      return step_of(GRU(s.I, s.H, {}, {.reset_after = true}), inputs);
    case PeerCell::rnn:
      return step_of(RNN(s.I, s.H), inputs);
  }
  throw std::invalid_argument("no such cell");
}

Tensor copy_of(std::span<const float> values, const Shape& shape) {
  return from_vector(std::vector<float>(values.begin(), values.end()), shape);
}

}  // namespace

std::function<void()> reel_step(PeerCell cell, RecurrentShape s, std::span<const float> input,
                                std::span<const float> output_gradient) {
  Inputs inputs{copy_of(input, {s.T, s.N, s.I}), copy_of(output_gradient, {s.T, s.N, s.H})};
  inputs.x.requires_grad_();
  return call_of(cell, s, inputs);
}

std::function<void()> reel_forward(PeerCell cell, RecurrentShape s, std::span<const float> input) {
  return call_of(cell, s, {copy_of(input, {s.T, s.N, s.I}), {}});
}

}  // namespace reel::bench
