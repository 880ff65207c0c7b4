// Steps one by one equal the sequence at once: values, states and gradients.
#include "framework/distributions.h"
#include "framework/tape.h"
#include "layers/recurrent.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/dropout.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;

struct PairState {
  Tensor a, b;
  REEL_FIELDS(a, b)
};

/// States of two widths, and an output beside them.
struct PairCell : Cell {
  Linear ax, aa, bb, ba;
  REEL_FIELDS(ax, aa, bb, ba)
  PairCell(int64_t input, int64_t hidden)
      : ax(input, hidden),
        aa(hidden, hidden),
        bb(hidden + 2, hidden + 2),
        ba(hidden, hidden + 2),
        hidden_(hidden) {}
  std::pair<Tensor, PairState> step(const Tensor& x, const PairState& s) const {
    const Tensor a = tanh(ax(x) + aa(s.a)), b = sigmoid(bb(s.b) + ba(a));
    return {a * narrow(b, 1, 0, hidden_), {a, b}};
  }
  PairState initial_state(int64_t n) const {
    const TensorOptions options{.dtype = ax.weight.dtype()};
    return {zeros({n, hidden_}, options), ones({n, hidden_ + 2}, options)};
  }

 private:
  int64_t hidden_;
};

/// Draws one mask for a sequence, in training.
struct MaskedCell : Cell {
  Linear xh, hh;
  Tensor mask;
  REEL_FIELDS(xh, hh)
  Tensor step(const Tensor& x, const Tensor& h) const {
    return tanh(xh(x) + hh(mask.defined() ? h * mask : h));
  }
  MaskedCell begin(const SequenceStart& start) const {
    MaskedCell begun = *this;
    if (is_training())
      begun.mask = bernoulli({start.batch, hh.weight.shape()[1]}, 0.5, {.dtype = start.dtype});
    return begun;
  }
};

struct Outcome {
  List values, gradients;
};

/// Output, states and gradients of a lopsided loss.
template <class Layer, class F> Outcome run(const Layer& rnn, const Tensor& x, const F& f) {
  Outcome result;
  Tape tape;
  tape.watch(x);
  auto [output, state] = f();
  result.values = detail::tensors_of(state);
  result.values.push_back(output);
  Random random(4);
  Tensor loss = scalar(0, {.dtype = DType::float64});
  for (const Tensor& value : result.values) loss = loss + sum(value * randn_like(value, random));
  List leaves = rnn.parameters();
  leaves.push_back(x);
  result.gradients = tape.gradient(loss, leaves);
  return result;
}

template <class Layer> void steps_equal_sequence(Layer rnn) {
  rnn.to(DType::float64);
  rnn.eval();
  const int64_t time = rnn.options().batch_first ? 1 : 0;
  Random random(2);
  const Tensor x = randn(time == 1 ? Shape{3, 5, 4} : Shape{5, 3, 4}, {.dtype = DType::float64}, random);
  const Outcome whole = run(rnn, x, [&] { return rnn(x); });
  const Outcome steps = run(rnn, x, [&] {
    typename Layer::State state;
    List outputs;
    for (int64_t t = 0; t < 5; ++t) {
      auto [output, next] = rnn.step(select(x, time, t), state);
      CHECK(output.rank() == 2);
      outputs.push_back(output);
      state = std::move(next);
    }
    return ScanResult<typename Layer::State>{stack(outputs, time), state};
  });
  REQUIRE(steps.values.size() == whole.values.size());
  for (size_t i = 0; i < whole.values.size(); ++i)
    CHECK(difference(steps.values[i], whole.values[i], 1e-14, 1e-13) == "");
  for (size_t i = 0; i < whole.gradients.size(); ++i)
    CHECK(difference(steps.gradients[i], whole.gradients[i], 1e-13, 1e-12) == "");
}

}  // namespace

TEST_CASE("steps one by one equal the sequence", "[step]") {
  manual_seed(6);
  steps_equal_sequence(RNN(4, 5));
  steps_equal_sequence(RNN(4, 5, {.layers = 2}, {.nonlinearity = relu}));
  steps_equal_sequence(LSTM(4, 5, {.layers = 3}));
  steps_equal_sequence(LSTM(4, 5, {.layers = 2, .dropout = 0.5, .batch_first = true}));
  steps_equal_sequence(GRU(4, 5, {.layers = 2}, {.reset_after = false}));
  steps_equal_sequence(Recurrent<MaskedCell>(4, 5, {.layers = 2}));
}

TEST_CASE("a user's cell of several states has steps", "[step]") {
  manual_seed(7);
  Recurrent<PairCell> rnn(4, 5);
  steps_equal_sequence(rnn);
}

TEST_CASE("each step is a sequence of its own to a cell that draws", "[step]") {
  manual_seed(8);
  Recurrent<MaskedCell> rnn(4, 6);
  const Tensor x = randn({3, 4});
  const typename Recurrent<MaskedCell>::State state{{randn({3, 6})}};
  manual_seed(1);
  const Tensor first = rnn.step(x, state).output, second = rnn.step(x, state).output;
  manual_seed(1);
  CHECK(difference(first, select(rnn(unsqueeze(x, 0), state).output, 0, 0)) == "");
  CHECK(difference(first, second) != "");
  rnn.eval();
  CHECK(difference(rnn.step(x, state).output, rnn.step(x, state).output) == "");
}

TEST_CASE("steps keep to the layer's options", "[step]") {
  manual_seed(9);
  const Tensor x = randn({3, 4});
  GRU plain(4, 5);
  for (const bool batch_first : {false, true}) {
    GRU last(4, 5, {.batch_first = batch_first, .last_only = true});
    last.load_state_dict(plain.state_dict());
    CHECK(difference(last.step(x).output, plain.step(x).output) == "");
    // A row alone has no batch axis.
    const auto [output, state] = last.step(select(x, 0, 1));
    CHECK(difference(output, select(plain.step(x).output, 0, 1), 1e-6, 1e-6) == "");
    CHECK(output.shape() == Shape{5});
  }
  GRU stateful(4, 5, {.stateful = true});
  stateful.load_state_dict(plain.state_dict());
  const auto [first, state] = plain.step(x);
  (void)stateful.step(x);
  CHECK(difference(stateful.step(x).output, plain.step(x, state).output) == "");
  GRU learned(4, 5, {.learned_initial = true});
  CHECK(difference(learned.step(x).output, learned.step(x, learned.initial_state(3)).output) == "");
}

TEST_CASE("steps that cannot be are refused", "[step]") {
  const LSTM both(4, 5, {.bidirectional = true}), back(4, 5, {.reverse = true}), one(4, 5);
  CHECK_THROWS_WITH(both.step(ones({3, 4})),
                    contains_text("[Recurrent] step() is for a layer that runs forward"));
  CHECK_THROWS_WITH(back.step(ones({3, 4})),
                    contains_text("[Recurrent] step() is for a layer that runs forward"));
  CHECK_THROWS_WITH(one.step(ones({3, 5})),
                    contains_text("step() expected input [N, I] of width 4, got float32 [3, 5]"));
  CHECK_THROWS_WITH(one.step(ones({1, 3, 4})), contains_text("got float32 [1, 3, 4]"));
}

}  // namespace reel
