// Recurrent<Cell>: any cell as a layer that stacks, runs in both directions, drops out between layers and
// saves. LSTM, GRU and RNN are Recurrent of their cells and nothing more.
#pragma once

#include <reel/framework/tape.h>
#include <reel/layers/cells.h>
#include <reel/layers/scan.h>

namespace reel {

struct RecurrentSizes {
  int64_t input;
  int64_t hidden;
};

struct RecurrentOptions {
  int64_t layers = 1;          ///< Stacked; each takes the outputs of the one below.
  bool bidirectional = false;  ///< A second cell runs from the end; outputs are joined, [forward, backward].
  double dropout = 0;          ///< On the outputs of every layer but the last, while training.
  bool batch_first = false;    ///< Input and output are [N, T, ...] instead of [T, N, ...].
  int64_t memory_budget = 0;   ///< Of each layer and direction; see ScanOptions.
};

/// Final states of all layers and directions, layer by layer, forward before backward. Empty means zeros.
template <class S> struct RecurrentState {
  std::vector<S> layers;
  REEL_FIELDS(layers)
};

namespace detail {

struct NoCellOptions {};
template <class C> struct CellOptions { using type = NoCellOptions; };
template <class C>
requires requires { typename C::Options; }
struct CellOptions<C> {
  using type = typename C::Options;
};

/// Adds PyTorch's "_l0", "_l0_reverse" to the names of a cell's tensors.
class SuffixVisitor final : public FieldVisitor {
 public:
  SuffixVisitor(FieldVisitor& target, int64_t layer, bool reverse);
  void tensor(std::string_view name, Tensor& value) override {
    target_.tensor(std::string(name) + suffix_, value);
  }
  void buffer(std::string_view name, Tensor& value) override {
    target_.buffer(std::string(name) + suffix_, value);
  }
  void enter(std::string_view name, Module* module) override { target_.enter(name, module); }
  void leave() override { target_.leave(); }

 private:
  FieldVisitor& target_;
  std::string suffix_;
};

/// What all Recurrent layers share, whatever their cell: the way through layers and directions. `states`
/// holds the tensors of each cell's state and is replaced by the last ones.
Tensor run_layers(const std::vector<StepFunction>& cells, const Tensor& input,
                  std::vector<std::vector<Tensor>>& states, const RecurrentOptions& options, bool training);

RecurrentSizes recurrent_sizes(std::initializer_list<int64_t> sizes);
void check_recurrent(const RecurrentSizes& sizes, const RecurrentOptions& options);
void check_sequence(const Tensor& x, const RecurrentSizes& sizes, const RecurrentOptions& options);
/// A given state must be like the one the cell begins with, and x of the parameters' dtype.
void check_state(size_t cell, const std::vector<Tensor>& given, const std::vector<Tensor>& expected);
void check_dtype(const Tensor& x, const Module& cell);

}  // namespace detail

template <class C> struct Recurrent : Module {
  static_assert(std::derived_from<C, Cell>, "Recurrent<C>: the cell C must derive publicly from reel::Cell");
  static_assert(!std::is_abstract_v<C>, "Recurrent<C>: the cell C must list its fields: REEL_FIELDS(...)");
  static_assert(
      detail::HasStep<C>,
      "Recurrent<C>: the cell C needs exactly one public `step(const Tensor& x, const State& state) const`, "
      "which is no template and not overloaded");
  static_assert(RecurrentCell<C>,
                "Recurrent<C>: the state must be a Tensor or a struct with REEL_FIELDS, and step must return "
                "the next state or "
                "std::pair<Tensor, State> of output and next state");

  using Options = typename detail::CellOptions<C>::type;  ///< The cell's own options, if it has any.
  using State = RecurrentState<detail::StateOf<C>>;

  std::vector<C> cells;  ///< Layer by layer, forward before backward.

  /// Recurrent<Cell> rnn({128, 256}, {.layers = 3}): input and hidden size, options, and the cell's own
  /// options.
  Recurrent(std::initializer_list<int64_t> sizes, RecurrentOptions options = {}, Options cell_options = {})
      : Recurrent(detail::recurrent_sizes(sizes), options, cell_options, 0) {}
  Recurrent(int64_t input, int64_t hidden, RecurrentOptions options = {}, Options cell_options = {})
      : Recurrent(RecurrentSizes{input, hidden}, options, cell_options, 0) {}

  /// x [T, N, I] (or [N, T, I] with batch_first) and a state, zeros if empty: outputs [T, N, H] ([T, N, 2 H]
  /// in both directions) and the state after the last step.
  ScanResult<State> operator()(const Tensor& x, const State& state = {}) const {
    detail::check_sequence(x, sizes_, options_);
    check(state.layers.empty() || state.layers.size() == cells.size(),
          "[Recurrent] a state of {} cells expected, got {}", cells.size(), state.layers.size());
    detail::check_dtype(x, cells.front());
    const int64_t batch = x.shape()[options_.batch_first ? 0 : 1];
    std::vector<detail::StepFunction> steps;
    std::vector<std::vector<Tensor>> states;
    for (size_t i = 0; i < cells.size(); ++i) {
      steps.push_back(detail::step_function(cells[i]));
      states.push_back(detail::tensors_of(initial_state(cells[i], batch, sizes_.hidden, x.dtype())));
      if (state.layers.empty()) continue;
      std::vector<Tensor> given = detail::tensors_of(state.layers[i]);
      detail::check_state(i, given, states.back());
      states.back() = std::move(given);
    }
    ScanResult<State> result;
    result.output = detail::run_layers(steps, x, states, options_, is_training());
    for (auto& tensors : states)
      result.state.layers.push_back(detail::state_from<detail::StateOf<C>>(tensors));
    return result;
  }

  const RecurrentSizes& sizes() const { return sizes_; }
  const RecurrentOptions& options() const { return options_; }

  void visit_fields(FieldVisitor& visitor) override {
    const size_t directions = options_.bidirectional ? 2 : 1;
    for (size_t i = 0; i < cells.size(); ++i) {
      detail::SuffixVisitor named(visitor, static_cast<int64_t>(i / directions), i % directions == 1);
      detail::visit_field(named, "", cells[i]);
    }
  }

 private:
  Recurrent(RecurrentSizes sizes, RecurrentOptions options, const Options& cell_options,
            int /*chosen by the public ones*/)
      : sizes_(sizes), options_(options) {
    detail::check_recurrent(sizes, options);
    const int64_t directions = options.bidirectional ? 2 : 1;
    cells.reserve(static_cast<size_t>(options.layers * directions));
    int64_t input = sizes.input;
    for (int64_t layer = 0; layer < options.layers; ++layer) {
      int64_t width = 0;
      for (int64_t direction = 0; direction < directions; ++direction) {
        cells.push_back(make_cell(input, cell_options));
        width += detail::settle_cell(
            cells.back(), detail::step_function(cells.back()),
            detail::tensors_of(initial_state(cells.back(), 1, sizes.hidden, DType::float32)), input,
            sizes.hidden);
      }
      input = width;
    }
  }

  C make_cell(int64_t input, const Options& cell_options) const {
    if constexpr (std::constructible_from<C, int64_t, int64_t, Options>)
      return C(input, sizes_.hidden, cell_options);
    else if constexpr (std::constructible_from<C, int64_t, int64_t>)
      return C(input, sizes_.hidden);
    else {
      static_assert(std::default_initializable<C>,
                    "Recurrent<C>: the cell needs a constructor (input, hidden), (input, hidden, Options), "
                    "or none at all");
      return C();
    }
  }

  RecurrentSizes sizes_;
  RecurrentOptions options_;
};

/// How `rnn` runs on `batch` rows, in words, layer by layer: for each op of the step whether it has left the loop,
/// is joined or fused and with what, or why the layer goes step by step.
template <class C> std::string explain(const Recurrent<C>& rnn, int64_t batch) {
  std::string result;
  const size_t directions = rnn.options().bidirectional ? 2 : 1;
  int64_t width = rnn.sizes().input;
  for (size_t i = 0; i < rnn.cells.size(); i += directions) {
    const C& cell = rnn.cells[i];
    const auto state = detail::tensors_of(initial_state(cell, batch, rnn.sizes().hidden, DType::float32));
    const Tensor x = zeros({2, batch, width});
    result += "layer " + std::to_string(i / directions) + "\n" +
              detail::explain_steps(detail::step_function(cell), x, state);
    const NoTape values_only;
    width = static_cast<int64_t>(directions) * detail::output_width(detail::step_function(cell), x, state);
  }
  return result;
}

using RNN = Recurrent<RNNCell>;
using LSTM = Recurrent<LSTMCell>;
using GRU = Recurrent<GRUCell>;

extern template struct Recurrent<RNNCell>;
extern template struct Recurrent<LSTMCell>;
extern template struct Recurrent<GRUCell>;

}  // namespace reel
