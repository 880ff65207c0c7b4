#include "ops/elementwise/symbolic.h"

#include "ops/arithmetic.h"
#include "ops/compare.h"

namespace reel::detail {
namespace {

/// Constants fold; one constant beside a tensor takes the scalar form; `on_tensors` handles two tensors.
template <class OnConstants, class LeftConstant, class RightConstant, class OnTensors>
Symbolic binary(const Symbolic& a, const Symbolic& b, OnConstants on_constants, LeftConstant left,
                RightConstant right, OnTensors on_tensors) {
  if (a.is_constant() && b.is_constant())
    return Symbolic(static_cast<double>(on_constants(a.constant(), b.constant())));
  if (a.is_constant()) return Symbolic(left(a.constant(), b.tensor()));
  if (b.is_constant()) return Symbolic(right(a.tensor(), b.constant()));
  return Symbolic(on_tensors(a.tensor(), b.tensor()));
}

/// The same for conditions, which keep the dtype of what they compare.
template <class... Cases> Symbolic condition(const Symbolic& a, const Symbolic& b, Cases... cases) {
  const Symbolic result = binary(a, b, cases...);
  return result.is_constant() ? result : Symbolic(result.tensor(), a.is_constant() ? b.dtype() : a.dtype());
}

template <class Operator> Symbolic arithmetic(const Symbolic& a, const Symbolic& b, Operator op) {
  return binary(a, b, op, op, op, op);
}

Tensor as_tensor(const Symbolic& x, DType dtype) {
  return x.is_constant() ? scalar(x.constant(), {.dtype = dtype}) : x.tensor();
}

}  // namespace

Symbolic operator-(const Symbolic& a) {
  return a.is_constant() ? Symbolic(-a.constant()) : Symbolic(-a.tensor());
}
Symbolic operator+(const Symbolic& a, const Symbolic& b) {
  return arithmetic(a, b, [](const auto& x, const auto& y) { return x + y; });
}
Symbolic operator-(const Symbolic& a, const Symbolic& b) {
  return arithmetic(a, b, [](const auto& x, const auto& y) { return x - y; });
}
Symbolic operator*(const Symbolic& a, const Symbolic& b) {
  return arithmetic(a, b, [](const auto& x, const auto& y) { return x * y; });
}
Symbolic operator/(const Symbolic& a, const Symbolic& b) {
  return arithmetic(a, b, [](const auto& x, const auto& y) { return x / y; });
}

Symbolic operator<(const Symbolic& a, const Symbolic& b) {
  return condition(
      a, b, [](double x, double y) { return x < y; }, [](double x, const Tensor& y) { return greater(y, x); },
      [](const Tensor& x, double y) { return less(x, y); },
      [](const Tensor& x, const Tensor& y) { return less(x, y); });
}
Symbolic operator<=(const Symbolic& a, const Symbolic& b) {
  return condition(
      a, b, [](double x, double y) { return x <= y; },
      [](double x, const Tensor& y) { return greater_equal(y, x); },
      [](const Tensor& x, double y) { return less_equal(x, y); },
      [](const Tensor& x, const Tensor& y) { return less_equal(x, y); });
}
Symbolic operator>(const Symbolic& a, const Symbolic& b) { return b < a; }
Symbolic operator>=(const Symbolic& a, const Symbolic& b) { return b <= a; }
Symbolic operator==(const Symbolic& a, const Symbolic& b) {
  return condition(
      a, b, [](double x, double y) { return x == y; }, [](double x, const Tensor& y) { return equal(y, x); },
      [](const Tensor& x, double y) { return equal(x, y); },
      [](const Tensor& x, const Tensor& y) { return equal(x, y); });
}
Symbolic operator!=(const Symbolic& a, const Symbolic& b) {
  return condition(
      a, b, [](double x, double y) { return x != y; },
      [](double x, const Tensor& y) { return not_equal(y, x); },
      [](const Tensor& x, double y) { return not_equal(x, y); },
      [](const Tensor& x, const Tensor& y) { return not_equal(x, y); });
}
// Of two conditions, one that is constant decides or drops out.
Symbolic operator|(const Symbolic& a, const Symbolic& b) {
  if (a.is_constant()) return a.constant() != 0 ? a : b;
  if (b.is_constant()) return b.constant() != 0 ? b : a;
  return Symbolic(logical_or(a.tensor(), b.tensor()), a.dtype());
}
Symbolic operator&(const Symbolic& a, const Symbolic& b) {
  if (a.is_constant()) return a.constant() != 0 ? b : a;
  if (b.is_constant()) return b.constant() != 0 ? a : b;
  return Symbolic(logical_and(a.tensor(), b.tensor()), a.dtype());
}

Symbolic select(const Symbolic& condition, const Symbolic& a, const Symbolic& b) {
  if (condition.is_constant()) return condition.constant() != 0 ? a : b;
  if (a.is_constant() && b.is_constant() && a.constant() == b.constant()) return a;
  const DType dtype = condition.dtype();
  return Symbolic(where(condition.tensor(), as_tensor(a, dtype), as_tensor(b, dtype)));
}

}  // namespace reel::detail
