#include "layers/cells.h"

#include <cmath>

#include "layers/initializers.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/slicing.h"

namespace reel {
namespace {

/// Weights of `gates` gates side by side, drawn from U(-1/sqrt(hidden), 1/sqrt(hidden)).
template <class C> void draw_weights(C& cell, int64_t gates, int64_t input, int64_t hidden, bool bias) {
  check(input >= 1 && hidden >= 1, "[cell] expected sizes of at least 1, got input {} and hidden {}", input,
        hidden);
  constexpr int64_t most = int64_t{1} << 31;
  check(input <= most && hidden <= most, "[cell] sizes above 2^31 fit no memory, got input {} and hidden {}",
        input, hidden);
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));
  const auto draw = [&](const Shape& shape) {
    return detail::parameter(uniform_(empty(shape), -bound, bound));
  };
  cell.weight_ih = draw({gates * hidden, input});
  cell.weight_hh = draw({gates * hidden, hidden});
  if (!bias) return;
  cell.bias_ih = draw({gates * hidden});
  cell.bias_hh = draw({gates * hidden});
}

}  // namespace

RNNCell::RNNCell(int64_t input, int64_t hidden, Options options) : nonlinearity_(options.nonlinearity) {
  draw_weights(*this, 1, input, hidden, options.bias);
}

Tensor RNNCell::step(const Tensor& x, const Tensor& h) const {
  const Tensor sum = linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh);
  return nonlinearity_ == Nonlinearity::tanh ? tanh(sum) : relu(sum);
}

LSTMCell::LSTMCell(int64_t input, int64_t hidden, Options options) {
  draw_weights(*this, 4, input, hidden, options.bias);
}

LSTMState LSTMCell::step(const Tensor& x, const LSTMState& state) const {
  const auto [i, f, g, o] = chunk<4>(linear(x, weight_ih, bias_ih) + linear(state.h, weight_hh, bias_hh), -1);
  const Tensor c = sigmoid(f) * state.c + sigmoid(i) * tanh(g);
  return {sigmoid(o) * tanh(c), c};
}

GRUCell::GRUCell(int64_t input, int64_t hidden, Options options) : reset_after_(options.reset_after) {
  draw_weights(*this, 3, input, hidden, options.bias);
}

Tensor GRUCell::step(const Tensor& x, const Tensor& h) const {
  if (!reset_after_) return step_reset_before(x, h);
  const auto [xr, xz, xn] = chunk<3>(linear(x, weight_ih, bias_ih), -1);
  const auto [hr, hz, hn] = chunk<3>(linear(h, weight_hh, bias_hh), -1);
  const Tensor r = sigmoid(xr + hr);
  const Tensor z = sigmoid(xz + hz);
  const Tensor n = tanh(xn + r * hn);
  return (1 - z) * n + z * h;
}

Tensor GRUCell::step_reset_before(const Tensor& x, const Tensor& h) const {
  const int64_t hidden = weight_hh.shape()[1];
  const auto part = [&](const Tensor& rows, int64_t from, int64_t to) {
    return rows.defined() ? narrow(rows, 0, from * hidden, (to - from) * hidden) : rows;
  };
  const auto [xr, xz, xn] = chunk<3>(linear(x, weight_ih, bias_ih), -1);
  const auto [hr, hz] = chunk<2>(linear(h, part(weight_hh, 0, 2), part(bias_hh, 0, 2)), -1);
  const Tensor r = sigmoid(xr + hr);
  const Tensor z = sigmoid(xz + hz);
  const Tensor n = tanh(xn + linear(r * h, part(weight_hh, 2, 3), part(bias_hh, 2, 3)));
  return (1 - z) * n + z * h;
}

}  // namespace reel
