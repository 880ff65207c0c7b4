// Projected, layer-normalised and convolutional cells against PyTorch: values and all gradients.
#include <string>
#include <vector>

#include "framework/tape.h"
#include "layers/cells.h"
#include "layers/recurrent.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;

constexpr double tolerance = 1e-11;

NamedTensors parameters_of(const SafetensorsFile& file) {
  NamedTensors result;
  for (const auto& [name, tensor] : file.tensors)
    if (name.starts_with("param.")) result.emplace_back(name.substr(6), tensor);
  return result;
}

void check_gradients(Tape& tape, const Tensor& loss, const SafetensorsFile& file,
                     const std::vector<std::string>& names, const List& leaves) {
  const List gradients = tape.gradient(loss, leaves);
  for (size_t i = 0; i < leaves.size(); ++i) {
    INFO("gradient of " << names[i]);
    CHECK(difference(gradients[i], file.at("grad." + names[i]), tolerance, tolerance) == "");
  }
}

/// The steps of a file of cells/: see fixtures_cells.py.
template <class C> void steps_are_those_of(C cell, const std::string& name) {
  INFO(name);
  using State = detail::StateOf<C>;
  const SafetensorsFile file = load_reference("cells/" + name);
  cell.to(DType::float64);
  cell.load_state_dict(parameters_of(file));
  Tape tape;
  std::vector<std::string> names{"x"};
  List leaves{file.at("x")};
  for (int i = 0; file.contains("state." + std::to_string(i)); ++i) {
    names.push_back("state." + std::to_string(i));
    leaves.push_back(file.at(names.back()));
  }
  for (Tensor& leaf : leaves) tape.watch(leaf);
  List begin(leaves.begin() + 1, leaves.end());
  const auto [output, last] = scan(cell, leaves[0], detail::state_from<State>(begin));
  CHECK(difference(output, file.at("output"), tolerance, tolerance) == "");
  Tensor loss = sum(output * file.at("w"));
  const List finals = detail::tensors_of(last);
  REQUIRE(finals.size() + 1 == leaves.size());
  for (size_t i = 0; i < finals.size(); ++i) {
    const std::string number = "." + std::to_string(i);
    CHECK(difference(finals[i], file.at("last" + number), tolerance, tolerance) == "");
    loss = loss + sum(finals[i] * file.at("w" + number));
  }
  for (const auto& [parameter, tensor] : cell.named_parameters()) {
    names.push_back("param." + parameter);
    leaves.push_back(tensor);
  }
  check_gradients(tape, loss, file, names, leaves);
}

}  // namespace

TEST_CASE("a projected LSTM is PyTorch's with proj_size, in values and all gradients", "[cells]") {
  const SafetensorsFile file = load_reference("cells/lstm_projected");
  Recurrent<ProjectedLSTMCell> layer({2, 3}, {.layers = 2, .bidirectional = true}, {.proj_size = 2});
  layer.to(DType::float64);
  layer.load_state_dict(parameters_of(file));
  Tape tape;
  std::vector<std::string> names{"input", "h0", "c0"};
  List leaves;
  for (const std::string& name : names) {
    leaves.push_back(file.at(name));
    tape.watch(leaves.back());
  }
  RecurrentState<LSTMState> first;
  for (int64_t i = 0; i < 4; ++i) first.layers.push_back({select(leaves[1], 0, i), select(leaves[2], 0, i)});
  const auto [output, last] = layer(leaves[0], first);
  List h, c;
  for (const LSTMState& state : last.layers) {
    h.push_back(state.h);
    c.push_back(state.c);
  }
  CHECK(difference(output, file.at("output"), tolerance, tolerance) == "");
  CHECK(difference(stack(h), file.at("h_n"), tolerance, tolerance) == "");
  CHECK(difference(stack(c), file.at("c_n"), tolerance, tolerance) == "");
  const Tensor loss =
      sum(output * file.at("w_out")) + sum(stack(h) * file.at("w_h")) + sum(stack(c) * file.at("w_c"));
  for (const auto& [name, parameter] : layer.named_parameters()) {
    names.push_back(name);
    leaves.push_back(parameter);
  }
  check_gradients(tape, loss, file, names, leaves);
}

TEST_CASE("layer-normalised cells are their papers' equations in PyTorch", "[cells]") {
  steps_are_those_of(LayerNormLSTMCell(2, 3), "layer_norm_lstm");
  steps_are_those_of(LayerNormGRUCell(2, 3), "layer_norm_gru");
}

TEST_CASE("convolutional LSTMs are their paper's equations in PyTorch", "[cells]") {
  steps_are_those_of(ConvLSTM1dCell(2, 3, {.size = 4, .peepholes = true}), "conv_lstm1d");
  steps_are_those_of(ConvLSTM2dCell(2, 3, {.size = {3, 2}, .kernel = {3, 2}, .peepholes = true}),
                     "conv_lstm2d");
}

}  // namespace reel
