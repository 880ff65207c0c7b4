// Wrappers within wrappers.
#include "layers/wrappers/wrapper.h"

#include <cstdio>
#include <filesystem>

#include "layers/layers.h"
#include "layers/wrappers/attending.h"
#include "layers/wrappers/cell_dropout.h"
#include "layers/wrappers/residual.h"
#include "layers/wrappers/stack.h"
#include "layers/wrappers/weights.h"
#include "layers/wrappers/zoneout.h"
#include "ops/dropout.h"
#include "tests/framework/files.h"
#include "tests/layers/wrappers/wrapped.h"

namespace reel {
namespace {

template <class C> using Regularised = Residual<Zoneout<CellDropout<DropConnect<C>>>>;

static_assert(RecurrentCell<Regularised<LSTMCell>>);
static_assert(RecurrentCell<WeightNorm<Regularised<GatedCell>>>);
static_assert(RecurrentCell<Stack<Regularised<LSTMCell>, Attending<GatedCell>>>);

/// Its steps promise to throw nothing, so that no trace may run them.
struct PromisingCell : Cell {
  REEL_FIELDS()
  Tensor step(const Tensor& x, const Tensor& h) const noexcept { return sum(h).item() > 1e9 ? h : h + x; }
};

}  // namespace

TEST_CASE("wrappers nest: each does its part of every step", "[wrappers]") {
  manual_seed(1);
  Recurrent<Regularised<LSTMCell>> layer(
      {4, 4}, {}, {.cell = {.p = {0.25}, .cell = {.input = 0.2, .variational = true, .cell = {.p = 0.3}}}});
  LSTM plain(4, 4);
  copy_parameters(layer, plain);
  const Tensor x = randn({6, 3, 4});
  manual_seed(2);
  const auto [output, state] = layer(x);

  manual_seed(2);
  const Tensor x_mask = dropout(ones({3, 4}), 0.2);
  LSTMCell& cell = plain.cells[0];
  cell.weight_hh = dropout(cell.weight_hh, 0.3);
  LSTMState s{zeros({3, 4}), zeros({3, 4})};
  for (int64_t t = 0; t < 6; ++t) {
    const LSTMState next = cell.step(select(x, 0, t) * x_mask, s);
    const Tensor keep_h = bernoulli({3, 4}, 0.25), keep_c = bernoulli({3, 4}, 0.25);
    s = {keep_h * s.h + (1 - keep_h) * next.h, keep_c * s.c + (1 - keep_c) * next.c};
    CHECK(difference(select(output, 0, t), s.h + select(x, 0, t), 1e-6) == "");
  }
  CHECK(difference(state.layers[0].c, s.c, 1e-6) == "");
}

TEST_CASE("eval mode reaches every wrapper", "[wrappers]") {
  manual_seed(3);
  Recurrent<Regularised<LSTMCell>> layer(
      {4, 4}, {}, {.cell = {.p = {0}, .cell = {.input = 0.5, .state = {0.5}, .output = 0.5}}});
  LSTM plain(4, 4);
  copy_parameters(layer, plain);
  const Tensor x = randn({5, 2, 4});
  CHECK(difference(layer(x).output, plain(x).output + x, 0.1) != "");
  layer.eval();
  CHECK(difference(layer(x).output, plain(x).output + x, 1e-6) == "");
  layer.train();
  CHECK(difference(layer(x).output, plain(x).output + x, 0.1) != "");
}

TEST_CASE("gradients flow through wrappers four deep", "[wrappers]") {
  manual_seed(4);
  const Tensor x = randn({3, 2, 3}, float64);
  Recurrent<Regularised<GatedCell>> gated(
      {3, 3}, {.bidirectional = true},
      {.cell = {.p = {0.3},
                .cell = {.state = {0.3}, .variational = true, .cell = {.weights = {"hf", "hc"}}}}});
  CHECK(gradients_of(gated, x) == "");
  Recurrent<WeightNorm<Stack<Zoneout<LSTMCell>, DropConnect<ReadoutCell>>>> stacked({3, 2}, {}, {});
  CHECK(gradients_of(stacked, x) == "");
}

TEST_CASE("wrapped cells have second derivatives, through the compiled loop and step by step", "[wrappers]") {
  manual_seed(8);
  const Tensor x = randn({2, 1, 2}, float64);
  Recurrent<WeightNorm<CellDropout<DropConnect<RNNCell>>>> compiled(
      {2, 2}, {}, {.cell = {.state = {0.3}, .variational = true}});
  CHECK(steps_because(compiled, 1) == "");
  CHECK(gradients_of(compiled, x, true) == "");
  Recurrent<Zoneout<RNNCell>> eager({2, 2}, {}, {.p = {0.4}});
  CHECK(gradients_of(eager, x, true) == "");
}

TEST_CASE("what a wrapper holds for a sequence compiles, whatever lies around it", "[wrappers]") {
  manual_seed(5);
  using Deep = Residual<WeightNorm<CellDropout<DropConnect<GatedCell>>>>;
  const Recurrent<Deep> layer({3, 3}, {},
                              {.cell = {.cell = {.input = 0.2,
                                                 .state = {0.2},
                                                 .output = 0.2,
                                                 .variational = true,
                                                 .cell = {.weights = {"h"}}}}});
  CHECK(steps_because(layer, 2) == "");
  const Tensor x = randn({5, 2, 3});
  manual_seed(6);
  const Tensor output = layer(x).output;
  manual_seed(6);
  const Deep begun = begin_sequence(layer.cells[0], {.steps = 5, .batch = 2, .dtype = DType::float32});
  CHECK(difference(by_hand(begun, x, zeros({2, 3})).first, output, 1e-6) == "");
  // To explain draws nothing.
  manual_seed(6);
  explain(layer, 2);
  CHECK(difference(layer(x).output, output) == "");
}

TEST_CASE("masks keep to their rows where rows have different lengths", "[wrappers]") {
  manual_seed(9);
  const Tensor x = randn({5, 3, 3}, float64), memory = randn({4, 3, 2}, float64);
  const std::vector<int64_t> lengths = {2, 5, 3};
  const auto check_rows = [&](auto layer) {
    layer.to(DType::float64);
    manual_seed(10);
    const Tensor whole = layer(x).output;
    manual_seed(10);
    const Tensor padded = layer(x, Padding{.lengths = from_vector(lengths)}).output;
    for (int64_t row = 0; row < 3; ++row) {
      const int64_t length = lengths[static_cast<size_t>(row)];
      const auto part = [&](const Tensor& y, int64_t from, int64_t to) {
        return narrow(narrow(y, 1, row, 1), 0, from, to - from);
      };
      CHECK(difference(part(padded, 0, length), part(whole, 0, length), 1e-12) == "");
      CHECK(difference(part(padded, length, 5), zeros_like(part(whole, length, 5))) == "");
    }
  };
  using Fixed = WeightNorm<CellDropout<DropConnect<LSTMCell>>>;
  const Recurrent<Fixed> fixed({3, 3}, {},
                               {.cell = {.input = 0.3, .state = {0.3}, .output = 0.3, .variational = true}});
  CHECK(steps_because(fixed, 3) == "");
  check_rows(fixed);
  check_rows(Recurrent<Residual<Zoneout<LSTMCell>>>({3, 3}, {}, {.cell = {.p = {0.3}}}));
  Recurrent<Attending<LSTMCell>> attending({3, 3}, {}, {.memory = 2});
  attend_to(attending, memory, {.lengths = from_vector<int64_t>({4, 1, 3})});
  check_rows(attending);
}

TEST_CASE("a cell that cannot be traced is not traced within a wrapper either", "[wrappers]") {
  const Recurrent<Residual<PromisingCell>> layer({2, 2});
  const Recurrent<Stack<GatedCell, Zoneout<PromisingCell>>> stacked({2, 2});
  CHECK_THAT(steps_because(layer, 1), contains_text("noexcept"));
  CHECK_THAT(steps_because(stacked, 1), contains_text("noexcept"));
  CHECK(layer(ones({2, 1, 2})).output.to_vector<float>() == std::vector<float>{2, 2, 3, 3});
}

TEST_CASE("a trained cell's weights load into its wrapped twin, by a file", "[wrappers]") {
  manual_seed(7);
  const LSTM plain(3, 3, {.layers = 2, .bidirectional = true});
  const TemporaryFolder folder;
  const std::filesystem::path path = folder / "lstm.safetensors";
  save(plain, path);
  using Twin = Recurrent<Zoneout<CellDropout<DropConnect<LSTMCell>>>>;
  Twin twin({3, 3}, {.layers = 2, .bidirectional = true});
  load(twin, path);
  for (size_t i = 0; i < plain.parameters().size(); ++i)
    CHECK(difference(twin.parameters()[i], plain.parameters()[i]) == "");

  // And what has parameters of its own keeps them.
  Recurrent<Stack<WeightNorm<LSTMCell>, Attending<GRUCell>>> own({3, 3}, {}, {.cells = {{}, {.memory = 2}}});
  save(own, path);
  Recurrent<Stack<WeightNorm<LSTMCell>, Attending<GRUCell>>> other({3, 3}, {},
                                                                   {.cells = {{}, {.memory = 2}}});
  load(other, path);
  const Tensor memory = randn({4, 2, 2}), x = randn({3, 2, 3});
  attend_to(own, memory);
  attend_to(other, memory);
  CHECK(difference(own(x).output, other(x).output) == "");
}

}  // namespace reel
