// Activations as values: every name, users' functions, and what is refused.
#include "layers/cells/activation.h"

#include <cmath>
#include <map>

#include "framework/tape.h"
#include "layers/recurrent.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

double above(double x) { return x > 0 ? x : 0; }
double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double within(double x, double low, double high) { return std::fmin(std::fmax(x, low), high); }

struct Case {
  Activation activation;
  double (*expected)(double);
};

Tensor cubed(const Tensor& x) { return x * x * x; }
Tensor power_of(const Tensor& x, double alpha, double beta) { return alpha * pow(square(x), beta); }

}  // namespace

TEST_CASE("activations are the functions that ONNX and Keras mean by their names", "[cells]") {
  const std::vector<std::pair<const char*, Case>> cases{
      {"Relu", {activation("Relu"), above}},
      {"Relu6", {activation("relu6"), [](double x) { return within(x, 0, 6); }}},
      {"Tanh", {activation("tanh"), [](double x) { return std::tanh(x); }}},
      {"Sigmoid", {activation("sigmoid"), logistic}},
      {"Softsign", {activation("Softsign"), [](double x) { return x / (1 + std::fabs(x)); }}},
      {"Softplus", {activation("Softplus"), [](double x) { return std::log1p(std::exp(x)); }}},
      {"LogSigmoid", {activation("log_sigmoid"), [](double x) { return std::log(logistic(x)); }}},
      {"Selu",
       {activation("selu"),
        [](double x) { return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * std::expm1(x)); }}},
      {"Silu", {activation("silu"), [](double x) { return x * logistic(x); }}},
      {"Silu", {activation("swish"), [](double x) { return x * logistic(x); }}},
      {"HardSwish", {activation("hard_silu"), [](double x) { return x * within(x / 6 + 0.5, 0, 1); }}},
      {"Gelu", {activation("gelu"), [](double x) { return x * std::erfc(-x / std::sqrt(2.0)) / 2; }}},
      {"Mish", {activation("mish"), [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }}},
      {"Tanhshrink", {activation("tanh_shrink"), [](double x) { return x - std::tanh(x); }}},
      {"Exponential", {activation("exponential"), [](double x) { return std::exp(x); }}},
      {"Linear", {activation("linear"), [](double x) { return x; }}},
      {"LeakyRelu", {activation("LeakyRelu"), [](double x) { return x > 0 ? x : 0.01 * x; }}},
      {"LeakyRelu", {activation("leakyrelu", 0.5), [](double x) { return x > 0 ? x : 0.5 * x; }}},
      {"ThresholdedRelu", {activation("ThresholdedRelu"), [](double x) { return x > 1 ? x : 0; }}},
      {"ThresholdedRelu", {activation("ThresholdedRelu", -1), [](double x) { return x > -1 ? x : 0; }}},
      {"Elu", {activation("Elu"), [](double x) { return x > 0 ? x : std::expm1(x); }}},
      {"Elu", {activation("elu", 1.5), [](double x) { return x > 0 ? x : 1.5 * std::expm1(x); }}},
      {"Celu", {activation("celu", 2), [](double x) { return x > 0 ? x : 2 * std::expm1(x / 2); }}},
      {"Affine", {activation("Affine", 2, -1), [](double x) { return 2 * x - 1; }}},
      {"ScaledTanh", {activation("ScaledTanh", 2, 0.5), [](double x) { return 2 * std::tanh(0.5 * x); }}},
      {"HardSigmoid", {activation("HardSigmoid"), [](double x) { return within(0.2 * x + 0.5, 0, 1); }}},
      {"HardSigmoid",
       {activation("hard_sigmoid", 1.0 / 6), [](double x) { return within(x / 6 + 0.5, 0, 1); }}},
      {"", {Activation(cubed), [](double x) { return x * x * x; }}},
      {"", {[](const Tensor& x) { return 3 * x; }, [](double x) { return 3 * x; }}},
      {"", {Activation(power_of, 0.5, 2), [](double x) { return 0.5 * x * x * x * x; }}},
  };
  const Tensor x = linspace(-7.3, 7.9, 25, {.dtype = DType::float64});
  for (const auto& [name, one] : cases) {
    CAPTURE(name);
    CHECK(one.activation.name() == name);
    const Tensor expected =
        build(x.shape(), DType::float64, [&](const Shape& at) { return one.expected(element(x, at)); });
    CHECK(difference(one.activation(x), expected, 1e-15, 1e-13) == "");
    CHECK(one.activation(cast(x, DType::float32)).dtype() == DType::float32);
  }
}

TEST_CASE("activations compare by function and numbers", "[cells]") {
  CHECK(Activation(tanh) == activation("Tanh"));
  CHECK_FALSE(Activation(tanh) == Activation(sigmoid));
  CHECK(activation("Elu") == activation("elu", 1));
  CHECK_FALSE(activation("Elu") == activation("Elu", 2));
  CHECK_FALSE(activation("Elu", 2) == activation("Celu", 2));
  CHECK(activation("ScaledTanh", 3, 4).alpha() == 3);
  CHECK(activation("ScaledTanh", 3, 4).beta() == 4);
}

TEST_CASE("activations that cannot be are refused", "[cells]") {
  CHECK_THROWS_WITH(activation("Tan"),
                    contains_text("[activation]") && contains_text("Tanh") && contains_text("got Tan"));
  CHECK_THROWS_WITH(activation("Tanh", 2), contains_text("[activation] Tanh has no alpha, got 2"));
  CHECK_THROWS_WITH(activation("Elu", 2, 3), contains_text("[activation] Elu has no beta, got 3"));
  CHECK_THROWS_WITH(Activation(Activation::Function(nullptr)),
                    contains_text("[Activation] a function expected"));
  CHECK_THROWS_WITH(activation("Affine", std::nan("")),
                    contains_text("[Activation] finite numbers expected"));
}

TEST_CASE("a cell with any elementwise activation is compiled, one that reads values is not", "[cells]") {
  for (const char* name :
       {"Relu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu", "Gelu", "Linear", "Affine"}) {
    CAPTURE(name);
    CHECK_THAT(explain(RNN(2, 3, {}, {.nonlinearity = activation(name), .clip = 2}), 4),
               !contains_text("step by step"));
  }
  const auto reads = [](const Tensor& x) { return x / sum(x).item(); };
  CHECK_THAT(explain(RNN(2, 3, {}, {.nonlinearity = reads}), 4), contains_text("step by step"));
}

TEST_CASE("a threshold keeps what is above it, and nan", "[elementwise]") {
  const Tensor x = tensor({-1, 0.5, 0.75, std::nan(""), 3});
  CHECK(difference(threshold(x, 0.5, 7), tensor({7, 7, 0.75, std::nan(""), 3})) == "");
}

}  // namespace reel
