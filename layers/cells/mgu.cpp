#include "layers/cells/mgu.h"

#include "layers/cells/draw.h"
#include "ops/arithmetic.h"
#include "ops/slicing.h"

namespace reel {

MGUCell::MGUCell(int64_t input, int64_t hidden, Options options) : options_(options) {
  detail::check_sizes("MGUCell", input, hidden);
  detail::draw_gates(*this, 2, input, hidden, hidden, {options.bias, options.bias && options.recurrent_bias});
}

Tensor MGUCell::step(const Tensor& x, const Tensor& h) const {
  if (options_.reset_after) return step_reset_after(x, h);
  const int64_t hidden = weight_hh.shape()[1];
  const auto of = [&](int64_t gate, const Tensor& rows) {
    return rows.defined() ? narrow(rows, 0, gate * hidden, hidden) : rows;
  };
  const auto [xf, xn] = chunk<2>(linear(x, weight_ih, bias_ih), -1);
  const Tensor f = options_.gate(xf + linear(h, of(0, weight_hh), of(0, bias_hh)));
  const Tensor n = options_.candidate(xn + linear(f * h, of(1, weight_hh), of(1, bias_hh)));
  return (1 - f) * h + f * n;
}

Tensor MGUCell::step_reset_after(const Tensor& x, const Tensor& h) const {
  const auto [xf, xn] = chunk<2>(linear(x, weight_ih, bias_ih), -1);
  const auto [hf, hn] = chunk<2>(linear(h, weight_hh, bias_hh), -1);
  const Tensor f = options_.gate(xf + hf);
  const Tensor n = options_.candidate(xn + f * hn);
  return (1 - f) * h + f * n;
}

}  // namespace reel
