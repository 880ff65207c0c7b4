// Truncated back-propagation against graphs that are built step by step, detached by hand.
#include "layers/truncated.h"

#include "framework/random.h"
#include "layers/basic.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;

constexpr int64_t steps = 7;

struct Setting {
  GRU rnn;
  Tensor xs, ys, h0, head;  // [T, N, I], [T, N, H], [N, H], [H]
  List leaves;              // what is learned: the layer, the head and the first state

  explicit Setting(RecurrentOptions options = {}) : rnn((manual_seed(3), 3), 4, options) {
    Random random(5);
    const auto draw = [&](const Shape& shape) { return randn(shape, {.dtype = DType::float64}, random); };
    rnn.to(DType::float64);
    xs = draw({steps, 2, 3});
    ys = draw({steps, 2, 4});
    h0 = draw({2, 4}).requires_grad_();
    head = draw({4}).requires_grad_();
    leaves = rnn.parameters();
    leaves.push_back(head);
    leaves.push_back(h0);
  }

  /// Of outputs of any number of steps from `first` on; its value at a step is that step's alone.
  Tensor loss(const Tensor& outputs, int64_t first) const {
    return sum(square(sigmoid(outputs * head) - narrow(ys, 0, first, outputs.shape()[0])));
  }

  void forget() {
    for (Tensor& leaf : leaves) leaf.zero_grad();
  }
  /// What a step of gradient descent does.
  void descend() {
    for (Tensor& leaf : leaves) {
      if (!leaf.grad().defined()) continue;
      leaf.copy_(leaf - leaf.grad() * 0.05);
      leaf.zero_grad();
    }
  }
};

struct Outcome {
  std::vector<double> losses;
  List state, values, gradients;
};

Outcome outcome_of(const Setting& setting, std::vector<double> losses, const List& state) {
  Outcome result{std::move(losses), state, {}, {}};
  for (const Tensor& leaf : setting.leaves) {
    result.values.push_back(clone(detach(leaf)));
    result.gradients.push_back(leaf.grad().defined() ? leaf.grad() : zeros_like(leaf));
  }
  return result;
}

void check_same(const Outcome& got, const Outcome& expected) {
  REQUIRE(got.losses.size() == expected.losses.size());
  for (size_t i = 0; i < got.losses.size(); ++i)
    CHECK(got.losses[i] == Approx(expected.losses[i]).epsilon(1e-12));
  REQUIRE(got.state.size() == expected.state.size());
  for (size_t i = 0; i < got.state.size(); ++i)
    CHECK(difference(got.state[i], expected.state[i], 1e-13, 1e-12) == "");
  for (size_t i = 0; i < got.gradients.size(); ++i) {
    CAPTURE(i);
    CHECK(difference(got.values[i], expected.values[i], 1e-12, 1e-11) == "");
    CHECK(difference(got.gradients[i], expected.gradients[i], 1e-12, 1e-11) == "");
  }
}

/// The definition, step by step by the cell: a pass at every multiple of k1 and at the end takes the losses of the steps
/// since the last one and sees the state k2 steps back as a constant, as it was computed by the pass before.
Outcome by_definition(Setting& setting, int64_t k1, int64_t k2, bool descending) {
  List known(steps + 1);  // the state before each step, as it was last computed
  known[0] = setting.h0;
  std::vector<double> losses;
  for (int64_t since = 0; since < steps; since += k1) {
    const int64_t end = std::min(since + k1, steps), start = std::max<int64_t>(0, end - k2);
    {
      Tape tape;
      Tensor h = known[static_cast<size_t>(start)];
      Tensor loss = scalar(0, {.dtype = DType::float64});
      for (int64_t t = start; t < end; ++t) {
        h = setting.rnn.cells[0].step(select(setting.xs, 0, t), h);
        known[static_cast<size_t>(t) + 1] = detach(h);
        if (t >= since) loss = loss + setting.loss(unsqueeze(h, 0), t);
      }
      tape.backward(loss);
      losses.push_back(loss.item());
    }
    if (descending) setting.descend();
  }
  return outcome_of(setting, losses, {known.back()});
}

Outcome by_driver(Setting& setting, const TruncatedOptions& options, bool descending) {
  GRU::State state{{setting.h0}};
  const auto result = truncated(
      setting.rnn, setting.xs, state, options,
      [&](const Tensor& outputs, int64_t first) { return setting.loss(outputs, first); },
      [&] {
        if (descending) setting.descend();
      });
  CHECK_FALSE(state.layers.at(0).requires_grad());
  return outcome_of(setting, result.losses, state.layers);
}

}  // namespace

TEST_CASE("truncated back-propagation is what its definition says", "[truncated]") {
  for (const bool descending : {false, true}) {
    for (const auto& [k1, k2] : std::vector<std::pair<int64_t, int64_t>>{{1, 1},
                                                                         {1, 3},
                                                                         {1, 9},
                                                                         {2, 2},
                                                                         {2, 3},
                                                                         {2, 4},
                                                                         {2, 5},
                                                                         {3, 3},
                                                                         {3, 4},
                                                                         {3, 7},
                                                                         {4, 4},
                                                                         {4, 6},
                                                                         {7, 7},
                                                                         {9, 20}}) {
      CAPTURE(descending, k1, k2);
      Setting by_hand, driven;
      const Outcome expected = by_definition(by_hand, k1, k2, descending);
      check_same(by_driver(driven, {.k1 = k1, .k2 = k2}, descending), expected);
    }
  }
}

TEST_CASE("how far gradients flow makes a difference", "[truncated]") {
  Setting a, b;
  const Outcome near = by_driver(a, {.k1 = 2, .k2 = 2}, false), far = by_driver(b, {.k1 = 2, .k2 = 4}, false);
  CHECK(near.losses.size() == 4);
  for (size_t i = 0; i < 4; ++i) CHECK(near.losses[i] == Approx(far.losses[i]).epsilon(1e-12));
  CHECK(difference(near.gradients[0], far.gradients[0], 1e-4, 1e-4) != "");
}

TEST_CASE("windows of the whole length are full back-propagation", "[truncated]") {
  Setting whole, driven;
  std::vector<double> losses;
  List state;
  {
    Tape tape;
    const auto [outputs, last] = whole.rnn(whole.xs, {{whole.h0}});
    const Tensor loss = whole.loss(outputs, 0);
    tape.backward(loss);
    losses = {loss.item()};
    state = {detach(last.layers[0])};
  }
  const Outcome expected = outcome_of(whole, losses, state);
  check_same(by_driver(driven, {.k1 = steps, .k2 = steps}, false), expected);
}

TEST_CASE("the state that is carried on continues the sequence", "[truncated]") {
  Setting whole, halves;
  const TruncatedOptions options{.k1 = 2, .k2 = 2};
  const Outcome expected = by_driver(whole, options, true);
  GRU::State state{{halves.h0}};
  std::vector<double> losses;
  for (const int64_t first : {0, 4}) {
    const auto result = truncated(
        halves.rnn, narrow(halves.xs, 0, first, std::min<int64_t>(4, steps - first)), state, options,
        [&](const Tensor& outputs, int64_t at) { return halves.loss(outputs, first + at); },
        [&] { halves.descend(); });
    losses.insert(losses.end(), result.losses.begin(), result.losses.end());
  }
  check_same(outcome_of(halves, losses, state.layers), expected);
}

TEST_CASE("batch_first, an empty state and gradients that add up", "[truncated]") {
  Setting by_time, by_batch({.batch_first = true});
  const auto run = [](Setting& setting, bool batch_first) {
    GRU::State state;
    const auto result =
        truncated(setting.rnn, batch_first ? transpose(setting.xs, 0, 1) : setting.xs, state,
                  {.k1 = 2, .k2 = 3}, [&](const Tensor& outputs, int64_t first) {
                    return setting.loss(batch_first ? transpose(outputs, 0, 1) : outputs, first);
                  });
    return outcome_of(setting, result.losses, state.layers);
  };
  const Outcome expected = run(by_time, false);
  CHECK(expected.losses.size() == 4);
  check_same(run(by_batch, true), expected);
}

TEST_CASE("anything that runs in steps can be truncated", "[truncated]") {
  // An embedding in front, and a plain tensor as the state.
  const Tensor tokens = from_vector<int64_t>({0, 1, 2, 1, 0, 2, 1, 2, 2, 0, 1, 1}, {6, 2});
  manual_seed(2);
  Embedding embed(3, 4);
  RNNCell cell(4, 5);
  embed.to(DType::float64);
  cell.to(DType::float64);
  List leaves = embed.parameters();
  for (const Tensor& parameter : cell.parameters()) leaves.push_back(parameter);
  const auto loss_of = [](const Tensor& outputs) { return sum(square(outputs - 0.3)); };

  List expected;
  Tensor h = zeros({2, 5}, {.dtype = DType::float64});
  for (Tensor& leaf : leaves) leaf.zero_grad();
  for (int64_t first = 0; first < 6; first += 3) {
    Tape tape;
    const auto [outputs, next] = scan(cell, embed(narrow(tokens, 0, first, 3)), h);
    tape.backward(loss_of(outputs));
    h = detach(next);
  }
  for (Tensor& leaf : leaves) {
    expected.push_back(leaf.grad());
    leaf.zero_grad();
  }

  Tensor state = zeros({2, 5}, {.dtype = DType::float64});
  truncated([&](int64_t first, int64_t count,
                const Tensor& from) { return scan(cell, embed(narrow(tokens, 0, first, count)), from); },
            6, state, {.k1 = 3, .k2 = 3},
            [&](const Tensor& outputs, int64_t /*first*/) { return loss_of(outputs); });
  CHECK(difference(state, h, 1e-14, 1e-13) == "");
  for (size_t i = 0; i < leaves.size(); ++i)
    CHECK(difference(leaves[i].grad(), expected[i], 1e-13, 1e-12) == "");
}

TEST_CASE("truncations that make no sense are refused, and nothing is changed", "[truncated]") {
  Setting setting;
  GRU::State state{{setting.h0}};
  const auto loss = [&](const Tensor& outputs, int64_t first) { return setting.loss(outputs, first); };
  const auto run = [&](const TruncatedOptions& options) {
    truncated(setting.rnn, setting.xs, state, options, loss);
  };
  CHECK_THROWS_WITH(run({.k1 = 0, .k2 = 3}),
                    contains_text("[truncated] expected k1 of at least 1 step, got 0"));
  CHECK_THROWS_WITH(run({.k1 = 3, .k2 = 2}),
                    contains_text("[truncated] k2 = 2 steps back is less than the k1 = 3"));
  const auto refused = [&](const RecurrentOptions& options, const Tensor& xs) {
    GRU::State none;
    truncated(GRU(3, 4, options), xs, none, {.k1 = 1, .k2 = 1}, loss);
  };
  CHECK_THROWS_WITH(refused({.bidirectional = true}, setting.xs),
                    contains_text("[truncated] expected a layer that runs forward"));
  CHECK_THROWS_WITH(refused({.reverse = true}, setting.xs),
                    contains_text("[truncated] expected a layer that runs forward"));
  CHECK_THROWS_WITH(refused({.last_only = true}, setting.xs), contains_text("last_only gives no outputs"));
  CHECK_THROWS_WITH(refused({.stateful = true}, setting.xs),
                    contains_text("stateful layer carries a state of its own"));
  CHECK_THROWS_WITH(refused({.batch_first = true}, ones({4})),
                    contains_text("expected a sequence [N, T, I], got float32 [4]"));
  CHECK_THROWS_WITH(truncated(setting.rnn, setting.xs, state, {.k1 = 2, .k2 = 3},
                              [](const Tensor& outputs, int64_t) { return outputs; }),
                    contains_text("the loss function must return one number, got float64 [2, 2, 4]"));
  CHECK_THROWS_WITH(truncated(
                        [&](int64_t, int64_t, const GRU::State& from) {
                          return ScanResult<GRU::State>{ones({5, 1}), from};
                        },
                        4, state, {.k1 = 2, .k2 = 2}, loss),
                    contains_text("expected outputs of 2 steps along axis 0, got float32 [5, 1]"));
  CHECK(state.layers[0].impl() == setting.h0.impl());
  for (const Tensor& leaf : setting.leaves) CHECK_FALSE(leaf.grad().defined());
  // No steps, no passes.
  CHECK(truncated(setting.rnn, zeros({0, 2, 3}, {.dtype = DType::float64}), state, {.k1 = 1, .k2 = 1}, loss)
            .losses.empty());
}

}  // namespace reel
