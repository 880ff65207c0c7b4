// Reel's side of bench_optimizers.
#include "bench/optimizers.h"

#include <reel/reel.h>

#include <memory>

namespace reel::bench {
namespace {

template <class Rule, class Options> std::function<void()> stepping(int64_t elements, Options options) {
  Tensor p = randn({elements}).requires_grad_(), g = randn({elements});
  auto optimizer = std::make_shared<Rule>(std::vector<Tensor>{p}, options);
  return [=]() mutable {
    p.set_grad(g);
    optimizer->step();
  };
}

}  // namespace

OptimizerCalls reel_optimizers(int64_t elements) {
  return {stepping<SGD>(elements, SGDOptions{.momentum = 0.9}), stepping<Adam>(elements, AdamOptions{}),
          stepping<AdamW>(elements, AdamWOptions{})};
}

}  // namespace reel::bench
