// Layers of different cells, widths and directions in a row.
#include "layers/layers.h"

#include "framework/tape.h"
#include "tests/layers/wrappers/wrapped.h"

namespace reel {

TEST_CASE("layers in a row are each of them on the outputs of the one before", "[layers]") {
  manual_seed(1);
  const Layers net(LSTM(3, 5, {.layers = 2, .bidirectional = true}), GRU(10, 4), Recurrent<GatedCell>(4, 2));
  const auto& [lstm, gru, gated] = net.layers;
  CHECK(names_of(net).front() == "0.weight_ih_l0");
  CHECK(names_of(net).back() == "2.hc.bias_l0");
  const Tensor x = randn({6, 2, 3});
  const auto [output, state] = net(x);
  CHECK(difference(output, gated(gru(lstm(x).output).output).output) == "");
  CHECK(difference(std::get<0>(state.layers).layers[3].c, lstm(x).state.layers[3].c) == "");

  // One direction in two pieces, the state carried on.
  const Layers line(GRU(3, 4), LSTM(4, 2));
  const auto whole = line(x);
  const auto [first, carried] = line(narrow(x, 0, 0, 2));
  const auto [second, last] = line(narrow(x, 0, 2, 4), detach(carried));
  CHECK(difference(cat({first, second}), whole.output, 1e-6) == "");
  CHECK(difference(std::get<1>(last.layers).layers[0].c, std::get<1>(whole.state.layers).layers[0].c, 1e-6) ==
        "");
}

TEST_CASE("gradients flow through layers in a row", "[layers]") {
  manual_seed(2);
  Layers net(LSTM(3, 2, {.bidirectional = true}), Recurrent<ReadoutCell>(4, 2));
  CHECK(gradients_of(net, randn({3, 2, 3}, float64)) == "");
}

TEST_CASE("a layer says that its input is not of its width", "[layers]") {
  const Layers net(LSTM(3, 5), GRU(4, 4));
  CHECK_THROWS_WITH(net(zeros({2, 1, 3})), contains_text("width 4") && contains_text("[2, 1, 5]"));
}

}  // namespace reel
