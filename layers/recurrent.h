// Recurrent<Cell>: any cell as a layer that stacks, runs in both directions, drops out between layers and
// saves. LSTM, GRU and RNN are Recurrent of their cells and nothing more.
#pragma once

#include <reel/framework/tape.h>
#include <reel/layers/cells/gru.h>
#include <reel/layers/cells/lstm.h>
#include <reel/layers/cells/rnn.h>
#include <reel/layers/scan.h>

namespace reel {

struct RecurrentSizes {
  int64_t input;
  int64_t hidden;
  Shape spatial{};  ///< The extents behind [T, N, I]: of a cell over grids.
};

/// How the outputs of both directions become one: side by side [forward, backward], their sum, mean or product, or
/// both, on an axis of their own before the last, [.., 2, H], which a layer of one cell each way can give.
enum class Merge { concat, sum, mean, mul, none };

struct RecurrentOptions {
  int64_t layers = 1;           ///< Stacked; each takes the outputs of the one below.
  bool bidirectional = false;   ///< A second cell runs from the end.
  Merge merge = Merge::concat;  ///< Of the two directions, in every layer.
  double dropout = 0;           ///< On the outputs of every layer but the last, while training.
  bool batch_first = false;     ///< Input, mask and output are [N, T, ...] instead of [T, N, ...].
  bool reverse = false;         ///< From each row's last step to its first, in all layers.
  bool flip = false;  ///< With `reverse`: outputs in the order in which they come, the last step's first.
  bool last_only = false;        ///< Output [N, ...] of the step that each direction comes to last.
  bool learned_initial = false;  ///< The state before the first step is a parameter, one row for all.
  bool stateful = false;         ///< A call goes on from where the last one ended; see carried().
  int64_t memory_budget = 0;     ///< Of each layer and direction; see ScanOptions.
};

/// Final states of all layers and directions, layer by layer, forward before backward. Empty means zeros.
template <class S> struct RecurrentState {
  std::vector<S> layers;
  REEL_FIELDS(layers)
};

namespace detail {

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
  void part(std::string_view name, std::string_view part, Tensor& value) override {
    target_.part(std::string(name) + suffix_, part, value);
  }
  void enter(std::string_view name, Module* module) override { target_.enter(name, module); }
  void leave() override { target_.leave(); }

 private:
  FieldVisitor& target_;
  std::string suffix_;
};

/// One call of a recurrent layer, whatever its cell.
struct RecurrentRun {
  Tensor x;
  Padding padding;
  std::vector<StepFunction> cells;
  std::vector<std::vector<Tensor>>
      states;  ///< What each cell begins with by itself; then those after the last step.
  std::vector<std::vector<Tensor>> given;      ///< What it is given instead, or nothing.
  std::vector<std::vector<Tensor>> sequences;  ///< States after every step, where `with_states`.
  bool with_states = false;
  size_t spatial = 0;  ///< Number of axes behind [T, N, I].
  Tensor output;
};

/// The way through layers and directions.
void run_layers(RecurrentRun& run, const RecurrentOptions& options, bool training);

/// Columns that a layer hands on, whose cells give `width` each.
int64_t merged_width(const RecurrentOptions& options, int64_t width);

RecurrentSizes recurrent_sizes(std::initializer_list<int64_t> sizes);
void check_recurrent(const RecurrentSizes& sizes, const RecurrentOptions& options);
/// Throws where x cannot be the input; tells how many rows it has, 1 without a batch axis.
int64_t batch_of(const Tensor& x, const RecurrentSizes& sizes, const RecurrentOptions& options);
void check_step(const Tensor& x, const RecurrentSizes& sizes, const RecurrentOptions& options);
void check_dtype(const Tensor& x, const Module& cell);
/// [1, ...] as [batch, ...].
Tensor repeat_row(const Tensor& row, int64_t batch);
/// Rows of `state` where `rows` (bool [N]) is true become those of `initial`.
void reset_rows(std::vector<Tensor>& state, const std::vector<Tensor>& initial, const Tensor& rows);

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

  std::vector<C> cells;                             ///< Layer by layer, forward before backward.
  std::vector<detail::StateOf<C>> learned_initial;  ///< [1, ...] for each cell, with that option.

  /// Recurrent<Cell> rnn({128, 256}, {.layers = 3}): input and hidden size, options, and the cell's own
  /// options.
  Recurrent(std::initializer_list<int64_t> sizes, RecurrentOptions options = {}, Options cell_options = {})
      : Recurrent(detail::recurrent_sizes(sizes), options, cell_options, 0) {}
  Recurrent(int64_t input, int64_t hidden, RecurrentOptions options = {}, Options cell_options = {})
      : Recurrent(RecurrentSizes{input, hidden}, options, cell_options, 0) {}

  /// x [T, N, I] ([N, T, I] with batch_first, [T, I] for a single row; a cell over grids has its axes behind), the state to begin with, the layer's own if
  /// empty, and which steps count: outputs [T, N, H] ([T, N, 2 H] in both directions) and the state after the last
  /// step. For a single row neither has a batch axis.
  ScanResult<State> operator()(const Tensor& x, const State& state = {}, const Padding& padding = {}) const {
    detail::RecurrentRun run = start(x, state, padding, false);
    return {std::move(run.output), collect(run.states)};
  }
  ScanResult<State> operator()(const Tensor& x, const Padding& padding) const {
    return (*this)(x, State{}, padding);
  }

  /// The same with the states after every step, shaped like the output but zero where no step counts.
  ScanStates<State> with_states(const Tensor& x, const State& state = {}, const Padding& padding = {}) const {
    detail::RecurrentRun run = start(x, state, padding, true);
    return {std::move(run.output), collect(run.states), collect(run.sequences)};
  }

  /// The state before the first step: learned, the cell's own, or zeros.
  State initial_state(int64_t batch, DType dtype = DType::float32) const {
    State state;
    for (size_t i = 0; i < cells.size(); ++i) {
      state.layers.push_back(reel::initial_state(cells[i], batch, sizes_.hidden, dtype));
      if (learned_initial.empty()) continue;
      state.layers.back() = learned_initial[i];
      detail::for_each_tensor(state.layers.back(),
                              [&](Tensor& tensor) { tensor = detail::repeat_row(tensor, batch); });
    }
    return state;
  }

  /// `state` with the rows where `rows` (bool [N]) is true begun anew: where documents end within a batch.
  State reset_rows(const State& state, const Tensor& rows) const {
    std::vector<Tensor> tensors = detail::tensors_of(state);
    check(!tensors.empty(), "[Recurrent] a state to reset rows of expected, got an empty one");
    detail::reset_rows(tensors, detail::tensors_of(initial_state(tensors[0].shape()[0], tensors[0].dtype())),
                       rows);
    State result = state;
    size_t next = 0;
    detail::for_each_tensor(result, [&](Tensor& tensor) { tensor = tensors[next++]; });
    return result;
  }

  /// One step of a sequence whose steps come one by one: x [N, I] ([I] for a single row) and a state, the layer's own if
  /// empty, give the output [N, H] and the next state. Steps one after the other equal the whole sequence at once. To a
  /// cell with begin() each step is a sequence of its own: in training it draws anew each time, in eval mode there is
  /// nothing to draw. Throws for a layer in both directions or in reverse, whose outputs depend on steps to come.
  ScanResult<State> step(const Tensor& x, const State& state = {}) const {
    detail::check_step(x, sizes_, options_);
    const int64_t time = options_.batch_first && x.rank() == 2 ? 1 : 0;
    ScanResult<State> result = (*this)(unsqueeze(x, time), state);
    if (!options_.last_only) result.output = squeeze(result.output, time);
    return result;
  }

  /// Of a stateful layer: the state that the next call begins with, detached; empty before the first.
  const State& carried() const { return carried_; }
  void carry(State state) { carried_ = std::move(state); }
  void reset() { carried_ = State{}; }  ///< The next call begins anew.
  void reset(const Tensor& rows) {      ///< Some rows do; see reset_rows.
    if (!carried_.layers.empty()) carried_ = reset_rows(carried_, rows);
  }

  const RecurrentSizes& sizes() const { return sizes_; }
  const RecurrentOptions& options() const { return options_; }

  void visit_fields(FieldVisitor& visitor) override {
    const size_t directions = options_.bidirectional ? 2 : 1;
    for (size_t i = 0; i < cells.size(); ++i) {
      detail::SuffixVisitor named(visitor, static_cast<int64_t>(i / directions), i % directions == 1);
      detail::visit_field(named, "", cells[i]);
      if (!learned_initial.empty()) detail::visit_field(named, "initial", learned_initial[i]);
    }
  }

 private:
  detail::RecurrentRun start(const Tensor& x, const State& state, const Padding& padding,
                             bool with_states) const {
    detail::RecurrentRun run;
    run.x = x;
    run.padding = padding;
    run.with_states = with_states;
    run.spatial = sizes_.spatial.rank();
    const int64_t batch = detail::batch_of(x, sizes_, options_);
    detail::check_dtype(x, cells.front());
    const State& given = state.layers.empty() && options_.stateful ? carried_ : state;
    check(given.layers.empty() || given.layers.size() == cells.size(),
          "[Recurrent] a state of {} cells expected, got {}", cells.size(), given.layers.size());
    const State begin = initial_state(batch, x.dtype());
    for (size_t i = 0; i < cells.size(); ++i) {
      run.cells.push_back(detail::step_function(cells[i]));
      run.states.push_back(detail::tensors_of(begin.layers[i]));
      if (!given.layers.empty()) run.given.push_back(detail::tensors_of(given.layers[i]));
    }
    detail::run_layers(run, options_, is_training());
    if (options_.stateful) carried_ = detach(collect(run.states));
    return run;
  }

  static State collect(std::vector<std::vector<Tensor>>& tensors) {
    State state;
    for (auto& of_cell : tensors) state.layers.push_back(detail::state_from<detail::StateOf<C>>(of_cell));
    return state;
  }

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
        cells.push_back(detail::make_cell<C>(input, sizes.hidden, cell_options));
        sizes_.spatial = detail::spatial_of(cells.back());
        width += detail::settle(cells.back(), input, sizes.hidden);
      }
      input = options.merge == Merge::concat ? width : width / directions;
    }
    if (!options.learned_initial) return;
    for (const C& cell : cells) {
      learned_initial.push_back(reel::initial_state(cell, 1, sizes.hidden, DType::float32));
      detail::for_each_tensor(learned_initial.back(),
                              [](Tensor& tensor) { tensor = detail::parameter(tensor); });
    }
  }

  RecurrentSizes sizes_;
  RecurrentOptions options_;
  mutable State carried_;
};

/// How `rnn` runs on `batch` rows, in words, layer by layer: for each op of the step whether it has left the loop,
/// is joined or fused and with what, or why the layer goes step by step.
template <class C> std::string explain(const Recurrent<C>& rnn, int64_t batch) {
  std::string result;
  const size_t directions = rnn.options().bidirectional ? 2 : 1;
  int64_t width = rnn.sizes().input;
  const std::vector<Tensor> parameters = rnn.parameters();
  const DType dtype = parameters.empty() ? DType::float32 : parameters[0].dtype();
  for (size_t i = 0; i < rnn.cells.size(); i += directions) {
    const C& cell = rnn.cells[i];
    const auto state = detail::tensors_of(initial_state(cell, batch, rnn.sizes().hidden, dtype));
    Shape shape{2, batch, width};
    for (const int64_t extent : rnn.sizes().spatial) shape.push_back(extent);
    const Tensor x = zeros(shape, {.dtype = dtype});
    result += "layer " + std::to_string(i / directions) + "\n" +
              detail::explain_steps(detail::step_function(cell), x, state);
    const NoTape values_only;
    width = detail::merged_width(rnn.options(), detail::output_width(detail::step_function(cell), x, state));
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
