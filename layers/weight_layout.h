// WeightLayout: what a cell says about its weights, so that they can be brought from and to other systems
// (foreign_weights.h). It describes how they lie and which conventions the formulas follow; it holds none.
#pragma once

#include <string_view>

namespace reel {

/// Whose formulas a cell computes, up to the conventions of WeightLayout. Gates are named by letters, `g` and `n`
/// being the candidates:
///   rnn   h    h' = act(h)
///   lstm  i f g o    c' = sigmoid(f) c + sigmoid(i) tanh(g);  h' = sigmoid(o) tanh(c'), then projected, if at all
///   gru   r z n      h' = (1 - z) n + z h;  n = tanh(W x + r (U h + b)), or tanh(W x + U (r h) + b)
enum class CellFamily { rnn, lstm, gru };

/// A cell whose weights are to travel says how they lie: `WeightLayout layout() const`. The names are those of its
/// fields, as in state_dict() of the cell. A name with an asterisk stands for one tensor per gate, the gate's letter
/// in its place ("x*.weight": xr.weight, xz.weight, xn.weight); one without for a tensor that holds all gates in
/// order. A field that the cell does not have, or that is undefined, is left out.
struct WeightLayout {
  CellFamily family;
  std::string_view gates;  ///< The letters in the order in which the gates lie: "ifgo", "rzn", "h".
  bool transposed =
      false;  ///< Matrices are [columns, gates * hidden] for x W, not [gates * hidden, columns].
  bool reset_after = true;  ///< GRU: r multiplies the product U h + b, not h.
  bool update_keeps =
      true;  ///< GRU: z is the share of the old state; else that of the new one, z n + (1 - z) h.
  double forget_bias = 0;  ///< LSTM: what the formula adds to f before the sigmoid, beside the bias.
  std::string_view
      peepholes{};  ///< LSTM: the gates that see the carry by element, o the new one, in order: "ifo".

  bool coupled = false;  ///< LSTM: the forget gate is 1 - i; numbers of its own, if it has any, do not count.
  bool clipped = false;  ///< Sums before the activations are clipped.
  bool own_activations =
      false;  ///< Activations are not those above (of an Elman cell: neither tanh nor relu).
  /// What the cell does that no other system does, in words: "sees the old carry at its output gate". Its weights
  /// then do not travel.
  std::string_view own_formula{};

  std::string_view input = "weight_ih";
  std::string_view recurrent = "weight_hh";
  std::string_view bias = "bias_ih";            ///< Added to the product with x.
  std::string_view recurrent_bias = "bias_hh";  ///< Added to the product with h.
  std::string_view peephole = "weight_c*";      ///< [hidden] of each gate, or [peepholes * hidden].
  std::string_view projection = "weight_hr";    ///< [projected, hidden].
};

}  // namespace reel
