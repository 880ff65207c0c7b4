#include "layers/cells/rnn.h"

#include "layers/cells/draw.h"
#include "ops/arithmetic.h"

namespace reel {

RNNCell::RNNCell(int64_t input, int64_t hidden, Options options) : options_(options) {
  detail::check_sizes("RNNCell", input, hidden);
  detail::check_bound("RNNCell", "clip", options.clip);
  detail::draw_gates(*this, 1, input, hidden, hidden, {options.bias, options.bias && options.recurrent_bias});
}

Tensor RNNCell::step(const Tensor& x, const Tensor& h) const {
  const Tensor sum = linear(x, weight_ih, bias_ih) + linear(h, weight_hh, bias_hh);
  return options_.nonlinearity(detail::clipped(sum, options_.clip));
}

JordanCell::JordanCell(int64_t input, int64_t hidden, Options options) : options_(options) {
  detail::check_sizes("JordanCell", input, hidden);
  check(options.output_size >= 0, "[JordanCell] expected an output_size of at least 1, or 0, got {}",
        options.output_size);
  check(options.decay >= 0 && options.decay < 1, "[JordanCell] expected a decay in [0, 1), got {}",
        options.decay);
  const int64_t width = options.output_size == 0 ? hidden : options.output_size;
  detail::draw_gates(*this, 1, input, hidden, width, {options.bias, options.bias});
  weight_ho = detail::draw({width, hidden}, hidden);
  if (options.bias) bias_ho = detail::draw({width}, hidden);
}

std::pair<Tensor, Tensor> JordanCell::step(const Tensor& x, const Tensor& s) const {
  const Tensor h = options_.hidden(linear(x, weight_ih, bias_ih) + linear(s, weight_hh, bias_hh));
  const Tensor y = options_.output(linear(h, weight_ho, bias_ho));
  return {y, options_.decay == 0 ? y : y + options_.decay * s};
}

Tensor JordanCell::initial_state(int64_t batch) const {
  return zeros({batch, weight_ho.shape()[0]}, {.dtype = weight_ho.dtype()});
}

}  // namespace reel
