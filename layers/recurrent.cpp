#include "layers/recurrent.h"

#include "ops/dropout.h"
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
}

void check_sequence(const Tensor& x, const RecurrentSizes& sizes, const RecurrentOptions& options) {
  check(x.rank() == 3 && x.shape()[2] == sizes.input && is_floating(x.dtype()),
        "[Recurrent] expected input {} of width {}, got {}", options.batch_first ? "[N, T, I]" : "[T, N, I]",
        sizes.input, x);
}

void check_state(size_t cell, const std::vector<Tensor>& given, const std::vector<Tensor>& expected) {
  for (size_t i = 0; i < given.size(); ++i)
    check(given[i].defined() && given[i].shape() == expected[i].shape() &&
              given[i].dtype() == expected[i].dtype(),
          "[Recurrent] tensor {} of the state of cell {} should be {}, got {}", i, cell, expected[i],
          given[i]);
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

Tensor run_layers(const std::vector<StepFunction>& cells, const Tensor& input,
                  std::vector<std::vector<Tensor>>& states, const RecurrentOptions& options, bool training) {
  const size_t directions = options.bidirectional ? 2 : 1;
  Tensor x = options.batch_first ? transpose(input, 0, 1) : input;
  for (size_t cell = 0; cell < cells.size(); cell += directions) {
    if (cell > 0 && training && options.dropout > 0) x = dropout(x, options.dropout);
    Tensor forward = scan_steps(cells[cell], x, states[cell], {.memory_budget = options.memory_budget});
    if (directions == 1)
      x = std::move(forward);
    else
      x = cat({forward, scan_steps(cells[cell + 1], x, states[cell + 1],
                                   {.reverse = true, .memory_budget = options.memory_budget})},
              -1);
  }
  return options.batch_first ? transpose(x, 0, 1) : x;
}

}  // namespace detail

template struct Recurrent<RNNCell>;
template struct Recurrent<LSTMCell>;
template struct Recurrent<GRUCell>;

}  // namespace reel
