// Every cell as a layer: gradients through layers and directions, how it is run, the promises of check_cell, names,
// and what is refused.
#include <cmath>
#include <string>
#include <vector>

#include "framework/gradcheck.h"
#include "framework/random.h"
#include "framework/tape.h"
#include "layers/cells.h"
#include "layers/check_cell.h"
#include "layers/recurrent.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;

constexpr TensorOptions float64{.dtype = DType::float64};

enum class Run { compiled, eager };

template <class C> Recurrent<C> layer_of(const typename C::Options& options) {
  Recurrent<C> layer({2, 2}, {.layers = 2, .bidirectional = true}, options);
  layer.to(DType::float64);
  return layer;
}

template <class C> Tensor input_of(const Recurrent<C>& layer) {
  Shape shape{3, 2, 2};
  for (const int64_t extent : layer.sizes().spatial) shape.push_back(extent);
  return randn(shape, float64);
}

template <class C> void gradients_flow(Recurrent<C> layer, const Tensor& x) {
  List inputs{x};
  for (const Tensor& parameter : layer.parameters()) inputs.push_back(clone(parameter));
  const GradcheckResult result = gradcheck(
      [&](const List& values) {
        size_t next = 1;
        detail::for_each_tensor(layer, [&](Tensor& tensor) {
          if (tensor.defined()) tensor = values[next++];
        });
        const auto [output, state] = layer(values[0]);
        List results = detail::tensors_of(state);
        results.push_back(output);
        return results;
      },
      inputs);
  CHECK(result.message == "");
}

template <class C> void holds_as_layer(const typename C::Options& options, Run run) {
  const Recurrent<C> layer = layer_of<C>(options);
  gradients_flow(layer, input_of(layer));
  const std::string plan = explain(layer, 3);
  CAPTURE(plan);
  CHECK((plan.find("step by step") == std::string::npos) == (run == Run::compiled));
  const CellReport report =
      check_cell(C(2, 3, options), {.input = 2, .hidden = 3, .extents = layer.sizes().spatial});
  INFO(report.text());
  CHECK(report.passed());
}

std::vector<std::string> names_of(const Module& module) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : module.named_parameters()) names.push_back(name);
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("simple cells hold as layers", "[cells]") {
  manual_seed(41);
  holds_as_layer<RNNCell>({.nonlinearity = softsign, .recurrent_bias = false, .clip = 0.9}, Run::compiled);
  holds_as_layer<JordanCell>({.output_size = 3, .decay = 0.5}, Run::compiled);
  holds_as_layer<JordanCell>({}, Run::compiled);
}

TEST_CASE("LSTM cells hold as layers", "[cells]") {
  manual_seed(42);
  holds_as_layer<LSTMCell>(
      {.forget_bias = 1, .gate = activation("HardSigmoid"), .output = softsign, .clip = 2}, Run::compiled);
  holds_as_layer<PeepholeLSTMCell>({.carry_clip = 3}, Run::compiled);
  holds_as_layer<PeepholeLSTMCell>({.peepholes = Peepholes::full, .output_sees = Carry::previous},
                                   Run::compiled);
  holds_as_layer<PeepholeLSTMCell>({.peepholes = Peepholes::full}, Run::compiled);
  holds_as_layer<CoupledLSTMCell>({}, Run::compiled);
  holds_as_layer<CoupledLSTMCell>({.peepholes = Peepholes::diagonal}, Run::compiled);
  holds_as_layer<ProjectedLSTMCell>({.proj_size = 3}, Run::compiled);
}

TEST_CASE("GRU cells and their kin hold as layers", "[cells]") {
  manual_seed(43);
  holds_as_layer<GRUCell>({.recurrent_bias = false, .reset_after = false, .candidate = softsign, .clip = 2},
                          Run::compiled);
  holds_as_layer<MGUCell>({}, Run::compiled);
  holds_as_layer<MGUCell>({.reset_after = true}, Run::compiled);
  holds_as_layer<RHNCell>({.depth = 3}, Run::compiled);
}

TEST_CASE("cells without recurrent products hold as layers", "[cells]") {
  manual_seed(44);
  holds_as_layer<IndRNNCell>({.nonlinearity = tanh}, Run::compiled);
  holds_as_layer<SRUCell>({}, Run::compiled);
  holds_as_layer<QRNNCell>({}, Run::compiled);
  holds_as_layer<QRNNCell>({.window = 3, .pooling = Pooling::ifo}, Run::eager);
}

TEST_CASE("layer-normalised cells hold as layers", "[cells]") {
  manual_seed(45);
  // An eps that the differences can see past: rows of two numbers are otherwise normalised to +-1.
  holds_as_layer<LayerNormLSTMCell>({.forget_bias = 1, .eps = 0.1}, Run::eager);
  holds_as_layer<LayerNormGRUCell>({.eps = 0.1}, Run::eager);
}

TEST_CASE("convolutional cells hold as layers", "[cells]") {
  manual_seed(46);
  holds_as_layer<ConvLSTM1dCell>({.size = 3, .kernel = 2, .peepholes = true}, Run::eager);
  holds_as_layer<ConvLSTM2dCell>({.size = {2, 1}, .kernel = {2, 1}, .forget_bias = 1}, Run::eager);
}

TEST_CASE("a recurrent layer over a grid joins, adds and keeps apart the directions' channels", "[cells]") {
  manual_seed(47);
  const Tensor x = randn({4, 2, 3, 5, 6});
  using Layer = Recurrent<ConvLSTM2dCell>;
  const ConvLSTM2dCell::Options grid{.size = {5, 6}};
  const Layer layer({3, 2}, {.layers = 2, .bidirectional = true}, grid);
  const auto [output, state] = layer(x);
  CHECK(output.shape() == Shape{4, 2, 4, 5, 6});
  CHECK(state.layers[3].c.shape() == Shape{2, 2, 5, 6});
  const auto forward = scan(layer.cells[0], x, layer.cells[0].initial_state(2)).output;
  const auto backward = scan(layer.cells[1], x, layer.cells[1].initial_state(2), {.reverse = true}).output;
  Layer single({3, 2}, {.bidirectional = true, .merge = Merge::none}, grid);
  single.cells = {layer.cells[0], layer.cells[1]};
  CHECK(difference(single(x).output, stack({forward, backward}, 2)) == "");
  Layer last({3, 2}, {.bidirectional = true, .batch_first = true, .last_only = true}, grid);
  last.cells = {layer.cells[0], layer.cells[1]};
  CHECK(difference(last(transpose(x, 0, 1)).output,
                   cat({select(forward, 0, 3), select(backward, 0, 0)}, 1)) == "");
  // One sequence without a batch axis.
  const Tensor alone = layer(select(x, 1, 1)).output;
  CHECK(difference(alone, select(output, 1, 1), 1e-6) == "");
  CHECK_THROWS_WITH(
      layer(randn({4, 2, 3, 5, 5})),
      contains_text("[Recurrent] expected input [T, N, I] of width 3 with axes [5, 6] behind, got "
                    "float32 [4, 2, 3, 5, 5]"));
  CHECK_THROWS_WITH(layer(randn({4, 2, 3})), contains_text("got float32 [4, 2, 3]"));
}

TEST_CASE("the names of cells' weights", "[cells]") {
  const Names four{"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
  const auto with = [](Names names, const Names& more) {
    names.insert(names.end(), more.begin(), more.end());
    return names;
  };
  CHECK(names_of(LSTMCell(2, 3, {.forget_bias = 1})) == four);
  CHECK(names_of(LSTMCell(2, 3, {.recurrent_bias = false})) == Names{"weight_ih", "weight_hh", "bias_ih"});
  CHECK(names_of(GRUCell(2, 3, {.bias = false})) == Names{"weight_ih", "weight_hh"});
  CHECK(names_of(JordanCell(2, 3)) == with(four, {"weight_ho", "bias_ho"}));
  CHECK(names_of(PeepholeLSTMCell(2, 3)) == with(four, {"weight_ci", "weight_cf", "weight_co"}));
  CHECK(names_of(CoupledLSTMCell(2, 3)) == four);
  CHECK(names_of(CoupledLSTMCell(2, 3, {.peepholes = Peepholes::full})) ==
        with(four, {"weight_ci", "weight_co"}));
  CHECK(names_of(ProjectedLSTMCell(2, 3, {.proj_size = 2})) == with(four, {"weight_hr"}));
  CHECK(names_of(MGUCell(2, 3)) == four);
  CHECK(names_of(RHNCell(2, 3)) ==
        Names{"weight_ih", "weight_hh.0", "weight_hh.1", "bias_hh.0", "bias_hh.1"});
  CHECK(names_of(IndRNNCell(2, 3)) == Names{"weight_ih", "weight_hh", "bias_ih"});
  CHECK(names_of(SRUCell(2, 3)) == Names{"weight_ih", "weight_cf", "weight_cr", "bias_f", "bias_r"});
  CHECK(names_of(QRNNCell(2, 3)) == Names{"weight_ih", "weight_past", "bias_ih"});
  CHECK(names_of(LayerNormGRUCell(2, 3)).size() == 11);
  CHECK(names_of(ConvLSTM1dCell(2, 3, {.size = 4, .peepholes = true})) ==
        Names{"weight_ih", "weight_hh", "bias", "weight_ci", "weight_cf", "weight_co"});
  const Recurrent<RHNCell> layer({2, 3}, {.bidirectional = true}, {.depth = 1});
  CHECK(names_of(layer) == Names{"weight_ih_l0", "weight_hh.0_l0", "bias_hh.0_l0", "weight_ih_l0_reverse",
                                 "weight_hh.0_l0_reverse", "bias_hh.0_l0_reverse"});
}

TEST_CASE("gates begin with the bias that is asked for", "[cells]") {
  const auto raised = [](const auto& make, double by, int64_t rows, int64_t start) {
    manual_seed(48);
    const Tensor plain = make(0.0);
    manual_seed(48);
    const Tensor other = make(by);
    const Tensor added = other - plain;
    for (int64_t i = 0; i < rows; ++i) {
      const bool inside = i >= start && i < start + 3;
      CHECK(select(added, 0, i).item() == Approx(inside ? by : 0).margin(1e-6));
    }
  };
  raised([](double by) { return LSTMCell(2, 3, {.forget_bias = by}).bias_ih; }, 1, 12, 3);
  raised([](double by) { return PeepholeLSTMCell(2, 3, {.forget_bias = by}).bias_ih; }, 2, 12, 3);
  raised([](double by) { return ProjectedLSTMCell(2, 3, {.proj_size = 2, .forget_bias = by}).bias_ih; }, 1,
         12, 3);
  raised([](double by) { return LayerNormLSTMCell(2, 3, {.forget_bias = by}).bias; }, 1, 12, 3);
  raised([](double by) { return ConvLSTM1dCell(2, 3, {.size = 4, .forget_bias = by}).bias; }, 1, 12, 3);
  raised([](double by) { return RHNCell(2, 3, {.transform_bias = by}).bias_hh[1]; }, -2, 6, 3);
}

TEST_CASE("sizes and options that no cell can have are refused by the cell's name", "[cells]") {
  CHECK_THROWS_WITH(RNNCell(0, 3),
                    contains_text("[RNNCell] expected sizes of at least 1, got input 0 and hidden 3"));
  CHECK_THROWS_WITH(LSTMCell(2, -1), contains_text("[LSTMCell] expected sizes of at least 1"));
  CHECK_THROWS_WITH(GRUCell(2, int64_t{1} << 40), contains_text("[GRUCell] sizes above 2^31"));
  CHECK_THROWS_WITH(LayerNormLSTMCell(2, 0),
                    contains_text("[LayerNormLSTMCell] expected sizes of at least 1"));
  CHECK_THROWS_WITH(RNNCell(2, 3, {.clip = 0}), contains_text("[RNNCell] expected clip above 0, got 0"));
  CHECK_THROWS_WITH(LSTMCell(2, 3, {.clip = std::nan("")}),
                    contains_text("[LSTMCell] expected clip above 0"));
  CHECK_THROWS_WITH(PeepholeLSTMCell(2, 3, {.carry_clip = -1}),
                    contains_text("[PeepholeLSTMCell] expected carry_clip above 0, got -1"));
  CHECK_THROWS_WITH(LSTMCell(2, 3, {.bias = false, .forget_bias = 1}),
                    contains_text("[LSTMCell] a forget_bias of 1 needs a bias"));
  CHECK_THROWS_WITH(LSTMCell(2, 3, {.forget_bias = std::nan("")}), contains_text("finite forget_bias"));
  CHECK_THROWS_WITH(ProjectedLSTMCell(2, 3, {}),
                    contains_text("[ProjectedLSTMCell] expected a proj_size of at least 1, got 0"));
  CHECK_THROWS_WITH(JordanCell(2, 3, {.output_size = -1}),
                    contains_text("[JordanCell] expected an output_size"));
  CHECK_THROWS_WITH(JordanCell(2, 3, {.decay = 1}),
                    contains_text("[JordanCell] expected a decay in [0, 1), got 1"));
  CHECK_THROWS_WITH(RHNCell(2, 3, {.depth = 0}),
                    contains_text("[RHNCell] expected a depth of at least 1, got 0"));
  CHECK_THROWS_WITH(QRNNCell(2, 3, {.window = 1}),
                    contains_text("[QRNNCell] expected a window of at least 2, got 1"));
  CHECK_THROWS_WITH(LayerNormGRUCell(2, 3, {.eps = -1}), contains_text("[LayerNormGRUCell] expected an eps"));
  CHECK_THROWS_WITH(ConvLSTM2dCell(2, 3, {}),
                    contains_text("[ConvLSTM2dCell] expected the size of the grid"));
  CHECK_THROWS_WITH(ConvLSTM2dCell(2, 3, {.size = {4, 5, 6}}), contains_text("[ConvLSTM2dCell]"));
  CHECK_THROWS_WITH(ConvLSTM1dCell(2, 3, {.size = 4, .kernel = 0}), contains_text("[ConvLSTM1dCell]"));
}

}  // namespace reel
