// Sequences of different lengths: a row of a batch gives what it gives alone, and what stands in its padding is never
// looked at.
#include "layers/compiled_scan.h"

#include <limits>

#include "framework/distributions.h"
#include "framework/tape.h"
#include "layers/recurrent.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/normalization.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "ops/softmax.h"
#include "tests/catch.h"
#include "tests/framework/misuse.h"
#include "tests/layers/outcome.h"
#include "tests/reference.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;
constexpr TensorOptions in_double{.dtype = DType::float64};

/// x with nan in every step past a row's length.
Tensor spoiled(const Tensor& x, const std::vector<int64_t>& lengths) {
  std::vector<double> values = x.to_vector<double>();
  const int64_t batch = x.shape()[1], width = x.shape()[2];
  for (int64_t t = 0; t < x.shape()[0]; ++t)
    for (int64_t n = 0; n < batch; ++n)
      if (t >= lengths[static_cast<size_t>(n)])
        for (int64_t i = 0; i < width; ++i)
          values[static_cast<size_t>((t * batch + n) * width + i)] = std::numeric_limits<double>::quiet_NaN();
  return from_vector(values, x.shape());
}

Tensor padded(const Tensor& x, int64_t steps) {
  Shape shape = x.shape();
  shape[0] = steps - shape[0];
  return cat({x, zeros(shape, in_double)}, 0);
}

/// Each row by a call of its own: output, last states, all states.
template <class F>
List rows_alone(const Tensor& x, const List& state, const std::vector<int64_t>& lengths, const F& scan_row) {
  std::vector<List> parts;
  for (size_t n = 0; n < lengths.size(); ++n) {
    const auto row = static_cast<int64_t>(n);
    List begin;
    for (const Tensor& s : state) begin.push_back(narrow(s, 0, row, 1));
    List results = scan_row(narrow(narrow(x, 0, 0, lengths[n]), 1, row, 1), begin, row);
    for (size_t k = 0; k < results.size(); ++k)
      if (k == 0 || k > state.size()) results[k] = padded(results[k], x.shape()[0]);
    parts.push_back(std::move(results));
  }
  List joined;
  for (size_t k = 0; k < parts[0].size(); ++k) {
    List of_rows;
    for (const List& part : parts) of_rows.push_back(part[k]);
    joined.push_back(cat(of_rows, k == 0 || k > state.size() ? 1 : 0));
  }
  return joined;
}

template <class C>
List scan_all(const C& cell, const Tensor& x, const List& state, const ScanOptions& options) {
  List tensors = state;
  const auto result = scan_states(cell, x, detail::state_from<detail::StateOf<C>>(tensors), options);
  List all{result.output};
  for (const auto& part : {result.state, result.states})
    for (const Tensor& tensor : detail::tensors_of(part)) all.push_back(tensor);
  return all;
}

template <class C>
void equals_rows_alone(const C& given, const std::vector<int64_t>& lengths, int64_t steps) {
  C cell = given;
  cell.clone_parameters();
  cell.to(DType::float64);
  Random random(5);
  const auto batch = static_cast<int64_t>(lengths.size());
  const Tensor x = spoiled(randn({steps, batch, 3}, in_double, random), lengths);
  List state = detail::tensors_of(initial_state(cell, batch, 4, DType::float64));
  for (Tensor& s : state) s = randn(s.shape(), in_double, random);
  List leaves = cell.parameters();
  leaves.push_back(x);
  leaves.insert(leaves.end(), state.begin(), state.end());
  for (const bool reverse : {false, true}) {
    CAPTURE(reverse, lengths);
    const Outcome together = differentiate(leaves, [&] {
      return scan_all(cell, x, state, {.reverse = reverse, .lengths = from_vector(lengths)});
    });
    const Outcome alone = differentiate(leaves, [&] {
      return rows_alone(x, state, lengths, [&](const Tensor& row, const List& begin, int64_t) {
        return scan_all(cell, row, begin, {.reverse = reverse});
      });
    });
    check_same(together, alone);
  }
}

/// The same equations, which are never compiled, as a copy could not stand for the cell.
template <class C> struct Eager : C { using C::C; };
template <class C> const C& eager(const Eager<C>& cell) { return cell; }

template <class C>
void eager_equals_rows_alone(Eager<C> cell, const std::vector<int64_t>& lengths, int64_t steps) {
  cell.to(DType::float64);
  Random random(6);
  const auto batch = static_cast<int64_t>(lengths.size());
  const Tensor x = spoiled(randn({steps, batch, 3}, in_double, random), lengths);
  List state = detail::tensors_of(initial_state(eager(cell), batch, 4, DType::float64));
  for (Tensor& s : state) s = randn(s.shape(), in_double, random);
  List leaves = cell.parameters();
  leaves.push_back(x);
  leaves.insert(leaves.end(), state.begin(), state.end());
  for (const bool reverse : {false, true}) {
    CAPTURE(reverse, lengths);
    check_same(differentiate(leaves,
                             [&] {
                               return scan_all(eager(cell), x, state,
                                               {.reverse = reverse, .lengths = from_vector(lengths)});
                             }),
               differentiate(leaves, [&] {
                 return rows_alone(x, state, lengths, [&](const Tensor& row, const List& begin, int64_t) {
                   return scan_all(eager(cell), row, begin, {.reverse = reverse});
                 });
               }));
  }
}

struct GatedCell : Cell {
  Linear xf{3, 4}, hf{4, 4}, xc{3, 4}, hc{4, 4};
  REEL_FIELDS(xf, hf, xc, hc)
  Tensor step(const Tensor& x, const Tensor& h) const {
    const Tensor f = sigmoid(xf(x) + hf(h));
    return (1 - f) * h + f * tanh(xc(x) + hc(f * h));
  }
};

/// What leaves the loop looks at all columns of a row, and the input takes part as it is.
struct SoftCell : Cell {
  Linear in{3, 4}, h_in{4, 4};
  REEL_FIELDS(in, h_in)
  Tensor step(const Tensor& x, const Tensor& h) const {
    return tanh(softmax(in(x)*2, -1) + h_in(h)) + sum(x, {-1}, true) * 0.1;
  }
};

/// Holds a row for each row of the batch, where it meets the input and where it meets the state.
struct DropsCell : Cell {
  Linear in{3, 4}, h_in{4, 4};
  Tensor input_mask, mask;
  REEL_FIELDS(in, h_in)
  Tensor step(const Tensor& x, const Tensor& h) const {
    return tanh(in(input_mask.defined() ? x * input_mask : x) + h_in(mask.defined() ? h * mask : h));
  }
  DropsCell begin(const SequenceStart& start) const {
    DropsCell begun = *this;
    Random random(11);
    begun.input_mask = uniform({start.batch, 3}, 0, 1, in_double, random);
    begun.mask = uniform({start.batch, 4}, 0, 1, in_double, random);
    return begun;
  }
};

/// The same without begin(), its rows given by hand.
struct HeldCell : Cell {
  Linear in, h_in;
  Tensor input_mask, mask;
  HeldCell(const DropsCell& cell, int64_t row) : in(cell.in), h_in(cell.h_in) {
    input_mask = narrow(cell.input_mask, 0, row, 1);
    mask = narrow(cell.mask, 0, row, 1);
  }
  REEL_FIELDS(in, h_in)
  Tensor step(const Tensor& x, const Tensor& h) const { return tanh(in(x * input_mask) + h_in(h * mask)); }
};

template <class C> void drops_equal_rows_alone(const C& cell) {
  const std::vector<int64_t> lengths{2, 5, 0, 3};
  Random random(7);
  const Tensor x = spoiled(randn({5, 4, 3}, in_double, random), lengths);
  const List state{randn({4, 4}, in_double, random)};
  const DropsCell begun = cell.begin({.steps = 5, .batch = 4, .dtype = DType::float64});
  List leaves = const_cast<C&>(cell).parameters();
  leaves.push_back(x);
  leaves.push_back(state[0]);
  for (const bool reverse : {false, true}) {
    CAPTURE(reverse);
    check_same(differentiate(leaves,
                             [&] {
                               return scan_all<DropsCell>(
                                   cell, x, state, {.reverse = reverse, .lengths = from_vector(lengths)});
                             }),
               differentiate(leaves, [&] {
                 return rows_alone(x, state, lengths,
                                   [&](const Tensor& part, const List& begin, int64_t row) {
                                     return scan_all(HeldCell(begun, row), part, begin, {.reverse = reverse});
                                   });
               }));
  }
}

}  // namespace

TEST_CASE("rows of different lengths give what they give alone", "[lengths]") {
  manual_seed(1);
  for (const auto& lengths : {std::vector<int64_t>{5, 5, 3, 1}, {1, 4, 2, 5, 0}, {3, 3}, {0, 0, 6}, {2}}) {
    equals_rows_alone(LSTMCell(3, 4), lengths, 6);
    equals_rows_alone(GRUCell(3, 4), lengths, 6);
    equals_rows_alone(GRUCell(3, 4, {.reset_after = false}), lengths, 6);
    equals_rows_alone(RNNCell(3, 4), lengths, 6);
    equals_rows_alone(GatedCell(), lengths, 6);
    equals_rows_alone(SoftCell(), lengths, 6);
  }
}

TEST_CASE("rows of different lengths run in the compiled loop", "[lengths]") {
  const LSTMCell cell(3, 4);
  std::vector<Tensor> state{zeros({3, 4}), zeros({3, 4})};
  detail::ScanOutputs outputs;
  std::string reason;
  const auto ragged = detail::ragged({.lengths = from_vector<int64_t>({2, 5, 1})}, 5, 3, "test");
  CHECK(detail::scan_compiled({.step = detail::step_function(cell), .xs = zeros({5, 3, 3}), .ragged = ragged},
                              state, true, outputs, reason));
  CHECK(reason == "");
}

TEST_CASE("rows of many lengths are shared out between threads", "[lengths]") {
  manual_seed(2);
  std::vector<int64_t> lengths;
  for (int64_t n = 0; n < 23; ++n) lengths.push_back((n * 7 + 3) % 12);
  equals_rows_alone(LSTMCell(3, 4), lengths, 12);
  equals_rows_alone(GatedCell(), lengths, 12);
}

TEST_CASE("rows of different lengths give what they give alone, step by step", "[lengths]") {
  manual_seed(3);
  eager_equals_rows_alone(Eager<LSTMCell>(3, 4), {1, 4, 2, 5, 0}, 6);
  eager_equals_rows_alone(Eager<GatedCell>(), {3, 6, 6}, 6);
}

TEST_CASE("a cell that holds rows of the batch meets each row with its own", "[lengths]") {
  manual_seed(4);
  DropsCell cell;
  cell.to(DType::float64);
  drops_equal_rows_alone(cell);
  Eager<DropsCell> stepwise;
  stepwise.to(DType::float64);
  drops_equal_rows_alone(stepwise);
}

TEST_CASE("a mask steps over gaps", "[lengths]") {
  manual_seed(5);
  LSTMCell cell(3, 4);
  const Tensor x = randn({5, 3, 3});
  const std::vector<std::vector<bool>> counts{{true, false, true},
                                              {false, false, true},
                                              {true, true, true},
                                              {true, false, false},
                                              {false, false, true}};
  std::vector<bool> flat;
  for (const auto& row : counts) flat.insert(flat.end(), row.begin(), row.end());
  for (const bool reverse : {false, true}) {
    CAPTURE(reverse);
    const auto [output, state, states] = scan_states(cell, x, initial_state(cell, 3, 4, DType::float32),
                                                     {.reverse = reverse, .mask = from_vector(flat, {5, 3})});
    for (int64_t n = 0; n < 3; ++n) {
      LSTMState now = initial_state(cell, 1, 4, DType::float32);
      for (int64_t i = 0; i < 5; ++i) {
        const int64_t t = reverse ? 4 - i : i;
        const Tensor here = narrow(select(output, 0, t), 0, n, 1);
        if (!counts[static_cast<size_t>(t)][static_cast<size_t>(n)]) {
          CHECK(difference(here, zeros({1, 4})) == "");
          continue;
        }
        now = cell.step(narrow(select(x, 0, t), 0, n, 1), now);
        CHECK(difference(here, now.h, 1e-6) == "");
        CHECK(difference(narrow(select(states.c, 0, t), 0, n, 1), now.c, 1e-6) == "");
      }
      CHECK(difference(narrow(state.c, 0, n, 1), now.c, 1e-6) == "");
    }
  }
}

TEST_CASE("a scan of lengths within a memory budget gives the same", "[lengths]") {
  manual_seed(6);
  LSTMCell cell(3, 4);
  cell.to(DType::float64);
  Random random(1);
  const Tensor x = randn({9, 4, 3}, in_double, random);
  const List state{randn({4, 4}, in_double, random), randn({4, 4}, in_double, random)};
  List leaves = cell.parameters();
  leaves.push_back(x);
  leaves.insert(leaves.end(), state.begin(), state.end());
  for (const bool reverse : {false, true}) {
    const auto run = [&](int64_t budget) {
      return differentiate(leaves, [&] {
        return scan_all(
            cell, x, state,
            {.reverse = reverse, .lengths = from_vector<int64_t>({4, 9, 0, 7}), .memory_budget = budget});
      });
    };
    check_same(run(5000), run(0));
    check_same(run(1), run(0));
  }
}

TEST_CASE("lengths and masks that do not fit are refused", "[lengths]") {
  const LSTM layer(3, 4);
  const Tensor x = zeros({5, 2, 3});
  const auto with_lengths = [&](const Tensor& lengths) {
    return [&, lengths] { layer(x, {.lengths = lengths}); };
  };
  refused({x}, {"[Recurrent] expected lengths int64 [2], one for each row of the batch, got int64 [3]"},
          with_lengths(from_vector<int64_t>({1, 2, 3})));
  refused({x}, {"expected lengths int64 [2]", "got float32 [2]"}, with_lengths(tensor({1, 2})));
  refused({x}, {"expected lengths from 0 to the 5 steps, got 6 for row 1"},
          with_lengths(from_vector<int64_t>({1, 6})));
  refused({x}, {"expected lengths from 0 to the 5 steps, got -1 for row 0"},
          with_lengths(from_vector<int64_t>({-1, 5})));
  refused({x}, {"expected a mask bool [5, 2], true where a step counts, got bool [1, 2]"}, [&] {
    layer(x, {.mask = from_vector<bool>({true, false}, {1, 2})});
  });
  refused({x}, {"expected lengths or a mask, and got both"}, [&] {
    layer(x, {.lengths = from_vector<int64_t>({1, 2}), .mask = from_vector(std::vector<bool>(10), {5, 2})});
  });
  refused({x}, {"lengths and masks are for batches", "[5, 3]"}, [&] {
    layer(zeros({5, 3}), {.lengths = from_vector<int64_t>({1})});
  });
}

}  // namespace reel
