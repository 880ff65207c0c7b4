#include "layers/cells/elementwise.h"

#include "layers/cells/draw.h"
#include "layers/initializers.h"
#include "ops/arithmetic.h"
#include "ops/slicing.h"

namespace reel {
namespace {

Tensor added(const Tensor& sum, const Tensor& bias) { return bias.defined() ? sum + bias : sum; }

}  // namespace

IndRNNCell::IndRNNCell(int64_t input, int64_t hidden, Options options) : options_(options) {
  detail::check_sizes("IndRNNCell", input, hidden);
  weight_ih = detail::draw({hidden, input}, hidden);
  weight_hh = detail::parameter(uniform_(empty({hidden}), 0, 1));
  if (options.bias) bias_ih = detail::draw({hidden}, hidden);
}

Tensor IndRNNCell::step(const Tensor& x, const Tensor& h) const {
  return options_.nonlinearity(linear(x, weight_ih, bias_ih) + weight_hh * h);
}

SRUCell::SRUCell(int64_t input, int64_t hidden, Options options) : options_(options) {
  detail::check_sizes("SRUCell", input, hidden);
  weight_ih = detail::draw({(input == hidden ? 3 : 4) * hidden, input}, hidden);
  weight_cf = detail::draw({hidden}, hidden);
  weight_cr = detail::draw({hidden}, hidden);
  if (!options.bias) return;
  bias_f = detail::draw({hidden}, hidden);
  bias_r = detail::draw({hidden}, hidden);
}

std::pair<Tensor, Tensor> SRUCell::step(const Tensor& x, const Tensor& c) const {
  const int64_t hidden = weight_cf.shape()[0];
  const Tensor sums = linear(x, weight_ih);
  const auto part = [&](int64_t k) { return narrow(sums, -1, k * hidden, hidden); };
  const Tensor f = options_.gate(added(part(1) + weight_cf * c, bias_f));
  const Tensor r = options_.gate(added(part(2) + weight_cr * c, bias_r));
  const Tensor next = f * c + (1 - f) * part(0);
  const Tensor skipped = weight_ih.shape()[0] == 3 * hidden ? x : part(3);
  return {r * next + (1 - r) * skipped, next};
}

QRNNCell::QRNNCell(int64_t input, int64_t hidden, Options options) : hidden_(hidden), options_(options) {
  detail::check_sizes("QRNNCell", input, hidden);
  check(options.window >= 2, "[QRNNCell] expected a window of at least 2, got {}", options.window);
  const int64_t gates = options.pooling == Pooling::f ? 2 : options.pooling == Pooling::fo ? 3 : 4;
  weight_ih = detail::draw({gates * hidden, input}, hidden);
  weight_past = detail::draw({gates * hidden, (options.window - 1) * input}, hidden);
  if (options.bias) bias_ih = detail::draw({gates * hidden}, hidden);
}

std::pair<Tensor, QRNNState> QRNNCell::step(const Tensor& x, const QRNNState& state) const {
  const Tensor sums = linear(x, weight_ih, bias_ih) + linear(state.past, weight_past);
  const auto part = [&](int64_t k) { return narrow(sums, -1, k * hidden_, hidden_); };
  const Tensor z = options_.candidate(part(0));
  const Tensor f = options_.gate(part(1));
  const Tensor i = options_.pooling == Pooling::ifo ? options_.gate(part(3)) : 1 - f;
  const Tensor c = f * state.c + i * z;
  const Tensor h = options_.pooling == Pooling::f ? c : options_.gate(part(2)) * c;
  const int64_t kept = state.past.size(-1) - x.size(-1);
  return {h, {c, kept == 0 ? x : cat({x, narrow(state.past, -1, 0, kept)}, -1)}};
}

QRNNState QRNNCell::initial_state(int64_t batch) const {
  const TensorOptions like{.dtype = weight_ih.dtype()};
  return {zeros({batch, hidden_}, like), zeros({batch, weight_past.shape()[1]}, like)};
}

}  // namespace reel
