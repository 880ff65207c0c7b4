// Weights that come from and go to other systems: values by PyTorch, by oneDNN's primitives and by the formulas of
// Keras and ONNX; the same bits after a journey there and back; what cannot travel, and why.
#include "layers/foreign_weights.h"

#include <cstring>
#include <string>
#include <vector>

#include "bench/peers/onednn_inference.h"
#include "layers/cells/lstm_variants.h"
#include "layers/initializers.h"
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

constexpr WeightFormat formats[] = {WeightFormat::pytorch, WeightFormat::keras, WeightFormat::onnx,
                                    WeightFormat::onednn};

NamedTensors parameters_of(const SafetensorsFile& file, DType dtype = DType::float64) {
  NamedTensors result;
  for (const auto& [name, tensor] : file.tensors)
    if (name.starts_with("param.")) result.emplace_back(name.substr(6), cast(tensor, dtype));
  return result;
}

const Tensor& at(const NamedTensors& tensors, const std::string& name) {
  for (const auto& [own, tensor] : tensors)
    if (own == name) return tensor;
  throw Error("there is no " + name);
}

/// New numbers of the same names and shapes, some of them zeros with a sign.
NamedTensors random_like(const NamedTensors& tensors) {
  NamedTensors result;
  for (const auto& [name, tensor] : tensors) {
    Tensor values = uniform_(empty_like(tensor), -1, 1);
    values.mutable_data<float>()[0] = -0.0F;
    result.emplace_back(name, values);
  }
  return result;
}

/// Empty where names, order, shapes and bits are the same.
std::string difference_in_bits(const NamedTensors& got, const NamedTensors& expected) {
  if (got.size() != expected.size()) return std::to_string(got.size()) + " tensors";
  for (size_t i = 0; i < got.size(); ++i) {
    const auto& [name, a] = got[i];
    const auto& [wanted, b] = expected[i];
    if (name != wanted) return name + " in the place of " + wanted;
    if (a.shape() != b.shape() || a.dtype() != b.dtype()) return name + ": " + detail::text(a);
    if (std::memcmp(a.data<float>(), b.data<float>(), static_cast<size_t>(a.numel()) * sizeof(float)) != 0)
      return name + " has other bits";
  }
  return {};
}

template <class Layer>
void check_round_trips(const RecurrentOptions& options, typename Layer::Options cell_options,
                       const std::vector<WeightFormat>& journeys) {
  const Tensor x = uniform_(empty({4, 2, 3}), -1, 1);
  for (const WeightFormat format : journeys) {
    INFO("format " << static_cast<int>(format) << ", layers " << options.layers << ", bidirectional "
                   << options.bidirectional);
    Layer layer(3, 5, options, cell_options), other(3, 5, options, cell_options);
    const NamedTensors foreign = random_like(export_weights(layer, format));
    import_weights(layer, foreign, format);
    CHECK(difference_in_bits(export_weights(layer, format), foreign) == "");

    // Ours there and back: the same function, whether or not two biases have become one.
    for (Tensor& parameter : other.parameters()) uniform_(parameter, -0.5, 0.5);
    import_weights(layer, export_weights(other, format), format);
    CHECK(difference(layer(x).output, other(x).output, 1e-6, 1e-6) == "");
    if (format == WeightFormat::pytorch)
      CHECK(difference_in_bits(layer.state_dict(), other.state_dict()) == "");
  }
}

}  // namespace

TEST_CASE("weights come back from other systems with the same bits", "[foreign_weights]") {
  const std::vector<WeightFormat> all(std::begin(formats), std::end(formats));
  const std::vector<WeightFormat> before(all.begin() + 1, all.end());  // PyTorch has no such GRU
  for (const RecurrentOptions options : {RecurrentOptions{}, RecurrentOptions{.layers = 3},
                                         RecurrentOptions{.layers = 2, .bidirectional = true}}) {
    for (const bool bias : {true, false}) {
      check_round_trips<RNN>(options, {.bias = bias}, all);
      check_round_trips<LSTM>(options, {.bias = bias}, all);
      check_round_trips<GRU>(options, {.bias = bias}, all);
      check_round_trips<GRU>(options, {.bias = bias, .reset_after = false}, before);
    }
  }
}

TEST_CASE("PyTorch's weights give PyTorch's outputs, and are its state_dict again", "[foreign_weights]") {
  const auto check_pair = [](auto layer, const std::string& kind) {
    const SafetensorsFile file = load_reference("foreign_weights/" + kind + "_pair");
    layer.to(DType::float64);
    import_weights(layer, parameters_of(file), WeightFormat::pytorch);
    CHECK(difference(layer(file.at("input")).output, file.at("output"), 1e-12) == "");
    for (const auto& [name, tensor] : export_weights(layer, WeightFormat::pytorch))
      CHECK(difference(tensor, file.at("param." + name)) == "");
  };
  check_pair(RNN(4, 4, {.layers = 2}), "rnn");
  check_pair(LSTM(4, 4, {.layers = 2}), "lstm");
  check_pair(GRU(4, 4, {.layers = 2}), "gru");
}

TEST_CASE("oneDNN's primitives compute what PyTorch computes, from weights that went through Reel",
          "[foreign_weights]") {
  const auto check_pair = [](auto layer, CellFamily family, const std::string& kind) {
    const SafetensorsFile file = load_reference("foreign_weights/" + kind + "_pair");
    import_weights(layer, parameters_of(file, DType::float32), WeightFormat::pytorch);
    const NamedTensors weights = export_weights(layer, WeightFormat::onednn);
    CHECK(at(weights, "weights_layer").size(0) == 2);  // one primitive of two layers
    const Tensor y = bench::run_onednn({.family = family}, weights, cast(file.at("input"), DType::float32));
    CHECK(difference_in_value(y, file.at("output"), 1e-5) == "");
  };
  check_pair(RNN(4, 4, {.layers = 2}), CellFamily::rnn, "rnn");
  check_pair(LSTM(4, 4, {.layers = 2}), CellFamily::lstm, "lstm");
  check_pair(GRU(4, 4, {.layers = 2}), CellFamily::gru, "gru");
}

TEST_CASE("oneDNN's primitives agree with the layers in both directions, with and without bias",
          "[foreign_weights]") {
  const Tensor x = uniform_(empty({5, 2, 3}), -1, 1);
  const auto check_layer = [&](auto layer, bench::OnednnLayer options) {
    for (Tensor& parameter : layer.parameters()) uniform_(parameter, -1, 1);
    options.bidirectional = layer.options().bidirectional;
    const Tensor y = bench::run_onednn(options, export_weights(layer, WeightFormat::onednn), x);
    CHECK(difference(y, layer(x).output, 1e-5) == "");
  };
  for (const bool both : {false, true}) {
    for (const bool bias : {false, true}) {
      const RecurrentOptions options{.bidirectional = both};
      check_layer(RNN(3, 5, options, {.bias = bias}), {.family = CellFamily::rnn});
      check_layer(LSTM(3, 5, options, {.bias = bias}), {.family = CellFamily::lstm});
      check_layer(GRU(3, 5, options, {.bias = bias}), {.family = CellFamily::gru});
      check_layer(GRU(3, 5, options, {.bias = bias, .reset_after = false}),
                  {.family = CellFamily::gru, .reset_after = false});
    }
  }
}

TEST_CASE("each primitive of layers that differ in width has a set of its own", "[foreign_weights]") {
  const LSTM layer(3, 5, {.layers = 2, .bidirectional = true});
  const NamedTensors onednn = export_weights(layer, WeightFormat::onednn);
  CHECK(at(onednn, "l0.weights_layer").shape() == Shape{1, 2, 3, 4, 5});
  CHECK(at(onednn, "l1.weights_layer").shape() == Shape{1, 2, 10, 4, 5});
  CHECK(at(onednn, "l1.weights_iter").shape() == Shape{1, 2, 5, 4, 5});
  CHECK(at(onednn, "l1.bias").shape() == Shape{1, 2, 4, 5});
  const NamedTensors onnx = export_weights(layer, WeightFormat::onnx);
  CHECK(at(onnx, "l1.W").shape() == Shape{2, 20, 10});
  CHECK(at(onnx, "l0.R").shape() == Shape{2, 20, 5});
  CHECK(at(onnx, "l0.B").shape() == Shape{2, 40});
  const NamedTensors keras = export_weights(layer, WeightFormat::keras);
  CHECK(at(keras, "bidirectional/forward_lstm/lstm_cell/kernel").shape() == Shape{3, 20});
  CHECK(at(keras, "bidirectional_1/backward_lstm_1/lstm_cell/recurrent_kernel").shape() == Shape{5, 20});
  CHECK(at(keras, "bidirectional_1/forward_lstm_1/lstm_cell/bias").shape() == Shape{20});
}

TEST_CASE("Keras' formulas on exported weights give the layer's output", "[foreign_weights]") {
  const Tensor x = uniform_(empty({1, 2, 3}), -1, 1), h = uniform_(empty({2, 4}), -1, 1), c = h * 0.5;
  const Tensor row = select(x, 0, 0);
  const LSTM lstm(3, 4);
  const NamedTensors a = export_weights(lstm, WeightFormat::keras);
  const auto [i, f, candidate, o] =
      chunk<4>(matmul(row, at(a, "lstm/lstm_cell/kernel")) +
                   matmul(h, at(a, "lstm/lstm_cell/recurrent_kernel")) + at(a, "lstm/lstm_cell/bias"),
               -1);
  const Tensor carry = sigmoid(f) * c + sigmoid(i) * tanh(candidate);
  CHECK(difference(select(lstm(x, {{{h, c}}}).output, 0, 0), sigmoid(o) * tanh(carry), 1e-6) == "");

  const GRU gru(3, 4);
  const NamedTensors b = export_weights(gru, WeightFormat::keras);
  const Tensor bias = at(b, "gru/gru_cell/bias");
  const auto [xz, xr, xh] = chunk<3>(matmul(row, at(b, "gru/gru_cell/kernel")) + select(bias, 0, 0), -1);
  const auto [hz, hr, hh] =
      chunk<3>(matmul(h, at(b, "gru/gru_cell/recurrent_kernel")) + select(bias, 0, 1), -1);
  const Tensor z = sigmoid(xz + hz);
  const Tensor expected = z * h + (1 - z) * tanh(xh + sigmoid(xr + hr) * hh);
  CHECK(difference(select(gru(x, {{h}}).output, 0, 0), expected, 1e-6) == "");
}

TEST_CASE("ONNX's formulas on exported weights give the layer's output", "[foreign_weights]") {
  const Tensor x = uniform_(empty({1, 2, 3}), -1, 1), h = uniform_(empty({2, 4}), -1, 1), c = h * 0.5;
  const Tensor row = select(x, 0, 0);
  const LSTM lstm(3, 4);
  const NamedTensors a = export_weights(lstm, WeightFormat::onnx);
  const auto [wb, rb] = chunk<2>(select(at(a, "B"), 0, 0), 0);
  const auto [i, o, f, candidate] = chunk<4>(matmul(row, transpose(select(at(a, "W"), 0, 0))) +
                                                 matmul(h, transpose(select(at(a, "R"), 0, 0))) + wb + rb,
                                             -1);
  const Tensor carry = sigmoid(f) * c + sigmoid(i) * tanh(candidate);
  CHECK(difference(select(lstm(x, {{{h, c}}}).output, 0, 0), sigmoid(o) * tanh(carry), 1e-6) == "");

  const GRU gru(3, 4, {}, {.reset_after = false});  // linear_before_reset = 0
  const NamedTensors b = export_weights(gru, WeightFormat::onnx);
  const auto [wbz, wbr, wbh, rbz, rbr, rbh] = chunk<6>(select(at(b, "B"), 0, 0), 0);
  const auto [wz, wr, wh] = chunk<3>(transpose(select(at(b, "W"), 0, 0)), -1);
  const auto [rz, rr, rh] = chunk<3>(transpose(select(at(b, "R"), 0, 0)), -1);
  const Tensor z = sigmoid(matmul(row, wz) + matmul(h, rz) + wbz + rbz);
  const Tensor r = sigmoid(matmul(row, wr) + matmul(h, rr) + wbr + rbr);
  const Tensor candidate_h = tanh(matmul(row, wh) + matmul(r * h, rh) + rbh + wbh);
  CHECK(difference(select(gru(x, {{h}}).output, 0, 0), (1 - z) * candidate_h + z * h, 1e-6) == "");
}

namespace {

/// A GRU as a user writes it: a product per gate, and z the share of the new state, as in Chung et al., 2014.
struct ChungCell : Cell {
  Linear xr, xz, xn, hr, hz, hn;
  REEL_FIELDS(xr, xz, xn, hr, hz, hn)
  Tensor step(const Tensor& x, const Tensor& h) const {
    const Tensor r = sigmoid(xr(x) + hr(h));
    const Tensor z = sigmoid(xz(x) + hz(h));
    return (1 - z) * h + z * tanh(xn(x) + r * hn(h));
  }
  static WeightLayout layout() {
    return {.family = CellFamily::gru,
            .gates = "rzn",
            .update_keeps = false,
            .input = "x*.weight",
            .recurrent = "h*.weight",
            .bias = "x*.bias",
            .recurrent_bias = "h*.bias"};
  }
};

/// An LSTM for x W with one bias, gates in an order of its own, and 1 added to the forget gate by the formula.
struct ForgetfulCell : Cell {
  Tensor kernel, recurrent, offset;
  REEL_FIELDS(kernel, recurrent, offset)
  ForgetfulCell(int64_t input, int64_t hidden)
      : kernel(detail::parameter(uniform_(empty({input, 4 * hidden}), -1, 1))),
        recurrent(detail::parameter(uniform_(empty({hidden, 4 * hidden}), -1, 1))),
        offset(detail::parameter(uniform_(empty({4 * hidden}), -1, 1))) {}
  LSTMState step(const Tensor& x, const LSTMState& s) const {
    const auto [o, g, f, i] = chunk<4>(matmul(x, kernel) + matmul(s.h, recurrent) + offset, -1);
    const Tensor c = sigmoid(f + 1) * s.c + sigmoid(i) * tanh(g);
    return {sigmoid(o) * tanh(c), c};
  }
  static WeightLayout layout() {
    return {.family = CellFamily::lstm,
            .gates = "ogfi",
            .transposed = true,
            .forget_bias = 1,
            .input = "kernel",
            .recurrent = "recurrent",
            .bias = "offset"};
  }
};

/// An LSTM with peepholes, o looking at the new carry, and a projection to three columns.
struct PeepholeCell : Cell {
  Tensor weight_ih, weight_hh, bias_ih, bias_hh, weight_ch, weight_hr;
  REEL_FIELDS(weight_ih, weight_hh, bias_ih, bias_hh, weight_ch, weight_hr)
  static constexpr int64_t projected = 3;
  PeepholeCell(int64_t input, int64_t hidden) : hidden_(hidden) {
    const auto draw = [](const Shape& shape) { return detail::parameter(uniform_(empty(shape), -1, 1)); };
    weight_ih = draw({4 * hidden, input});
    weight_hh = draw({4 * hidden, projected});
    bias_ih = draw({4 * hidden});
    bias_hh = draw({4 * hidden});
    weight_ch = draw({3 * hidden});
    weight_hr = draw({projected, hidden});
  }
  LSTMState step(const Tensor& x, const LSTMState& s) const {
    const auto [i, f, g, o] = chunk<4>(linear(x, weight_ih, bias_ih) + linear(s.h, weight_hh, bias_hh), -1);
    const auto [pi, pf, po] = chunk<3>(weight_ch, 0);
    const Tensor c = sigmoid(f + pf * s.c) * s.c + sigmoid(i + pi * s.c) * tanh(g);
    return {linear(sigmoid(o + po * c) * tanh(c), weight_hr), c};
  }
  LSTMState initial_state(int64_t batch) const {
    const DType dtype = weight_ih.dtype();
    return {zeros({batch, projected}, {.dtype = dtype}), zeros({batch, hidden_}, {.dtype = dtype})};
  }
  static WeightLayout layout() {
    return {.family = CellFamily::lstm, .gates = "ifgo", .peepholes = "ifo", .peephole = "weight_ch"};
  }

 private:
  int64_t hidden_;
};

/// Says that its gates lie in a field that it does not have.
struct LostCell : ForgetfulCell {
  using ForgetfulCell::ForgetfulCell;
  static WeightLayout layout() { return {.family = CellFamily::lstm, .gates = "ogfi", .transposed = true}; }
};

struct WrongLettersCell : ForgetfulCell {
  using ForgetfulCell::ForgetfulCell;
  static WeightLayout layout() { return {.family = CellFamily::lstm, .gates = "ofi"}; }
};

}  // namespace

TEST_CASE("a user's cell says how its weights lie, and takes PyTorch's", "[foreign_weights]") {
  const auto check_pair = [](auto layer, const std::string& kind) {
    const SafetensorsFile file = load_reference("foreign_weights/" + kind + "_pair");
    layer.to(DType::float64);
    import_weights(layer, parameters_of(file), WeightFormat::pytorch);
    CHECK(difference(layer(file.at("input")).output, file.at("output"), 1e-12) == "");
    return layer;
  };
  const auto chung = check_pair(Recurrent<ChungCell>({4, 4}, {.layers = 2}), "gru");
  const SafetensorsFile file = load_reference("foreign_weights/gru_pair");
  for (const auto& [name, tensor] : export_weights(chung, WeightFormat::pytorch))
    CHECK(difference(tensor, file.at("param." + name)) == "");

  const auto forgetful = check_pair(Recurrent<ForgetfulCell>({4, 4}, {.layers = 2}), "lstm");
  LSTM lstm(4, 4, {.layers = 2});
  lstm.to(DType::float64);
  import_weights(lstm, export_weights(forgetful, WeightFormat::keras), WeightFormat::keras);
  const SafetensorsFile lstm_file = load_reference("foreign_weights/lstm_pair");
  CHECK(difference(lstm(lstm_file.at("input")).output, lstm_file.at("output"), 1e-12) == "");
}

TEST_CASE("projections come from PyTorch, and go with peepholes to oneDNN", "[foreign_weights]") {
  const SafetensorsFile file = load_reference("foreign_weights/lstm_projected");
  Recurrent<PeepholeCell> layer({4, 5}, {.layers = 2, .bidirectional = true});
  layer.to(DType::float64);
  import_weights(layer, parameters_of(file), WeightFormat::pytorch);  // which leaves the peepholes zero
  Recurrent<PeepholeCell>::State begin;
  for (int64_t i = 0; i < 4; ++i)
    begin.layers.push_back({select(file.at("h0"), 0, i), select(file.at("c0"), 0, i)});
  const auto [output, last] = layer(file.at("input"), begin);
  CHECK(difference(output, file.at("output"), 1e-12) == "");
  for (size_t i = 0; i < 4; ++i) {
    CHECK(difference(last.layers[i].h, select(file.at("h_n"), 0, static_cast<int64_t>(i)), 1e-12) == "");
    CHECK(difference(last.layers[i].c, select(file.at("c_n"), 0, static_cast<int64_t>(i)), 1e-12) == "");
  }

  const Recurrent<PeepholeCell> other({4, 5});
  const Tensor x = uniform_(empty({3, 2, 4}), -1, 1);
  const NamedTensors weights = export_weights(other, WeightFormat::onednn);
  CHECK(at(weights, "weights_projection").shape() == Shape{1, 1, 5, 3});
  CHECK(at(weights, "weights_peephole").shape() == Shape{1, 1, 3, 5});
  CHECK(difference(bench::run_onednn({.family = CellFamily::lstm}, weights, x), other(x).output, 1e-5) == "");

  Recurrent<PeepholeCell> back({4, 5});
  const NamedTensors changed = random_like(weights);
  import_weights(back, changed, WeightFormat::onednn);
  CHECK(difference_in_bits(export_weights(back, WeightFormat::onednn), changed) == "");

  CHECK_THROWS_WITH(export_weights(other, WeightFormat::pytorch),
                    contains_text("the second has no peepholes"));
  CHECK_THROWS_WITH(export_weights(other, WeightFormat::onnx),
                    contains_text("the second has no projection of the hidden state"));
  LSTM plain(4, 5);
  CHECK_THROWS_WITH(import_weights(plain, weights, WeightFormat::onednn),
                    contains_text("weights_projection"));
}

TEST_CASE("the kin of the LSTM travels as far as the other side has its formulas", "[foreign_weights]") {
  const SafetensorsFile file = load_reference("foreign_weights/lstm_projected");
  Recurrent<ProjectedLSTMCell> projected({4, 5}, {.layers = 2, .bidirectional = true}, {.proj_size = 3});
  projected.to(DType::float64);
  import_weights(projected, parameters_of(file), WeightFormat::pytorch);
  for (const auto& [name, tensor] : export_weights(projected, WeightFormat::pytorch))
    CHECK(difference(tensor, file.at("param." + name)) == "");
  CHECK_THROWS_WITH(export_weights(projected, WeightFormat::keras), contains_text("has no projection"));

  const Tensor x = uniform_(empty({3, 2, 4}), -1, 1);
  for (const bool bias : {true, false}) {
    const Recurrent<PeepholeLSTMCell> peephole({4, 5}, {}, {.bias = bias});
    const Tensor y =
        bench::run_onednn({.family = CellFamily::lstm}, export_weights(peephole, WeightFormat::onednn), x);
    CHECK(difference(y, peephole(x).output, 1e-5) == "");
    CHECK_THROWS_WITH(export_weights(peephole, WeightFormat::keras), contains_text("has no peepholes"));
    for (const WeightFormat format : {WeightFormat::onnx, WeightFormat::onednn}) {
      Recurrent<PeepholeLSTMCell> other({4, 5}, {}, {.bias = bias});
      const NamedTensors changed = random_like(export_weights(peephole, format));
      import_weights(other, changed, format);
      CHECK(difference_in_bits(export_weights(other, format), changed) == "");
    }
  }
  const Recurrent<PeepholeLSTMCell> full({4, 5}, {}, {.peepholes = Peepholes::full});
  CHECK_THROWS_WITH(
      export_weights(full, WeightFormat::onnx),
      "[export_weights] the cell has peepholes that are matrices, which no formulas of onnx do");

  Recurrent<CoupledLSTMCell> coupled({4, 5});
  CHECK_THROWS_WITH(export_weights(coupled, WeightFormat::pytorch),
                    contains_text("couples its input and forget gates"));
  const Tensor before = coupled(x).output;
  const NamedTensors onnx = export_weights(coupled, WeightFormat::onnx);
  CHECK(at(onnx, "W").shape() == Shape{1, 20, 4});
  for (Tensor& parameter : coupled.parameters()) uniform_(parameter, -1, 1);
  import_weights(coupled, onnx, WeightFormat::onnx);
  CHECK(difference(coupled(x).output, before) == "");
}

TEST_CASE("activations and clipping go where the other side has them", "[foreign_weights]") {
  const LSTM relu_lstm(3, 4, {}, {.candidate = relu}), clipped(3, 4, {}, {.clip = 1});
  export_weights(relu_lstm, WeightFormat::keras);
  export_weights(relu_lstm, WeightFormat::onnx);
  export_weights(clipped, WeightFormat::onnx);
  export_weights(RNN(3, 4, {}, {.nonlinearity = relu}), WeightFormat::pytorch);
  CHECK_THROWS_WITH(
      export_weights(relu_lstm, WeightFormat::pytorch),
      "[export_weights] the cell has activations of its own, and the formulas of pytorch have no such "
      "thing");
  CHECK_THROWS_WITH(export_weights(clipped, WeightFormat::keras), contains_text("the cell clips its sums"));
}

TEST_CASE("cells with one bias take what can be added up", "[foreign_weights]") {
  const Tensor x = uniform_(empty({3, 2, 3}), -1, 1);
  const LSTM two(3, 4);
  LSTM one(3, 4, {}, {.recurrent_bias = false});
  import_weights(one, export_weights(two, WeightFormat::pytorch), WeightFormat::pytorch);
  CHECK(difference(one(x).output, two(x).output, 1e-6) == "");

  GRU after(3, 4, {}, {.recurrent_bias = false});
  for (const WeightFormat format : formats)
    CHECK_THROWS_WITH(import_weights(after, export_weights(GRU(3, 4), format), format),
                      contains_text("the first has two biases, and the second one; they cannot be added up"));
  GRU before(3, 4, {}, {.recurrent_bias = false, .reset_after = false});
  const GRU both(3, 4, {}, {.reset_after = false});
  import_weights(before, export_weights(both, WeightFormat::onnx), WeightFormat::onnx);
  CHECK(difference(before(x).output, both(x).output, 1e-6) == "");
}

TEST_CASE("a layout that does not fit its cell is refused", "[foreign_weights]") {
  CHECK_THROWS_WITH(
      export_weights(Recurrent<LostCell>({3, 4}), WeightFormat::onnx),
      "[layout] the cell of layer 0: gate o should have weights weight_ih and weight_hh; the fields are "
      "kernel float32 [3, 16], recurrent float32 [4, 16], offset float32 [16]");
  CHECK_THROWS_WITH(
      export_weights(Recurrent<WrongLettersCell>({3, 4}), WeightFormat::onnx),
      "[layout] the cell of layer 0: the gates should be the letters ifgo in some order, got \"ofi\"");
}

TEST_CASE("weights that another system cannot hold are refused with the reason", "[foreign_weights]") {
  const GRU before(3, 4, {}, {.reset_after = false}), after(3, 4);
  CHECK_THROWS_WITH(
      export_weights(before, WeightFormat::pytorch),
      contains_text("[export_weights] weights of the cell of layer 0 cannot become weights of pytorch: the "
                    "reset gate of the first is applied before the product"));

  GRU target(3, 4);
  const NamedTensors own = target.state_dict();
  std::vector<std::vector<float>> values;
  for (const auto& [name, tensor] : own) values.push_back(tensor.to_vector<float>());
  for (const WeightFormat format : {WeightFormat::keras, WeightFormat::onednn}) {
    CHECK_THROWS_WITH(
        import_weights(target, export_weights(before, format), format),
        contains_text("cannot become weights of") && contains_text("the reset gate of the first"));
  }
  CHECK_THROWS_WITH(
      import_weights(target, export_weights(GRU(3, 5), WeightFormat::onnx), WeightFormat::onnx),
      contains_text(
          "[import_weights] the tensors are not those of onnx for this layer:\n  mismatched  W: expected "
          "float32 [1, 12, 3], got float32 [1, 15, 3]"));
  NamedTensors renamed = export_weights(after, WeightFormat::keras);
  renamed[0].first = "gru_7/gru_cell/kernel";
  CHECK_THROWS_WITH(import_weights(target, renamed, WeightFormat::keras),
                    contains_text("missing     gru/gru_cell/kernel: float32 [3, 12]") &&
                        contains_text("unexpected  gru_7/gru_cell/kernel: float32 [3, 12]"));
  NamedTensors twice = export_weights(after, WeightFormat::onnx);
  twice.push_back(twice[0]);
  CHECK_THROWS_WITH(import_weights(target, twice, WeightFormat::onnx),
                    "[import_weights] the name W is given twice");

  GRU without(3, 4, {}, {.bias = false});
  CHECK_THROWS_WITH(
      import_weights(without, export_weights(after, WeightFormat::onnx), WeightFormat::onnx),
      "[import_weights] weights of onnx cannot become weights of the cell of layer 0: the second has no "
      "bias");
  for (size_t i = 0; i < own.size(); ++i) CHECK(own[i].second.to_vector<float>() == values[i]);
}

TEST_CASE("biases that are left out are zero", "[foreign_weights]") {
  const GRU without(3, 4, {}, {.bias = false});
  GRU with(3, 4);
  const Tensor x = uniform_(empty({4, 2, 3}), -1, 1);
  for (const WeightFormat format : formats) {
    for (Tensor& parameter : with.parameters()) uniform_(parameter, -1, 1);
    import_weights(with, export_weights(without, format), format);
    CHECK(difference(with(x).output, without(x).output, 1e-6) == "");
  }
}

}  // namespace reel
