// Weights of recurrent layers as other systems keep them: PyTorch, Keras, ONNX, oneDNN. What lies where follows from
// the WeightLayout of the cell and from that of the other side; files are not read or written here.
#pragma once

#include <string_view>
#include <vector>

#include <reel/layers/recurrent.h>
#include <reel/layers/weight_layout.h>

namespace reel {

/// Whose names, shapes and gate order. G gates, H hidden size, S the width of the state that is multiplied (H, or
/// what the projection makes of it), I the width of a layer's input, D directions, L layers. A layer without biases
/// gives none. Initial states that are learned are no weights on the other side, and stay.
///
/// pytorch  state_dict() of nn.RNN, nn.LSTM, nn.GRU: weight_ih_l0 [G H, I], weight_hh_l0 [G H, S], bias_ih_l0,
///          bias_hh_l0 [G H], weight_hr_l0 [S, H], "_reverse" behind; gates i f g o, r z n.
/// keras    paths in a new model: simple_rnn/simple_rnn_cell/kernel [I, G H], recurrent_kernel [H, G H], bias [G H], or
///          [2, G H] of a GRU with reset_after; also lstm/lstm_cell, gru/gru_cell, lstm_1/lstm_cell for a second
///          layer, bidirectional/forward_lstm/lstm_cell and .../backward_lstm/lstm_cell. Gates i f c o, z r h.
/// onnx     inputs of the nodes RNN, LSTM, GRU, one node per layer: W [D, G H, I], R [D, G H, H], B [D, 2 G H],
///          P [D, 3 H], with "l0." and so on before if there are several layers. Gates i o f c, z r h, peepholes i o f.
///          Attributes are not among the tensors: the node's linear_before_reset must be the cell's reset_after.
/// onednn   weights_layer ldigo [L, D, I, G, H], weights_iter ldigo [L, D, S, G, H], bias ldgo [L, D, G, H] ([..., 4,
///          H] of lbr_gru), weights_peephole ldgo [L, D, 3, H], weights_projection ldio [L, D, H, S]. One primitive for
///          all layers where there is one direction and they are equally wide; else one per layer, L = 1, the names
///          with "l0." and so on before. Gates i f c o, u r o, peepholes i f o.
enum class WeightFormat { pytorch, keras, onnx, onednn };

namespace detail {

struct LayeredCell {
  const Module* cell;
  WeightLayout layout;
};

/// All cells of a layer's stack, layer by layer, forward before backward.
struct LayeredCells {
  std::vector<LayeredCell> cells;
  size_t directions;
};

template <class C> LayeredCells layered_cells(const Recurrent<C>& rnn) {
  constexpr bool has_layout = requires(const C& cell) {
    { cell.layout() } -> std::same_as<WeightLayout>;
  };
  static_assert(has_layout, "the cell must say how its weights lie: `WeightLayout layout() const`");
  LayeredCells result{{}, rnn.options().bidirectional ? size_t{2} : size_t{1}};
  if constexpr (has_layout)
    for (const C& cell : rnn.cells) result.cells.push_back({&cell, cell.layout()});
  return result;
}

NamedTensors export_weights(const LayeredCells& cells, WeightFormat format);
void import_weights(const LayeredCells& cells, const NamedTensors& weights, WeightFormat format);

}  // namespace detail

/// The weights of `rnn` as the other system keeps them, as new tensors. Where the other side has one bias and the
/// cell two, it gets their sum; all other numbers keep their bits, but for a sign that a convention turns round. Throws
/// where the other side has no place for what the cell has, or computes other formulas (a reset gate on the other
/// side of the product, peepholes, a projection, clipping, ...), with the reason.
template <class C> NamedTensors export_weights(const Recurrent<C>& rnn, WeightFormat format) {
  return detail::export_weights(detail::layered_cells(rnn), format);
}

/// Copies weights of another system into `rnn`. Names, shapes and dtype must be those that export_weights gives; biases and
/// peepholes may be left out, then they are zero. A single bias goes to the product with x. What was imported is exported
/// with the same bits, but for numbers that do not count (those of a coupled forget gate), which become zero. Throws,
/// before anything is changed, where a tensor is missing, unexpected or of another shape or dtype, and where the cell has
/// no place for it or computes other formulas.
template <class C> void import_weights(Recurrent<C>& rnn, const NamedTensors& weights, WeightFormat format) {
  detail::import_weights(detail::layered_cells(rnn), weights, format);
}

}  // namespace reel
