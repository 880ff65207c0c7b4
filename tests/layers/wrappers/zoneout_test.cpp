#include "layers/wrappers/zoneout.h"

#include "ops/compare.h"
#include "tests/layers/wrappers/wrapped.h"

namespace reel {
namespace {

struct CountingState {
  Tensor h, count;
  REEL_FIELDS(h, count)
};
/// Counts its steps in whole numbers.
struct CountingCell : Cell {
  REEL_FIELDS()
  CountingState initial_state(int64_t batch) const {
    return {zeros({batch, 2}), zeros({batch, 1}, {.dtype = DType::int64})};
  }
  CountingState step(const Tensor& x, const CountingState& s) const {
    return {x + s.h, s.count + full({}, 1, {.dtype = DType::int64})};
  }
};

}  // namespace

TEST_CASE("zoneout keeps elements of the state by masks of each step", "[wrappers]") {
  manual_seed(1);
  const Recurrent<Zoneout<LSTMCell>> layer({3, 4}, {}, {.p = {0.3, 0.6}});
  LSTM plain(3, 4);
  copy_parameters(layer, plain);
  const Tensor x = randn({6, 5, 3});
  manual_seed(2);
  const auto [output, state] = layer(x);

  manual_seed(2);
  LSTMState s{zeros({5, 4}), zeros({5, 4})};
  for (int64_t t = 0; t < 6; ++t) {
    const LSTMState next = plain.cells[0].step(select(x, 0, t), s);
    const Tensor keep_h = bernoulli({5, 4}, 0.3), keep_c = bernoulli({5, 4}, 0.6);
    s = {keep_h * s.h + (1 - keep_h) * next.h, keep_c * s.c + (1 - keep_c) * next.c};
    CHECK(difference(select(output, 0, t), s.h, 1e-6) == "");
  }
  CHECK(difference(state.layers[0].c, s.c, 1e-6) == "");
}

TEST_CASE("zoneout in eval mode takes the expectation, the mean over many draws", "[wrappers]") {
  manual_seed(3);
  Recurrent<Zoneout<LSTMCell>> layer({3, 4}, {.layers = 2}, {.p = {0.3, 0.6}});
  LSTM plain(3, 4, {.layers = 2});
  copy_parameters(layer, plain);
  const Tensor x = randn({6, 2, 3});
  layer.eval();
  Tensor below = x;
  for (const LSTMCell& cell : plain.cells) {
    LSTMState s{zeros({2, 4}), zeros({2, 4})};
    std::vector<Tensor> outputs;
    for (const Tensor& row : unbind(below)) {
      const LSTMState next = cell.step(row, s);
      s = {0.3 * s.h + 0.7 * next.h, 0.6 * s.c + 0.4 * next.c};
      outputs.push_back(s.h);
    }
    below = stack(outputs);
  }
  CHECK(difference(layer(x).output, below, 1e-6) == "");
  CHECK(steps_because(layer, 2) == "");

  // One step, whose result is linear in the mask.
  const Zoneout<LSTMCell>& cell = layer.cells[0];
  const Tensor rows = broadcast_to(select(narrow(x, 1, 0, 1), 0, 0), {20000, 3});
  const LSTMState old{full({20000, 4}, 0.5), full({20000, 4}, -0.5)};
  const LSTMState expected = cell.step(rows, old);
  layer.train();
  const Zoneout<LSTMCell> begun = begin_sequence(cell, {.steps = 1, .batch = 20000, .dtype = DType::float32});
  CHECK(difference(mean(begun.step(rows, old).h, 0), mean(expected.h, 0), 0.02) == "");
  CHECK(difference(mean(begun.step(rows, old).c, 0), mean(expected.c, 0), 0.02) == "");
}

TEST_CASE("zoneout draws within a sequence only, and is reproduced by the seed", "[wrappers]") {
  manual_seed(4);
  const Recurrent<Zoneout<LSTMCell>> layer({3, 4}, {}, {.p = {0.5}});
  const auto& cell = layer.cells[0];
  const Tensor x = randn({2, 3});
  const LSTMState s{randn({2, 4}), randn({2, 4})};
  CHECK(difference(cell.step(x, s).h, cell.cell.step(x, s).h) == "");
  const auto begun = begin_sequence(cell, {.steps = 1, .batch = 2, .dtype = DType::float32});
  manual_seed(5);
  const Tensor first = begun.step(x, s).c;
  manual_seed(5);
  CHECK(difference(begun.step(x, s).c, first) == "");
  CHECK(difference(begun.step(x, s).c, first) != "");
  CHECK(steps_because(layer, 2) == "draws random numbers");
}

TEST_CASE("the layer made of a wrapped cell begins with the weights of the plain one", "[wrappers]") {
  manual_seed(6);
  const LSTM plain(3, 4, {.layers = 2});
  manual_seed(6);
  const Recurrent<Zoneout<LSTMCell>> layer({3, 4}, {.layers = 2});
  CHECK(names_of(layer) == names_of(plain));
  for (size_t i = 0; i < plain.parameters().size(); ++i)
    CHECK(difference(layer.parameters()[i], plain.parameters()[i]) == "");
}

TEST_CASE("zoneout at 0 and 1, of a whole number, and beside another output", "[wrappers]") {
  manual_seed(7);
  const Tensor x = randn({4, 2, 3});
  LSTM plain(3, 4);
  Recurrent<Zoneout<LSTMCell>> none({3, 4}, {}, {.p = {0}}), all({3, 4}, {}, {.p = {1}});
  copy_parameters(plain, none);
  CHECK(difference(none(x).output, plain(x).output, 1e-6) == "");
  CHECK(difference(all(x).output, zeros({4, 2, 4})) == "");

  const Recurrent<Zoneout<CountingCell>> counting({2, 2}, {}, {.p = {1}});
  const auto [output, state] = counting(ones({4, 2, 2}));
  CHECK(state.layers[0].count.to_vector<int64_t>() == std::vector<int64_t>{4, 4});
  CHECK(difference(state.layers[0].h, zeros({2, 2})) == "");

  const Recurrent<Zoneout<ReadoutCell>> readout({3, 4}, {}, {.p = {1}});
  const ReadoutCell& cell = readout.cells[0].cell;
  const auto [y, kept] = readout(x);
  CHECK(difference(kept.layers[0].extra, full({2, 2}, -0.5)) == "");
  CHECK(difference(select(y, 0, 3), cell.step(select(x, 0, 3), cell.initial_state(2)).first, 1e-6) == "");
}

TEST_CASE("gradients flow through zoneout", "[wrappers]") {
  manual_seed(8);
  Recurrent<Zoneout<ReadoutCell>> layer({3, 2}, {.layers = 2}, {.p = {0.5, 0.2, 0.4}});
  const Tensor x = randn({4, 2, 3}, float64);
  CHECK(gradients_of(layer, x) == "");
  layer.eval();
  CHECK(gradients_of(layer, x) == "");
}

TEST_CASE("zoneout says which probabilities it cannot use", "[wrappers]") {
  using Layer = Recurrent<Zoneout<LSTMCell>>;
  CHECK_THROWS_WITH(Layer({3, 4}, {}, {.p = {1.5}}), contains_text("[Zoneout]") && contains_text("1.5"));
  CHECK_THROWS_WITH(Layer({3, 4}, {}, {.p = {0.1, 0.1, 0.1}}),
                    contains_text("2 tensors") && contains_text("got 3"));
  CHECK_THROWS_WITH(Layer({3, 4}, {}, {.p = {}}), contains_text("got 0"));
}

}  // namespace reel
