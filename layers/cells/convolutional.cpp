#include "layers/cells/convolutional.h"

#include <tuple>

#include "layers/cells/draw.h"
#include "ops/arithmetic.h"
#include "ops/convolution.h"
#include "ops/slicing.h"

namespace reel::detail {
namespace {

Tensor convolve(const Tensor& x, const Tensor& weight, const Tensor& bias = {}) {
  const ConvOptions same{.same = true};
  return weight.rank() == 3 ? conv1d(x, weight, bias, same) : conv2d(x, weight, bias, same);
}

/// A gate's sum with what it sees of the carry.
Tensor peek(const Tensor& sum, const Tensor& weight, const Tensor& c) {
  return weight.defined() ? sum + weight * c : sum;
}

Shape joined(Shape front, const Shape& back) {
  for (const int64_t extent : back) front.push_back(extent);
  return front;
}

}  // namespace

ConvLSTMCell::ConvLSTMCell(std::string_view name, size_t axes, int64_t input, int64_t hidden,
                           const Options& options)
    : options_(options) {
  check_sizes(name, input, hidden);
  check(options.size.given(), "[{}] expected the size of the grid, {} extents, got none", name, axes);
  size_ = options.size.expand(name, "size", axes, 1);
  const Shape kernel = options.kernel.expand(name, "kernel", axes, 1);
  check_forget_bias(name, options.forget_bias, options.bias);
  const int64_t inputs = hidden * kernel.numel();
  weight_ih = draw(joined({4 * hidden, input}, kernel), inputs);
  weight_hh = draw(joined({4 * hidden, hidden}, kernel), inputs);
  if (options.bias) bias = draw({4 * hidden}, inputs);
  raise(bias, hidden, hidden, options.forget_bias);
  if (!options.peepholes) return;
  for (Tensor* weight : {&weight_ci, &weight_cf, &weight_co}) *weight = draw(joined({hidden}, size_), inputs);
}

LSTMState ConvLSTMCell::step(const Tensor& x, const LSTMState& state) const {
  const auto& [gate, candidate, output] = std::tie(options_.gate, options_.candidate, options_.output);
  const auto [i, f, g, o] = chunk<4>(convolve(x, weight_ih, bias) + convolve(state.h, weight_hh), 1);
  const Tensor c =
      gate(peek(f, weight_cf, state.c)) * state.c + gate(peek(i, weight_ci, state.c)) * candidate(g);
  return {gate(peek(o, weight_co, c)) * output(c), c};
}

LSTMState ConvLSTMCell::initial_state(int64_t batch) const {
  const Shape shape = joined({batch, weight_hh.shape()[1]}, size_);
  return {zeros(shape, {.dtype = weight_hh.dtype()}), zeros(shape, {.dtype = weight_hh.dtype()})};
}

}  // namespace reel::detail
