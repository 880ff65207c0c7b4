// libtorch's side of bench_overhead; C++17, which is what its headers are written for.
#include <torch/torch.h>

#include "bench/overhead.h"

namespace reel::bench {

OverheadCalls torch_overhead() {
  const torch::Tensor x = torch::full({overhead_elements}, 0.5).requires_grad_();
  OverheadCalls calls;
  calls.add = [x] {
    torch::Tensor y = x;
    for (int i = 0; i < overhead_chain; ++i) y = y + x;
  };
  calls.tanh = [x] {
    torch::Tensor y = x;
    for (int i = 0; i < overhead_chain; ++i) y = torch::tanh(y);
  };
  calls.multiply = [x] {
    torch::Tensor y = x;
    for (int i = 0; i < 10; ++i) y = y * x;
    y.sum().backward();
  };
  return calls;
}

}  // namespace reel::bench
