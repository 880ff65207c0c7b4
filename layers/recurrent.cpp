#include "layers/recurrent.h"

#include "layers/ragged.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/dropout.h"
#include "ops/flip.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel {
namespace detail {

SuffixVisitor::SuffixVisitor(FieldVisitor& target, int64_t layer, bool reverse)
    : target_(target), suffix_("_l" + std::to_string(layer) + (reverse ? "_reverse" : "")) {}

RecurrentSizes recurrent_sizes(std::initializer_list<int64_t> sizes) {
  check(sizes.size() == 2, "[Recurrent] two sizes expected, {input, hidden}, got {}", sizes.size());
  return {*sizes.begin(), *(sizes.begin() + 1)};
}

void check_recurrent(const RecurrentSizes& sizes, const RecurrentOptions& options) {
  check(sizes.input >= 1 && sizes.hidden >= 1,
        "[Recurrent] expected sizes of at least 1, got input {} and hidden {}", sizes.input, sizes.hidden);
  check(options.layers >= 1, "[Recurrent] expected at least 1 layer, got {}", options.layers);
  check(options.dropout >= 0 && options.dropout <= 1,
        "[Recurrent] expected a dropout probability in [0, 1], got {}", options.dropout);
  check(options.memory_budget >= 0, "[Recurrent] a memory budget of at least 0 bytes expected, got {}",
        options.memory_budget);
  check(options.dropout == 0 || options.layers > 1,
        "[Recurrent] dropout {} is between layers, and there is only one", options.dropout);
  check(options.bidirectional || options.merge == Merge::concat,
        "[Recurrent] merge tells how two directions become one, and there is only one");
  check(options.merge != Merge::none || options.layers == 1,
        "[Recurrent] without a merge of the directions there is one layer, got {}", options.layers);
  check(!options.reverse || !options.bidirectional,
        "[Recurrent] reverse is for one direction, and bidirectional has both");
  check(!options.flip || options.reverse,
        "[Recurrent] flip turns outputs that come in reverse, got no reverse");
  check(!options.flip || !options.last_only,
        "[Recurrent] flip is for the outputs of all steps, not with last_only");
}

int64_t merged_width(const RecurrentOptions& options, int64_t width) {
  return options.bidirectional && options.merge == Merge::concat ? 2 * width : width;
}

namespace {

bool is_single(const Tensor& x, size_t spatial) { return x.rank() == 2 + spatial; }

/// [T, N, ...] from what the user gives.
Tensor steps_first(const Tensor& x, const RecurrentOptions& options, bool single) {
  if (single) return unsqueeze(x, 1);
  return options.batch_first ? transpose(x, 0, 1) : x;
}

/// And back, of outputs and sequences of states.
Tensor as_given(const Tensor& x, const RecurrentOptions& options, bool single) {
  if (single) return squeeze(x, 1);
  return options.batch_first ? transpose(x, 0, 1) : x;
}

void check_state(size_t cell, const std::vector<Tensor>& given, const std::vector<Tensor>& expected) {
  for (size_t i = 0; i < given.size(); ++i)
    check(given[i].defined() && given[i].shape() == expected[i].shape() &&
              given[i].dtype() == expected[i].dtype(),
          "[Recurrent] tensor {} of the state of cell {} should be {}, got {}", i, cell, expected[i],
          given[i]);
}

/// Every row's output of the step that a direction comes to last.
Tensor last_output(const Tensor& output, const std::shared_ptr<const Ragged>& ragged, bool reverse) {
  const int64_t steps = output.shape()[0], batch = output.shape()[1];
  if (!ragged && steps > 0) return select(output, 0, reverse ? 0 : steps - 1);
  std::vector<int64_t> from(static_cast<size_t>(batch), -1);
  if (ragged)
    for (size_t i = 0; i < ragged->row.size(); ++i) {  // by rising steps
      int64_t& place = from[static_cast<size_t>(ragged->row[i])];
      if (!reverse || place < 0) place = ragged->step[i] * batch + ragged->row[i];
    }
  Shape flat = output.shape();
  flat.erase(0);
  flat[0] = steps * batch;
  return place_rows(reshape(output, flat), row_map(std::move(from), steps * batch));
}

/// Outputs in the order in which a reverse direction comes to them: every row's last step first.
Tensor flipped(const Tensor& output, const std::shared_ptr<const Ragged>& ragged) {
  if (!ragged) return flip(output, {0});
  const int64_t batch = output.shape()[1];
  const std::vector<int64_t>& lengths = ragged->lengths;
  std::vector<int64_t> seen(static_cast<size_t>(batch), 0);
  std::vector<int64_t> from(static_cast<size_t>(output.shape()[0] * batch), -1);
  for (size_t i = 0; i < ragged->row.size(); ++i) {
    const auto n = static_cast<size_t>(ragged->row[i]);
    const int64_t place = lengths[n] - 1 - seen[n]++;
    from[static_cast<size_t>(place * batch) + n] = ragged->step[i] * batch + ragged->row[i];
  }
  Shape flat = output.shape();
  flat.erase(0);
  flat[0] = output.shape()[0] * batch;
  const int64_t rows = flat[0];
  return reshape(place_rows(reshape(output, flat), row_map(std::move(from), rows)), output.shape());
}

Tensor merged(const Tensor& forward, const Tensor& backward, Merge merge, size_t spatial) {
  const int64_t units = -1 - static_cast<int64_t>(spatial);
  switch (merge) {
    case Merge::concat:
      return cat({forward, backward}, units);
    case Merge::sum:
      return forward + backward;
    case Merge::mean:
      return (forward + backward) / 2;
    case Merge::mul:
      return forward * backward;
    case Merge::none:
      break;
  }
  return stack({forward, backward}, units - 1);
}

}  // namespace

int64_t batch_of(const Tensor& x, const RecurrentSizes& sizes, const RecurrentOptions& options) {
  const bool single = is_single(x, sizes.spatial.rank());
  const size_t width = single ? 1 : 2;
  bool fits = x.rank() == width + 1 + sizes.spatial.rank() && x.shape()[width] == sizes.input;
  for (size_t i = 0; fits && i < sizes.spatial.rank(); ++i)
    fits = x.shape()[width + 1 + i] == sizes.spatial[i];
  check(fits && is_floating(x.dtype()), "[Recurrent] expected input {} of width {}{}, got {}",
        options.batch_first ? "[N, T, I]" : "[T, N, I]", sizes.input,
        sizes.spatial.empty() ? std::string() : " with axes " + text(sizes.spatial) + " behind", x);
  return single ? 1 : x.shape()[options.batch_first ? 0 : 1];
}

void check_step(const Tensor& x, const RecurrentSizes& sizes, const RecurrentOptions& options) {
  check(
      !options.bidirectional && !options.reverse,
      "[Recurrent] step() is for a layer that runs forward: the outputs of this one depend on steps to come");
  check(x.rank() >= 1 && x.shape()[x.rank() == 1 ? 0 : 1] == sizes.input && is_floating(x.dtype()),
        "[Recurrent] step() expected input [N, I] of width {}, got {}", sizes.input, x);
}

Tensor repeat_row(const Tensor& row, int64_t batch) {
  Shape shape = row.shape();
  shape[0] = batch;
  return broadcast_to(row, shape);
}

void reset_rows(std::vector<Tensor>& state, const std::vector<Tensor>& initial, const Tensor& rows) {
  check(rows.dtype() == DType::boolean && rows.rank() == 1,
        "[Recurrent] expected rows to reset as bool [N], got {}", rows);
  for (size_t i = 0; i < state.size(); ++i)
    check(state[i].defined() && state[i].rank() >= 1 && state[i].shape()[0] == rows.shape()[0],
          "[Recurrent] rows to reset {} and tensor {} of the state {} do not go together", rows, i, state[i]);
  for (size_t i = 0; i < state.size(); ++i) {
    Shape shape = rows.shape();
    while (shape.rank() < state[i].rank()) shape.push_back(1);
    state[i] = where(reshape(rows, shape), initial[i], state[i]);
  }
}

void check_dtype(const Tensor& x, const Module& cell) {
  struct Visitor final : FieldVisitor {
    const Tensor& x;
    explicit Visitor(const Tensor& input) : x(input) {}
    void tensor(std::string_view, Tensor& parameter) override {
      if (!parameter.defined()) return;  // a bias that is left out
      check(!is_floating(parameter.dtype()) || parameter.dtype() == x.dtype(),
            "[Recurrent] the parameters are {} and the input is {}; to() converts a module, cast() a tensor",
            parameter.dtype(), x);
    }
    void buffer(std::string_view, Tensor&) override {}
  } visitor(x);
  const_cast<Module&>(cell).visit_fields(visitor);  // which only looks
}

void run_layers(RecurrentRun& run, const RecurrentOptions& options, bool training) {
  const bool single = is_single(run.x, run.spatial);
  Tensor x = steps_first(run.x, options, single);
  const int64_t steps = x.shape()[0], batch = x.shape()[1];
  Padding padding = run.padding;
  check(!single || (!padding.lengths.defined() && !padding.mask.defined()),
        "[Recurrent] lengths and masks are for batches, got an input {} without a batch axis", run.x);
  if (padding.mask.defined() && options.batch_first) {
    check(padding.mask.rank() == 2,
          "[Recurrent] expected a mask bool [{}, {}], true where a step counts, got {}", batch, steps,
          padding.mask);
    padding.mask = transpose(padding.mask, 0, 1);
  }
  const std::shared_ptr<const Ragged> rows = ragged(padding, steps, batch, "Recurrent");
  for (size_t cell = 0; cell < run.given.size(); ++cell) {
    std::vector<Tensor> given = run.given[cell];
    if (single)
      for (size_t i = 0; i < given.size(); ++i)
        if (given[i].defined() && given[i].rank() + 1 == run.states[cell][i].rank())
          given[i] = unsqueeze(given[i], 0);
    check_state(cell, given, run.states[cell]);
    run.states[cell] = std::move(given);
  }
  run.sequences.resize(run.with_states ? run.cells.size() : 0);
  const auto scan = [&](size_t cell, bool reverse) {
    return scan_steps(run.cells[cell], x, run.states[cell],
                      {.reverse = reverse,
                       .lengths = padding.lengths,
                       .mask = padding.mask,
                       .memory_budget = options.memory_budget},
                      run.with_states ? &run.sequences[cell] : nullptr);
  };
  const size_t directions = options.bidirectional ? 2 : 1;
  for (size_t cell = 0; cell < run.cells.size(); cell += directions) {
    if (cell > 0 && training && options.dropout > 0) x = dropout(x, options.dropout);
    const bool last_only = options.last_only && cell + directions == run.cells.size();
    Tensor forward = scan(cell, options.reverse);
    if (last_only) forward = last_output(forward, rows, options.reverse);
    if (directions == 2) {
      Tensor backward = scan(cell + 1, true);
      if (last_only) backward = last_output(backward, rows, true);
      forward = merged(forward, backward, options.merge, run.spatial);
    }
    x = std::move(forward);
  }
  if (options.flip) x = flipped(x, rows);
  if (options.last_only)
    run.output = single ? squeeze(x, 0) : x;
  else
    run.output = as_given(x, options, single);
  for (auto& sequences : run.sequences)
    for (Tensor& tensor : sequences) tensor = as_given(tensor, options, single);
  if (single)
    for (auto& states : run.states)
      for (Tensor& tensor : states) tensor = squeeze(tensor, 0);
}

}  // namespace detail

template struct Recurrent<RNNCell>;
template struct Recurrent<LSTMCell>;
template struct Recurrent<GRUCell>;

}  // namespace reel
