#include "layers/wrappers/cell_dropout.h"

#include "ops/dropout.h"
#include "tests/layers/wrappers/wrapped.h"

namespace reel {
namespace {

using Dropped = Recurrent<CellDropout<LSTMCell>>;

}  // namespace

TEST_CASE("variational dropout holds one mask for a sequence", "[wrappers]") {
  manual_seed(1);
  const Dropped layer({3, 4}, {}, {.input = 0.3, .state = {0.4, 0.2}, .output = 0.5, .variational = true});
  LSTM plain(3, 4);
  copy_parameters(layer, plain);
  const Tensor x = randn({6, 5, 3});
  manual_seed(2);
  const auto [output, state] = layer(x);

  manual_seed(2);
  const auto mask = [](const Shape& shape, double p) { return bernoulli(shape, 1 - p) / (1 - p); };
  const Tensor x_mask = mask({5, 3}, 0.3), h_mask = mask({5, 4}, 0.4), c_mask = mask({5, 4}, 0.2),
               y_mask = mask({5, 4}, 0.5);
  LSTMState s{zeros({5, 4}), zeros({5, 4})};
  for (int64_t t = 0; t < 6; ++t) {
    s = plain.cells[0].step(select(x, 0, t) * x_mask, {s.h * h_mask, s.c * c_mask});
    CHECK(difference(select(output, 0, t), s.h * y_mask, 1e-6) == "");
  }
  CHECK(difference(state.layers[0].h, s.h, 1e-6) == "");
  CHECK(difference(state.layers[0].c, s.c, 1e-6) == "");
  CHECK(steps_because(layer, 5) == "");
  CHECK(difference(layer(x).output, output) != "");
}

TEST_CASE("dropout by new masks at each step", "[wrappers]") {
  manual_seed(3);
  const Dropped layer({3, 4}, {}, {.input = 0.3, .state = {0.4}, .output = 0.5});
  LSTM plain(3, 4);
  copy_parameters(layer, plain);
  const Tensor x = randn({6, 5, 3});
  manual_seed(4);
  const auto [output, state] = layer(x);

  manual_seed(4);
  LSTMState s{zeros({5, 4}), zeros({5, 4})};
  for (int64_t t = 0; t < 6; ++t) {
    const Tensor input = dropout(select(x, 0, t), 0.3), h = dropout(s.h, 0.4);
    s = plain.cells[0].step(input, {h, s.c});  // one probability: that of h
    CHECK(difference(select(output, 0, t), dropout(s.h, 0.5), 1e-6) == "");
  }
  CHECK(difference(state.layers[0].c, s.c, 1e-6) == "");
  CHECK(steps_because(layer, 5) == "draws random numbers");
}

TEST_CASE("dropout in eval mode, and outside of a sequence, passes everything through", "[wrappers]") {
  for (const bool variational : {false, true}) {
    manual_seed(5);
    Dropped layer({3, 4}, {.layers = 2},
                  {.input = 0.3, .state = {0.4}, .output = 0.5, .variational = variational});
    LSTM plain(3, 4, {.layers = 2});
    copy_parameters(layer, plain);
    const Tensor x = randn({4, 2, 3});
    const LSTMState zero{zeros({2, 4}), zeros({2, 4})};
    CHECK(difference(by_hand(layer.cells[0], x, zero).first, by_hand(plain.cells[0], x, zero).first) == "");
    layer.eval();
    CHECK(difference(layer(x).output, plain(x).output, 1e-6) == "");
    CHECK(steps_because(layer, 2) == "");
  }
}

TEST_CASE("masks have the widths of what they are for", "[wrappers]") {
  manual_seed(6);
  // Output 3, states 4, 4 and 2; the input of the second layer is 6.
  const Recurrent<CellDropout<ReadoutCell>> layer(
      {5, 4}, {.layers = 2, .bidirectional = true},
      {.input = 0.5, .state = {0.5, 0.5, 0.5}, .output = 0.5, .variational = true});
  const Tensor output = layer(randn({3, 2, 5})).output;
  CHECK(output.shape() == Shape{3, 2, 6});
  // A dropped column is 0 at all steps, another one at none.
  for (int64_t row = 0; row < 2; ++row)
    for (int64_t column = 0; column < 6; ++column) {
      const bool first = element(output, {0, row, column}) == 0;
      for (int64_t t = 1; t < 3; ++t) CHECK((element(output, {t, row, column}) == 0) == first);
    }
  CHECK(difference(layer(zeros({3, 0, 5})).output, zeros({3, 0, 6})) == "");
  CHECK(difference(layer(zeros({0, 2, 5})).output, zeros({0, 2, 6})) == "");

  const Dropped all({3, 4}, {}, {.output = 1, .variational = true});
  CHECK(difference(all(randn({3, 2, 3})).output, zeros({3, 2, 4})) == "");
}

TEST_CASE("gradients flow through dropout", "[wrappers]") {
  manual_seed(7);
  const Tensor x = randn({4, 2, 3}, float64);
  for (const bool variational : {false, true}) {
    Recurrent<CellDropout<ReadoutCell>> layer(
        {3, 2}, {.layers = 2},
        {.input = 0.3, .state = {0.4, 0, 0.2}, .output = 0.5, .variational = variational});
    CHECK(gradients_of(layer, x) == "");
    Recurrent<CellDropout<GatedCell>> gated({3, 2}, {}, {.state = {0.4}, .variational = variational});
    CHECK(gradients_of(gated, x) == "");
  }
}

TEST_CASE("dropout says what does not fit", "[wrappers]") {
  CHECK_THROWS_WITH(Dropped({3, 4}, {}, {.input = -0.1}),
                    contains_text("[CellDropout]") && contains_text("input") && contains_text("-0.1"));
  CHECK_THROWS_WITH(Dropped({3, 4}, {}, {.output = 2}), contains_text("output"));
  CHECK_THROWS_WITH(Dropped({3, 4}, {}, {.state = {0.1, 3}}), contains_text("state") && contains_text("3"));
  CHECK_THROWS_WITH(Dropped({3, 4}, {}, {.state = {0.1, 0.1, 0.1}}),
                    contains_text("3 probabilities") && contains_text("2 tensors"));
  const Dropped layer({3, 4}, {}, {.input = 0.5, .variational = true});
  const auto begun = begin_sequence(layer.cells[0], {.steps = 1, .batch = 2, .dtype = DType::float32});
  CHECK_THROWS_WITH(begun.step(zeros({1, 3}), {zeros({1, 4}), zeros({1, 4})}),
                    contains_text("[2, 3]") && contains_text("[1, 3]"));
}

}  // namespace reel
