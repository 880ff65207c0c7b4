#include "layers/wrappers/residual.h"

#include "tests/layers/wrappers/wrapped.h"

namespace reel {
namespace {
/// x and output alike in width: 3.
using Squared = Residual<ReadoutCell>;
}  // namespace

TEST_CASE("a residual cell adds its input and leaves the state", "[wrappers]") {
  manual_seed(1);
  const Recurrent<Residual<LSTMCell>> wrapped({4, 4}, {.layers = 2});
  LSTM plain(4, 4, {.layers = 2});
  copy_parameters(wrapped, plain);
  const Tensor x = randn({5, 2, 4});
  const auto [output, state] = wrapped(x);
  const LSTMState zero{zeros({2, 4}), zeros({2, 4})};
  const auto [first, first_state] = scan(plain.cells[0], x, zero);
  const auto [second, second_state] = scan(plain.cells[1], first + x, zero);
  CHECK(difference(output, second + (first + x), 1e-6) == "");
  CHECK(difference(state.layers[0].h, first_state.h, 1e-6) == "");
  CHECK(difference(state.layers[1].c, second_state.c, 1e-6) == "");
  CHECK(steps_because(wrapped, 2) == "");
}

TEST_CASE("gradients flow around a residual cell and through it", "[wrappers]") {
  manual_seed(2);
  Recurrent<Residual<GatedCell>> gated({3, 3}, {.bidirectional = true});
  CHECK(gradients_of(gated, randn({3, 2, 3}, float64)) == "");
  Recurrent<Squared> nested({3, 4}, {.layers = 2});
  CHECK(gradients_of(nested, randn({3, 2, 3}, float64)) == "");
}

TEST_CASE("a residual cell of unequal sizes is refused when it is made", "[wrappers]") {
  CHECK_THROWS_WITH(Recurrent<Residual<LSTMCell>>({3, 4}),
                    contains_text("[Residual]") && contains_text("[1, 4]") && contains_text("[1, 3]"));
  CHECK_THROWS_WITH(Recurrent<Squared>({4, 4}), contains_text("[1, 3]") && contains_text("[1, 4]"));
}

}  // namespace reel
