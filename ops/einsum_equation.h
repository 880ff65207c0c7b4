// The equation of einsum(), read and fitted to its operands. Internal.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel::detail {

/// Names of axes: letters, and '0', '1', ... for the axes of "...", counted from the last.
using Labels = std::string;

struct EinsumEquation {
  std::vector<Labels> operands;  ///< One label for each axis.
  Labels output;                 ///< Each label once.
};

/// Throws naming `text` and what is wrong with it, or with the operands for it.
EinsumEquation read_einsum(std::string_view text, std::span<const Tensor> operands);

}  // namespace reel::detail
