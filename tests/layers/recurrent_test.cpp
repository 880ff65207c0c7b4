// RNN, LSTM and GRU against PyTorch: values and all gradients.
#include "layers/recurrent.h"

#include <iterator>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

/// Half of the tolerance, absolute and relative: |got - expected| <= tolerance * max(1, |expected|) then
/// holds.
double half_tolerance(DType dtype) { return (dtype == DType::float64 ? 1e-10 : 1e-5) / 2; }

std::string apart(const Tensor& got, const Tensor& expected, DType dtype) {
  if (got.dtype() != dtype) return "got dtype " + detail::text(got.dtype());
  return difference_in_value(got, expected, half_tolerance(dtype), half_tolerance(dtype));
}

/// The tensors called `param.<name>`, under <name>.
NamedTensors parameters_of(const SafetensorsFile& file, DType dtype) {
  NamedTensors result;
  for (const auto& [name, tensor] : file.tensors)
    if (name.starts_with("param.")) result.emplace_back(name.substr(6), cast(tensor, dtype));
  return result;
}

template <class S> S state_of(const Tensor& h, const Tensor& c) {
  if constexpr (std::is_same_v<S, LSTMState>)
    return {h, c};
  else
    return h;
}

const Tensor& h_of(const Tensor& state) { return state; }
const Tensor& h_of(const LSTMState& state) { return state.h; }

/// Loads the parameters; `run` then gives a loss of `inputs` (by their names in the file, first those);
/// compares the gradients of the inputs and of every parameter.
template <class M, class F>
void check_gradients(M& module, const SafetensorsFile& file, DType dtype,
                     const std::vector<std::string>& names, const F& run) {
  module.to(dtype);
  module.load_state_dict(parameters_of(file, dtype));
  Tape tape;
  std::vector<Tensor> inputs;
  for (const std::string& name : names) {
    inputs.push_back(cast(file.at(name), dtype));
    tape.watch(inputs.back());
  }
  const Tensor loss = run(inputs);
  CHECK(apart(loss, file.at("loss"), dtype) == "");

  std::vector<std::string> wanted = names;
  for (const auto& [name, parameter] : module.named_parameters()) {
    wanted.push_back(name);
    inputs.push_back(parameter);
  }
  const std::vector<Tensor> gradients = tape.gradient(loss, inputs);
  REQUIRE(gradients.size() == wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    INFO("gradient of " << wanted[i]);
    CHECK(apart(gradients[i], file.at("grad." + wanted[i]), dtype) == "");
  }
}

template <class Layer>
void check_layer(const SafetensorsFile& file, DType dtype, typename Layer::Options cell_options) {
  using S = typename Layer::State;
  constexpr bool is_lstm = std::is_same_v<Layer, LSTM>;
  const RecurrentOptions options{.layers = std::stoll(file.metadata.at("layers")),
                                 .bidirectional = file.metadata.at("bidirectional") == "true"};
  Layer layer(file.at("input").size(-1), file.at("h0").size(-1), options, cell_options);
  std::vector<std::string> names = {"input", "h0"};
  if (is_lstm) names.emplace_back("c0");

  check_gradients(layer, file, dtype, names, [&](const std::vector<Tensor>& inputs) {
    S first;
    for (int64_t i = 0; i < inputs[1].shape()[0]; ++i) {
      first.layers.push_back(state_of<typename decltype(S::layers)::value_type>(
          select(inputs[1], 0, i), is_lstm ? select(inputs[2], 0, i) : Tensor()));
    }
    Padding padding;
    if (const auto lengths = file.metadata.find("lengths"); lengths != file.metadata.end()) {
      std::istringstream numbers(lengths->second);
      padding.lengths = from_vector(std::vector<int64_t>(std::istream_iterator<int64_t>(numbers), {}));
    }
    const auto [output, last] = layer(inputs[0], first, padding);
    std::vector<Tensor> h, c;
    for (const auto& state : last.layers) {
      h.push_back(h_of(state));
      if constexpr (is_lstm) c.push_back(state.c);
    }
    CHECK(apart(output, file.at("output"), dtype) == "");
    CHECK(apart(stack(h), file.at("h_n"), dtype) == "");
    Tensor loss = sum(output * cast(file.at("w_out"), dtype)) + sum(stack(h) * cast(file.at("w_h"), dtype));
    if (is_lstm) {
      CHECK(apart(stack(c), file.at("c_n"), dtype) == "");
      loss = loss + sum(stack(c) * cast(file.at("w_c"), dtype));
    }
    return loss;
  });
}

template <class C>
void check_cell(const SafetensorsFile& file, DType dtype, typename C::Options options = {}) {
  constexpr bool is_lstm = std::is_same_v<C, LSTMCell>;
  C cell(file.at("input").size(-1), file.at("h").size(-1), options);
  std::vector<std::string> names = {"input", "h"};
  if (is_lstm) names.emplace_back("c");

  check_gradients(cell, file, dtype, names, [&](const std::vector<Tensor>& inputs) {
    const auto next =
        cell.step(inputs[0], state_of<detail::StateOf<C>>(inputs[1], is_lstm ? inputs[2] : Tensor()));
    CHECK(apart(h_of(next), file.at("h_out"), dtype) == "");
    Tensor loss = sum(h_of(next) * cast(file.at("w_h"), dtype));
    if constexpr (is_lstm) {
      CHECK(apart(next.c, file.at("c_out"), dtype) == "");
      loss = loss + sum(next.c * cast(file.at("w_c"), dtype));
    }
    return loss;
  });
}

RNNCellOptions elman(const std::string& kind, bool bias = true) {
  return {.nonlinearity = kind == "rnn_relu" ? relu : tanh, .bias = bias};
}

}  // namespace

TEST_CASE("recurrent layers are PyTorch's, in values and all gradients", "[recurrent]") {
  std::vector<std::string> names = {"lstm_bidirectional", "gru_bidirectional", "lstm_no_bias",
                                    "rnn_tanh_no_bias",   "gru_no_bias",       "lstm_one_step",
                                    "rnn_tanh_packed",    "lstm_packed",       "gru_packed"};
  for (const char* kind : {"rnn_tanh", "rnn_relu", "lstm", "gru"})
    for (const char* layers : {"1", "2", "3"}) names.push_back(std::string(kind) + "_layers" + layers);

  for (const std::string& name : names) {
    const SafetensorsFile file = load_reference("recurrent/" + name);
    const std::string& kind = file.metadata.at("kind");
    const bool bias = file.metadata.at("bias") == "true";
    for (DType dtype : {DType::float64, DType::float32}) {
      INFO(name << " " << detail::text(dtype));
      if (kind == "lstm")
        check_layer<LSTM>(file, dtype, {.bias = bias});
      else if (kind == "gru")
        check_layer<GRU>(file, dtype, {.bias = bias});
      else
        check_layer<RNN>(file, dtype, elman(kind, bias));
    }
  }
}

TEST_CASE("single cells are PyTorch's, in values and all gradients", "[recurrent]") {
  for (const std::string kind : {"rnn_tanh", "rnn_relu", "lstm", "gru"}) {
    const SafetensorsFile file = load_reference("recurrent/" + kind + "_cell");
    for (DType dtype : {DType::float64, DType::float32}) {
      INFO(kind << " " << detail::text(dtype));
      if (kind == "lstm")
        check_cell<LSTMCell>(file, dtype);
      else if (kind == "gru")
        check_cell<GRUCell>(file, dtype);
      else
        check_cell<RNNCell>(file, dtype, elman(kind));
    }
  }
}

TEST_CASE("batch_first only exchanges the first two axes", "[recurrent]") {
  const SafetensorsFile file = load_reference("recurrent/lstm_bidirectional");
  const RecurrentOptions options{.layers = 2, .bidirectional = true, .batch_first = true};
  LSTM layer(file.at("input").size(-1), file.at("h0").size(-1), options);
  layer.to(DType::float64);
  layer.load_state_dict(parameters_of(file, DType::float64));
  LSTM::State first;
  for (int64_t i = 0; i < 4; ++i)
    first.layers.push_back({select(file.at("h0"), 0, i), select(file.at("c0"), 0, i)});
  const auto [output, last] = layer(transpose(file.at("input"), 0, 1), first);
  CHECK(apart(transpose(output, 0, 1), file.at("output"), DType::float64) == "");
  for (int64_t i = 0; i < 4; ++i) {
    CHECK(apart(last.layers[static_cast<size_t>(i)].h, select(file.at("h_n"), 0, i), DType::float64) == "");
  }
}

}  // namespace reel
