// libtorch's side of bench_networks; C++17, which is what its headers are written for.
#include <torch/torch.h>

#include <cmath>

#include "bench/networks.h"

namespace reel::bench {
namespace {

using List = std::vector<torch::Tensor>;

torch::Tensor leaf(torch::IntArrayRef shape) { return torch::randn(shape).requires_grad_(); }

template <class F> std::function<void()> step(List leaves, F f) {
  return [leaves, f] {
    for (const torch::Tensor& x : leaves) x.mutable_grad().reset();
    const torch::Tensor y = f(leaves);
    y.backward(torch::ones_like(y));
  };
}

}  // namespace

NetworkCalls torch_networks() {
  const auto image = [] { return leaf({16, 64, 32, 32}); };
  NetworkCalls calls;
  calls.conv2d = step({image(), leaf({64, 64, 3, 3}), leaf({64})},
                      [](const List& x) { return torch::conv2d(x[0], x[1], x[2], 1, 1); });
  calls.max_pool = step({image()}, [](const List& x) { return torch::max_pool2d(x[0], 2); });
  calls.max_pool3 = step({image()}, [](const List& x) { return torch::max_pool2d(x[0], 3, 2, 1); });
  calls.avg_pool = step({image()}, [](const List& x) { return torch::avg_pool2d(x[0], 2); });
  calls.layer_norm = step({leaf({4096, 256}), leaf({256}), leaf({256})},
                          [](const List& x) { return torch::layer_norm(x[0], {256}, x[1], x[2]); });
  calls.batch_norm = step({image(), leaf({64}), leaf({64})}, [mean = torch::zeros(64),
                                                              variance = torch::ones(64)](const List& x) {
    return torch::batch_norm(x[0], x[1], x[2], mean, variance, true, 0.1, 1e-5, false);
  });
  calls.group_norm = step({image(), leaf({64}), leaf({64})},
                          [](const List& x) { return torch::group_norm(x[0], 8, x[1], x[2]); });
  calls.attention =
      step({leaf({8, 4, 128, 64}), leaf({8, 4, 128, 64}), leaf({8, 4, 128, 64})}, [](const List& x) {
        const auto scores = torch::matmul(x[0] * (1 / std::sqrt(64.0)), x[1].transpose(-2, -1));
        return torch::matmul(torch::softmax(scores, -1), x[2]);
      });
  return calls;
}

}  // namespace reel::bench
