// ONNX Runtime's own tests of its operators RNN, LSTM and GRU, through Recurrent of the public cells.
#include <optional>
#include <string>
#include <vector>

#include "layers/cells/lstm_variants.h"
#include "layers/foreign_weights.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/conformance/conformance.h"
#include "tests/reference.h"

namespace reel {
namespace {

using nlohmann::json;

/// The activations of all gates, forward then backward. Those that take an alpha or a beta take the next of the list.
std::vector<Activation> activations_of(const json& attributes) {
  std::vector<Activation> result;
  size_t alphas = 0, betas = 0;
  const auto next = [&](const char* list, size_t& used) -> std::optional<double> {
    if (!attributes.contains(list) || used == attributes.at(list).size()) return {};
    return attributes.at(list).at(used++).get<double>();
  };
  for (const json& given : attributes.value("activations", json::array())) {
    const auto name = given.get<std::string>();
    if (name == "LeakyRelu")
      result.push_back(activation(name, next("activation_alpha", alphas)));
    else if (name == "ScaledTanh")
      result.push_back(activation(name, next("activation_alpha", alphas), next("activation_beta", betas)));
    else
      result.push_back(activation(name));
  }
  return result;
}

/// Of the cell of one direction.
template <class C> typename C::Options options_of(const json& test, size_t direction) {
  const json& attributes = test.at("attributes");
  const std::vector<Activation> activations = activations_of(attributes);
  typename C::Options options;
  options.bias = test.at("inputs").contains("B");
  if (attributes.contains("clip")) options.clip = attributes.at("clip").get<double>();
  if constexpr (std::same_as<C, RNNCell>) {
    if (!activations.empty()) options.nonlinearity = activations.at(direction);
  } else if constexpr (std::same_as<C, GRUCell>) {
    options.reset_after = attributes.value("linear_before_reset", 0) != 0;
    options.gate = activations.at(2 * direction);
    options.candidate = activations.at(2 * direction + 1);
  } else {
    options.gate = activations.at(3 * direction);
    options.candidate = activations.at(3 * direction + 1);
    options.output = activations.at(3 * direction + 2);
  }
  if constexpr (std::same_as<C, CoupledLSTMCell>)
    options.peepholes = test.at("inputs").contains("P") ? Peepholes::diagonal : Peepholes::none;
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

void run(const json& test) {
  if (test.at("op") == "RNN")
    run<RNNCell>(test);
  else if (test.at("op") == "GRU")
    run<GRUCell>(test);
  else if (test.at("attributes").value("input_forget", 0) != 0)
    run<CoupledLSTMCell>(test);
  else if (test.at("inputs").contains("P"))
    run<PeepholeLSTMCell>(test);
  else
    run<LSTMCell>(test);
}

void run_all(const std::string& file, size_t expected_count, size_t expected_refused) {
  const auto folder = conformance_folder();
  if (!folder) return;
  const json tests = load_cases(*folder / "onnxruntime" / file);
  size_t refused = 0;
  for (const json& test : tests) {
    INFO(test.at("name").get<std::string>());
    if (test.at("expect") == "failure") {
      CHECK_THROWS_AS(run(test), Error);
      ++refused;
      continue;
    }
    try {
      run(test);
    } catch (const std::exception& error) {
      FAIL_CHECK(error.what());
    }
  }
  CHECK(tests.size() == expected_count);
  CHECK(refused == expected_refused);
}

}  // namespace

TEST_CASE("ONNX Runtime's cases of the LSTM hold", "[conformance]") { run_all("lstm.json", 46, 0); }
TEST_CASE("ONNX Runtime's cases of the GRU hold", "[conformance]") { run_all("gru.json", 34, 0); }
TEST_CASE("ONNX Runtime's cases of the RNN hold", "[conformance]") { run_all("rnn.json", 20, 2); }

}  // namespace reel
