// What the cell wrappers share. A wrapper is a cell over any other cell, so that they nest:
// Recurrent<Residual<Zoneout<LSTMCell>>>. The inner cell's parameters keep their names: the weights of a cell load
// into its wrapped twin and back.
//
// A wrapper is made as W(input, hidden, options) with the options of the inner cell in `options.cell`. What it
// draws comes from default_random(), and only within a sequence: scan and Recurrent begin one by themselves; who
// steps by hand begins with begin_sequence(cell, start). Not begun, the wrapper steps without drawing.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include <reel/framework/tape.h>
#include <reel/layers/cell.h>

namespace reel::detail {

/// The tensor that is a cell's output where step() gives none beside the state.
template <class S> Tensor first_tensor(const S& state) {
  if constexpr (std::same_as<S, Tensor>)
    return state;
  else
    return tensors_of(state).at(0);
}

/// One step of any cell, as output and next state.
template <RecurrentCell C>
std::pair<Tensor, StateOf<C>> step_with_output(const C& cell, const Tensor& x, const StateOf<C>& state) {
  if constexpr (std::same_as<StepResultOf<C>, StateOf<C>>) {
    StateOf<C> next = cell.step(x, state);
    Tensor output = first_tensor(next);
    return {std::move(output), std::move(next)};
  } else {
    return cell.step(x, state);
  }
}

/// The state in what step() returns.
template <RecurrentCell C> StateOf<C>& state_in(StepResultOf<C>& result) {
  if constexpr (std::same_as<StepResultOf<C>, StateOf<C>>)
    return result;
  else
    return result.second;
}

/// Base of wrappers: the inner cell, under whose names the parameters stay.
template <RecurrentCell C> struct Wrapper : Cell {
  C cell;
  static constexpr bool cells_can_be_traced = can_be_traced<C>();

  StateOf<C> initial_state(int64_t batch, int64_t hidden, DType dtype) const {
    return reel::initial_state(cell, batch, hidden, dtype);
  }
  Shape spatial() const { return spatial_of(cell); }
  void visit_fields(FieldVisitor& visitor) override { visit_field(visitor, "", cell); }

 protected:
  Wrapper(int64_t input, int64_t hidden, const typename CellOptions<C>::type& options)
      : cell(make_cell<C>(input, hidden, options)), input_(input), hidden_(hidden) {}
  /// The tensors that a sequence of `batch` rows begins with: for their shapes.
  std::vector<Tensor> first_state(int64_t batch, DType dtype) const {
    const NoTape values_only;
    return tensors_of(reel::initial_state(cell, batch, hidden_, dtype));
  }

  int64_t input_, hidden_;
};

void check_probability(std::string_view wrapper, std::string_view what, double p);

}  // namespace reel::detail
