// Cells as users write them, for the tests of what is wrapped around them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "framework/gradcheck.h"
#include "framework/random.h"
#include "layers/recurrent.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {

inline constexpr TensorOptions float64{.dtype = DType::float64};

/// Linear fields without sizes, and a tensor as state.
struct GatedCell : Cell {
  Linear xf, hf, xc, hc;
  REEL_FIELDS(xf, hf, xc, hc)
  Tensor step(const Tensor& x, const Tensor& h) const {
    const Tensor f = sigmoid(xf(x) + hf(h));
    return (1 - f) * h + f * tanh(xc(x) + hc(f * h));
  }
};

/// Its output is not its state, and of another width: 3. The state is nested, of two widths, and does not begin
/// with zeros.
struct NestedState {
  LSTMState lstm;
  Tensor extra;
  REEL_FIELDS(lstm, extra)
};
struct ReadoutCell : Cell {
  LSTMCell lstm;
  Linear read, remember;
  ReadoutCell(int64_t input, int64_t hidden)
      : lstm(input + 2, hidden), read(hidden, 3), remember(hidden, 2), hidden_(hidden) {}
  NestedState initial_state(int64_t batch) const {
    const TensorOptions options{.dtype = read.weight.dtype()};
    return {{full({batch, hidden_}, 0.25, options), zeros({batch, hidden_}, options)},
            full({batch, 2}, -0.5, options)};
  }
  std::pair<Tensor, NestedState> step(const Tensor& x, const NestedState& state) const {
    const LSTMState next = lstm.step(cat({x, state.extra}, -1), state.lstm);
    return {read(next.h), {next, 0.9 * state.extra + tanh(remember(next.h))}};
  }
  REEL_FIELDS(lstm, read, remember)

 private:
  int64_t hidden_;
};

inline std::vector<std::string> names_of(const Module& module) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : module.named_parameters()) names.push_back(name);
  return names;
}

/// Gradcheck (or gradgradcheck) of a layer with respect to its input and to all its parameters; what it draws is
/// drawn the same way each time. Empty where it passes.
template <class Layer> std::string gradients_of(Layer& layer, const Tensor& x, bool second = false) {
  layer.to(DType::float64);
  std::vector<Tensor> inputs = {x};
  for (const Tensor& parameter : layer.parameters()) inputs.push_back(clone(parameter));
  const auto run = [&](const std::vector<Tensor>& values) {
    size_t next = 1;
    detail::for_each_tensor(layer, [&](Tensor& tensor) {
      if (tensor.defined()) tensor = values[next++];
    });
    manual_seed(5);
    auto [output, state] = layer(values[0]);
    std::vector<Tensor> results = detail::tensors_of(state);
    results.push_back(output);
    return results;
  };
  return (second ? gradgradcheck(run, inputs) : gradcheck(run, inputs)).message;
}

/// Loads the parameters of one module into another: they must have the same names.
template <class From, class To> void copy_parameters(const From& from, To& to) {
  to.load_state_dict(from.state_dict());
}

/// A cell's steps, one after the other: outputs [T, N, ...] and the last state.
template <class C>
std::pair<Tensor, detail::StateOf<C>> by_hand(const C& cell, const Tensor& xs, detail::StateOf<C> state) {
  std::vector<Tensor> outputs;
  for (const Tensor& x : unbind(xs)) {
    if constexpr (std::same_as<detail::StepResultOf<C>, detail::StateOf<C>>) {
      state = cell.step(x, state);
      outputs.push_back(detail::tensors_of(state)[0]);
    } else {
      auto [output, next] = cell.step(x, state);
      outputs.push_back(output);
      state = next;
    }
  }
  return {stack(outputs), state};
}

/// Whether a layer of such a cell runs as a compiled loop, by its explanation: "" or the reason against.
template <class C> std::string steps_because(const Recurrent<C>& rnn, int64_t batch) {
  const std::string text = explain(rnn, batch);
  const size_t at = text.find("step by step: ");
  return at == std::string::npos ? "" : text.substr(at + 14, text.find('\n', at) - at - 14);
}

}  // namespace reel
