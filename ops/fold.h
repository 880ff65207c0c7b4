// Reductions of int64, uint8 and bool tensors, which have no gradient. Internal: reduction.h and aggregate.h call
// them. Axes are given as a mask.
#pragma once

#include <reel/framework/tensor.h>

namespace reel::detail {

Tensor integer_sum(const Tensor& x, uint32_t mask, bool keepdim);   ///< int64; wraps around at overflow.
Tensor integer_prod(const Tensor& x, uint32_t mask, bool keepdim);  ///< int64; wraps around at overflow.
Tensor integer_max(const Tensor& x, uint32_t mask, bool keepdim);   ///< x's dtype; throws over no elements.
Tensor integer_min(const Tensor& x, uint32_t mask, bool keepdim);   ///< x's dtype; throws over no elements.
Tensor all_true(const Tensor& x, uint32_t mask, bool keepdim);      ///< Of bool; true over no elements.
Tensor any_true(const Tensor& x, uint32_t mask, bool keepdim);      ///< Of bool; false over no elements.

}  // namespace reel::detail
