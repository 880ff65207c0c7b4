// What the constructors of cells share: checks of sizes and options, and the values that weights begin with. Internal.
#pragma once

#include <string_view>

#include <reel/framework/tensor.h>

namespace reel::detail {

/// Throws where a cell named `cell` could not have these sizes.
void check_sizes(std::string_view cell, int64_t input, int64_t hidden);
/// Throws unless the bound is above 0; infinity bounds nothing.
void check_bound(std::string_view cell, std::string_view option, double bound);
/// Throws where the forget gate is to begin with a bias, and there is none.
void check_forget_bias(std::string_view cell, double forget_bias, bool bias);

/// A parameter from U(-1/sqrt(hidden), 1/sqrt(hidden)).
Tensor draw(const Shape& shape, int64_t hidden);
/// Adds `value` to `count` elements of a bias from `start` on.
void raise(Tensor& bias, int64_t start, int64_t count, double value);

struct Biases {
  bool input, hidden;
};

/// Weights and biases of `gates` gates side by side, hidden state of `columns`.
template <class C>
void draw_gates(C& cell, int64_t gates, int64_t input, int64_t hidden, int64_t columns, Biases biases) {
  cell.weight_ih = draw({gates * hidden, input}, hidden);
  cell.weight_hh = draw({gates * hidden, columns}, hidden);
  if (biases.input) cell.bias_ih = draw({gates * hidden}, hidden);
  if (biases.hidden) cell.bias_hh = draw({gates * hidden}, hidden);
}

}  // namespace reel::detail
