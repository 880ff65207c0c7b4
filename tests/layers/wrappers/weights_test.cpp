#include "layers/wrappers/weights.h"

#include <cmath>

#include "framework/tape.h"
#include "ops/dropout.h"
#include "ops/matmul.h"
#include "tests/layers/wrappers/wrapped.h"

namespace reel {
namespace {

/// The same weight twice.
struct TiedCell : Cell {
  Linear first, second;
  TiedCell(int64_t input, int64_t hidden) : first(input, hidden), second(first) {}
  Tensor step(const Tensor& x, const Tensor& h) const { return tanh(first(x) + second(h)); }
  REEL_FIELDS(first, second)
};

}  // namespace

TEST_CASE("drop-connect drops elements of the recurrent weights, the same for a whole sequence",
          "[wrappers]") {
  manual_seed(1);
  const Recurrent<DropConnect<LSTMCell>> layer({3, 4}, {}, {.p = 0.4});
  LSTM plain(3, 4);
  copy_parameters(layer, plain);
  const Tensor x = randn({6, 5, 3});
  manual_seed(2);
  const Tensor output = layer(x).output;
  manual_seed(2);
  LSTMCell& cell = plain.cells[0];
  const Tensor whole = cell.weight_hh;
  cell.weight_hh = detach(whole * (bernoulli({16, 4}, 0.6) / 0.6)).requires_grad_();
  CHECK(difference(output, plain(x).output, 1e-6) == "");
  CHECK(difference(layer(x).output, output) != "");
  CHECK(steps_because(layer, 5) == "");

  // The layer's own weight is whole, and gets the gradient of what was not dropped.
  CHECK(difference(layer.cells[0].cell.weight_hh, whole) == "");
  Tape tape;
  manual_seed(2);
  const Tensor gradient = tape.gradient(sum(layer(x).output), {layer.cells[0].cell.weight_hh})[0];
  const Tensor dropped = tape.gradient(sum(plain(x).output), {cell.weight_hh})[0];
  manual_seed(2);
  CHECK(difference(gradient, dropped * (bernoulli({16, 4}, 0.6) / 0.6), 1e-5, 1e-5) == "");
}

TEST_CASE("drop-connect in eval mode uses the whole weights", "[wrappers]") {
  manual_seed(3);
  Recurrent<DropConnect<LSTMCell>> layer({3, 4}, {.layers = 2});
  LSTM plain(3, 4, {.layers = 2});
  copy_parameters(layer, plain);
  layer.eval();
  const Tensor x = randn({4, 2, 3});
  CHECK(difference(layer(x).output, plain(x).output) == "");
}

TEST_CASE("drop-connect drops what is named, in users' cells too", "[wrappers]") {
  manual_seed(4);
  Recurrent<DropConnect<GatedCell>> layer({3, 4}, {}, {.p = 0.5, .weights = {"hf.weight", "hc.w"}});
  Recurrent<GatedCell> plain({3, 4});
  copy_parameters(layer, plain);
  const Tensor x = randn({4, 2, 3});
  manual_seed(5);
  const Tensor output = layer(x).output;
  manual_seed(5);
  GatedCell& cell = plain.cells[0];
  cell.hf.weight = dropout(cell.hf.weight, 0.5);
  cell.hc.weight = dropout(cell.hc.weight, 0.5);
  CHECK(difference(output, plain(x).output, 1e-6) == "");
  CHECK(gradients_of(layer, randn({3, 2, 3}, float64)) == "");

  // All of a weight that stands in two places: one mask for both.
  const Recurrent<DropConnect<TiedCell>> tied({4, 4}, {}, {.p = 0.5, .weights = {"weight"}});
  const TiedCell begun =
      begin_sequence(tied.cells[0], {.steps = 1, .batch = 1, .dtype = DType::float32}).cell;
  CHECK(difference(begun.first.weight, begun.second.weight) == "");
}

TEST_CASE("a scan within a memory budget keeps its dropped weights", "[wrappers]") {
  manual_seed(6);
  const auto gradients = [](int64_t budget) {
    manual_seed(7);
    Recurrent<DropConnect<LSTMCell>> layer({3, 4}, {.memory_budget = budget});
    layer.to(DType::float64);
    const Tensor x = randn({8, 2, 3}, float64);
    Tape tape;
    return tape.gradient(sum(square(layer(x).output)), layer.parameters());
  };
  const auto whole = gradients(0), cut = gradients(1);
  for (size_t i = 0; i < whole.size(); ++i) CHECK(difference(cut[i], whole[i], 1e-12, 1e-12) == "");
}

TEST_CASE("a weight-normed LSTM is PyTorch's, in names, values and gradients", "[wrappers]") {
  const SafetensorsFile file = load_reference("recurrent/weight_norm");
  Recurrent<WeightNorm<LSTMCell>> layer({2, 3});
  layer.to(DType::float64);
  NamedTensors parameters;
  for (const auto& [name, tensor] : file.tensors)
    if (name.starts_with("param.")) parameters.emplace_back(name.substr(6), tensor);
  layer.load_state_dict(parameters);
  Tape tape;
  const Tensor x = file.at("input");
  tape.watch(x);
  const Tensor output = layer(x).output;
  CHECK(difference(output, file.at("output"), 1e-10) == "");
  std::vector<Tensor> wanted = {x};
  for (const Tensor& parameter : layer.parameters()) wanted.push_back(parameter);
  const std::vector<Tensor> gradients = tape.gradient(sum(output * file.at("w")), wanted);
  CHECK(difference(gradients[0], file.at("grad.input"), 1e-10, 1e-10) == "");
  const std::vector<std::string> names = names_of(layer);
  REQUIRE(names.size() == 6);
  for (size_t i = 0; i < names.size(); ++i) {
    INFO(names[i]);
    CHECK(difference(gradients[i + 1], file.at("grad.param." + names[i]), 1e-10, 1e-10) == "");
  }
}

TEST_CASE("weight norm begins with the weights of the inner cell", "[wrappers]") {
  manual_seed(8);
  const LSTM plain(3, 4, {.layers = 2, .bidirectional = true});
  manual_seed(8);
  const Recurrent<WeightNorm<LSTMCell>> layer({3, 4}, {.layers = 2, .bidirectional = true});
  const Tensor x = randn({5, 2, 3});
  CHECK(difference(layer(x).output, plain(x).output, 1e-6) == "");
  CHECK(steps_because(layer, 2) == "");
  // Stepped by hand, without having begun.
  const LSTMState zero{zeros({2, 4}), zeros({2, 4})};
  CHECK(difference(by_hand(layer.cells[0], x, zero).first, by_hand(plain.cells[0], x, zero).first, 1e-6) ==
        "");
}

TEST_CASE("weight norm of users' cells", "[wrappers]") {
  manual_seed(9);
  Recurrent<WeightNorm<GatedCell>> layer({3, 2}, {.layers = 2}, {.weights = {"hf.weight", "xc"}});
  CHECK(names_of(layer) ==
        std::vector<std::string>{"xf.weight_l0",   "xf.bias_l0",     "hf.weight_l0_g", "hf.weight_l0_v",
                                 "hf.bias_l0",     "xc.weight_l0_g", "xc.weight_l0_v", "xc.bias_l0",
                                 "hc.weight_l0",   "hc.bias_l0",     "xf.weight_l1",   "xf.bias_l1",
                                 "hf.weight_l1_g", "hf.weight_l1_v", "hf.bias_l1",     "xc.weight_l1_g",
                                 "xc.weight_l1_v", "xc.bias_l1",     "hc.weight_l1",   "hc.bias_l1"});
  for (const auto& [name, tensor] : layer.named_parameters()) CHECK(tensor.requires_grad());
  CHECK(gradients_of(layer, randn({3, 2, 3}, float64)) == "");

  // A state whose beginning asks the weights for their dtype.
  Recurrent<WeightNorm<ReadoutCell>> readout({3, 2});
  CHECK(gradients_of(readout, randn({3, 2, 3}, float64)) == "");

  // A copy shares g and v until it gets its own.
  Recurrent<WeightNorm<GatedCell>> other = layer;
  CHECK(other.parameters()[2].impl() == layer.parameters()[2].impl());
  other.clone_parameters();
  CHECK(other.parameters()[2].impl() != layer.parameters()[2].impl());

  // A weight that stands in two places has one g and one v.
  const Recurrent<WeightNorm<TiedCell>> tied({4, 4});
  CHECK(tied.named_parameters().size() == 6);
  CHECK(tied.parameters().size() == 3);
  CHECK(tied(randn({2, 1, 4})).output.shape() == Shape{2, 1, 4});
}

TEST_CASE("a normed row has the length g, whatever v", "[wrappers]") {
  manual_seed(10);
  Recurrent<WeightNorm<RNNCell>> layer({3, 4}, {}, {.weights = {"weight_hh"}});
  NamedTensors tensors = layer.state_dict();
  for (auto& [name, tensor] : tensors) tensor = clone(tensor);
  for (auto& [name, tensor] : tensors) {
    if (name == "weight_hh_l0_g") tensor = full({4, 1}, 3);
    if (name == "weight_hh_l0_v") tensor = tensor * 100;
  }
  layer.load_state_dict(tensors);
  const RNNCell begun =
      begin_sequence(layer.cells[0], {.steps = 1, .batch = 1, .dtype = DType::float32}).cell;
  CHECK(difference(sum(square(begun.weight_hh), 1), full({4}, 9), 1e-4) == "");
}

TEST_CASE("wrappers of weights say what is not there", "[wrappers]") {
  CHECK_THROWS_WITH(Recurrent<DropConnect<GatedCell>>({3, 4}), contains_text("[DropConnect]") &&
                                                                   contains_text("\"weight_hh\"") &&
                                                                   contains_text("hf.weight, hf.bias"));
  CHECK_THROWS_WITH((Recurrent<DropConnect<LSTMCell>>({3, 4}, {}, {.p = 1.5})),
                    contains_text("[DropConnect]") && contains_text("1.5"));
  CHECK_THROWS_WITH((Recurrent<DropConnect<LSTMCell>>({3, 4}, {}, {.weights = {}})),
                    contains_text("got none"));
  CHECK_THROWS_WITH(
      (Recurrent<WeightNorm<LSTMCell>>({3, 4}, {}, {.weights = {"weight", "kernel"}})),
      contains_text("[WeightNorm]") && contains_text("\"kernel\"") && contains_text("weight_ih, weight_hh"));
  CHECK_THROWS_WITH((Recurrent<WeightNorm<LSTMCell>>({3, 4}, {}, {.weights = {"bias"}})),
                    contains_text("several axes"));
}

}  // namespace reel
