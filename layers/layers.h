// Layers: recurrent layers of different cells, widths and options in a row, as one layer.
#pragma once

#include <string>
#include <tuple>
#include <utility>

#include <reel/layers/scan.h>

namespace reel {

/// The states of Layers: std::get<0>(state.layers) is that of the first.
template <class... S> struct LayersState {
  std::tuple<S...> layers;
  void visit_fields(FieldVisitor& visitor) {
    size_t index = 0;
    std::apply([&](auto&... state) { (detail::visit_field(visitor, std::to_string(index++), state), ...); },
               layers);
  }
};

/// Recurrent layers one after the other, each of which takes the outputs of the one before:
///
///   Layers net(LSTM(80, 256, {.bidirectional = true}), GRU(512, 128), Recurrent<MyCell>(128, 64));
///   auto [output, state] = net(x);
///
/// Each runs along the whole sequence before the next one does (Stack goes through all its cells at every step).
/// Parameters are named by position: "0.weight_ih_l0".
template <class... L>
requires(sizeof...(L) >= 1) struct Layers : Module {
  using State = LayersState<typename L::State...>;
  std::tuple<L...> layers;

  explicit Layers(L... parts) : layers(std::move(parts)...) {}

  /// x [T, N, I], or as the first layer takes it, and a state, zeros if left out: the outputs of the last layer, and
  /// the states of all.
  ScanResult<State> operator()(const Tensor& x, const State& state = {}) const {
    ScanResult<State> result{x, {}};
    run(result, state, std::index_sequence_for<L...>());
    return result;
  }

  void visit_fields(FieldVisitor& visitor) override {
    size_t index = 0;
    std::apply([&](auto&... layer) { (detail::visit_field(visitor, std::to_string(index++), layer), ...); },
               layers);
  }

 private:
  template <size_t... I>
  void run(ScanResult<State>& result, const State& state, std::index_sequence<I...>) const {
    const auto one = [&](const auto& layer, const auto& before, auto& after) {
      auto [output, next] = layer(result.output, before);
      result.output = std::move(output);
      after = std::move(next);
    };
    (one(std::get<I>(layers), std::get<I>(state.layers), std::get<I>(result.state.layers)), ...);
  }
};

}  // namespace reel
