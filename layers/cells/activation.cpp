#include "layers/cells/activation.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include "ops/activation.h"
#include "ops/arithmetic.h"

namespace reel {
namespace {

Tensor unchanged(const Tensor& x) { return x; }
Tensor relu6(const Tensor& x) { return hardtanh(x, 0, 6); }
Tensor exact_gelu(const Tensor& x) { return gelu(x); }

Tensor affine(const Tensor& x, double alpha, double beta) { return alpha * x + beta; }
Tensor scaled_tanh(const Tensor& x, double alpha, double beta) { return alpha * tanh(beta * x); }
Tensor hard_sigmoid(const Tensor& x, double alpha, double beta) { return hardtanh(alpha * x + beta, 0, 1); }
Tensor leaky(const Tensor& x, double alpha, double /*beta*/) { return leaky_relu(x, alpha); }
Tensor thresholded(const Tensor& x, double alpha, double /*beta*/) { return threshold(x, alpha, 0); }
Tensor elu_of(const Tensor& x, double alpha, double /*beta*/) { return elu(x, alpha); }
Tensor celu_of(const Tensor& x, double alpha, double /*beta*/) { return celu(x, alpha); }

struct Known {
  std::string_view name;
  Activation::Function function;
  Activation::Parametric parametric = nullptr;
  int numbers = 0;  // how many of alpha and beta it has
  double alpha = 0, beta = 0;
};

/// Where one function has two names, the first is what it is called.
constexpr std::array known{
    Known{"Relu", relu},
    Known{"Relu6", relu6},
    Known{"Tanh", tanh},
    Known{"Sigmoid", sigmoid},
    Known{"Softsign", softsign},
    Known{"Softplus", softplus},
    Known{"LogSigmoid", log_sigmoid},
    Known{"Selu", selu},
    Known{"Silu", silu},
    Known{"Swish", silu},
    Known{"HardSwish", hardswish},
    Known{"HardSilu", hardswish},
    Known{"Gelu", exact_gelu},
    Known{"Mish", mish},
    Known{"Tanhshrink", tanhshrink},
    Known{"Exponential", exp},
    Known{"Linear", unchanged},
    Known{"LeakyRelu", nullptr, leaky, 1, 0.01},
    Known{"ThresholdedRelu", nullptr, thresholded, 1, 1},
    Known{"Elu", nullptr, elu_of, 1, 1},
    Known{"Celu", nullptr, celu_of, 1, 1},
    Known{"Affine", nullptr, affine, 2, 1, 0},
    Known{"ScaledTanh", nullptr, scaled_tanh, 2, 1, 1},
    Known{"HardSigmoid", nullptr, hard_sigmoid, 2, 0.2, 0.5},
};

std::string plain(std::string_view name) {
  std::string result;
  for (const char letter : name)
    if (letter != '_') result += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return result;
}

}  // namespace

Activation::Activation(Function function) : function_(function) {
  check(function != nullptr, "[Activation] a function expected, got a null pointer");
}

Activation::Activation(Parametric function, double alpha, double beta)
    : parametric_(function), alpha_(alpha), beta_(beta) {
  check(function != nullptr, "[Activation] a function expected, got a null pointer");
  check(std::isfinite(alpha) && std::isfinite(beta), "[Activation] finite numbers expected, got {} and {}",
        alpha, beta);
}

std::string_view Activation::name() const {
  const auto* found = std::find_if(known.begin(), known.end(), [&](const Known& one) {
    return one.function == function_ && one.parametric == parametric_;
  });
  return found == known.end() ? std::string_view() : found->name;
}

Activation activation(std::string_view name, std::optional<double> alpha, std::optional<double> beta) {
  const std::string wanted = plain(name);
  const auto* found =
      std::find_if(known.begin(), known.end(), [&](const Known& one) { return plain(one.name) == wanted; });
  if (found == known.end()) {
    std::string names;
    for (const Known& one : known) names += (names.empty() ? "" : ", ") + std::string(one.name);
    check(false, "[activation] expected one of {}, got {}", names, name);
  }
  check(!alpha || found->numbers >= 1, "[activation] {} has no alpha, got {}", name, alpha.value_or(0));
  check(!beta || found->numbers >= 2, "[activation] {} has no beta, got {}", name, beta.value_or(0));
  if (found->parametric == nullptr) return found->function;
  return {found->parametric, alpha.value_or(found->alpha), beta.value_or(found->beta)};
}

namespace detail {

Tensor clipped(const Tensor& x, double bound) { return bound == unbounded ? x : hardtanh(x, -bound, bound); }

}  // namespace detail
}  // namespace reel
