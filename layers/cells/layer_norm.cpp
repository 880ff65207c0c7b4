#include "layers/cells/layer_norm.h"

#include <tuple>

#include "layers/cells/draw.h"
#include "ops/arithmetic.h"
#include "ops/slicing.h"

namespace reel {
namespace {

/// Sizes are checked here, before members are made of them.
int64_t checked(std::string_view cell, int64_t input, int64_t hidden, double eps) {
  detail::check_sizes(cell, input, hidden);
  check(eps >= 0, "[{}] expected an eps of at least 0, got {}", cell, eps);
  return hidden;
}

Tensor added(const Tensor& sum, const Tensor& bias) { return bias.defined() ? sum + bias : sum; }

}  // namespace

LayerNormLSTMCell::LayerNormLSTMCell(int64_t input, int64_t hidden, Options options)
    : norm_ih(4 * checked("LayerNormLSTMCell", input, hidden, options.eps), {.eps = options.eps}),
      norm_hh(4 * hidden, {.eps = options.eps}),
      norm_c(hidden, {.eps = options.eps}),
      options_(options) {
  detail::check_forget_bias("LayerNormLSTMCell", options.forget_bias, options.bias);
  weight_ih = detail::draw({4 * hidden, input}, hidden);
  weight_hh = detail::draw({4 * hidden, hidden}, hidden);
  if (options.bias) bias = detail::draw({4 * hidden}, hidden);
  detail::raise(bias, hidden, hidden, options.forget_bias);
}

LSTMState LayerNormLSTMCell::step(const Tensor& x, const LSTMState& state) const {
  const auto& [gate, candidate, output] = std::tie(options_.gate, options_.candidate, options_.output);
  const Tensor sum = norm_ih(linear(x, weight_ih)) + norm_hh(linear(state.h, weight_hh));
  const auto [i, f, g, o] = chunk<4>(added(sum, bias), -1);
  const Tensor c = gate(f) * state.c + gate(i) * candidate(g);
  return {gate(o) * output(norm_c(c)), c};
}

LayerNormGRUCell::LayerNormGRUCell(int64_t input, int64_t hidden, Options options)
    : norm_ih(2 * checked("LayerNormGRUCell", input, hidden, options.eps), {.eps = options.eps}),
      norm_hh(2 * hidden, {.eps = options.eps}),
      norm_in(hidden, {.eps = options.eps}),
      norm_hn(hidden, {.eps = options.eps}),
      options_(options) {
  weight_ih = detail::draw({3 * hidden, input}, hidden);
  weight_hh = detail::draw({3 * hidden, hidden}, hidden);
  if (options.bias) bias = detail::draw({3 * hidden}, hidden);
}

Tensor LayerNormGRUCell::step(const Tensor& x, const Tensor& h) const {
  const int64_t hidden = weight_hh.shape()[1];
  const auto gates = [&](const Tensor& sum) { return narrow(sum, -1, 0, 2 * hidden); };
  const auto last = [&](const Tensor& sum) { return narrow(sum, -1, 2 * hidden, hidden); };
  const Tensor xs = linear(x, weight_ih), hs = linear(h, weight_hh);
  const Tensor sum = norm_ih(gates(xs)) + norm_hh(gates(hs));
  const auto [r, z] = chunk<2>(options_.gate(bias.defined() ? sum + gates(bias) : sum), -1);
  const Tensor seen = norm_in(last(xs)) + r * norm_hn(last(hs));
  const Tensor n = options_.candidate(bias.defined() ? seen + last(bias) : seen);
  return (1 - z) * n + z * h;
}

}  // namespace reel
