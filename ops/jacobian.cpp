#include "ops/jacobian.h"

#include "framework/op.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel::detail {

Tensor jacobian_of(const char* caller, FunctionRef f, const Tensor& x) {
  check(is_floating(x.dtype()), "[{}] a floating argument expected, got {}", caller, x);
  const bool nested = recording();
  const Tensor argument = alias(x);
  Tape tape;
  if (!argument.requires_grad()) tape.watch(argument);
  const Tensor y = f({argument}).at(0);
  check(is_floating(y.dtype()), "[{}] the function must return a floating tensor, got {}", caller, y);
  std::vector<Tensor> rows;
  for (int64_t i = 0; i < y.numel(); ++i) {
    Tensor row = zeros(y.shape(), {.dtype = y.dtype()});
    dispatch_floating(caller, y.dtype(), [&](auto zero) { row.raw<decltype(zero)>()[i] = 1; });
    rows.push_back(tape.gradient(std::vector<Tensor>{y}, {row}, {argument},
                                 {.retain_graph = true, .create_graph = nested})[0]);
  }
  Shape shape = y.shape();
  for (int64_t extent : x.shape()) shape.push_back(extent);
  if (rows.empty()) return zeros(shape, {.dtype = x.dtype()});
  return reshape(stack(rows, 0), shape);
}

}  // namespace reel::detail
