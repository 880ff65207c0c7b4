// How the weights of the cells of this folder lie: as in PyTorch, and what their options change.
#include "layers/cells/gru.h"
#include "layers/cells/lstm_variants.h"
#include "layers/cells/rnn.h"
#include "layers/weight_layout.h"

namespace reel {
namespace {

bool is_clipped(double bound) { return bound != detail::unbounded; }

/// Of the kin of the LSTM: what they have in common.
template <class Options> WeightLayout lstm_layout(std::string_view gates, const Options& options) {
  return {.family = CellFamily::lstm,
          .gates = gates,
          .clipped = is_clipped(options.clip),
          .own_activations = options.gate != sigmoid || options.candidate != tanh || options.output != tanh};
}

/// The letters of the gates that see the carry by element.
template <class Options> std::string_view peepholes(std::string_view letters, const Options& options) {
  return options.peepholes == Peepholes::diagonal ? letters : std::string_view();
}

template <class Options> std::string_view own_formula(const Options& options) {
  if (options.peepholes == Peepholes::full) return "has peepholes that are matrices";
  if (options.peepholes != Peepholes::none && options.output_sees == Carry::previous)
    return "shows its output gate the old carry";
  if (is_clipped(options.carry_clip)) return "clips its carry";
  return {};
}

}  // namespace

WeightLayout RNNCell::layout() const {
  return {.family = CellFamily::rnn,
          .gates = "h",
          .clipped = is_clipped(options_.clip),
          .own_activations = options_.nonlinearity != tanh && options_.nonlinearity != relu};
}

WeightLayout LSTMCell::layout() const { return lstm_layout("ifgo", options_); }

WeightLayout PeepholeLSTMCell::layout() const {
  WeightLayout result = lstm_layout("ifgo", options_);
  result.peepholes = peepholes("ifo", options_);
  result.own_formula = own_formula(options_);
  return result;
}

WeightLayout CoupledLSTMCell::layout() const {
  WeightLayout result = lstm_layout("igo", options_);
  result.coupled = true;
  result.peepholes = peepholes("io", options_);
  result.own_formula = own_formula(options_);
  return result;
}

WeightLayout ProjectedLSTMCell::layout() const { return lstm_layout("ifgo", options_); }

WeightLayout GRUCell::layout() const {
  return {.family = CellFamily::gru,
          .gates = "rzn",
          .reset_after = options_.reset_after,
          .clipped = is_clipped(options_.clip),
          .own_activations = options_.gate != sigmoid || options_.candidate != tanh};
}

}  // namespace reel
