// libtorch's side of bench_optimizers; C++17, which is what its headers are written for.
#include <torch/torch.h>

#include <memory>

#include "bench/optimizers.h"

namespace reel::bench {
namespace {

template <class Rule, class Options> std::function<void()> stepping(int64_t elements, Options options) {
  torch::Tensor p = torch::randn({elements}).requires_grad_(), g = torch::randn({elements});
  auto optimizer = std::make_shared<Rule>(std::vector<torch::Tensor>{p}, options);
  return [=]() mutable {
    p.mutable_grad() = g;
    optimizer->step();
  };
}

}  // namespace

OptimizerCalls torch_optimizers(int64_t elements) {
  using namespace torch::optim;
  return {stepping<SGD>(elements, SGDOptions(1e-2).momentum(0.9)), stepping<Adam>(elements, AdamOptions()),
          stepping<AdamW>(elements, AdamWOptions())};
}

}  // namespace reel::bench
