#include "layers/cells/lstm.h"

#include <tuple>

#include "layers/cells/draw.h"
#include "ops/arithmetic.h"
#include "ops/slicing.h"

namespace reel {

LSTMCell::LSTMCell(int64_t input, int64_t hidden, Options options) : options_(options) {
  detail::check_sizes("LSTMCell", input, hidden);
  detail::check_bound("LSTMCell", "clip", options.clip);
  detail::check_forget_bias("LSTMCell", options.forget_bias, options.bias);
  detail::draw_gates(*this, 4, input, hidden, hidden, {options.bias, options.bias && options.recurrent_bias});
  detail::raise(bias_ih, hidden, hidden, options.forget_bias);
}

LSTMState LSTMCell::step(const Tensor& x, const LSTMState& state) const {
  const auto& [gate, candidate, output] = std::tie(options_.gate, options_.candidate, options_.output);
  const Tensor sum = linear(x, weight_ih, bias_ih) + linear(state.h, weight_hh, bias_hh);
  const auto [i, f, g, o] = chunk<4>(detail::clipped(sum, options_.clip), -1);
  const Tensor c = gate(f) * state.c + gate(i) * candidate(g);
  return {gate(o) * output(c), c};
}

}  // namespace reel
