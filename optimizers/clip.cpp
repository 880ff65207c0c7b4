#include "optimizers/clip.h"

#include <algorithm>
#include <cmath>

#include "framework/parallel.h"
#include "optimizers/optimizer.h"

namespace reel {
namespace {

constexpr int64_t block = 1 << 14;  // elements whose sizes are added up on their own

template <class F> void for_gradients(const std::vector<Tensor>& parameters, F&& f) {
  for (const Tensor& parameter : parameters) {
    Tensor gradient = detail::gradient_values(parameter);  // zeros of a sparse one stay zeros
    if (!gradient.defined()) continue;
    check(gradient.is_contiguous(), "[clip] a contiguous gradient expected, got a view {}", gradient);
    detail::dispatch_floating("clip", gradient.dtype(),
                              [&](auto zero) { f(gradient, gradient.raw<decltype(zero)>()); });
  }
}

template <class T> double sum_of_squares(const T* x, int64_t n) {
  constexpr int64_t lanes = 8;
  double sums[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int64_t k = 0; k < lanes; ++k) {
      const auto value = static_cast<double>(x[i + k]);
      sums[k] += value * value;
    }
  for (; i < n; ++i) sums[0] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
}

template <class T> double sum_of_sizes(const T* x, int64_t n, double order) {
  if (order == 2) return sum_of_squares(x, n);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double size = std::abs(static_cast<double>(x[i]));
    if (std::isinf(order))
      sum = size > sum || std::isnan(size) ? size : sum;
    else
      sum += std::pow(size, order);
    if (std::isnan(sum)) break;
  }
  return sum;
}

/// Joins sums over parts; a nan stays.
double joined(double a, double b, double order) {
  if (!std::isinf(order)) return a + b;
  return std::isnan(a) || std::isnan(b) ? a + b : std::max(a, b);
}

double gradient_norm(const std::vector<Tensor>& parameters, double order) {
  double sum = 0;
  std::vector<double> parts;
  for_gradients(parameters, [&](const Tensor& gradient, const auto* g) {
    const int64_t n = gradient.numel();
    parts.assign(static_cast<size_t>((n + block - 1) / block), 0);
    detail::parallel_for(static_cast<int64_t>(parts.size()), 2, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        parts[static_cast<size_t>(i)] = sum_of_sizes(g + i * block, std::min(block, n - i * block), order);
    });
    for (double part : parts) sum = joined(sum, part, order);
  });
  return std::isinf(order) ? sum : order == 2 ? std::sqrt(sum) : std::pow(sum, 1 / order);
}

template <class T> void scale(T* x, int64_t n, double factor) {
  detail::parallel_for(n, 2 * block, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) x[i] *= static_cast<T>(factor);
  });
}

}  // namespace

double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm, double order) {
  check(max_norm >= 0, "[clip_grad_norm] expected a norm of at least 0, got {}", max_norm);
  check(order > 0, "[clip_grad_norm] expected an order above 0, got {}", order);
  const double norm = gradient_norm(parameters, order);
  // As in PyTorch, with its small addend; written so that a nan norm reaches the gradients and is not hidden.
  const double factor = max_norm / (norm + 1e-6);
  if (factor >= 1) return norm;
  for_gradients(parameters, [&](Tensor& gradient, auto* g) {
    scale(g, gradient.numel(), factor);
    gradient.changed("clip_grad_norm");
  });
  return norm;
}

std::vector<double> clip_grad_norm_by_group(const Optimizer& optimizer, double max_norm, double order) {
  check(max_norm >= 0, "[clip_grad_norm_by_group] expected a norm of at least 0, got {}", max_norm);
  check(order > 0, "[clip_grad_norm_by_group] expected an order above 0, got {}", order);
  std::vector<double> norms;
  for (size_t i = 0; i < optimizer.group_count(); ++i)
    norms.push_back(clip_grad_norm(optimizer.group(i), max_norm, order));
  return norms;
}

void clip_grad_value(const std::vector<Tensor>& parameters, double limit) {
  check(limit >= 0, "[clip_grad_value] expected a limit of at least 0, got {}", limit);
  for_gradients(parameters, [&](Tensor& gradient, auto* g) {
    using T = std::remove_reference_t<decltype(*g)>;
    const auto most = static_cast<T>(limit);
    detail::parallel_for(gradient.numel(), 2 * block, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) g[i] = std::clamp(g[i], -most, most);
    });
    gradient.changed("clip_grad_value");
  });
}

void clip_grad_adaptive(const std::vector<Tensor>& parameters, AdaptiveClipOptions options) {
  check(options.clipping >= 0, "[clip_grad_adaptive] expected a clipping of at least 0, got {}",
        options.clipping);
  check(options.eps > 0, "[clip_grad_adaptive] expected an eps above 0, got {}", options.eps);
  for (const Tensor& parameter : parameters) {
    check(parameter.is_contiguous(), "[clip_grad_adaptive] contiguous parameters expected, got a view {}",
          parameter);
    static_cast<void>(parameter.grad());  // dense, by units
    for_gradients({parameter}, [&](Tensor& gradient, auto* g) {
      using T = std::remove_reference_t<decltype(*g)>;
      const T* w = parameter.raw<T>();
      const int64_t units = parameter.rank() >= 2 ? parameter.shape()[0] : 1;
      const int64_t width = parameter.numel() / std::max<int64_t>(1, units);
      for (int64_t i = 0; i < units; ++i) {
        const double norm = std::sqrt(sum_of_squares(g + i * width, width));
        const double most =
            options.clipping * std::max(std::sqrt(sum_of_squares(w + i * width, width)), options.eps);
        if (!(norm <= most)) scale(g + i * width, width, most / norm);
      }
      gradient.changed("clip_grad_adaptive");
    });
  }
}

void scale_grad(const std::vector<Tensor>& parameters, double factor) {
  check(std::isfinite(factor), "[scale_grad] expected a finite factor, got {}", factor);
  for_gradients(parameters, [&](Tensor& gradient, auto* g) {
    scale(g, gradient.numel(), factor);
    gradient.changed("scale_grad");
  });
}

GradientAccumulation::GradientAccumulation(Optimizer& optimizer, int64_t k, bool mean)
    : optimizer_(optimizer), k_(k), mean_(mean) {
  check(k >= 1, "[GradientAccumulation] expected at least 1 pass per step, got {}", k);
}

bool GradientAccumulation::step() {
  if (pending_ + 1 < k_) {
    ++pending_;
    return false;
  }
  ++pending_;
  return flush();
}

bool GradientAccumulation::flush() {
  if (pending_ == 0) return false;
  if (mean_ && pending_ > 1) scale_grad(optimizer_.parameters(), 1 / static_cast<double>(pending_));
  optimizer_.step();
  pending_ = 0;
  return true;
}

}  // namespace reel
