// ONNX Runtime's own tests of its operators RNN, LSTM and GRU: all through Recurrent of cells as a user writes them, and
// through Recurrent of the public cells what these can do.
#include <algorithm>
#include <string>
#include <vector>

#include "layers/foreign_weights.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/conformance/conformance.h"
#include "tests/conformance/onnx_cells.h"
#include "tests/reference.h"

namespace reel {
namespace {

using nlohmann::json;

/// The activations of all gates, forward then backward. Those that take an alpha or a beta take the next of the list.
std::vector<OnnxActivation> activations_of(const json& attributes) {
  std::vector<OnnxActivation> result;
  size_t alphas = 0, betas = 0;
  const auto next = [&](const char* list, size_t& used, double otherwise) {
    const json& given = attributes.contains(list) ? attributes.at(list) : json::array();
    return used < given.size() ? given.at(used++).get<double>() : otherwise;
  };
  for (const json& given : attributes.value("activations", json::array())) {
    auto name = given.get<std::string>();
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    OnnxActivation activation{name, 0, 0};
    if (name == "leakyrelu") activation.alpha = next("activation_alpha", alphas, 0.01);
    if (name == "scaledtanh") {
      activation.alpha = next("activation_alpha", alphas, 1);
      activation.beta = next("activation_beta", betas, 1);
    }
    result.push_back(activation);
  }
  return result;
}

/// Of the cell of one direction.
template <class C> typename C::Options options_of(const json& test, size_t direction) {
  const json& attributes = test.at("attributes");
  typename C::Options options;
  options.bias = test.at("inputs").contains("B");
  if constexpr (std::derived_from<C, OnnxCell>) {
    const size_t count = test.at("op") == "LSTM" ? 3 : test.at("op") == "GRU" ? 2 : 1;
    const std::vector<OnnxActivation> given = activations_of(attributes);
    options.activations = {{"sigmoid"}, {"tanh"}, {"tanh"}};
    if (count == 1) options.activations = {{"tanh"}};
    for (size_t i = 0; i < count && !given.empty(); ++i)
      options.activations[i] = given.at(direction * count + i);
    options.clip = attributes.value("clip", 0.0);
    options.peepholes = test.at("inputs").contains("P");
    options.coupled = attributes.value("input_forget", 0) != 0;
    options.reset_after = attributes.value("linear_before_reset", 0) != 0;
  } else if constexpr (std::same_as<C, GRUCell>) {
    options.reset_after = attributes.value("linear_before_reset", 0) != 0;
  }
  return options;
}

Tensor input(const json& test, const char* name) {
  return test.at("inputs").contains(name) ? tensor_of(test.at("inputs").at(name)) : Tensor();
}

template <class C> Recurrent<C> make_layer(const json& test) {
  const json& attributes = test.at("attributes");
  const Tensor w = input(test, "W");
  const auto hidden = attributes.at("hidden_size").get<int64_t>();
  const std::string direction = attributes.value("direction", "forward");
  Recurrent<C> rnn(w.size(2), hidden,
                   {.bidirectional = direction == "bidirectional", .reverse = direction == "reverse"},
                   options_of<C>(test, 0));
  if (direction == "bidirectional") rnn.cells[1] = C(w.size(2), hidden, options_of<C>(test, 1));
  NamedTensors weights;
  for (const char* name : {"W", "R", "B", "P"})
    if (const Tensor tensor = input(test, name); tensor.defined()) weights.emplace_back(name, tensor);
  import_weights(rnn, weights, WeightFormat::onnx);
  return rnn;
}

template <class C> void run(const json& test) {
  const Recurrent<C> rnn = make_layer<C>(test);
  const Tensor x = input(test, "X"), h = input(test, "initial_h"), c = input(test, "initial_c");
  typename Recurrent<C>::State begin = rnn.initial_state(x.size(1));
  for (size_t d = 0; d < begin.layers.size(); ++d) {
    const std::vector<Tensor> given = {h, c};
    size_t next = 0;
    detail::for_each_tensor(begin.layers[d], [&](Tensor& tensor) {
      const Tensor& value = given.at(next++);
      if (value.defined()) tensor = select(value, 0, static_cast<int64_t>(d));
    });
  }
  const auto [output, last] = rnn(x, begin, {.lengths = input(test, "sequence_lens")});

  const auto directions = static_cast<int64_t>(rnn.cells.size());
  std::vector<std::vector<Tensor>> states(2);  // h, c
  for (const auto& state : last.layers) {
    const std::vector<Tensor> tensors = detail::tensors_of(state);
    for (size_t i = 0; i < tensors.size(); ++i) states[i].push_back(tensors[i]);
  }
  const auto absolute = test.at("atol").get<double>(), relative = test.at("rtol").get<double>();
  for (const auto& [name, expected] : test.at("outputs").items()) {
    INFO(name);
    Tensor got;
    if (name == "Y")
      got = transpose(reshape(output, {output.size(0), output.size(1), directions, -1}), 1, 2);
    else
      got = stack(states.at(name == "Y_h" ? 0 : 1));
    CHECK(difference_in_value(got, tensor_of(expected), absolute, relative) == "");
  }
}

/// What the case asks of a cell that the public ones cannot do; empty if there is nothing.
std::string lacking(const json& test) {
  const json& attributes = test.at("attributes");
  if (test.at("inputs").contains("P")) return "peepholes";
  if (attributes.value("input_forget", 0) != 0) return "a forget gate that is 1 - i";
  if (attributes.value("clip", 999.0) < 999) return "clipped sums";  // the sums of the others are far below
  const size_t gates = test.at("op") == "LSTM" ? 3 : test.at("op") == "GRU" ? 2 : 1;
  const std::vector<OnnxActivation> given = activations_of(attributes);
  for (size_t i = 0; i < given.size(); ++i)
    if (given[i].name != (gates > 1 && i % gates == 0 ? "sigmoid" : "tanh"))
      return "the activation " + given[i].name;
  return {};
}

template <class C> void run_all(const std::string& file, size_t expected_run, size_t expected_refused) {
  const auto folder = conformance_folder();
  if (!folder) return;
  const json tests = load_cases(*folder / "onnxruntime" / file);
  size_t ran = 0, refused = 0;
  for (const json& test : tests) {
    INFO(test.at("name").get<std::string>());
    if (test.at("expect") == "failure") {
      CHECK_THROWS_AS(run<C>(test), Error);
      ++ran;
      ++refused;
      continue;
    }
    if (!std::derived_from<C, OnnxCell> && !lacking(test).empty()) continue;
    ++ran;
    try {
      run<C>(test);
    } catch (const std::exception& error) {
      FAIL_CHECK(error.what());
    }
  }
  CHECK(ran == expected_run);
  CHECK(refused == expected_refused);
}

}  // namespace

TEST_CASE("ONNX Runtime's cases of the LSTM hold", "[conformance]") {
  run_all<OnnxLSTMCell>("lstm.json", 46, 0);
  run_all<LSTMCell>("lstm.json", 23, 0);
}
TEST_CASE("ONNX Runtime's cases of the GRU hold", "[conformance]") {
  run_all<OnnxGRUCell>("gru.json", 34, 0);
  run_all<GRUCell>("gru.json", 30, 0);
}
TEST_CASE("ONNX Runtime's cases of the RNN hold", "[conformance]") {
  run_all<OnnxRNNCell>("rnn.json", 20, 2);
  run_all<RNNCell>("rnn.json", 19, 2);
}

}  // namespace reel
