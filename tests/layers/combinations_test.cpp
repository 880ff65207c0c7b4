// Options of Recurrent in random combinations, with lengths: a batch gives what its rows give alone.
#include <random>
#include <vector>

#include "layers/cells.h"
#include "layers/recurrent.h"
#include "layers/wrappers/cell_dropout.h"
#include "layers/wrappers/residual.h"
#include "layers/wrappers/stack.h"
#include "layers/wrappers/weights.h"
#include "layers/wrappers/zoneout.h"
#include "ops/activation.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/layers/outcome.h"

namespace reel {
namespace {

constexpr TensorOptions in_double{.dtype = DType::float64};

struct PairCell : Cell {
  Linear a, b, out;
  REEL_FIELDS(a, b, out)
  std::pair<Tensor, Tensor> step(const Tensor& x, const Tensor& h) const {
    const Tensor next = tanh(a(x) + b(h));
    return {out(next), next};
  }
};

struct InnerState {
  Tensor u, v;
  REEL_FIELDS(u, v)
};
struct NestedState {
  InnerState inner;
  Tensor w;
  REEL_FIELDS(inner, w)
};
struct NestedCell : Cell {
  Linear a, b;
  REEL_FIELDS(a, b)
  NestedState step(const Tensor& x, const NestedState& s) const {
    const Tensor u = tanh(a(x) + b(s.inner.u) - s.w);
    return {{u, 0.5 * s.inner.v + u}, sigmoid(s.inner.v) * s.w + 0.1 * u};
  }
};

/// Options that go together; `same_width`: the cell hands on what it is given.
RecurrentOptions draw_options(std::mt19937& random, bool same_width) {
  const auto coin = [&] { return random() % 2 == 0; };
  RecurrentOptions options{.layers = coin() ? 1 : 2, .bidirectional = coin(), .batch_first = coin()};
  options.last_only = coin();
  options.learned_initial = coin();
  const Merge merges[] = {Merge::sum, Merge::mean, Merge::mul, Merge::concat};
  if (options.bidirectional)
    options.merge = merges[random() % (same_width ? 3 : 4)];
  else
    options.reverse = coin();
  options.flip = options.reverse && !options.last_only && coin();
  if (coin()) options.memory_budget = 3000;
  return options;
}

template <class C>
void combinations_hold(int64_t input, typename Recurrent<C>::Options cell_options = {},
                       bool same_width = false) {
  std::mt19937 random(5);
  for (int trial = 0; trial < 12; ++trial) {
    const RecurrentOptions options = draw_options(random, same_width);
    CAPTURE(trial, options.layers, options.bidirectional, options.batch_first, options.last_only,
            options.learned_initial, options.reverse, options.flip, options.memory_budget);
    Recurrent<C> layer({input, 4}, options, cell_options);
    layer.eval();
    layer.to(DType::float64);
    const auto steps = static_cast<int64_t>(1 + random() % 5), batch = static_cast<int64_t>(1 + random() % 4);
    const int64_t time_axis = options.batch_first ? 1 : 0, batch_axis = 1 - time_axis;
    std::vector<int64_t> lengths;
    for (int64_t n = 0; n < batch; ++n)
      lengths.push_back(static_cast<int64_t>(random() % (static_cast<size_t>(steps) + 1)));
    const Tensor x =
        randn(options.batch_first ? Shape{batch, steps, input} : Shape{steps, batch, input}, in_double);
    std::vector<Tensor> leaves = layer.parameters();
    leaves.push_back(x);
    const auto together = [&] {
      return std::vector<Tensor>{layer(x, {.lengths = from_vector(lengths)}).output};
    };
    const auto row_alone = [&](int64_t n) {
      const int64_t length = lengths[static_cast<size_t>(n)];
      const Tensor row = narrow(x, batch_axis, n, 1);
      if (length == 0) {  // no step counts: zeros, of the shape that a run of all steps has
        const Tensor whole = layer(row).output;
        return whole * 0;
      }
      const Tensor y = layer(narrow(row, time_axis, 0, length)).output;
      if (options.last_only || length == steps) return y;
      Shape missing = y.shape();
      missing[static_cast<size_t>(time_axis)] = steps - length;
      return cat({y, zeros(missing, in_double)}, time_axis);
    };
    const auto alone = [&] {
      std::vector<Tensor> rows;
      for (int64_t n = 0; n < batch; ++n) rows.push_back(row_alone(n));
      return std::vector<Tensor>{cat(rows, options.last_only ? 0 : batch_axis)};
    };
    check_same(differentiate(leaves, together), differentiate(leaves, alone), 1e-12);
  }
}

}  // namespace

TEST_CASE("options of recurrent layers go together", "[recurrent]") {
  manual_seed(1);
  combinations_hold<LSTMCell>(3);
  combinations_hold<GRUCell>(3);
  combinations_hold<PairCell>(3);
  combinations_hold<NestedCell>(3);
  combinations_hold<Zoneout<LSTMCell>>(3, {.p = {0.1}});
  combinations_hold<Residual<CellDropout<GRUCell>>>(4, {}, true);
  combinations_hold<Stack<LSTMCell, GRUCell>>(3);
  combinations_hold<WeightNorm<LSTMCell>>(3);
  combinations_hold<ProjectedLSTMCell>(3, {.proj_size = 2});
  combinations_hold<QRNNCell>(3);
}

}  // namespace reel
