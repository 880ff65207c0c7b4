#include "ops/elementwise/scalars.h"

#include <cmath>

namespace reel::detail {

double fitting(std::string_view op, const Tensor& x, double s) {
  check(is_floating(x.dtype()) || (s == std::trunc(s) && std::abs(s) <= 0x1p53),
        "[{}] the scalar {} is no value of dtype {}, or too large to be exact", op, s, x.dtype());
  return s;
}

Tensor beside(std::string_view op, const Tensor& x, double s) {
  return scalar(fitting(op, x, s), {.dtype = x.dtype()});
}

}  // namespace reel::detail
