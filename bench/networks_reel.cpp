#include <reel/reel.h>

#include "bench/networks.h"

namespace reel::bench {
namespace {

Tensor leaf(const Shape& shape) { return randn(shape).requires_grad_(); }

/// Forward, and backward from a gradient of ones, with gradients that begin anew.
template <class F> std::function<void()> step(std::vector<Tensor> leaves, F f) {
  return [=] {
    for (Tensor x : leaves) x.zero_grad();
    Tape tape;
    const Tensor y = f(leaves);
    tape.backward(y, {.gradient = ones_like(y)});
  };
}

}  // namespace

NetworkCalls reel_networks() {
  using List = std::vector<Tensor>;
  const Shape image{16, 64, 32, 32};
  return {
      .conv2d = step({leaf(image), leaf({64, 64, 3, 3}), leaf({64})},
                     [](const List& x) { return conv2d(x[0], x[1], x[2], {.padding = 1}); }),
      .max_pool = step({leaf(image)}, [](const List& x) { return max_pool2d(x[0], 2); }),
      .max_pool3 =
          step({leaf(image)}, [](const List& x) { return max_pool2d(x[0], 3, {.stride = 2, .padding = 1}); }),
      .avg_pool = step({leaf(image)}, [](const List& x) { return avg_pool2d(x[0], 2); }),
      .layer_norm = step({leaf({4096, 256}), leaf({256}), leaf({256})},
                         [](const List& x) { return layer_norm(x[0], {256}, x[1], x[2]); }),
      .batch_norm = step({leaf(image), leaf({64}), leaf({64})},
                         [mean = zeros({64}), variance = ones({64})](const List& x) {
                           return batch_norm(x[0], mean, variance, x[1], x[2], {.training = true});
                         }),
      .group_norm = step({leaf(image), leaf({64}), leaf({64})},
                         [](const List& x) { return group_norm(x[0], 8, x[1], x[2]); }),
      .attention = step({leaf({8, 4, 128, 64}), leaf({8, 4, 128, 64}), leaf({8, 4, 128, 64})},
                        [](const List& x) { return scaled_dot_product_attention(x[0], x[1], x[2]); }),
  };
}

}  // namespace reel::bench
