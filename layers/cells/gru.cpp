#include "layers/cells/gru.h"

#include "layers/cells/draw.h"
#include "ops/arithmetic.h"
#include "ops/slicing.h"

namespace reel {

GRUCell::GRUCell(int64_t input, int64_t hidden, Options options) : options_(options) {
  detail::check_sizes("GRUCell", input, hidden);
  detail::check_bound("GRUCell", "clip", options.clip);
  detail::draw_gates(*this, 3, input, hidden, hidden, {options.bias, options.bias && options.recurrent_bias});
}

Tensor GRUCell::step(const Tensor& x, const Tensor& h) const {
  if (!options_.reset_after) return step_reset_before(x, h);
  const auto [xr, xz, xn] = chunk<3>(linear(x, weight_ih, bias_ih), -1);
  const auto [hr, hz, hn] = chunk<3>(linear(h, weight_hh, bias_hh), -1);
  const Tensor r = gate(xr + hr);
  const Tensor z = gate(xz + hz);
  const Tensor n = candidate(xn + r * hn);
  return (1 - z) * n + z * h;
}

Tensor GRUCell::step_reset_before(const Tensor& x, const Tensor& h) const {
  const int64_t hidden = weight_hh.shape()[1];
  const auto part = [&](const Tensor& rows, int64_t from, int64_t to) {
    return rows.defined() ? narrow(rows, 0, from * hidden, (to - from) * hidden) : rows;
  };
  const auto [xr, xz, xn] = chunk<3>(linear(x, weight_ih, bias_ih), -1);
  const auto [hr, hz] = chunk<2>(linear(h, part(weight_hh, 0, 2), part(bias_hh, 0, 2)), -1);
  const Tensor r = gate(xr + hr);
  const Tensor z = gate(xz + hz);
  const Tensor n = candidate(xn + linear(r * h, part(weight_hh, 2, 3), part(bias_hh, 2, 3)));
  return (1 - z) * n + z * h;
}

}  // namespace reel
