// What losses share: checks of their arguments, and reducing their elements. Internal.
#pragma once

#include <string_view>

#include <reel/ops/loss.h>

namespace reel::detail {

/// Throws unless x is floating.
void check_floating(std::string_view op, const Tensor& x);
/// Throws unless both are of one floating dtype and, for the first, of one shape.
void check_same_shape(std::string_view op, const Tensor& input, const Tensor& target);
void check_same_dtype(std::string_view op, const Tensor& a, const Tensor& b);
/// Throws unless they broadcast to one another, and are of one floating dtype.
void check_broadcast(std::string_view op, const Tensor& a, const Tensor& b);
/// Throws unless `weight`, called `what`, is undefined, or of x's dtype and broadcasts to its shape.
void check_weight(std::string_view op, std::string_view what, const Tensor& weight, const Tensor& x);

/// losses * weight, where there is one.
Tensor weighted(const Tensor& losses, const Tensor& weight);
Tensor reduced(const Tensor& losses, Reduction reduction);

}  // namespace reel::detail
