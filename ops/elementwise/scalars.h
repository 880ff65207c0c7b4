// A number beside a tensor: it takes the tensor's dtype, if it fits.
#pragma once

#include <string_view>

#include <reel/framework/tensor.h>

namespace reel::detail {

/// s itself; throws naming `op` where x is of integers and s is not whole, or too large for a double to count.
double fitting(std::string_view op, const Tensor& x, double s);
/// The same as a tensor without axes, of x's dtype.
Tensor beside(std::string_view op, const Tensor& x, double s);

}  // namespace reel::detail
