// Comparisons, logic, and choosing by them. Results of comparisons are bool tensors and have no gradient.
#pragma once

#include <reel/framework/tensor.h>

namespace reel {

Tensor equal(const Tensor& a, const Tensor& b);
Tensor not_equal(const Tensor& a, const Tensor& b);
Tensor less(const Tensor& a, const Tensor& b);
Tensor less_equal(const Tensor& a, const Tensor& b);
Tensor greater(const Tensor& a, const Tensor& b);
Tensor greater_equal(const Tensor& a, const Tensor& b);
// With a scalar, which takes the tensor's dtype.
Tensor equal(const Tensor& a, double b);
Tensor not_equal(const Tensor& a, double b);
Tensor less(const Tensor& a, double b);
Tensor less_equal(const Tensor& a, double b);
Tensor greater(const Tensor& a, double b);
Tensor greater_equal(const Tensor& a, double b);
Tensor equal(double a, const Tensor& b);
Tensor not_equal(double a, const Tensor& b);
Tensor less(double a, const Tensor& b);
Tensor less_equal(double a, const Tensor& b);
Tensor greater(double a, const Tensor& b);
Tensor greater_equal(double a, const Tensor& b);

Tensor logical_and(const Tensor& a, const Tensor& b);  ///< Of bool tensors.
Tensor logical_or(const Tensor& a, const Tensor& b);   ///< Of bool tensors.
Tensor logical_xor(const Tensor& a, const Tensor& b);  ///< Of bool tensors.
Tensor logical_not(const Tensor& x);                   ///< Of a bool tensor.

// Of any dtype; numbers that are not floating are finite.
Tensor isnan(const Tensor& x);
Tensor isinf(const Tensor& x);
Tensor isfinite(const Tensor& x);

/// condition ? a : b, elementwise; a bool tensor and two of one dtype, all broadcast.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
Tensor where(const Tensor& condition, const Tensor& a, double b);  ///< The scalar takes the tensor's dtype.
Tensor where(const Tensor& condition, double a, const Tensor& b);
/// x with `value` where `mask` (bool) is true.
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);
/// The same with values of x's dtype that broadcast to x's shape, as the mask must.
Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value);

}  // namespace reel
