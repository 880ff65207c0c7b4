#include "layers/foreign_weights.h"

#include <algorithm>
#include <set>

#include "framework/tape.h"
#include "layers/cell_weights.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel::detail {
namespace {

/// What the other side computes, and how its weights lie.
struct ForeignFormat {
  WeightFormat format;
  std::string_view name;
  std::string_view lstm_gates, gru_gates;
  bool transposed;
  bool two_biases;             // everywhere; else only where the formulas need both
  std::string_view peepholes;  // in this order; empty: it has none
  bool projects;
  bool resets_before;  // it has a GRU whose reset gate acts before the product
  bool coupled, clips, activates;
};

constexpr ForeignFormat formats[] = {
    {WeightFormat::pytorch, "pytorch", "ifgo", "rzn", false, true, "", true, false, false, false, false},
    {WeightFormat::keras, "keras", "ifgo", "zrn", true, false, "", false, true, false, false, true},
    {WeightFormat::onnx, "onnx", "iofg", "zrn", false, true, "iof", false, true, true, true, true},
    {WeightFormat::onednn, "onednn", "ifgo", "zrn", true, false, "ifo", true, true, false, false, false},
};

const ForeignFormat& find(WeightFormat format) {
  for (const ForeignFormat& candidate : formats)
    if (candidate.format == format) return candidate;
  fail("[WeightFormat] there is no format {}", {text(static_cast<int>(format))});
}

/// What the shapes of a stack of cells follow from.
struct Geometry {
  CellFamily family;
  bool reset_after, coupled;
  size_t layers, directions;
  std::vector<int64_t> inputs;  // I of each layer
  int64_t hidden, output;       // H and S
  DType dtype;
  bool bias, peepholes, projection;
};

/// The tensors of the other side, made of zeros, and the views of each cell in them.
class ForeignWeights {
 public:
  NamedTensors tensors;
  std::set<std::string> biases, peepholes;  // names of those that may be left out
  std::vector<CellWeights> cells;

  ForeignWeights(const ForeignFormat& format, const Geometry& geometry) : g_(geometry) {
    WeightLayout layout{.family = g_.family,
                        .gates = g_.family == CellFamily::lstm  ? format.lstm_gates
                                 : g_.family == CellFamily::gru ? format.gru_gates
                                                                : "h",
                        .transposed = format.transposed,
                        .reset_after = g_.reset_after || !format.resets_before,
                        .peepholes = format.peepholes,
                        .coupled = g_.coupled && format.coupled};
    gates_ = static_cast<int64_t>(layout.gates.size());
    two_biases_ = format.two_biases || (g_.family == CellFamily::gru && g_.reset_after);
    cells.assign(g_.layers * g_.directions, CellWeights(std::string(format.name), layout));
    switch (format.format) {
      case WeightFormat::pytorch:
        lay_out_pytorch();
        break;
      case WeightFormat::keras:
        lay_out_keras();
        break;
      case WeightFormat::onnx:
        lay_out_onnx();
        break;
      case WeightFormat::onednn:
        lay_out_onednn();
        break;
    }
  }

 private:
  void lay_out_pytorch();
  void lay_out_keras();
  void lay_out_onnx();
  void lay_out_onednn();

  Tensor make(const std::string& name, const Shape& shape) {
    tensors.emplace_back(name, zeros(shape, {.dtype = g_.dtype}));
    return tensors.back().second;
  }
  Tensor make_bias(const std::string& name, const Shape& shape) {
    biases.insert(name);
    return make(name, shape);
  }
  Tensor make_peephole(const std::string& name, const Shape& shape) {
    peepholes.insert(name);
    return make(name, shape);
  }
  /// Weights of a layer begin with this where there are several sets of them.
  static std::string prefix(size_t set, size_t sets) {
    return sets == 1 ? "" : "l" + std::to_string(set) + ".";
  }

  const Geometry& g_;
  int64_t gates_ = 0;
  bool two_biases_ = false;
};

void ForeignWeights::lay_out_pytorch() {
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string suffix =
        "_l" + std::to_string(i / g_.directions) + (i % g_.directions == 1 ? "_reverse" : "");
    cells[i].split_input(make("weight_ih" + suffix, {gates_ * g_.hidden, g_.inputs[i / g_.directions]}));
    cells[i].split_recurrent(make("weight_hh" + suffix, {gates_ * g_.hidden, g_.output}));
    if (g_.bias) {
      cells[i].split_bias(make_bias("bias_ih" + suffix, {gates_ * g_.hidden}));
      cells[i].split_recurrent_bias(make_bias("bias_hh" + suffix, {gates_ * g_.hidden}));
    }
    if (g_.projection) cells[i].projection = make("weight_hr" + suffix, {g_.output, g_.hidden});
  }
}

void ForeignWeights::lay_out_keras() {
  const std::string layer_name = g_.family == CellFamily::lstm  ? "lstm"
                                 : g_.family == CellFamily::gru ? "gru"
                                                                : "simple_rnn";
  for (size_t i = 0; i < cells.size(); ++i) {
    const size_t layer = i / g_.directions;
    const std::string number = layer == 0 ? "" : "_" + std::to_string(layer);
    const std::string direction = i % g_.directions == 0 ? "forward_" : "backward_";
    const std::string place = (g_.directions == 1 ? "" : "bidirectional" + number + "/" + direction) +
                              layer_name + number + "/" + layer_name + "_cell/";
    cells[i].split_input(make(place + "kernel", {g_.inputs[layer], gates_ * g_.hidden}));
    cells[i].split_recurrent(make(place + "recurrent_kernel", {g_.output, gates_ * g_.hidden}));
    if (!g_.bias) continue;
    if (two_biases_) {
      const Tensor bias = make_bias(place + "bias", {2, gates_ * g_.hidden});
      cells[i].split_bias(select(bias, 0, 0));
      cells[i].split_recurrent_bias(select(bias, 0, 1));
    } else {
      cells[i].split_bias(make_bias(place + "bias", {gates_ * g_.hidden}));
    }
  }
}

void ForeignWeights::lay_out_onnx() {
  const auto directions = static_cast<int64_t>(g_.directions);
  for (size_t layer = 0; layer < g_.layers; ++layer) {
    const std::string node = prefix(layer, g_.layers);
    const Tensor w = make(node + "W", {directions, gates_ * g_.hidden, g_.inputs[layer]});
    const Tensor r = make(node + "R", {directions, gates_ * g_.hidden, g_.output});
    const Tensor b = g_.bias ? make_bias(node + "B", {directions, 2 * gates_ * g_.hidden}) : Tensor();
    const Tensor p = g_.peepholes ? make_peephole(node + "P", {directions, 3 * g_.hidden}) : Tensor();
    for (int64_t d = 0; d < directions; ++d) {
      CellWeights& cell = cells[layer * g_.directions + static_cast<size_t>(d)];
      cell.split_input(select(w, 0, d));
      cell.split_recurrent(select(r, 0, d));
      if (g_.bias) {
        const auto [bias, recurrent_bias] = chunk<2>(select(b, 0, d), 0);
        cell.split_bias(bias);
        cell.split_recurrent_bias(recurrent_bias);
      }
      if (g_.peepholes) cell.split_peepholes(select(p, 0, d));
    }
  }
}

void ForeignWeights::lay_out_onednn() {
  const auto directions = static_cast<int64_t>(g_.directions);
  const bool one_primitive =
      g_.directions == 1 &&
      std::all_of(g_.inputs.begin(), g_.inputs.end(), [&](int64_t width) { return width == g_.inputs[0]; });
  const size_t sets = one_primitive ? 1 : g_.layers;
  const auto layers = static_cast<int64_t>(g_.layers / sets);
  const int64_t bias_rows = two_biases_ ? gates_ + 1 : gates_;
  for (size_t set = 0; set < sets; ++set) {
    const std::string primitive = prefix(set, sets);
    const auto matrix = [&](const char* name, int64_t rows) {
      return make(primitive + name, {layers, directions, rows, gates_, g_.hidden});
    };
    const Tensor wx = matrix("weights_layer", g_.inputs[set]), wh = matrix("weights_iter", g_.output);
    const Tensor b =
        g_.bias ? make_bias(primitive + "bias", {layers, directions, bias_rows, g_.hidden}) : Tensor();
    const Tensor p = g_.peepholes
                         ? make_peephole(primitive + "weights_peephole", {layers, directions, 3, g_.hidden})
                         : Tensor();
    const Tensor projection =
        g_.projection ? make(primitive + "weights_projection", {layers, directions, g_.hidden, g_.output})
                      : Tensor();
    for (int64_t l = 0; l < layers; ++l) {
      for (int64_t d = 0; d < directions; ++d) {
        const auto part = [&](const Tensor& tensor) { return select(select(tensor, 0, l), 0, d); };
        CellWeights& cell = cells[(set + static_cast<size_t>(l)) * g_.directions + static_cast<size_t>(d)];
        cell.split_input(flatten(part(wx), 1, 2));
        cell.split_recurrent(flatten(part(wh), 1, 2));
        if (g_.bias) {
          cell.split_bias(flatten(narrow(part(b), 0, 0, gates_)));
          if (two_biases_)
            cell.gates.back().recurrent_bias = select(part(b), 0, gates_);  // of n, inside the product
        }
        if (g_.peepholes) cell.split_peepholes(flatten(part(p)));
        if (g_.projection) cell.projection = transpose(part(projection));
      }
    }
  }
}

std::vector<CellWeights> views_of(const LayeredCells& stack) {
  std::vector<CellWeights> result;
  for (size_t i = 0; i < stack.cells.size(); ++i) {
    const std::string owner = stack.directions == 2 ? (i % 2 == 0 ? "the forward cell" : "the backward cell")
                                                    : std::string("the cell");
    result.push_back(weights_of(*stack.cells[i].cell, stack.cells[i].layout,
                                owner + " of layer " + std::to_string(i / stack.directions)));
  }
  return result;
}

Geometry geometry_of(const std::vector<CellWeights>& own, size_t directions, const ForeignFormat& format) {
  const CellWeights& first = own.front();
  Geometry g{.family = first.layout.family,
             .reset_after = first.layout.reset_after,
             .coupled = first.layout.coupled,
             .layers = own.size() / directions,
             .directions = directions,
             .inputs = {},
             .hidden = first.gates[0].recurrent.size(0),
             .output = first.gates[0].recurrent.size(1),
             .dtype = first.gates[0].input.dtype(),
             .bias = false,
             .peepholes = false,
             .projection = first.projection.defined() && format.projects};
  for (size_t i = 0; i < own.size(); i += directions) g.inputs.push_back(own[i].gates[0].input.size(1));
  for (const CellWeights& cell : own) {
    g.bias = g.bias || cell.has_bias() || cell.layout.forget_bias != 0;
    g.peepholes = g.peepholes || cell.has_peepholes();
  }
  return g;
}

/// What the other side's formulas do not have, whatever the weights.
void check_formulas(std::string_view op, const LayeredCells& stack, const ForeignFormat& format) {
  for (const LayeredCell& cell : stack.cells) {
    check(cell.layout.own_formula.empty(), "[{}] the cell {}, which no formulas of {} do", op,
          cell.layout.own_formula, format.name);
    const auto knows = [&](bool uses, bool has, std::string_view what) {
      check(!uses || has, "[{}] the cell {}, and the formulas of {} have no such thing", op, what,
            format.name);
    };
    knows(cell.layout.clipped, format.clips, "clips its sums");
    knows(cell.layout.coupled, format.coupled, "couples its input and forget gates");
    knows(cell.layout.own_activations, format.activates, "has activations of its own");
  }
}

const Tensor* find(const NamedTensors& tensors, const std::string& name) {
  for (const auto& [candidate, tensor] : tensors)
    if (candidate == name) return &tensor;
  return nullptr;
}

bool any_given(const std::set<std::string>& names, const NamedTensors& given) {
  return std::any_of(given.begin(), given.end(),
                     [&](const auto& entry) { return names.contains(entry.first); });
}

/// The other side's tensors, filled with what is given.
ForeignWeights filled(const ForeignFormat& format, Geometry& g, const NamedTensors& given) {
  g.bias = true;
  g.peepholes = g.family == CellFamily::lstm && !format.peepholes.empty();
  const ForeignWeights all(format, g);
  g.bias = any_given(all.biases, given);
  g.peepholes = any_given(all.peepholes, given);
  ForeignWeights result(format, g);
  const std::string wrong = misfits("import_weights", result.tensors, given);
  if (!wrong.empty() && g.family == CellFamily::gru && g.bias) {
    Geometry other = g;
    other.reset_after = !g.reset_after;
    if (misfits("import_weights", ForeignWeights(format, other).tensors, given).empty())
      check_transfer("import_weights", ForeignWeights(format, other).cells[0], result.cells[0]);
  }
  check(wrong.empty(), "[import_weights] the tensors are not those of {} for this layer:{}", format.name,
        wrong);
  for (auto& [name, tensor] : result.tensors) tensor.copy_(detach(*find(given, name)));
  return result;
}

}  // namespace

NamedTensors export_weights(const LayeredCells& stack, WeightFormat format) {
  const NoTape values_only;
  const ForeignFormat& other = find(format);
  check_formulas("export_weights", stack, other);
  const std::vector<CellWeights> own = views_of(stack);
  const Geometry geometry = geometry_of(own, stack.directions, other);
  Geometry with_places = geometry;
  with_places.peepholes = geometry.peepholes && !other.peepholes.empty();
  ForeignWeights foreign(other, with_places);
  for (size_t i = 0; i < own.size(); ++i) check_transfer("export_weights", own[i], foreign.cells[i]);
  for (size_t i = 0; i < own.size(); ++i) transfer(own[i], foreign.cells[i]);
  return std::move(foreign.tensors);
}

void import_weights(const LayeredCells& stack, const NamedTensors& weights, WeightFormat format) {
  const NoTape values_only;
  const ForeignFormat& other = find(format);
  check_formulas("import_weights", stack, other);
  const std::vector<CellWeights> own = views_of(stack);
  Geometry geometry = geometry_of(own, stack.directions, other);
  const ForeignWeights foreign = filled(other, geometry, weights);
  for (size_t i = 0; i < own.size(); ++i) check_transfer("import_weights", foreign.cells[i], own[i]);
  for (size_t i = 0; i < own.size(); ++i) transfer(foreign.cells[i], own[i]);
}

}  // namespace reel::detail
