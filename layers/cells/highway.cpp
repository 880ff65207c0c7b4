#include "layers/cells/highway.h"

#include <cmath>

#include "layers/cells/draw.h"
#include "ops/arithmetic.h"
#include "ops/slicing.h"

namespace reel {

RHNCell::RHNCell(int64_t input, int64_t hidden, Options options) : options_(options) {
  detail::check_sizes("RHNCell", input, hidden);
  check(options.depth >= 1, "[RHNCell] expected a depth of at least 1, got {}", options.depth);
  check(std::isfinite(options.transform_bias), "[RHNCell] expected a finite transform_bias, got {}",
        options.transform_bias);
  weight_ih = detail::draw({2 * hidden, input}, hidden);
  for (int64_t layer = 0; layer < options.depth; ++layer) {
    weight_hh.push_back(detail::draw({2 * hidden, hidden}, hidden));
    bias_hh.push_back(options.bias ? detail::draw({2 * hidden}, hidden) : Tensor());
    if (options.bias) detail::raise(bias_hh.back(), hidden, hidden, options.transform_bias);
  }
}

Tensor RHNCell::step(const Tensor& x, const Tensor& h) const {
  Tensor s = h;
  Tensor sum = linear(x, weight_ih) + linear(s, weight_hh[0], bias_hh[0]);
  for (size_t layer = 0; layer < weight_hh.size(); ++layer) {
    if (layer > 0) sum = linear(s, weight_hh[layer], bias_hh[layer]);
    const auto [n, t] = chunk<2>(sum, -1);
    const Tensor transform = options_.gate(t);
    s = options_.candidate(n) * transform + s * (1 - transform);
  }
  return s;
}

}  // namespace reel
