#include "ops/dropout.h"

#include "ops/arithmetic.h"
#include "ops/shape.h"

namespace reel {

Tensor dropout(const Tensor& x, double p, Random& random) {
  check(p >= 0 && p <= 1, "[dropout] expected a probability in [0, 1], got {}", p);
  check(is_floating(x.dtype()), "[dropout] expected a floating dtype, got {}", x);
  if (p == 0) return x;
  if (p == 1) return x * 0.0;
  const Tensor mask = bernoulli(x.shape(), 1 - p, {.dtype = x.dtype()}, random) / (1 - p);
  return x * mask;
}

}  // namespace reel
