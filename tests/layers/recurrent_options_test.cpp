// What Recurrent offers around a cell: each option against the plain layer.
#include <algorithm>
#include <string>

#include "framework/random.h"
#include "framework/tape.h"
#include "layers/recurrent.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/flip.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/framework/misuse.h"
#include "tests/reference.h"

namespace reel {
namespace {

struct GatedCell : Cell {
  Linear xf, hf, xc, hc;
  REEL_FIELDS(xf, hf, xc, hc)
  Tensor step(const Tensor& x, const Tensor& h) const {
    const Tensor f = sigmoid(xf(x) + hf(h));
    return (1 - f) * h + f * tanh(xc(x) + hc(f * h));
  }
};

/// A layer with other options and the same parameters.
template <class C> Recurrent<C> like(const Recurrent<C>& layer, const RecurrentOptions& options) {
  Recurrent<C> other(layer.sizes().input, layer.sizes().hidden, options);
  other.load_state_dict(layer.state_dict());
  return other;
}

const Tensor some_lengths = from_vector<int64_t>({4, 0, 6, 1});

}  // namespace

TEST_CASE("lengths hold through layers, directions and dropout between layers", "[recurrent]") {
  manual_seed(1);
  Recurrent<GatedCell> layer({3, 4},
                             {.layers = 3, .bidirectional = true, .dropout = 0.5, .batch_first = true});
  layer.eval();
  const Tensor x = randn({4, 6, 3});
  const std::vector<int64_t> lengths = some_lengths.to_vector<int64_t>();
  const auto [output, state] = layer(x, {.lengths = some_lengths});
  for (int64_t n = 0; n < 4; ++n) {
    const int64_t length = lengths[static_cast<size_t>(n)];
    const auto [alone, last] = layer(narrow(narrow(x, 0, n, 1), 1, 0, length));
    CHECK(difference(narrow(narrow(output, 0, n, 1), 1, 0, length), alone, 1e-6) == "");
    CHECK(difference(narrow(narrow(output, 0, n, 1), 1, length, 6 - length), zeros({1, 6 - length, 8})) ==
          "");
    for (size_t i = 0; i < 6; ++i)
      CHECK(difference(narrow(state.layers[i], 0, n, 1), last.layers[i], 1e-6) == "");
  }
  std::vector<bool> counts;
  for (int64_t length : lengths)
    for (int64_t t = 0; t < 6; ++t) counts.push_back(t < length);
  CHECK(difference(layer(x, {.mask = from_vector(counts, {4, 6})}).output, output) == "");
}

TEST_CASE("directions merge", "[recurrent]") {
  manual_seed(2);
  const LSTM joined(3, 4, {.bidirectional = true});
  const Tensor x = randn({5, 2, 3});
  const auto [both, state] = joined(x);
  const auto [forward, backward] = chunk<2>(both, -1);
  const auto merged = [&](Merge merge) {
    return like(joined, {.bidirectional = true, .merge = merge})(x).output;
  };
  CHECK(difference(merged(Merge::sum), forward + backward) == "");
  CHECK(difference(merged(Merge::mean), (forward + backward) / 2) == "");
  CHECK(difference(merged(Merge::mul), forward * backward) == "");
  const Tensor apart = merged(Merge::none);
  CHECK(apart.shape() == Shape{5, 2, 2, 4});
  CHECK(difference(select(apart, 2, 1), backward) == "");
  // A stack takes what the layer below hands on.
  CHECK(LSTM(3, 4, {.layers = 2, .bidirectional = true, .merge = Merge::sum}).cells[2].weight_ih.shape() ==
        Shape{16, 4});
  const std::string words = explain(LSTM(3, 4, {.layers = 2, .bidirectional = true, .merge = Merge::mul}), 2);
  CHECK_THAT(words, contains_text("layer 1"));
}

TEST_CASE("reverse is the backward direction alone, flip turns its outputs", "[recurrent]") {
  manual_seed(3);
  const LSTM back(3, 4, {.layers = 2, .reverse = true});
  const Tensor x = randn({6, 4, 3});
  const Tensor output = back(x).output;
  CHECK(difference(output, flip(like(back, {.layers = 2})(flip(x, {0})).output, {0})) == "");
  CHECK(difference(like(back, {.layers = 2, .reverse = true, .flip = true})(x).output, flip(output, {0})) ==
        "");

  const Tensor ragged = back(x, {.lengths = some_lengths}).output;
  const Tensor turned =
      like(back, {.layers = 2, .reverse = true, .flip = true})(x, {.lengths = some_lengths}).output;
  const std::vector<int64_t> lengths = some_lengths.to_vector<int64_t>();
  for (int64_t n = 0; n < 4; ++n)
    for (int64_t t = 0; t < 6; ++t) {
      const int64_t length = lengths[static_cast<size_t>(n)];
      const Tensor expected = t < length ? select(select(ragged, 0, length - 1 - t), 0, n) : zeros({4});
      CHECK(difference(select(select(turned, 0, t), 0, n), expected) == "");
    }
}

TEST_CASE("last_only gives each row's last output of each direction", "[recurrent]") {
  manual_seed(4);
  const LSTM layer(3, 4, {.layers = 2, .bidirectional = true});
  const LSTM last = like(layer, {.layers = 2, .bidirectional = true, .last_only = true});
  const Tensor x = randn({6, 4, 3});
  const auto [output, state] = layer(x);
  const auto expected = [](const RecurrentState<LSTMState>& of) {
    return cat({of.layers[2].h, of.layers[3].h}, -1);
  };
  CHECK(last(x).output.shape() == Shape{4, 8});
  CHECK(difference(last(x).output, expected(state)) == "");
  const auto ragged = last(x, {.lengths = some_lengths});
  CHECK(difference(narrow(ragged.output, 0, 2, 2), narrow(expected(ragged.state), 0, 2, 2)) == "");
  CHECK(difference(select(ragged.output, 0, 1), zeros({8})) == "");  // a row without steps has no output
  CHECK(last(randn({6, 3})).output.shape() == Shape{8});
  const LSTM back = LSTM(3, 4, {.reverse = true, .last_only = true});
  CHECK(difference(back(x).output, back(x).state.layers[0].h) == "");
}

TEST_CASE("the states after every step come on request", "[recurrent]") {
  manual_seed(5);
  const LSTM layer(3, 4, {.layers = 2, .batch_first = true});
  const Tensor x = randn({2, 5, 3});
  const auto [output, state, states] = layer.with_states(x);
  CHECK(difference(output, layer(x).output) == "");
  CHECK(difference(states.layers[1].h, output) == "");
  for (int64_t t = 1; t <= 5; ++t) {
    const auto [part, end] = layer(narrow(x, 1, 0, t));
    for (size_t i = 0; i < 2; ++i)
      CHECK(difference(select(states.layers[i].c, 1, t - 1), end.layers[i].c, 1e-6) == "");
  }
  // Their gradient is that of the loss on each.
  Tape tape;
  const auto again = layer.with_states(x);
  tape.backward(sum(again.states.layers[0].c * 2));
  const Tensor together = layer.cells[0].weight_hh.grad();
  Tensor one_by_one = zeros_like(together);
  for (int64_t t = 1; t <= 5; ++t) {
    Tape part;
    const Tensor loss = sum(layer(narrow(x, 1, 0, t)).state.layers[0].c * 2);
    one_by_one = one_by_one + part.gradient(loss, {layer.cells[0].weight_hh})[0];
  }
  CHECK(difference(together, one_by_one, 1e-5, 1e-5) == "");
}

TEST_CASE("a learned initial state is a parameter", "[recurrent]") {
  manual_seed(6);
  LSTM layer(3, 4, {.layers = 2, .bidirectional = true, .learned_initial = true});
  std::vector<std::string> names;
  for (const auto& [name, tensor] : layer.named_parameters()) names.push_back(name);
  CHECK(std::count(names.begin(), names.end(), "initial.c_l1_reverse") == 1);
  CHECK(layer.parameters().size() == 4 * 4 + 8);
  const Tensor x = randn({5, 3, 3});
  for (auto& state : layer.learned_initial) {
    state.h.copy_(randn({1, 4}));
    state.c.copy_(randn({1, 4}));
  }
  LSTM plain(3, 4, {.layers = 2, .bidirectional = true});
  NamedTensors shared;
  for (const auto& [name, tensor] : layer.state_dict())
    if (name.rfind("initial", 0) != 0) shared.emplace_back(name, tensor);
  plain.load_state_dict(shared);
  CHECK(difference(layer(x).output, plain(x, layer.initial_state(3)).output) == "");
  Tape tape;
  tape.backward(sum(layer(x).output));
  CHECK(layer.learned_initial[3].c.grad().shape() == Shape{1, 4});
  // A state that is given takes its place.
  CHECK(difference(layer(x, plain.initial_state(3)).output, plain(x).output) == "");
  const Recurrent<GatedCell> single({3, 4}, {.learned_initial = true});
  CHECK(single.named_parameters().back().first == "initial_l0");
}

TEST_CASE("a stateful layer goes on where it ended, and rows begin anew where documents do", "[recurrent]") {
  manual_seed(7);
  LSTM layer(3, 4, {.layers = 2, .stateful = true});
  const LSTM plain = like(layer, {.layers = 2});
  const Tensor x = randn({6, 3, 3});
  const auto [whole, end] = plain(x);
  CHECK(layer.carried().layers.empty());
  const Tensor first = layer(narrow(x, 0, 0, 2)).output;
  const Tensor second = layer(narrow(x, 0, 2, 4)).output;
  CHECK(difference(cat({first, second}), whole, 1e-6) == "");
  CHECK(difference(layer.carried().layers[1].c, end.layers[1].c, 1e-6) == "");

  layer.reset(from_vector<bool>({false, true, false}));
  const Tensor after = layer(x).output;
  CHECK(difference(narrow(after, 1, 1, 1), narrow(whole, 1, 1, 1), 1e-6) == "");
  CHECK(difference(narrow(after, 1, 0, 1), narrow(plain(x, end).output, 1, 0, 1), 1e-6) == "");
  layer.reset();
  CHECK(difference(layer(x).output, whole) == "");
  // Another batch does not fit what is carried, which stays.
  const Tensor kept = layer.carried().layers[0].h;
  refused({kept}, {"[Recurrent] tensor 0 of the state of cell 0", "[2, 4]", "[3, 4]"}, [&] {
    layer(zeros({1, 2, 3}));
  });
  CHECK(difference(layer.carried().layers[0].h, kept) == "");
  layer.carry(end);
  CHECK(difference(layer(x).output, plain(x, end).output) == "");
  // What is carried is off the tape.
  {
    Tape tape;
    layer(x);
  }
  CHECK(layer.carried().layers[0].h.defined());
  refused({}, {"[Recurrent] expected rows to reset as bool [N]"}, [&] { layer.reset(zeros({3})); });
  refused({}, {"rows to reset", "do not go together"}, [&] { layer.reset(from_vector<bool>({true})); });
}

TEST_CASE("a single row needs no batch axis", "[recurrent]") {
  manual_seed(8);
  for (const bool batch_first : {false, true}) {
    const LSTM layer(3, 4, {.layers = 2, .bidirectional = true, .batch_first = batch_first});
    const Tensor x = randn({5, 3});
    const auto [output, state] = layer(x);
    const auto [expected, last] = layer(unsqueeze(x, batch_first ? 0 : 1));
    CHECK(difference(output, squeeze(expected, batch_first ? 0 : 1)) == "");
    CHECK(difference(state.layers[3].c, squeeze(last.layers[3].c, 0)) == "");
    CHECK(state.layers[0].h.shape() == Shape{4});
    CHECK(difference(layer(x, state).output, squeeze(layer(unsqueeze(x, batch_first ? 0 : 1), last).output,
                                                     batch_first ? 0 : 1)) == "");
    CHECK(layer.with_states(x).states.layers[0].h.shape() == Shape{5, 4});
  }
}

TEST_CASE("no steps and no rows are well", "[recurrent]") {
  manual_seed(9);
  for (const bool bidirectional : {false, true}) {
    LSTM layer(3, 4, {.layers = 2, .bidirectional = bidirectional});
    const int64_t width = bidirectional ? 8 : 4;
    for (const auto& [steps, batch] : {std::pair<int64_t, int64_t>{0, 2}, {3, 0}, {0, 0}}) {
      CAPTURE(steps, batch, bidirectional);
      Tape tape;
      const auto [output, state, states] = layer.with_states(zeros({steps, batch, 3}));
      CHECK(output.shape() == Shape{steps, batch, width});
      CHECK(state.layers[1].c.shape() == Shape{batch, 4});
      CHECK(states.layers[0].h.shape() == Shape{steps, batch, 4});
      if (steps > 0) tape.backward(sum(output) + sum(state.layers.back().h));
    }
    const auto none = layer(zeros({4, 2, 3}), {.lengths = from_vector<int64_t>({0, 0})});
    CHECK(difference(none.output, zeros({4, 2, width})) == "");
    CHECK(difference(none.state.layers[0].c, zeros({2, 4})) == "");
    const LSTM last(3, 4, {.bidirectional = bidirectional, .last_only = true});
    CHECK(difference(last(zeros({0, 2, 3})).output, zeros({2, width})) == "");
  }
}

TEST_CASE("options that contradict each other are refused", "[recurrent]") {
  const auto refuse = [](std::initializer_list<const char*> parts, const RecurrentOptions& options) {
    refused({}, parts, [&] { LSTM(3, 4, options); });
  };
  refuse({"merge", "only one"}, {.merge = Merge::sum});
  refuse({"one layer, got 2"}, {.layers = 2, .bidirectional = true, .merge = Merge::none});
  refuse({"reverse is for one direction"}, {.bidirectional = true, .reverse = true});
  refuse({"flip"}, {.flip = true});
  refuse({"flip", "last_only"}, {.reverse = true, .flip = true, .last_only = true});
}

}  // namespace reel
