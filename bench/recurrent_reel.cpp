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
  return [layer, x = inputs.x, dy = inputs.dy]() mutable {
    for (Tensor& p : layer->parameters()) p.zero_grad();
    x.zero_grad();
    Tape tape;
    auto [h, state] = (*layer)(x);
    tape.backward(h, {.gradient = dy});
  };
}

std::function<void()> lstm(RecurrentShape s, const Inputs& inputs) { return step_of(LSTM(s.I, s.H), inputs); }

std::function<void()> gru(RecurrentShape s, const Inputs& inputs) {
  return step_of(GRU(s.I, s.H, {}, {.reset_after = false}), inputs);
}

std::function<void()> lbr_gru(RecurrentShape s, const Inputs& inputs) {
  return step_of(GRU(s.I, s.H, {}, {.reset_after = true}), inputs);
}

std::function<void()> rnn(RecurrentShape s, const Inputs& inputs) { return step_of(RNN(s.I, s.H), inputs); }

}  // namespace

std::function<void()> reel_step(PeerCell cell, RecurrentShape s, std::span<const float> input,
                                std::span<const float> output_gradient) {
  const auto copy = [](std::span<const float> values, const Shape& shape) {
    return from_vector(std::vector<float>(values.begin(), values.end()), shape);
  };
  Inputs inputs{copy(input, {s.T, s.N, s.I}), copy(output_gradient, {s.T, s.N, s.H})};
  inputs.x.requires_grad_();
  switch (cell) {
    case PeerCell::lstm:
      return lstm(s, inputs);
    case PeerCell::gru:
      return gru(s, inputs);
    case PeerCell::lbr_gru:
      return lbr_gru(s, inputs);
    case PeerCell::rnn:
      return rnn(s, inputs);
  }
  throw std::invalid_argument("no such cell");
}

}  // namespace reel::bench
