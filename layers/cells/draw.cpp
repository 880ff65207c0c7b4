#include "layers/cells/draw.h"

#include <cmath>

#include "framework/tape.h"
#include "layers/initializers.h"
#include "layers/module.h"
#include "ops/arithmetic.h"
#include "ops/slicing.h"

namespace reel::detail {

void check_sizes(std::string_view cell, int64_t input, int64_t hidden) {
  check(input >= 1 && hidden >= 1, "[{}] expected sizes of at least 1, got input {} and hidden {}", cell,
        input, hidden);
  constexpr int64_t most = int64_t{1} << 31;
  check(input <= most && hidden <= most, "[{}] sizes above 2^31 fit no memory, got input {} and hidden {}",
        cell, input, hidden);
}

void check_bound(std::string_view cell, std::string_view option, double bound) {
  check(bound > 0, "[{}] expected {} above 0, got {}", cell, option, bound);
}

void check_forget_bias(std::string_view cell, double forget_bias, bool bias) {
  check(std::isfinite(forget_bias), "[{}] expected a finite forget_bias, got {}", cell, forget_bias);
  check(bias || forget_bias == 0, "[{}] a forget_bias of {} needs a bias, and bias is false", cell,
        forget_bias);
}

Tensor draw(const Shape& shape, int64_t hidden) {
  const double bound = 1 / std::sqrt(static_cast<double>(hidden));
  return parameter(uniform_(empty(shape), -bound, bound));
}

void raise(Tensor& bias, int64_t start, int64_t count, double value) {
  if (value == 0) return;
  const NoTape values_only;
  Tensor part = narrow(bias, 0, start, count);
  part.copy_(part + value);
}

}  // namespace reel::detail
