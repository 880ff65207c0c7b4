// Checking gradients against central differences, in float64.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

/// Any number of tensors in, any number out.
using TensorFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;

struct GradcheckOptions {
  double step = 1e-6;      ///< Of the difference, relative to max(1, |x|).
  double absolute = 1e-7;  ///< Allowed error: absolute + relative * |expected|.
  double relative = 1e-6;
  uint64_t seed = 1;  ///< Of the weights by which the outputs are summed up.
};

struct GradcheckResult {
  bool passed = true;
  double largest_error = 0;  ///< |got - expected| / max(1, |expected|), the largest over all elements.
  std::string message;       ///< Where it failed: which input, which element, both values. Empty when passed.
  // The same where it first failed, for messages of one's own:
  size_t input = 0;  ///< For gradgradcheck: one beyond the inputs stands for the gradient from above.
  Shape element = {};
  double gradient = 0, by_differences = 0;
  explicit operator bool() const { return passed; }
};

/// Compares the gradients of f's outputs (summed with random weights) with respect to every element of every
/// input against (f(x + h) - f(x - h)) / 2h. `inputs` must be float64.
GradcheckResult gradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options = {});

/// The same for the gradients of f, as functions of the inputs and of the gradient that comes from above:
/// checks second derivatives.
GradcheckResult gradgradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs,
                              const GradcheckOptions& options = {});

}  // namespace reel
