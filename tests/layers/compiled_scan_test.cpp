// The compiled loop gives what the cell's steps give one after the other: values, gradients, second gradients.
#include "layers/compiled_scan.h"

#include "framework/functional.h"
#include "framework/random.h"
#include "framework/tape.h"
#include "layers/cells.h"
#include "layers/linear.h"
#include "layers/recurrent.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/dropout.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "ops/softmax.h"
#include "optimizers/adam.h"
#include "optimizers/averaging.h"
#include "optimizers/muon.h"
#include "optimizers/sgd.h"
#include "tests/catch.h"
#include "tests/layers/outcome.h"
#include "tests/reference.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;

struct GatedCell : Cell {
  Linear xf{3, 4}, hf{4, 4}, xc{3, 4}, hc{4, 4};
  REEL_FIELDS(xf, hf, xc, hc)
  Tensor step(const Tensor& x, const Tensor& h) const {
    const Tensor f = sigmoid(xf(x) + hf(h));
    return (1 - f) * h + f * tanh(xc(x) + hc(f * h));
  }
};

/// An LSTM by eight layers, with products that share their left side.
struct EightCell : Cell {
  Linear xi{3, 4}, xf{3, 4}, xg{3, 4}, xo{3, 4}, hi{4, 4}, hf{4, 4}, hg{4, 4}, ho{4, 4};
  REEL_FIELDS(xi, xf, xg, xo, hi, hf, hg, ho)
  LSTMState step(const Tensor& x, const LSTMState& s) const {
    const Tensor c = sigmoid(xf(x) + hf(s.h)) * s.c + sigmoid(xi(x) + hi(s.h)) * tanh(xg(x) + hg(s.h));
    return {sigmoid(xo(x) + ho(s.h)) * tanh(c), c};
  }
};

/// States of different widths, a wide value both whole and in parts, a state that is handed on, an input that becomes
/// one, and an output beside the state.
struct OddState {
  Tensor a, b, old, last;
  REEL_FIELDS(a, b, old, last)
};
struct OddCell : Cell {
  Linear wide{4, 8}, narrow_{6, 4}, into{3, 6};
  Tensor scale = full({4}, 0.5).requires_grad_(), mask = ones({2, 4});
  REEL_FIELDS(wide, narrow_, into, scale, mask)
  OddCell() {}
  std::pair<Tensor, OddState> step(const Tensor& x, const OddState& s) const {
    const Tensor both = tanh(wide(s.a));
    const auto [p, q] = chunk<2>(both, -1);
    const Tensor a = p * scale + q * mask * narrow_(s.b) - s.old;
    const Tensor b = sigmoid(into(x) + s.b) * 2;
    return {both * 3, {a, b, s.a, x}};
  }
  OddState initial_state(int64_t n) const {
    return {zeros({n, 4}), zeros({n, 6}), zeros({n, 4}), zeros({n, 3})};
  }
};

template <class C> C in_float64(C cell) {
  cell.to(DType::float64);
  return cell;
}

template <class C> void compiled_equals_steps(const C& given, int64_t steps, int64_t batch, int64_t width) {
  const C cell = in_float64(given);
  Random random(3);
  const Tensor x = randn({steps, batch, width}, {.dtype = DType::float64}, random);
  List state = detail::tensors_of(initial_state(cell, batch, 4, DType::float64));
  for (Tensor& s : state) s = randn(s.shape(), {.dtype = DType::float64}, random);
  List leaves = cell.parameters();
  leaves.push_back(x);
  leaves.insert(leaves.end(), state.begin(), state.end());
  const detail::StepFunction step = detail::step_function(cell);
  for (const bool reverse : {false, true}) {
    CAPTURE(reverse, steps, batch);
    const Outcome loop = differentiate(leaves, [&] {
      List s = state;
      detail::ScanOutputs y;
      std::string reason;
      const detail::ScanCall call{.step = step, .xs = x, .reverse = reverse};
      const bool compiled = detail::scan_compiled(call, s, true, y, reason);
      CHECK(reason == "");
      REQUIRE(compiled);
      s.insert(s.begin(), y.output);
      s.insert(s.end(), y.sequences.begin(), y.sequences.end());
      return s;
    });
    const Outcome eager = differentiate(leaves, [&] {
      List s = state, ys(static_cast<size_t>(steps));
      std::vector<List> sequences(s.size(), List(static_cast<size_t>(steps)));
      for (int64_t i = 0; i < steps; ++i) {
        const int64_t t = reverse ? steps - 1 - i : i;
        step.step(step.cell, select(x, 0, t), s, ys[static_cast<size_t>(t)]);
        for (size_t j = 0; j < s.size(); ++j) sequences[j][static_cast<size_t>(t)] = s[j];
      }
      s.insert(s.begin(), stack(ys, 0));
      for (const List& sequence : sequences) s.push_back(stack(sequence, 0));
      return s;
    });
    check_same(loop, eager);
  }
}

template <class C> std::string reason_for(const C& cell, const Tensor& x) {
  List state = detail::tensors_of(initial_state(cell, x.shape()[1], 4, DType::float32));
  detail::ScanOutputs outputs;
  std::string reason;
  CHECK_FALSE(
      detail::scan_compiled({.step = detail::step_function(cell), .xs = x}, state, false, outputs, reason));
  return reason;
}

}  // namespace

TEST_CASE("compiled loops equal the steps of the classic cells", "[compiled]") {
  manual_seed(1);
  for (const auto& [steps, batch] : {std::pair<int64_t, int64_t>{5, 2}, {1, 1}, {3, 9}, {2, 1}}) {
    compiled_equals_steps(LSTMCell(3, 4), steps, batch, 3);
    compiled_equals_steps(LSTMCell(3, 4, {.bias = false}), steps, batch, 3);
    compiled_equals_steps(GRUCell(3, 4), steps, batch, 3);
    compiled_equals_steps(GRUCell(3, 4, {.reset_after = false}), steps, batch, 3);
    compiled_equals_steps(RNNCell(3, 4), steps, batch, 3);
    compiled_equals_steps(RNNCell(3, 4, {.nonlinearity = relu}), steps, batch, 3);
  }
}

TEST_CASE("compiled loops equal the steps of the other cells", "[compiled]") {
  manual_seed(4);
  const Activation hard = activation("HardSigmoid");
  compiled_equals_steps(LSTMCell(3, 4, {.gate = hard, .candidate = softsign, .clip = 0.7}), 4, 2, 3);
  compiled_equals_steps(GRUCell(3, 4, {.recurrent_bias = false, .candidate = activation("Elu", 2)}), 4, 2, 3);
  compiled_equals_steps(JordanCell(3, 5, {.output_size = 2, .decay = 0.5}), 4, 2, 3);
  compiled_equals_steps(PeepholeLSTMCell(3, 4, {.carry_clip = 1}), 4, 2, 3);
  compiled_equals_steps(PeepholeLSTMCell(3, 4, {.peepholes = Peepholes::full}), 4, 2, 3);
  compiled_equals_steps(PeepholeLSTMCell(3, 4, {.output_sees = Carry::previous}), 4, 2, 3);
  compiled_equals_steps(CoupledLSTMCell(3, 4), 4, 2, 3);
  compiled_equals_steps(ProjectedLSTMCell(3, 4, {.proj_size = 2}), 4, 2, 3);
  compiled_equals_steps(MGUCell(3, 4), 4, 2, 3);
  compiled_equals_steps(MGUCell(3, 4, {.reset_after = true}), 4, 2, 3);
  compiled_equals_steps(RHNCell(3, 4, {.depth = 3}), 4, 2, 3);
  compiled_equals_steps(IndRNNCell(3, 4), 4, 2, 3);
  compiled_equals_steps(SRUCell(3, 4), 4, 2, 3);
  compiled_equals_steps(SRUCell(4, 4), 4, 2, 4);
  for (const Pooling pooling : {Pooling::f, Pooling::fo, Pooling::ifo})
    compiled_equals_steps(QRNNCell(3, 4, {.pooling = pooling}), 4, 2, 3);
}

TEST_CASE("compiled loops equal the steps of cells that the library has never seen", "[compiled]") {
  manual_seed(2);
  compiled_equals_steps(GatedCell(), 4, 3, 3);
  compiled_equals_steps(EightCell(), 4, 3, 3);
  compiled_equals_steps(OddCell(), 4, 2, 3);
}

TEST_CASE("compiled float32 loops equal the steps, wide enough for several tiles and packed products",
          "[compiled]") {
  manual_seed(3);
  const LSTMCell cell(20, 600);
  const Tensor x = randn({6, 10, 20});
  List state{randn({10, 600}), randn({10, 600})}, stepped = state;
  detail::ScanOutputs outputs;
  std::string reason;
  REQUIRE(
      detail::scan_compiled({.step = detail::step_function(cell), .xs = x}, state, false, outputs, reason));
  const Tensor y = outputs.output;
  for (int64_t t = 0; t < 6; ++t) {
    const LSTMState next = cell.step(select(x, 0, t), {stepped[0], stepped[1]});
    stepped = {next.h, next.c};
    CHECK(difference(select(y, 0, t), next.h, 2e-6) == "");
  }
  CHECK(difference(state[1], stepped[1], 2e-6) == "");
}

TEST_CASE("weights that were packed for a call without a tape are packed anew once they have changed",
          "[compiled]") {
  manual_seed(4);
  LSTMCell cell(8, 16);
  const Tensor x = randn({3, 5, 8});
  const auto last = [&] { return scan(cell, x, {zeros({5, 16}), zeros({5, 16})}).state.h; };
  const auto stepped = [&] {
    LSTMState state{zeros({5, 16}), zeros({5, 16})};
    for (const Tensor& row : unbind(x)) state = cell.step(row, state);
    return state.h;
  };
  CHECK(difference(last(), stepped(), 1e-6) == "");
  CHECK(difference(last(), stepped(), 1e-6) == "");
  cell.weight_hh.copy_(randn({64, 16}));
  CHECK(difference(last(), stepped(), 1e-6) == "");
  cell.weight_hh = randn({64, 16});
  CHECK(difference(last(), stepped(), 1e-6) == "");
  const LSTMCell other(8, 16);
  cell.weight_hh = narrow(cat({other.weight_hh, other.weight_hh * 2}), 0, 64, 64);
  CHECK(difference(last(), stepped(), 1e-6) == "");
}

TEST_CASE("weights that were packed are packed anew after an optimizer's step, and under averages",
          "[compiled]") {
  manual_seed(5);
  const LSTM layer(8, 16);
  const Tensor x = randn({4, 5, 8});
  const auto up_to_date = [&] {
    LSTMState state{zeros({5, 16}), zeros({5, 16})};
    for (const Tensor& row : unbind(x)) state = layer.cells[0].step(row, state);
    return difference(layer(x).state.layers[0].h, state.h, 1e-5);
  };
  const auto train = [&](Optimizer& optimizer) {
    CHECK(up_to_date() == "");
    const Tensor before = clone(layer.cells[0].weight_hh);
    {
      Tape tape;
      tape.backward(sum(layer(x).output));
    }
    optimizer.step();
    CHECK(difference(layer.cells[0].weight_hh, before) != "");
    CHECK(up_to_date() == "");
  };
  SGD sgd(layer.parameters(), {.lr = 0.3});
  Adam adam(layer.parameters(), {.lr = 0.3});
  Lion lion(layer.parameters(), {.lr = 0.1});
  Muon muon({layer.cells[0].weight_ih, layer.cells[0].weight_hh}, {.lr = 0.5});
  for (Optimizer* optimizer : {static_cast<Optimizer*>(&sgd), static_cast<Optimizer*>(&adam),
                               static_cast<Optimizer*>(&lion), static_cast<Optimizer*>(&muon)})
    train(*optimizer);
  EMA average(layer.parameters());
  train(sgd);
  average.update();
  {
    const WithAverages averaged(average);
    CHECK(up_to_date() == "");
  }
  CHECK(up_to_date() == "");
}

TEST_CASE("what a step does that no plan can repeat is said, and left to the eager scan", "[compiled]") {
  struct Reads : Cell {
    REEL_FIELDS()
    Tensor step(const Tensor& x, const Tensor& h) const { return sum(h).item() > 0 ? h : h + x; }
  };
  struct Draws : Cell {
    REEL_FIELDS()
    Tensor step(const Tensor& x, const Tensor& h) const { return dropout(h, 0.5) + x; }
  };
  struct Softmax : Cell {
    REEL_FIELDS()
    Tensor step(const Tensor& x, const Tensor& h) const { return softmax(h + x, -1); }
  };
  struct Counts : Cell {
    mutable int calls = 0;
    REEL_FIELDS()
    Tensor step(const Tensor& x, const Tensor& h) const { return h * static_cast<double>(++calls) + x; }
  };
  const Tensor x = randn({3, 2, 4});
  CHECK_THAT(reason_for(Reads(), x), contains_text("reads the value"));
  CHECK_THAT(reason_for(Draws(), x), contains_text("random numbers"));
  CHECK_THAT(reason_for(Softmax(), x), contains_text("[softmax]"));
  CHECK_THAT(reason_for(Counts(), x), contains_text("second step"));
  // The counter of the cell itself has not moved: 3 steps give 1, 2, 3.
  const Counts cell;
  const auto [y, h] = scan(cell, ones({3, 1, 1}), ones({1, 1}));
  CHECK(y.to_vector<float>() == std::vector<float>{2, 5, 16});
}

TEST_CASE("steps that go past the ops, or stop recording, are left to the eager scan", "[compiled]") {
  struct Detaches : Cell {
    REEL_FIELDS()
    Tensor step(const Tensor& x, const Tensor& h) const { return detach(x) * h; }
  };
  struct Pauses : Cell {
    REEL_FIELDS()
    Tensor step(const Tensor& x, const Tensor& h) const {
      Tensor g;
      {
        const NoTape none;
        g = h * 2;
      }
      return x + g * h;
    }
  };
  struct Swallows : Cell {
    REEL_FIELDS()
    Tensor step(const Tensor& x, const Tensor& h) const {
      try {
        return sum(h).item() > 0 ? h + x : x;
      } catch (...) {
        return h * 0;
      }
    }
  };
  struct Promises : Cell {
    REEL_FIELDS()
    Tensor step(const Tensor& x, const Tensor& h) const noexcept { return sum(h).item() > 0 ? h + x : x; }
  };
  struct Differentiates : Cell {
    REEL_FIELDS()
    Tensor step(const Tensor& x, const Tensor& h) const {
      return x + grad([](const Tensor& q) { return sum(q * q); }, h);
    }
  };
  struct Base : Cell {
    REEL_FIELDS()
    virtual Tensor step(const Tensor& x, const Tensor& h) const { return h + x; }
  };
  struct Derived : Base {
    Tensor step(const Tensor& x, const Tensor& h) const override { return h * 2 + x; }
  };
  const Tensor x = reshape(tensor({1, 2, 3}), {3, 1, 1}), h = full({1, 1}, 0.5);
  const auto values = [&](const auto& cell) { return scan(cell, x, h).output.template to_vector<float>(); };
  using Floats = std::vector<float>;
  CHECK(values(Detaches()) == Floats{0.5, 1, 3});
  CHECK(values(Swallows()) == Floats{1.5, 3.5, 6.5});
  CHECK(values(Promises()) == Floats{1.5, 3.5, 6.5});
  CHECK(values(Differentiates()) == Floats{2, 6, 15});
  const Derived derived;
  CHECK(values(static_cast<const Base&>(derived)) == Floats{2, 6, 15});
  CHECK_THAT(reason_for(Detaches(), x), contains_text("past the ops"));
  // h1 = 1 + 2 h h, of which one h is constant: the derivatives at 0.5 are 2 h = 1, 2 h1 = 3 and 2 h2 = 13.
  CHECK(grad([&](const Tensor& at) { return sum(scan(Pauses(), x, at).state); }, h).item() == 1 * 3 * 13);
}

TEST_CASE("what nothing needs is left out, and a gradient that is read late is not what was added since",
          "[compiled]") {
  struct Dead : Cell {
    REEL_FIELDS()
    Tensor step(const Tensor& x, const Tensor& h) const {
      const Tensor unused = h * tanh(x);
      return tanh(h) * x;
    }
  };
  struct Late : Cell {
    Tensor w = full({4, 4}, 0.3).requires_grad_();
    REEL_FIELDS(w)
    Tensor step(const Tensor& x, const Tensor& h) const {
      const Tensor p = matmul(h, w), u = tanh(h * 0.7 + x), b = p * h, a = sigmoid(p + u);
      return u * 0.5 + b * 0.1 + a;
    }
  };
  compiled_equals_steps(Dead(), 3, 2, 4);
  compiled_equals_steps(Late(), 3, 2, 4);
}

TEST_CASE("output and last state of a compiled loop have memory of their own", "[compiled]") {
  auto [y, state] = scan(LSTMCell(4, 4), ones({3, 2, 4}), LSTMState{zeros({2, 4}), zeros({2, 4})});
  const Tensor before = clone(y);
  state.h.fill_(7);
  CHECK(difference(y, before) == "");
}

TEST_CASE("a scan within a budget may outlive its cell", "[compiled]") {
  const Tensor x = randn({6, 2, 3}), w = randn({3, 3});
  struct Weighted : Cell {
    Tensor weight;
    REEL_FIELDS(weight)
    Tensor step(const Tensor& at, const Tensor& h) const { return tanh(matmul(h, weight) + at); }
  };
  const auto gradient = [&](int64_t budget) {
    return grad(
        [&](const Tensor& weight) {
          Weighted cell;
          cell.weight = weight;
          return sum(scan(cell, x, zeros({2, 3}), {.memory_budget = budget}).output);
        },
        w);
  };
  CHECK(difference(gradient(1), gradient(0), 1e-5, 1e-5) == "");
}

TEST_CASE("explain says where each op of a step has gone", "[compiled]") {
  const std::string lstm = explain(LSTM(3, 4, {.layers = 2}), 5);
  CHECK_THAT(lstm, contains_text("layer 1\n"));
  CHECK_THAT(lstm, contains_text("matmul [5, 16]: out of the loop: once for all steps"));
  CHECK_THAT(lstm, contains_text("product of 5 rows, 4 x 16, before the pass of stage 0"));
  CHECK_THAT(lstm, contains_text("640 flop a step"));  // 2 * 5 * 4 * 16
  CHECK_THAT(lstm, contains_text("tanh [5, 4]: fused into the pass of stage 0"));
  CHECK_THAT(lstm, contains_text("slice [5, 4]: no work"));
  const std::string counted = explain(LSTM(100, 200), 20);
  CHECK_THAT(
      counted,
      contains_text("for a step of 20 rows, in the loop: 6.40 Mflop in products"));  // 2 * 20 * 200 * 800
  CHECK_THAT(counted, contains_text("back, out of the loop: 6.40 Mflop a step"));
  CHECK_THAT(counted,
             contains_text("out of the loop, for all steps at once: 3.2"));  // 2 * 20 * 100 * 800 and a bias
  const std::string eight = explain(Recurrent<EightCell>({3, 4}), 2);
  CHECK_THAT(eight, contains_text("one of 4 joined to 4 x 16"));
  CHECK_THAT(explain(GRU(3, 4, {}, {.reset_after = false}), 2), contains_text("before the pass of stage 1"));
}

TEST_CASE("a compiled loop sees parameters and options as they are at each call", "[compiled]") {
  struct Scaled : Cell {
    double factor = 2;
    Tensor weight = full({1}, 3);
    REEL_FIELDS(weight)
    Tensor step(const Tensor& x, const Tensor& h) const { return h * factor + x * weight; }
  };
  Scaled cell;
  const Tensor x = ones({2, 1, 1}), h = ones({1, 1});
  CHECK(scan(cell, x, h).output.to_vector<float>() == std::vector<float>{5, 13});
  cell.factor = 1;
  CHECK(scan(cell, x, h).output.to_vector<float>() == std::vector<float>{4, 7});
  cell.weight.fill_(1);
  CHECK(scan(cell, x, h).output.to_vector<float>() == std::vector<float>{2, 3});
}

TEST_CASE("an output of a compiled loop that is changed in place is refused in backward", "[compiled]") {
  LSTMCell cell(3, 4);
  Tape tape;
  auto [y, state] = scan(cell, randn({3, 2, 3}), LSTMState{zeros({2, 4}), zeros({2, 4})});
  const Tensor loss = sum(y);
  CHECK_THROWS_AS(y.fill_(0), Error);
  detail::view(y, y.shape(), y.strides()).copy_(zeros({3, 2, 4}));
  try {
    tape.backward(loss);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK_THAT(error.what(), contains_text("a result of [scan]"));
  }
}

}  // namespace reel
