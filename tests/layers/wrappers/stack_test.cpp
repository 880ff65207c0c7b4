#include "layers/wrappers/stack.h"

#include "layers/wrappers/residual.h"
#include "tests/layers/wrappers/wrapped.h"

namespace reel {
namespace {

/// Widths 3 -> 7 -> 3 (the readout of 5) -> 4.
using Odd = Stack<LSTMCell, ReadoutCell, GatedCell>;

}  // namespace

TEST_CASE("a stack goes through all its cells at each step", "[wrappers]") {
  manual_seed(1);
  const Recurrent<Odd> layer({3, 4}, {},
                             {.hidden = {7, 5, 4}, .cells = {LSTMCellOptions{.bias = false}, {}, {}}});
  const auto& [lstm, readout, gated] = layer.cells[0].cells;
  CHECK(readout.lstm.weight_ih.shape() == Shape{20, 9});
  CHECK(gated.xf.weight.shape() == Shape{4, 3});
  CHECK(names_of(layer).front() == "0.weight_ih_l0");
  CHECK(names_of(layer)[2] == "1.lstm.weight_ih_l0");
  CHECK(names_of(layer).back() == "2.hc.bias_l0");

  const Tensor x = randn({5, 2, 3});
  const auto [output, state] = layer(x);
  const auto [below, lowest] = by_hand(lstm, x, {zeros({2, 7}), zeros({2, 7})});
  const auto [middle, nested] = by_hand(readout, below, readout.initial_state(2));
  const auto [above, h] = by_hand(gated, middle, zeros({2, 4}));
  CHECK(difference(output, above, 1e-6) == "");
  const auto& states = state.layers[0].cells;
  CHECK(difference(std::get<0>(states).c, lowest.c, 1e-6) == "");
  CHECK(difference(std::get<1>(states).extra, nested.extra, 1e-6) == "");
  CHECK(difference(std::get<2>(states), h, 1e-6) == "");
  CHECK(steps_because(Recurrent<Stack<LSTMCell, GRUCell, GatedCell>>({3, 4}, {}, {.hidden = {7, 5, 4}}), 2) ==
        "");

  // In two pieces, the state carried on: the same.
  const auto [first, carried] = layer(narrow(x, 0, 0, 2));
  const auto [second, last] = layer(narrow(x, 0, 2, 3), detach(carried));
  CHECK(difference(cat({first, second}), output, 1e-6) == "");
}

TEST_CASE("gradients flow through a stack", "[wrappers]") {
  manual_seed(2);
  Recurrent<Odd> layer({2, 3}, {.bidirectional = true}, {.hidden = {2, 2, 3}});
  CHECK(gradients_of(layer, randn({3, 2, 2}, float64)) == "");
}

TEST_CASE("a stack of one kind in one layer is that many layers", "[wrappers]") {
  manual_seed(3);
  LSTM plain(3, 4, {.layers = 2});
  const Recurrent<Stack<LSTMCell, Residual<LSTMCell>>> layer({3, 4});
  NamedTensors renamed;
  for (const auto& [name, tensor] : layer.state_dict())
    renamed.emplace_back(name.substr(2, name.size() - 3) + name[0], tensor);
  plain.load_state_dict(renamed);
  const Tensor x = randn({4, 2, 3});
  const Tensor below = scan(plain.cells[0], x, {zeros({2, 4}), zeros({2, 4})}).output;
  CHECK(difference(layer(x).output, plain(x).output + below, 1e-6) == "");
}

TEST_CASE("a stack says which sizes do not fit", "[wrappers]") {
  using Two = Recurrent<Stack<LSTMCell, GRUCell>>;
  CHECK_THROWS_WITH(Two({3, 4}, {}, {.hidden = {4}}), contains_text("[Stack]") && contains_text("got 1"));
  CHECK_THROWS_WITH(Two({3, 4}, {}, {.hidden = {4, 5}}), contains_text("size, 4,") && contains_text("5"));
  CHECK_THROWS_WITH(Two({3, 4}, {}, {.hidden = {0, 4}}), contains_text("got 0"));
  CHECK_THROWS_WITH((Recurrent<Stack<LSTMCell, Residual<GRUCell>>>({3, 4}, {}, {.hidden = {5, 4}})),
                    contains_text("[Residual]") && contains_text("[1, 5]"));
}

}  // namespace reel
