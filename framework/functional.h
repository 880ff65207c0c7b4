// Derivatives as functions of functions. All of them nest: inside a tape, or inside another of them, what they
// return is recorded and can be differentiated again. Jacobians and Hessians stand in ops/jacobian.h.
//
// A function takes a tensor or a list of tensors and returns one or a list; tensors that it reads besides its
// arguments are constants, unless a tape outside follows them.
#pragma once

#include <concepts>
#include <type_traits>
#include <utility>
#include <vector>

#include <reel/framework/tape.h>

namespace reel {

namespace detail {

using TensorList = std::vector<Tensor>;

template <class F>
concept OfList = std::invocable<F&, const TensorList&>;
template <class F>
concept OfTensor = std::invocable<F&, const Tensor&> && !OfList<F>;

inline TensorList as_list(Tensor y) {
  TensorList list;
  list.push_back(std::move(y));
  return list;
}
inline TensorList as_list(TensorList ys) { return ys; }

/// Any function of tensors without its type, for the length of a call.
struct FunctionRef {
  void* function;
  TensorList (*call)(void* function, const TensorList& xs);

  template <class F> static FunctionRef to(F& f) {
    return {&f, [](void* function, const TensorList& xs) {
              F& self = *static_cast<F*>(function);
              if constexpr (OfList<F>)
                return as_list(self(xs));
              else if constexpr (OfTensor<F>)
                return as_list(self(xs.at(0)));
              else
                return as_list(self());
            }};
  }
  TensorList operator()(const TensorList& xs) const { return call(function, xs); }
};

/// x under another name, so that a function's argument is told apart from other uses of the same tensor.
Tensor alias(const Tensor& x);
/// Values and gradients; `closure`: xs are read by the function itself and not handed to it.
std::pair<TensorList, TensorList> value_and_vjp(const char* caller, FunctionRef f, const TensorList& xs,
                                                const TensorList* vs, bool closure);
std::pair<TensorList, TensorList> value_and_jvp(FunctionRef f, const TensorList& xs,
                                                const TensorList& tangents);
TensorList hessian_product(FunctionRef f, const TensorList& xs, const TensorList& vs);

}  // namespace detail

/// What value_and_grad gives: `auto [loss, gradients] = ...`.
template <class Gradient> struct ValueAndGrad {
  Tensor value;
  Gradient gradient;
};

/// The value of f(xs), of one element, and its gradients with respect to each of `xs`. A function without
/// arguments reads `xs`, the parameters of a module say, by itself:
/// `auto [loss, gradients] = value_and_grad([&] { return mse_loss(net(x), y); }, net.parameters());`
/// grad() of parameters is left alone. Throws where f returns no tensor of one element.
template <class F>
requires detail::OfList<F> || std::invocable<F&> ValueAndGrad<std::vector<Tensor>> value_and_grad(
    F f, const std::vector<Tensor>& xs) {
  auto [values, gradients] =
      detail::value_and_vjp("value_and_grad", detail::FunctionRef::to(f), xs, nullptr, !detail::OfList<F>);
  return {std::move(values[0]), std::move(gradients)};
}
/// The same for a function of one tensor.
template <detail::OfTensor F> ValueAndGrad<Tensor> value_and_grad(F f, const Tensor& x) {
  auto [values, gradients] =
      detail::value_and_vjp("value_and_grad", detail::FunctionRef::to(f), {x}, nullptr, false);
  return {std::move(values[0]), std::move(gradients[0])};
}

/// The gradients alone.
template <class F>
requires detail::OfList<F> || std::invocable<F&> std::vector<Tensor> grad(F f,
                                                                          const std::vector<Tensor>& xs) {
  return value_and_grad(std::move(f), xs).gradient;
}
template <detail::OfTensor F> Tensor grad(F f, const Tensor& x) {
  return value_and_grad(std::move(f), x).gradient;
}

/// Vector-Jacobian product, by one backward pass: f(x), and the gradient of <f(x), v> with respect to x. `v` is
/// like f(x).
template <detail::OfTensor F> std::pair<Tensor, Tensor> vjp(F f, const Tensor& x, const Tensor& v) {
  const detail::TensorList vs{v};
  auto [values, products] = detail::value_and_vjp("vjp", detail::FunctionRef::to(f), {x}, &vs, false);
  return {std::move(values[0]), std::move(products[0])};
}
/// The same for several arguments and results: the gradients of the sum over i of <f(xs)[i], vs[i]>.
template <detail::OfList F>
std::pair<std::vector<Tensor>, std::vector<Tensor>> vjp(F f, const std::vector<Tensor>& xs,
                                                        const std::vector<Tensor>& vs) {
  return detail::value_and_vjp("vjp", detail::FunctionRef::to(f), xs, &vs, false);
}

/// Jacobian-vector product: f(x), and the derivative of f at x in the direction `tangent`, which is like x. By
/// double reverse mode (the backward pass is linear in the gradient that it starts from; its own gradient with
/// respect to that is the product): about three times the cost of a vjp, and every op with second derivatives
/// has it.
template <detail::OfTensor F> std::pair<Tensor, Tensor> jvp(F f, const Tensor& x, const Tensor& tangent) {
  auto [values, products] = detail::value_and_jvp(detail::FunctionRef::to(f), {x}, {tangent});
  return {std::move(values[0]), std::move(products[0])};
}
template <detail::OfList F>
std::pair<std::vector<Tensor>, std::vector<Tensor>> jvp(F f, const std::vector<Tensor>& xs,
                                                        const std::vector<Tensor>& tangents) {
  return detail::value_and_jvp(detail::FunctionRef::to(f), xs, tangents);
}

/// Hessian-vector product of a function of one element, H(x) v, at a few times the cost of its gradient: the
/// gradient of <grad f(x), v> (Pearlmutter, "Fast exact multiplication by the Hessian", 1994). `v` is like x.
template <detail::OfTensor F> Tensor hvp(F f, const Tensor& x, const Tensor& v) {
  return std::move(detail::hessian_product(detail::FunctionRef::to(f), {x}, {v})[0]);
}
template <detail::OfList F>
std::vector<Tensor> hvp(F f, const std::vector<Tensor>& xs, const std::vector<Tensor>& vs) {
  return detail::hessian_product(detail::FunctionRef::to(f), xs, vs);
}

}  // namespace reel
