#include "layers/cell_weights.h"

#include <algorithm>

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel::detail {
namespace {

std::string_view letters_of(CellFamily family) {
  switch (family) {
    case CellFamily::rnn:
      return "h";
    case CellFamily::lstm:
      return "ifgo";
    case CellFamily::gru:
      return "rzn";
  }
  return "";
}

/// The letters of a family in any order; of a coupled LSTM the one of the forget gate may be missing.
bool names_gates(const WeightLayout& layout) {
  std::string wanted(letters_of(layout.family)), given(layout.gates);
  if (layout.coupled && given.find('f') == std::string::npos) given += 'f';
  std::sort(wanted.begin(), wanted.end());
  std::sort(given.begin(), given.end());
  return given == wanted;
}

/// Finds the fields of a cell by their names.
class Fields {
 public:
  Fields(const Module& cell, std::string owner) : named_(cell.state_dict()), owner_(std::move(owner)) {}

  /// Undefined if there is none.
  Tensor find(std::string_view name) const {
    for (const auto& [own, tensor] : named_)
      if (own == name) return tensor;
    return {};
  }

  /// The field of one gate: a part of the tensor that holds those of `count`, or a tensor of its own.
  Tensor of_gate(std::string_view name, size_t index, char letter, bool transposed, size_t rank,
                 size_t count) const {
    const size_t asterisk = name.find('*');
    std::string full(name);
    if (asterisk != std::string::npos) full[asterisk] = letter;
    Tensor tensor = find(full);
    if (!tensor.defined()) return tensor;
    check(tensor.rank() == rank, "[layout] {}: {} should have {} axes, got {}", owner_, full, rank, tensor);
    const int64_t axis = transposed && rank == 2 ? 1 : 0;
    const auto gates = static_cast<int64_t>(count);
    if (asterisk == std::string::npos) {
      check(tensor.size(axis) % gates == 0, "[layout] {}: axis {} of {} should hold {} gates, got {}", owner_,
            axis, full, gates, tensor);
      const int64_t hidden = tensor.size(axis) / gates;
      tensor = narrow(tensor, axis, static_cast<int64_t>(index) * hidden, hidden);
    }
    return axis == 1 ? transpose(tensor) : tensor;
  }

  std::string names() const {
    std::string result;
    for (const auto& [name, tensor] : named_)
      result += (result.empty() ? "" : ", ") + name + " " + text(tensor);
    return result;
  }

 private:
  NamedTensors named_;
  std::string owner_;
};

std::vector<Tensor> parts(const Tensor& tensor, size_t count, int64_t axis) {
  return split(tensor, tensor.size(axis) / static_cast<int64_t>(count), axis);
}

/// The sum of two biases. Where the second is zero the first keeps its bits: -0 + 0 would be 0.
Tensor joined(const Tensor& bias, const Tensor& recurrent_bias) {
  if (!bias.defined()) return recurrent_bias;
  if (!recurrent_bias.defined()) return bias;
  return where(equal(recurrent_bias, 0.0), bias, bias + recurrent_bias);
}

void put(Tensor place, const Tensor& value, bool negated) {
  if (!place.defined()) return;
  if (!value.defined())
    place.fill_(0);
  else
    place.copy_(negated ? -value : value);
}

/// The letter of the gate whose numbers become those of gate `letter` in `to`; 0 if they do not count.
char source(const CellWeights& from, char letter) {
  return from.layout.gates.find(letter) == std::string_view::npos ? '\0' : letter;
}

bool turned(const CellWeights& from, const CellWeights& to, char letter) {
  // 1 - sigmoid(a) = sigmoid(-a)
  return letter == 'z' && from.layout.update_keeps != to.layout.update_keeps;
}

}  // namespace

CellWeights::CellWeights(std::string whose, const WeightLayout& how) : owner(std::move(whose)), layout(how) {
  check(names_gates(layout), "[layout] {}: the gates should be the letters {} in some order, got \"{}\"",
        owner, letters_of(layout.family), layout.gates);
  for (const char letter : layout.gates) gates.push_back({letter, {}, {}, {}, {}, {}});
}

const GateWeights& CellWeights::gate(char letter) const {
  for (const GateWeights& candidate : gates)
    if (candidate.letter == letter) return candidate;
  fail("[layout] {} has no gate {}", {owner, std::string(1, letter)});
}

bool CellWeights::has_bias() const {
  return std::any_of(gates.begin(), gates.end(),
                     [](const GateWeights& g) { return g.bias.defined() || g.recurrent_bias.defined(); });
}

bool CellWeights::has_peepholes() const {
  return std::any_of(gates.begin(), gates.end(), [](const GateWeights& g) { return g.peephole.defined(); });
}

void CellWeights::split_input(const Tensor& matrix) {
  const auto views = parts(layout.transposed ? transpose(matrix) : matrix, gates.size(), 0);
  for (size_t i = 0; i < gates.size(); ++i) gates[i].input = views[i];
}

void CellWeights::split_recurrent(const Tensor& matrix) {
  const auto views = parts(layout.transposed ? transpose(matrix) : matrix, gates.size(), 0);
  for (size_t i = 0; i < gates.size(); ++i) gates[i].recurrent = views[i];
}

void CellWeights::split_bias(const Tensor& vector) {
  const auto views = parts(vector, gates.size(), 0);
  for (size_t i = 0; i < gates.size(); ++i) gates[i].bias = views[i];
}

void CellWeights::split_recurrent_bias(const Tensor& vector) {
  const auto views = parts(vector, gates.size(), 0);
  for (size_t i = 0; i < gates.size(); ++i) gates[i].recurrent_bias = views[i];
}

void CellWeights::split_peepholes(const Tensor& vector) {
  const auto views = parts(vector, layout.peepholes.size(), 0);
  for (GateWeights& gate : gates) {
    const size_t at = layout.peepholes.find(gate.letter);
    if (at != std::string_view::npos) gate.peephole = views[at];
  }
}

CellWeights weights_of(const Module& cell, const WeightLayout& layout, const std::string& owner) {
  CellWeights result(owner, layout);
  const Fields fields(cell, owner);
  const size_t count = result.gates.size();
  for (size_t i = 0; i < result.gates.size(); ++i) {
    GateWeights& gate = result.gates[i];
    gate.input = fields.of_gate(layout.input, i, gate.letter, layout.transposed, 2, count);
    gate.recurrent = fields.of_gate(layout.recurrent, i, gate.letter, layout.transposed, 2, count);
    gate.bias = fields.of_gate(layout.bias, i, gate.letter, layout.transposed, 1, count);
    gate.recurrent_bias = fields.of_gate(layout.recurrent_bias, i, gate.letter, layout.transposed, 1, count);
    check(gate.input.defined() && gate.recurrent.defined(),
          "[layout] {}: gate {} should have weights {} and {}; the fields are {}", owner,
          std::string(1, gate.letter), layout.input, layout.recurrent, fields.names());
  }
  for (size_t i = 0; i < layout.peepholes.size(); ++i) {
    const char letter = layout.peepholes[i];
    for (GateWeights& gate : result.gates)
      if (gate.letter == letter)
        gate.peephole = fields.of_gate(layout.peephole, i, letter, false, 1, layout.peepholes.size());
  }
  result.projection = fields.find(layout.projection);
  return result;
}

void check_transfer(std::string_view op, const CellWeights& from, const CellWeights& to) {
  const auto require = [&](bool possible, std::string_view reason) {
    check(possible, "[{}] weights of {} cannot become weights of {}: {}", op, from.owner, to.owner, reason);
  };
  const WeightLayout &a = from.layout, &b = to.layout;
  require(a.family == b.family, "they compute different formulas");
  require(a.family != CellFamily::gru || a.reset_after == b.reset_after,
          a.reset_after
              ? "the reset gate of the first is applied after the product with the state, that of the "
                "second before it, and no weights make the two equal"
              : "the reset gate of the first is applied before the product with the state, that of the "
                "second after it, and no weights make the two equal");
  require(a.coupled == b.coupled,
          "the forget gate of one is 1 - i, that of the other has weights of its own");
  require(!from.projection.defined() || to.projection.defined(),
          "the second has no projection of the hidden state");
  require(!to.projection.defined() || from.projection.defined(),
          "the first has no projection of the hidden state");
  require(!from.has_peepholes() || to.has_peepholes(), "the second has no peepholes");
  const bool forget_bias_moves = a.family == CellFamily::lstm && a.forget_bias != b.forget_bias;
  for (const GateWeights& place : to.gates) {
    if (!source(from, place.letter)) continue;
    const GateWeights& gate = from.gate(place.letter);
    require(!gate.peephole.defined() || place.peephole.defined(),
            "the peepholes of the second are at other gates");
    const bool has_place = place.bias.defined() || place.recurrent_bias.defined();
    require(has_place || !(gate.bias.defined() || gate.recurrent_bias.defined()), "the second has no bias");
    require(has_place || !forget_bias_moves || place.letter != 'f',
            "the forget gate of only one has a constant added, and the second has no bias to hold it");
    const bool apart = a.family == CellFamily::gru && a.reset_after && place.letter == 'n';
    require(!apart || !gate.recurrent_bias.defined() || place.recurrent_bias.defined(),
            "the first has two biases, and the second one; they cannot be added up, because the reset gate "
            "multiplies "
            "only that of the state");
    require(!apart || !gate.bias.defined() || place.bias.defined(),
            "the bias of the second is multiplied by the reset gate, and that of the first is not");
  }
}

void transfer(const CellWeights& from, const CellWeights& to) {
  const NoTape values_only;
  for (const GateWeights& place : to.gates) {
    if (!source(from, place.letter)) {  // a forget gate that is 1 - i
      for (const Tensor& tensor :
           {place.input, place.recurrent, place.bias, place.recurrent_bias, place.peephole})
        put(tensor, {}, false);
      continue;
    }
    const GateWeights& gate = from.gate(place.letter);
    const bool negated = turned(from, to, place.letter);
    put(place.input, gate.input, negated);
    put(place.recurrent, gate.recurrent, negated);
    put(place.peephole, gate.peephole, negated);
    const bool both = place.bias.defined() && place.recurrent_bias.defined();
    const Tensor one = both ? gate.bias : joined(gate.bias, gate.recurrent_bias);
    if (place.bias.defined()) put(place.bias, one, negated);
    if (place.recurrent_bias.defined()) put(place.recurrent_bias, both ? gate.recurrent_bias : one, negated);
    const double moved = from.layout.forget_bias - to.layout.forget_bias;
    if (place.letter == 'f' && moved != 0) {
      Tensor bias = place.bias.defined() ? place.bias : place.recurrent_bias;
      bias.copy_(bias + moved);
    }
  }
  if (to.projection.defined()) Tensor(to.projection).copy_(from.projection);
}

}  // namespace reel::detail
