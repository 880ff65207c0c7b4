// Gradient checkpointing: what a function saves for backward is not kept, but computed again when backward comes
// to it. Costs a second forward pass of the function, and saves its memory (Chen et al., "Training deep nets with
// sublinear memory cost", 2016).
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include <reel/framework/functional.h>

namespace reel {

namespace detail {

/// A function of tensors, kept.
struct KeptFunction {
  virtual ~KeptFunction() = default;
  virtual TensorList call(const TensorList& xs) = 0;
};

template <class F> struct KeptFunctionOf final : KeptFunction {
  F function;
  explicit KeptFunctionOf(F f) : function(std::move(f)) {}
  TensorList call(const TensorList& xs) override { return FunctionRef::to(function)(xs); }
};

TensorList run_checkpoint(std::shared_ptr<KeptFunction> f, const TensorList& inputs);

}  // namespace detail

/// f(inputs), recorded as one op that keeps the inputs alone. Whatever tracked tensors f reads besides them,
/// parameters say, get their gradients too. Backward calls f again, with every random stream where it was, so
/// that dropout masks come out the same. f is copied and must do the same both times: what it holds by reference
/// must still be there. Works for second derivatives. Without a tape it is f(inputs). Throws in backward where
/// the second run differs in what it reads or returns, or an input has been changed in place.
template <detail::OfList F> std::vector<Tensor> checkpoint(F f, const std::vector<Tensor>& inputs) {
  return detail::run_checkpoint(std::make_shared<detail::KeptFunctionOf<F>>(std::move(f)), inputs);
}
/// The same for a function of one tensor.
template <detail::OfTensor F> Tensor checkpoint(F f, const Tensor& input) {
  return detail::run_checkpoint(std::make_shared<detail::KeptFunctionOf<F>>(std::move(f)), {input}).at(0);
}

}  // namespace reel
