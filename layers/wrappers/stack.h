// Stack: different cells, of different widths, as one cell. A layer of cells of one kind is stacked by Recurrent.
#pragma once

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <reel/layers/wrappers/wrapper.h>

namespace reel {

/// The states of the cells of a Stack: std::get<0>(state.cells) is that of the lowest.
template <class... S> struct StackState {
  std::tuple<S...> cells;
  void visit_fields(FieldVisitor& visitor) {
    size_t index = 0;
    std::apply([&](auto&... state) { (detail::visit_field(visitor, std::to_string(index++), state), ...); },
               cells);
  }
};

template <class... C> struct StackOptions {
  std::vector<int64_t> hidden =
      {};  ///< Of each cell, from below; the last is the layer's. All have that if empty.
  std::tuple<typename detail::CellOptions<C>::type...> cells = {};  ///< Options of each.
};

namespace detail {
/// A hidden size for each of `count` cells.
std::vector<int64_t> stack_sizes(std::vector<int64_t> given, size_t count, int64_t hidden);
}  // namespace detail

/// Cells one above the other: each takes the output of the one below at the same step, and the output is that of
/// the last. Their parameters are named by position: "0.weight_ih".
template <RecurrentCell... C>
requires(sizeof...(C) >= 1) struct Stack : Cell {
  using Options = StackOptions<C...>;
  using State = StackState<detail::StateOf<C>...>;
  static constexpr bool cells_can_be_traced = (detail::can_be_traced<C>() && ...);

  std::tuple<C...> cells;  ///< From below.

  Stack(int64_t input, int64_t hidden, Options options = {})
      : Stack(input, detail::stack_sizes(std::move(options.hidden), sizeof...(C), hidden), options.cells,
              places()) {}

  Stack begin(const SequenceStart& start) const {
    Stack begun = *this;
    std::apply([&](auto&... cell) { ((cell = begin_sequence(cell, start)), ...); }, begun.cells);
    return begun;
  }

  State initial_state(int64_t batch, int64_t /*hidden*/, DType dtype) const {
    return first_states(batch, dtype, places());
  }

  std::pair<Tensor, State> step(const Tensor& x, const State& state) const {
    std::pair<Tensor, State> result{x, {}};
    climb(result, state, places());
    return result;
  }

  void visit_fields(FieldVisitor& visitor) override {
    size_t index = 0;
    std::apply([&](auto&... cell) { (detail::visit_field(visitor, std::to_string(index++), cell), ...); },
               cells);
  }

 private:
  static constexpr auto places() { return std::index_sequence_for<C...>(); }

  template <size_t... I>
  Stack(int64_t input, std::vector<int64_t> hidden,
        const std::tuple<typename detail::CellOptions<C>::type...>& options, std::index_sequence<I...>)
      : cells{make<C>(input, hidden[I], std::get<I>(options))...}, hidden_(std::move(hidden)) {}

  template <class One>
  static One make(int64_t& input, int64_t hidden, const typename detail::CellOptions<One>::type& options) {
    One cell = detail::make_cell<One>(input, hidden, options);
    input = detail::settle(cell, input, hidden);
    return cell;
  }

  template <size_t... I> State first_states(int64_t batch, DType dtype, std::index_sequence<I...>) const {
    return {{reel::initial_state(std::get<I>(cells), batch, hidden_[I], dtype)...}};
  }

  template <size_t... I>
  void climb(std::pair<Tensor, State>& result, const State& state, std::index_sequence<I...>) const {
    auto& [y, next] = result;
    ((std::tie(y, std::get<I>(next.cells)) =
          detail::step_with_output(std::get<I>(cells), y, std::get<I>(state.cells))),
     ...);
  }

  std::vector<int64_t> hidden_;
};

}  // namespace reel
