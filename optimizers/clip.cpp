// Clipping of gradients.
#include <algorithm>
#include <cmath>

#include "optimizers/optimizer.h"

namespace reel {
namespace {

template <class F> void for_gradients(const std::vector<Tensor>& parameters, F&& f) {
  for (const Tensor& parameter : parameters) {
    Tensor gradient = parameter.grad();
    if (!gradient.defined()) continue;
    check(gradient.is_contiguous(), "[clip] a contiguous gradient expected, got a view {}", gradient);
    detail::dispatch_floating("clip", gradient.dtype(),
                              [&](auto zero) { f(gradient, gradient.raw<decltype(zero)>()); });
  }
}

}  // namespace

double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm, double order) {
  check(max_norm >= 0, "[clip_grad_norm] expected a norm of at least 0, got {}", max_norm);
  check(order > 0, "[clip_grad_norm] expected an order above 0, got {}", order);
  double sum = 0;
  for_gradients(parameters, [&](const Tensor& gradient, const auto* g) {
    for (int64_t i = 0; i < gradient.numel(); ++i) {
      const double size = std::abs(static_cast<double>(g[i]));
      if (std::isinf(order))
        sum = size > sum || std::isnan(size) ? size : sum;
      else
        sum += order == 2 ? size * size : std::pow(size, order);
    }
  });
  const double norm = std::isinf(order) ? sum : order == 2 ? std::sqrt(sum) : std::pow(sum, 1 / order);
  // As in PyTorch, with its small addend; written so that a nan norm reaches the gradients and is not hidden.
  const double factor = max_norm / (norm + 1e-6);
  if (factor >= 1) return norm;
  for_gradients(parameters, [&](Tensor& gradient, auto* g) {
    using T = std::remove_reference_t<decltype(*g)>;
    for (int64_t i = 0; i < gradient.numel(); ++i) g[i] *= static_cast<T>(factor);
    gradient.changed("clip_grad_norm");
  });
  return norm;
}

void clip_grad_value(const std::vector<Tensor>& parameters, double limit) {
  check(limit >= 0, "[clip_grad_value] expected a limit of at least 0, got {}", limit);
  for_gradients(parameters, [&](Tensor& gradient, auto* g) {
    using T = std::remove_reference_t<decltype(*g)>;
    for (int64_t i = 0; i < gradient.numel(); ++i)
      g[i] = std::clamp(g[i], static_cast<T>(-limit), static_cast<T>(limit));
    gradient.changed("clip_grad_value");
  });
}

}  // namespace reel
