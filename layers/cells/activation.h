// Activation: a non-linearity as a value, which the options of cells choose: a function of one tensor, or one that
// ONNX or Keras has a name for.
#pragma once

#include <concepts>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <reel/framework/tensor.h>

namespace reel {

// What cells take unless told otherwise; all of them are in ops/activation.h.
Tensor sigmoid(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor relu(const Tensor& x);

/// What is applied to each element, or to whole rows where a user's function does so: LSTM(8, 16, {}, {.output = relu}).
class Activation {
 public:
  using Function = Tensor (*)(const Tensor& x);
  using Parametric = Tensor (*)(const Tensor& x, double alpha, double beta);

  Activation(Function function);  // NOLINT(google-explicit-constructor): .gate = sigmoid
  /// A lambda that captures nothing.
  template <class F>
  requires(std::convertible_to<F, Function> && !std::same_as<F, Function>)
      Activation(F function)  // NOLINT(google-explicit-constructor)
      : Activation(static_cast<Function>(function)) {}
  /// A function with numbers of its own.
  Activation(Parametric function, double alpha, double beta = 0);

  Tensor operator()(const Tensor& x) const {
    return parametric_ != nullptr ? parametric_(x, alpha_, beta_) : function_(x);
  }

  /// As activation() knows it; empty for any other function.
  std::string_view name() const;
  double alpha() const { return alpha_; }
  double beta() const { return beta_; }
  /// The same function with the same numbers.
  bool operator==(const Activation&) const = default;

 private:
  Function function_ = nullptr;
  Parametric parametric_ = nullptr;
  double alpha_ = 0, beta_ = 0;
};

/// An activation by its name in ONNX or Keras; letters' case and underscores do not count:
///   Relu, Relu6, Tanh, Sigmoid, Softsign, Softplus, LogSigmoid, Selu, Silu (or Swish), HardSwish (or HardSilu), Gelu,
///   Mish, Tanhshrink, Exponential, Linear;  with alpha in brackets: LeakyRelu (0.01), ThresholdedRelu (1), Elu (1),
///   Celu (1);  with alpha and beta: Affine (1, 0) alpha x + beta, ScaledTanh (1, 1) alpha tanh(beta x),
///   HardSigmoid (0.2, 0.5) alpha x + beta within [0, 1], which is Keras 3's with 1/6 and 0.5.
/// Throws on another name, and on a number that the function does not have.
Activation activation(std::string_view name, std::optional<double> alpha = {},
                      std::optional<double> beta = {});

namespace detail {

inline constexpr double unbounded = std::numeric_limits<double>::infinity();

/// x within [-bound, bound]; x itself where there is no bound.
Tensor clipped(const Tensor& x, double bound);

}  // namespace detail
}  // namespace reel
