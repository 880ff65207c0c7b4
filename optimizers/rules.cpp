// The update rules: what one step does to one element.
#include <algorithm>
#include <cmath>

#include "framework/parallel.h"
#include "optimizers/optimizer.h"

namespace reel {
namespace {

constexpr int64_t parallel_elements = 1 << 15;  // about 20 us of updating

/// Calls rule(i) for every element, shared between cores; the loop in each part vectorises.
template <class Rule> void for_elements(int64_t n, const Rule& rule) {
  detail::parallel_for(n, parallel_elements, [&rule](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) rule(i);
  });
}

}  // namespace

SGD::SGD(std::vector<Tensor> parameters, SGDOptions options)
    : Optimizer("SGD", std::move(parameters), options.lr,
                options.momentum != 0 ? std::vector<std::string>{"momentum"} : std::vector<std::string>{}),
      options_(options) {
  check(options.momentum >= 0 && options.momentum < 1, "[SGD] expected a momentum in [0, 1), got {}",
        options.momentum);
  check(options.dampening >= 0 && options.dampening <= 1, "[SGD] expected a dampening in [0, 1], got {}",
        options.dampening);
  check(options.weight_decay >= 0, "[SGD] expected a weight decay of at least 0, got {}",
        options.weight_decay);
  check(!options.nesterov || (options.momentum > 0 && options.dampening == 0),
        "[SGD] Nesterov needs a momentum and no dampening, got {} and {}", options.momentum,
        options.dampening);
}

void SGD::update(Tensor& parameter, const Tensor& gradient, std::vector<Tensor>& moments, int64_t count) {
  detail::dispatch_floating("SGD", parameter.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* p = parameter.raw<T>();
    const T* g = gradient.raw<T>();
    const auto rate = static_cast<T>(learning_rate());
    const auto decay = static_cast<T>(options_.weight_decay);
    const auto momentum = static_cast<T>(options_.momentum);
    if (moments.empty()) {
      for_elements(parameter.numel(), [=](int64_t i) { p[i] -= rate * (g[i] + decay * p[i]); });
      return;
    }
    T* v = moments[0].raw<T>();
    const T fresh = count == 1 ? T(1) : static_cast<T>(1 - options_.dampening);
    const bool nesterov = options_.nesterov;
    for_elements(parameter.numel(), [=](int64_t i) {
      const T slope = g[i] + decay * p[i];
      v[i] = momentum * v[i] + fresh * slope;
      p[i] -= rate * (nesterov ? slope + momentum * v[i] : v[i]);
    });
  });
}

Adam::Adam(std::vector<Tensor> parameters, AdamOptions options)
    : Adam("Adam", std::move(parameters), options, false) {}

AdamW::AdamW(std::vector<Tensor> parameters, AdamWOptions o)
    : Adam("AdamW", std::move(parameters), {o.lr, o.beta1, o.beta2, o.eps, o.weight_decay, o.amsgrad}, true) {
}

Adam::Adam(const std::string& name, std::vector<Tensor> parameters, AdamOptions options, bool decoupled)
    : Optimizer(name, std::move(parameters), options.lr,
                options.amsgrad ? std::vector<std::string>{"first", "second", "largest_second"}
                                : std::vector<std::string>{"first", "second"}),
      options_(options),
      decoupled_(decoupled) {
  for (double beta : {options.beta1, options.beta2})
    check(beta >= 0 && beta < 1, "[{}] expected betas in [0, 1), got {}", name, beta);
  check(options.eps >= 0, "[{}] expected an eps of at least 0, got {}", name, options.eps);
  check(options.weight_decay >= 0, "[{}] expected a weight decay of at least 0, got {}", name,
        options.weight_decay);
}

void Adam::update(Tensor& parameter, const Tensor& gradient, std::vector<Tensor>& moments, int64_t count) {
  detail::dispatch_floating("Adam", parameter.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto t = static_cast<double>(count);
    T* p = parameter.raw<T>();
    const T* g = gradient.raw<T>();
    T* m = moments[0].raw<T>();
    T* v = moments[1].raw<T>();
    T* largest = options_.amsgrad ? moments[2].raw<T>() : nullptr;
    const auto beta1 = static_cast<T>(options_.beta1), fresh1 = static_cast<T>(1 - options_.beta1);
    const auto beta2 = static_cast<T>(options_.beta2), fresh2 = static_cast<T>(1 - options_.beta2);
    const auto rate = static_cast<T>(learning_rate() / (1 - std::pow(options_.beta1, t)));
    const auto scale = static_cast<T>(1 / std::sqrt(1 - std::pow(options_.beta2, t)));
    const auto eps = static_cast<T>(options_.eps);
    const auto shrink = static_cast<T>(decoupled_ ? 1 - learning_rate() * options_.weight_decay : 1);
    const auto decay = static_cast<T>(decoupled_ ? 0 : options_.weight_decay);
    const auto rule = [=](int64_t i, auto second) {
      const T old = p[i] * shrink;
      const T slope = g[i] + decay * old;
      m[i] = beta1 * m[i] + fresh1 * slope;
      v[i] = beta2 * v[i] + fresh2 * slope * slope;
      p[i] = old - rate * m[i] / (std::sqrt(second(i)) * scale + eps);
    };
    if (largest) {
      for_elements(parameter.numel(), [=](int64_t i) {
        rule(i, [=](int64_t k) { return largest[k] = std::max(largest[k], v[k]); });
      });
    } else {
      for_elements(parameter.numel(), [=](int64_t i) { rule(i, [=](int64_t k) { return v[k]; }); });
    }
  });
}

}  // namespace reel
