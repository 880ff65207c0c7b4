#include "ops/loss_common.h"

#include "ops/arithmetic.h"
#include "ops/reduction.h"

namespace reel::detail {

void check_floating(std::string_view op, const Tensor& x) {
  check(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x);
}

void check_same_dtype(std::string_view op, const Tensor& a, const Tensor& b) {
  check_floating(op, a);
  check(a.dtype() == b.dtype(), "[{}] arguments of one dtype expected, got {} and {}; cast() converts", op, a,
        b);
}

void check_same_shape(std::string_view op, const Tensor& input, const Tensor& target) {
  check_same_dtype(op, input, target);
  check(input.shape() == target.shape(), "[{}] input and target of one shape expected, got {} and {}", op,
        input, target);
}

void check_broadcast(std::string_view op, const Tensor& a, const Tensor& b) {
  check_same_dtype(op, a, b);
  broadcast_shapes(op, a.shape(), b.shape());
}

void check_weight(std::string_view op, std::string_view what, const Tensor& weight, const Tensor& x) {
  if (!weight.defined()) return;
  check(weight.dtype() == x.dtype() && weight.rank() <= x.rank() &&
            broadcast_shapes(op, weight.shape(), x.shape()) == x.shape(),
        "[{}] a {} of the dtype of {} that broadcasts to it expected, got {}", op, what, x, weight);
}

Tensor weighted(const Tensor& losses, const Tensor& weight) {
  return weight.defined() ? losses * weight : losses;
}

Tensor reduced(const Tensor& losses, Reduction reduction) {
  switch (reduction) {
    case Reduction::none:
      return losses;
    case Reduction::mean:
      return mean(losses);
    case Reduction::sum:
      return sum(losses);
  }
  throw Error("[loss] unknown reduction");
}

}  // namespace reel::detail
