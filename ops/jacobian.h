// Jacobians and Hessians of functions, as tensors. They nest, like the transforms of framework/functional.h.
#pragma once

#include <reel/framework/functional.h>

namespace reel {

namespace detail {
Tensor jacobian_of(const char* caller, FunctionRef f, const Tensor& x);
}  // namespace detail

/// The derivatives of every element of f(x) with respect to every element of x: [shape of f(x)..., shape of
/// x...]. One backward pass for each element of f(x).
template <detail::OfTensor F> Tensor jacobian(F f, const Tensor& x) {
  return detail::jacobian_of("jacobian", detail::FunctionRef::to(f), x);
}

/// The second derivatives of a function of one element: [shape of x..., shape of x...].
template <detail::OfTensor F> Tensor hessian(F f, const Tensor& x) {
  auto gradient = [&f](const Tensor& at) { return grad([&f](const Tensor& t) { return f(t); }, at); };
  return detail::jacobian_of("hessian", detail::FunctionRef::to(gradient), x);
}

}  // namespace reel
