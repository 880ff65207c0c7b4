// Cells as users write them, along time and in Recurrent.
#include "layers/cell.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "framework/distributions.h"
#include "framework/gradcheck.h"
#include "framework/random.h"
#include "framework/tape.h"
#include "layers/recurrent.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

struct MinimalGatedCell : Cell {
  Linear xf, hf, xc, hc;
  REEL_FIELDS(xf, hf, xc, hc)
  Tensor step(const Tensor& x, const Tensor& h) const {
    Tensor f = sigmoid(xf(x) + hf(h));
    return (1 - f) * h + f * tanh(xc(x) + hc(f * h));
  }
};

struct MemoryState {
  Tensor h, memory;
  REEL_FIELDS(h, memory)
};

/// Its state has two widths and does not begin with zeros.
struct MemoryCell : Cell {
  Linear to_h, to_memory;
  MemoryCell(int64_t input, int64_t hidden)
      : to_h(input + 2, hidden), to_memory(hidden, 2), hidden_(hidden) {}
  MemoryState initial_state(int64_t batch) const {
    const TensorOptions options{.dtype = to_h.weight.dtype()};
    return {full({batch, hidden_}, 0.25, options), full({batch, 2}, -0.5, options)};
  }
  MemoryState step(const Tensor& x, const MemoryState& state) const {
    const Tensor h = tanh(to_h(cat({x, state.memory}, -1))) + 0.5 * state.h;
    return {h, 0.9 * state.memory + tanh(to_memory(h))};
  }
  REEL_FIELDS(to_h, to_memory)

 private:
  int64_t hidden_;
};

/// Its output is not its state, and of another width: 3.
struct ReadoutCell : Cell {
  Linear x_in, h_in, read;
  ReadoutCell(int64_t input, int64_t hidden) : x_in(input, hidden), h_in(hidden, hidden), read(hidden, 3) {}
  std::pair<Tensor, Tensor> step(const Tensor& x, const Tensor& h) const {
    const Tensor next = tanh(x_in(x) + h_in(h));
    return {read(next), next};
  }
  REEL_FIELDS(x_in, h_in, read)
};

/// Draws a mask for the state, once for a sequence.
struct MaskedCell : Cell {
  Linear x_in, h_in;
  Tensor mask;
  REEL_FIELDS(x_in, h_in)
  MaskedCell begin(const SequenceStart& start) const {
    MaskedCell begun = *this;
    begun.mask = bernoulli({start.batch, 4}, 0.5, {.dtype = start.dtype});
    return begun;
  }
  Tensor step(const Tensor& x, const Tensor& h) const {
    return tanh(x_in(x) + h_in(mask.defined() ? h * mask : h));
  }
};

struct UnusedCell : Cell {
  Linear used, spare;
  REEL_FIELDS(used, spare)
  Tensor step(const Tensor& x, const Tensor& h) const { return tanh(used(x)) * h; }
};

struct WideningCell : Cell {
  REEL_FIELDS()
  Tensor step(const Tensor& x, const Tensor& h) const { return cat({x, h}, -1); }
};

std::vector<std::string> names_of(const Module& module) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : module.named_parameters()) names.push_back(name);
  return names;
}

/// Gradcheck of a layer with respect to its input and to all its parameters.
template <class Layer> GradcheckResult gradcheck_layer(Layer& layer, const Tensor& x) {
  layer.to(DType::float64);
  std::vector<Tensor> inputs = {x};
  for (const Tensor& parameter : layer.parameters()) inputs.push_back(clone(parameter));
  return gradcheck(
      [&](const std::vector<Tensor>& values) {
        size_t next = 1;
        detail::for_each_tensor(layer, [&](Tensor& tensor) { tensor = values[next++]; });
        auto [output, state] = layer(values[0]);
        std::vector<Tensor> results = detail::tensors_of(state);
        results.push_back(output);
        return results;
      },
      inputs);
}

constexpr TensorOptions float64{.dtype = DType::float64};

}  // namespace

TEST_CASE("a cell's fields give the names and shapes of a recurrent layer", "[cell]") {
  const Recurrent<MinimalGatedCell> layer({5, 4}, {.layers = 3, .bidirectional = true});
  std::vector<std::string> expected;
  for (const char* suffix : {"_l0", "_l0_reverse", "_l1", "_l1_reverse", "_l2", "_l2_reverse"})
    for (const char* field : {"xf", "hf", "xc", "hc"})
      for (const char* kind : {".weight", ".bias"}) expected.push_back(std::string(field) + kind + suffix);
  CHECK(names_of(layer) == expected);

  for (const auto& [name, tensor] : layer.named_parameters()) {
    INFO(name);
    const bool from_x = name.front() == 'x', lowest = name.find("_l0") != std::string::npos;
    const int64_t in = !from_x ? 4 : lowest ? 5 : 8;
    CHECK(tensor.shape() == (name.find("weight") != std::string::npos ? Shape{4, in} : Shape{4}));
    CHECK(tensor.requires_grad());
  }
  CHECK(layer.parameter_count() == 2 * ((2 * 5 + 2 * 4 + 4) * 4 + 2 * (2 * 8 + 2 * 4 + 4) * 4));

  const auto [output, state] = layer(randn({7, 2, 5}));
  CHECK(output.shape() == Shape{7, 2, 8});
  CHECK(state.layers.size() == 6);
}

TEST_CASE("one layer is a loop over its cell", "[cell]") {
  manual_seed(3);
  const Recurrent<MinimalGatedCell> layer({5, 4});
  const MinimalGatedCell& cell = layer.cells[0];
  const Tensor x = randn({6, 2, 5});
  const auto [output, state] = layer(x);
  const auto scanned = scan(cell, x, zeros({2, 4}));
  CHECK(difference(scanned.output, output) == "");

  const auto apply = [](const Linear& map, const Tensor& rows) {
    return matmul(rows, transpose(map.weight)) + map.bias;
  };
  Tensor h = zeros({2, 4}), by_hand = zeros({2, 4});
  for (int64_t t = 0; t < 6; ++t) {
    const Tensor row = select(x, 0, t);
    h = cell.step(row, h);
    CHECK(difference(select(output, 0, t), h, 1e-6) == "");
    const Tensor f = sigmoid(apply(cell.xf, row) + apply(cell.hf, by_hand));
    by_hand = (1 - f) * by_hand + f * tanh(apply(cell.xc, row) + apply(cell.hc, f * by_hand));
    CHECK(difference(select(output, 0, t), by_hand, 1e-6) == "");
  }
  CHECK(difference(state.layers[0], h, 1e-6) == "");
  CHECK(difference(scanned.state, h, 1e-6) == "");
}

TEST_CASE("layers stack, and the reverse direction runs from the end", "[cell]") {
  manual_seed(4);
  const Recurrent<MinimalGatedCell> layer({5, 4}, {.layers = 2, .bidirectional = true});
  Tensor x = randn({6, 2, 5});
  const auto [output, state] = layer(x);
  for (size_t i = 0; i < 4; i += 2) {
    const auto forward = scan(layer.cells[i], x, zeros({2, 4}));
    const auto backward = scan(layer.cells[i + 1], x, zeros({2, 4}), {.reverse = true});
    CHECK(difference(state.layers[i], forward.state) == "");
    CHECK(difference(state.layers[i + 1], backward.state) == "");
    x = cat({forward.output, backward.output}, -1);
  }
  CHECK(difference(output, x) == "");
}

TEST_CASE("a reverse scan is a scan of the reversed sequence, reversed", "[cell]") {
  manual_seed(5);
  const Recurrent<MinimalGatedCell> layer(3, 4);
  const Tensor x = randn({5, 2, 3}), h = randn({2, 4});
  const auto reversed = [](const Tensor& sequence) {
    std::vector<Tensor> steps = unbind(sequence);
    std::reverse(steps.begin(), steps.end());
    return stack(steps);
  };
  const auto backward = scan(layer.cells[0], x, h, {.reverse = true});
  const auto forward = scan(layer.cells[0], reversed(x), h);
  CHECK(difference(backward.output, reversed(forward.output)) == "");
  CHECK(difference(backward.state, forward.state) == "");
  CHECK(difference(select(backward.output, 0, 0), backward.state) == "");
}

TEST_CASE("gradients flow through users' cells to inputs and parameters", "[cell]") {
  manual_seed(6);
  const Tensor x = randn({3, 2, 3}, float64);
  SECTION("in layers and both directions") {
    Recurrent<MinimalGatedCell> layer({3, 2}, {.layers = 3, .bidirectional = true});
    CHECK(gradcheck_layer(layer, x).message == "");
  }
  SECTION("through a state of two widths") {
    Recurrent<MemoryCell> layer({3, 2}, {.layers = 2});
    CHECK(gradcheck_layer(layer, x).message == "");
  }
  SECTION("through an output that is not the state") {
    Recurrent<ReadoutCell> layer({3, 2}, {.layers = 2, .bidirectional = true});
    CHECK(gradcheck_layer(layer, x).message == "");
  }
}

TEST_CASE("a state of two widths begins with initial_state", "[cell]") {
  manual_seed(7);
  const Recurrent<MemoryCell> layer({3, 4}, {.layers = 2});
  CHECK(names_of(layer).front() == "to_h.weight_l0");
  const Tensor x = randn({5, 2, 3});
  const auto [output, state] = layer(x);
  CHECK(output.shape() == Shape{5, 2, 4});
  REQUIRE(state.layers.size() == 2);
  CHECK(state.layers[1].memory.shape() == Shape{2, 2});

  Tensor below = x;
  for (const MemoryCell& cell : layer.cells) {
    MemoryState now = cell.initial_state(2);
    std::vector<Tensor> outputs;
    for (const Tensor& row : unbind(below)) {
      now = cell.step(row, now);
      outputs.push_back(now.h);
    }
    below = stack(outputs);
  }
  CHECK(difference(output, below) == "");

  // In two pieces, the state carried on: the same. Detached, it is off the tape.
  const auto [first, carried] = layer(narrow(x, 0, 0, 2));
  const auto [second, last] = layer(narrow(x, 0, 2, 3), detach(carried));
  CHECK(difference(cat({first, second}), output, 1e-6) == "");
  CHECK(difference(last.layers[1].memory, state.layers[1].memory, 1e-6) == "");
}

TEST_CASE("what begin() draws holds for one sequence", "[cell]") {
  manual_seed(9);
  const Recurrent<MaskedCell> layer({3, 4});
  const Tensor x = randn({6, 5, 3});
  manual_seed(10);
  const Tensor first = layer(x).output;
  CHECK(difference(layer(x).output, first) != "");

  manual_seed(10);
  const Tensor mask = bernoulli({5, 4}, 0.5);
  Tensor h = zeros({5, 4});
  for (int64_t t = 0; t < 6; ++t) {
    h = tanh(layer.cells[0].x_in(select(x, 0, t)) + layer.cells[0].h_in(h * mask));
    CHECK(difference(select(first, 0, t), h, 1e-6) == "");
  }
  CHECK_FALSE(layer.cells[0].mask.defined());
}

TEST_CASE("an output beside the state may have its own width", "[cell]") {
  manual_seed(8);
  const Recurrent<ReadoutCell> layer({5, 4}, {.layers = 2, .bidirectional = true});
  CHECK(layer.cells[2].x_in.weight.shape() == Shape{4, 6});
  const Tensor x = randn({4, 2, 5});
  const auto [output, state] = layer(x);
  CHECK(output.shape() == Shape{4, 2, 6});
  CHECK(state.layers[3].shape() == Shape{2, 4});
  const auto [read, h] = layer.cells[0].step(select(x, 0, 0), zeros({2, 4}));
  const auto [outputs, last] = scan(layer.cells[0], narrow(x, 0, 0, 1), zeros({2, 4}));
  CHECK(difference(select(outputs, 0, 0), read, 1e-6) == "");
  CHECK(difference(last, h, 1e-6) == "");
}

TEST_CASE("detaching the state cuts the tape", "[cell]") {
  const Recurrent<MinimalGatedCell> layer(3, 4);
  const Tensor x = randn({2, 1, 3});
  Tape tape;
  tape.watch(x);
  const auto [first, carried] = layer(x);
  const Tensor later = randn({2, 1, 3});
  CHECK(difference(tape.gradient(sum(layer(later, detach(carried)).output), {x})[0], zeros_like(x)) == "");
  CHECK(difference(tape.gradient(sum(layer(later, carried).output), {x})[0], zeros_like(x)) != "");
}

TEST_CASE("a sequence of no steps gives no outputs and leaves the state", "[cell]") {
  const Tensor none = zeros({0, 2, 5});
  const Recurrent<MinimalGatedCell> gated({5, 4}, {.layers = 2, .bidirectional = true});
  const auto [output, state] = gated(none);
  CHECK(output.shape() == Shape{0, 2, 8});
  REQUIRE(state.layers.size() == 4);
  CHECK(difference(state.layers[3], zeros({2, 4})) == "");
  CHECK(Recurrent<ReadoutCell>({5, 4}, {.layers = 2})(none).output.shape() == Shape{0, 2, 3});
  const Tensor h = randn({2, 4});
  const auto [scanned, last] = scan(gated.cells[0], none, h);
  CHECK(scanned.shape() == Shape{0, 2, 4});
  CHECK(difference(last, h, 1e-6) == "");
}

TEST_CASE("20,000 steps run forward and backward", "[cell]") {
  manual_seed(9);
  const Recurrent<MinimalGatedCell> layer(2, 3);
  const Tensor x = randn({20000, 1, 2});
  Tape tape;
  tape.watch(x);
  const auto [output, state] = layer(x);
  CHECK(output.shape() == Shape{20000, 1, 3});
  std::vector<Tensor> wanted = layer.parameters();
  wanted.push_back(x);
  for (const Tensor& gradient : tape.gradient(mean(square(output)), wanted)) {
    const double size = sum(abs(gradient)).item();
    CHECK(std::isfinite(size));
    CHECK(size > 0);
  }
}

TEST_CASE("dropout lies between layers, while training only", "[cell]") {
  manual_seed(10);
  Recurrent<MinimalGatedCell> layer({3, 4}, {.layers = 2, .dropout = 0.5});
  const Tensor x = randn({5, 2, 3});
  CHECK(difference(layer(x).output, layer(x).output) != "");
  CHECK(difference(layer(x).state.layers[0], layer(x).state.layers[0]) == "");
  layer.eval();
  CHECK(difference(layer(x).output, layer(x).output) == "");
}

TEST_CASE("a state that begins without its tensors is refused", "[cell]") {
  struct Many {
    std::vector<Tensor> tensors;
    REEL_FIELDS(tensors)
  };
  struct ManyCell : Cell {
    REEL_FIELDS()
    Many initial_state(int64_t batch) const { return {{zeros({batch, 2}), zeros({batch, 2})}}; }
    Many step(const Tensor&, const Many& state) const { return state; }
  };
  CHECK_THROWS_WITH(Recurrent<ManyCell>(2, 2), contains_text("std::array can list them"));
}

TEST_CASE("recurrent layers say what does not fit", "[cell]") {
  const Recurrent<MinimalGatedCell> layer({5, 4}, {.layers = 2});
  CHECK_THROWS_WITH(layer(zeros({3, 2, 6})), contains_text("width 5") && contains_text("[3, 2, 6]"));
  CHECK_THROWS_WITH(layer(zeros({5})), contains_text("[T, N, I]"));
  CHECK_THROWS_AS(layer(zeros({3, 2, 5}, {.dtype = DType::int64})), Error);
  CHECK_THROWS_WITH(layer(zeros({3, 2, 5}), {{zeros({2, 4})}}),
                    contains_text("2 cells") && contains_text("got 1"));
  CHECK_THROWS_AS(layer(zeros({3, 2, 5}), {{zeros({2, 3}), zeros({2, 3})}}), Error);
  CHECK_THROWS_AS(layer(zeros({3, 2, 5}), {{Tensor(), Tensor()}}), Error);
  CHECK_THROWS_WITH(Recurrent<MinimalGatedCell>({5, 4}, {.dropout = 0.5}), contains_text("dropout"));
  CHECK_THROWS_WITH(Recurrent<MinimalGatedCell>({5, 4}, {.layers = 2, .dropout = 1.5}),
                    contains_text("dropout"));
  CHECK_THROWS_WITH(Recurrent<MinimalGatedCell>({5, 4}, {.layers = 0}), contains_text("layer"));
  CHECK_THROWS_WITH(Recurrent<MinimalGatedCell>({0, 4}), contains_text("input 0"));
  CHECK_THROWS_WITH(Recurrent<UnusedCell>({5, 4}), contains_text("spare") && contains_text("does not use"));
  CHECK_THROWS_WITH(Recurrent<WideningCell>({5, 4}), contains_text("[1, 4]") && contains_text("[1, 9]"));
  CHECK_THROWS_WITH(scan(layer.cells[0], zeros({5}), zeros({2, 4})), contains_text("[scan]"));
  CHECK_THROWS_WITH(Linear()(zeros({2, 3})), contains_text("no sizes"));
}

TEST_CASE("the width of no outputs is that of the cell's output, not of its state", "[cell]") {
  struct Readout : Cell {
    Linear in{2, 3}, out{3, 5};
    REEL_FIELDS(in, out)
    std::pair<Tensor, Tensor> step(const Tensor& x, const Tensor& h) const {
      const Tensor next = tanh(in(x)) + h;
      return {out(next), next};
    }
  };
  CHECK(scan(Readout(), zeros({0, 1, 2}), zeros({1, 3})).output.shape() == Shape{0, 1, 5});
  CHECK(scan(Readout(), zeros({4, 1, 2}), zeros({1, 3})).output.shape() == Shape{4, 1, 5});
}

}  // namespace reel
