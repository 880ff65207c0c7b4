// What a recurrent cell is. A cell derives from Cell, names its fields, and computes one time step:
//
//   struct MinimalGatedCell : Cell {
//     Linear xf, hf, xc, hc;
//     REEL_FIELDS(xf, hf, xc, hc)
//     Tensor step(const Tensor& x, const Tensor& h) const {      // x [N, I], h [N, H] -> the next h
//       Tensor f = sigmoid(xf(x) + hf(h));
//       return (1 - f) * h + f * tanh(xc(x) + hc(f * h));
//     }
//   };
//
// The state is a Tensor or a struct of tensors that lists its fields. step returns the next state, whose
// first tensor is then the output, or a std::pair of output and next state. The state begins with zeros [N,
// H], or with what the cell's `State initial_state(int64_t batch) const` gives; one that does not know its own
// sizes and dtype has `State initial_state(int64_t batch, int64_t hidden, DType dtype) const`. A cell with a
// constructor (input, hidden) is made by it; in one without, Linear fields take their sizes from the equations.
// Inputs and states of a cell over a grid have axes behind [N, I] and [N, H]; it gives their extents, as `Shape
// spatial() const`.
//
// Tensors with a row for each row of the batch belong into the state. What a cell draws or prepares once for
// a whole sequence (a dropout mask, weights with gaps) it makes in `C begin(const SequenceStart&) const`.
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <reel/layers/linear.h>

namespace reel {

struct WeightLayout;  // weight_layout.h

/// Base of recurrent cells.
struct Cell : Module {};

/// What a cell may know of a sequence before its first step.
struct SequenceStart {
  int64_t steps;  ///< T, or the longest of the lengths.
  int64_t batch;  ///< N.
  DType dtype;    ///< Of the inputs.
};

namespace detail {

template <class> struct StepTraits;
template <class C, class Result, class X, class S> struct StepTraits<Result (C::*)(X, S) const> {
  using Input = std::remove_cvref_t<X>;
  using State = std::remove_cvref_t<S>;
  using Output = std::remove_cvref_t<Result>;
};

template <class C, class Result, class X, class S>
struct StepTraits<Result (C::*)(X, S) const noexcept> : StepTraits<Result (C::*)(X, S) const> {};

template <class C>
concept HasStep = requires {
  &C::step;
}
&&requires { typename StepTraits<decltype(&C::step)>::State; };

template <class C> using StateOf = typename StepTraits<decltype(&C::step)>::State;
template <class C> using StepResultOf = typename StepTraits<decltype(&C::step)>::Output;

template <class S>
concept CellState = std::same_as<S, Tensor> ||
    (HasFields<S>&& std::default_initializable<S>&& std::copyable<S>);

}  // namespace detail

/// A struct that derives from Cell and has `step(const Tensor& x, const State& state) const`.
template <class C>
concept RecurrentCell = std::derived_from<C, Cell> && detail::HasStep<C> &&
    detail::CellState<detail::StateOf<C>> &&
    (std::same_as<detail::StepResultOf<C>, detail::StateOf<C>> ||
     std::same_as<detail::StepResultOf<C>, std::pair<Tensor, detail::StateOf<C>>>);

/// The cell as one sequence runs it: what its `C begin(const SequenceStart&) const` gives, or a copy if it has
/// none. A cell that holds others begins them with this; scan calls it by itself. A cell must also do its steps
/// without having begun, then without what it would have drawn.
template <RecurrentCell C> C begin_sequence(const C& cell, const SequenceStart& start) {
  if constexpr (requires { cell.begin(start); }) {
    static_assert(std::same_as<decltype(cell.begin(start)), C>,
                  "begin(const SequenceStart&) of a cell must return a cell of the same type");
    return cell.begin(start);
  } else {
    return cell;
  }
}

/// The state before the first step, for `batch` rows: what the cell's `initial_state` gives, or else zeros
/// [batch, hidden] of `dtype` for each tensor of the state.
template <RecurrentCell C>
detail::StateOf<C> initial_state(const C& cell, int64_t batch, int64_t hidden, DType dtype) {
  using S = detail::StateOf<C>;
  if constexpr (requires {
                  { cell.initial_state(batch, hidden, dtype) } -> std::convertible_to<S>;
                }) {
    return cell.initial_state(batch, hidden, dtype);
  } else if constexpr (requires {
                         { cell.initial_state(batch) } -> std::convertible_to<S>;
                       }) {
    return cell.initial_state(batch);
  } else {
    S state;
    detail::for_each_tensor(state, [&](Tensor& tensor) {
      tensor = zeros({batch, hidden}, {.dtype = dtype});
    });
    return state;
  }
}

namespace detail {

/// The axes of a cell's inputs behind [N, I]: of cells over grids, which say so.
template <RecurrentCell C> Shape spatial_of(const C& cell) {
  if constexpr (requires {
                  { cell.spatial() } -> std::convertible_to<Shape>;
                })
    return cell.spatial();
  else
    return {};
}

/// One step of a cell whose type has been left behind: state as a list of tensors.
struct StepFunction {
  const void* cell;
  void (*step)(const void* cell, const Tensor& x, std::vector<Tensor>& state, Tensor& output);
  std::shared_ptr<const void> (*copy)(const void* cell);  // null where a copy could not stand for it
  /// begin_sequence; null for a cell without begin().
  std::shared_ptr<const void> (*begin)(const void* cell, const SequenceStart& start);
};

template <class S> S state_from(std::vector<Tensor>& tensors) {
  S state;
  size_t next = 0;
  for_each_tensor(state,
                  [&](Tensor& tensor) { tensor = next < tensors.size() ? tensors[next] : Tensor(), ++next; });
  check(next == tensors.size(),
        "[cell] a state has as many tensors as one that is made anew, {}, and got {}: std::array can list "
        "them, "
        "a container that begins empty cannot",
        next, tensors.size());
  return state;
}

/// The list takes the tensors of `state`; a steady step needs no memory for it.
template <class S> void state_into(S& state, std::vector<Tensor>& tensors) {
  size_t next = 0;
  for_each_tensor(state, [&](Tensor& tensor) {
    if (next == tensors.size()) tensors.emplace_back();
    tensors[next++] = std::move(tensor);
  });
  tensors.resize(next);
}

template <RecurrentCell C>
void step_cell(const void* cell, const Tensor& x, std::vector<Tensor>& state, Tensor& output) {
  using S = StateOf<C>;
  const auto& self = *static_cast<const C*>(cell);
  if constexpr (std::same_as<StepResultOf<C>, S>) {
    S next = self.step(x, state_from<S>(state));
    state_into(next, state);
    output = state.at(0);
  } else {
    auto [out, next] = self.step(x, state_from<S>(state));
    state_into(next, state);
    output = std::move(out);
  }
}

/// A trace ends by an exception, and must not show in the cell itself. A cell that steps others says in
/// `static constexpr bool cells_can_be_traced` whether all of them can be.
template <RecurrentCell C> constexpr bool can_be_traced() {
  bool inner = true;
  if constexpr (requires { C::cells_can_be_traced; }) inner = C::cells_can_be_traced;
  return inner && std::copy_constructible<C> && !std::is_abstract_v<C> &&
         !noexcept(
             std::declval<const C&>().step(std::declval<const Tensor&>(), std::declval<const StateOf<C>&>()));
}

template <RecurrentCell C> std::shared_ptr<const void> copy_cell(const void* cell) {
  if constexpr (can_be_traced<C>()) {
    const C& self = *static_cast<const C*>(cell);
    if (typeid(self) == typeid(C)) return std::make_shared<C>(self);
  }
  return nullptr;
}

template <RecurrentCell C>
std::shared_ptr<const void> begin_cell(const void* cell, const SequenceStart& start) {
  return std::make_shared<C>(begin_sequence(*static_cast<const C*>(cell), start));
}

template <RecurrentCell C> StepFunction step_function(const C& cell) {
  StepFunction result{&cell, step_cell<C>, copy_cell<C>, nullptr};
  if constexpr (requires(const SequenceStart& start) { cell.begin(start); }) result.begin = begin_cell<C>;
  return result;
}

/// Makes sure that a new cell's step works for its sizes, and gives sizes to its Linear fields that have
/// none. Returns the width of its output.
int64_t settle_cell(Module& cell, StepFunction step, std::vector<Tensor> state, int64_t input, int64_t hidden,
                    const Shape& spatial = {});

template <RecurrentCell C> int64_t settle(C& cell, int64_t input, int64_t hidden) {
  return settle_cell(cell, step_function(cell),
                     tensors_of(reel::initial_state(cell, 1, hidden, DType::float32)), input, hidden,
                     spatial_of(cell));
}

struct NoCellOptions {};
template <class C> struct CellOptions { using type = NoCellOptions; };
template <class C>
requires requires { typename C::Options; }
struct CellOptions<C> {
  using type = typename C::Options;
};

template <class C> C make_cell(int64_t input, int64_t hidden, const typename CellOptions<C>::type& options) {
  if constexpr (std::constructible_from<C, int64_t, int64_t, typename CellOptions<C>::type>)
    return C(input, hidden, options);
  else if constexpr (std::constructible_from<C, int64_t, int64_t>)
    return C(input, hidden);
  else {
    static_assert(
        std::default_initializable<C>,
        "a recurrent cell needs a constructor (input, hidden), (input, hidden, Options), or none at "
        "all");
    return C();
  }
}

}  // namespace detail
}  // namespace reel
