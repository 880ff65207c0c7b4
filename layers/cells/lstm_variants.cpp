#include "layers/cells/lstm_variants.h"

#include <tuple>

#include "layers/cells/draw.h"
#include "ops/arithmetic.h"
#include "ops/slicing.h"

namespace reel {
namespace {

Tensor draw_peephole(Peepholes peepholes, int64_t hidden) {
  if (peepholes == Peepholes::none) return {};
  return detail::draw(peepholes == Peepholes::full ? Shape{hidden, hidden} : Shape{hidden}, hidden);
}

/// A gate's sum with what it sees of the carry.
Tensor peek(const Tensor& sum, const Tensor& weight, const Tensor& c) {
  if (!weight.defined()) return sum;
  return sum + (weight.rank() == 1 ? weight * c : linear(c, weight));
}

template <class Options> void check_bounds(std::string_view cell, const Options& options) {
  detail::check_bound(cell, "clip", options.clip);
  detail::check_bound(cell, "carry_clip", options.carry_clip);
}

}  // namespace

PeepholeLSTMCell::PeepholeLSTMCell(int64_t input, int64_t hidden, Options options) : options_(options) {
  detail::check_sizes("PeepholeLSTMCell", input, hidden);
  check_bounds("PeepholeLSTMCell", options);
  detail::check_forget_bias("PeepholeLSTMCell", options.forget_bias, options.bias);
  detail::draw_gates(*this, 4, input, hidden, hidden, {options.bias, options.bias && options.recurrent_bias});
  detail::raise(bias_ih, hidden, hidden, options.forget_bias);
  for (Tensor* weight : {&weight_ci, &weight_cf, &weight_co})
    *weight = draw_peephole(options.peepholes, hidden);
}

LSTMState PeepholeLSTMCell::step(const Tensor& x, const LSTMState& state) const {
  const auto& c = state.c;
  const auto gate = [&](const Tensor& sum) { return options_.gate(detail::clipped(sum, options_.clip)); };
  const auto [xi, xf, xg, xo] =
      chunk<4>(linear(x, weight_ih, bias_ih) + linear(state.h, weight_hh, bias_hh), -1);
  const Tensor i = gate(peek(xi, weight_ci, c));
  const Tensor f = gate(peek(xf, weight_cf, c));
  const Tensor g = options_.candidate(detail::clipped(xg, options_.clip));
  const Tensor next = detail::clipped(f * c + i * g, options_.carry_clip);
  const Tensor o = gate(peek(xo, weight_co, options_.output_sees == Carry::next ? next : c));
  return {o * options_.output(next), next};
}

CoupledLSTMCell::CoupledLSTMCell(int64_t input, int64_t hidden, Options options) : options_(options) {
  detail::check_sizes("CoupledLSTMCell", input, hidden);
  check_bounds("CoupledLSTMCell", options);
  detail::draw_gates(*this, 3, input, hidden, hidden, {options.bias, options.bias && options.recurrent_bias});
  for (Tensor* weight : {&weight_ci, &weight_co}) *weight = draw_peephole(options.peepholes, hidden);
}

LSTMState CoupledLSTMCell::step(const Tensor& x, const LSTMState& state) const {
  const auto& c = state.c;
  const auto gate = [&](const Tensor& sum) { return options_.gate(detail::clipped(sum, options_.clip)); };
  const auto [xi, xg, xo] = chunk<3>(linear(x, weight_ih, bias_ih) + linear(state.h, weight_hh, bias_hh), -1);
  const Tensor i = gate(peek(xi, weight_ci, c));
  const Tensor g = options_.candidate(detail::clipped(xg, options_.clip));
  const Tensor next = detail::clipped((1 - i) * c + i * g, options_.carry_clip);
  const Tensor o = gate(peek(xo, weight_co, options_.output_sees == Carry::next ? next : c));
  return {o * options_.output(next), next};
}

ProjectedLSTMCell::ProjectedLSTMCell(int64_t input, int64_t hidden, Options options) : options_(options) {
  detail::check_sizes("ProjectedLSTMCell", input, hidden);
  check(options.proj_size >= 1, "[ProjectedLSTMCell] expected a proj_size of at least 1, got {}",
        options.proj_size);
  detail::check_bound("ProjectedLSTMCell", "clip", options.clip);
  detail::check_forget_bias("ProjectedLSTMCell", options.forget_bias, options.bias);
  detail::draw_gates(*this, 4, input, hidden, options.proj_size,
                     {options.bias, options.bias && options.recurrent_bias});
  detail::raise(bias_ih, hidden, hidden, options.forget_bias);
  weight_hr = detail::draw({options.proj_size, hidden}, hidden);
}

LSTMState ProjectedLSTMCell::step(const Tensor& x, const LSTMState& state) const {
  const auto& [gate, candidate, output] = std::tie(options_.gate, options_.candidate, options_.output);
  const Tensor sum = linear(x, weight_ih, bias_ih) + linear(state.h, weight_hh, bias_hh);
  const auto [i, f, g, o] = chunk<4>(detail::clipped(sum, options_.clip), -1);
  const Tensor c = gate(f) * state.c + gate(i) * candidate(g);
  return {linear(gate(o) * output(c), weight_hr), c};
}

LSTMState ProjectedLSTMCell::initial_state(int64_t batch) const {
  const TensorOptions like{.dtype = weight_hr.dtype()};
  return {zeros({batch, weight_hr.shape()[0]}, like), zeros({batch, weight_hr.shape()[1]}, like)};
}

}  // namespace reel
