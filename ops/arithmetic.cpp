#include "ops/arithmetic.h"

#include <cmath>

namespace reel {
namespace {

/// Integers take whole numbers only, as far as a double counts them.
double fitting(std::string_view op, const Tensor& x, double s) {
  check(is_floating(x.dtype()) || (s == std::trunc(s) && std::abs(s) <= 0x1p53),
        "[{}] the scalar {} is no value of dtype {}, or too large to be exact", op, s, x.dtype());
  return s;
}

}  // namespace

Tensor operator+(const Tensor& a, const Tensor& b) { return apply(Add{}, a, b); }
Tensor operator-(const Tensor& a, const Tensor& b) { return apply(Sub{}, a, b); }
Tensor operator*(const Tensor& a, const Tensor& b) { return apply(Mul{}, a, b); }
Tensor operator/(const Tensor& a, const Tensor& b) { return apply(Div{}, a, b); }
Tensor operator-(const Tensor& x) { return apply(Neg{}, x); }
Tensor operator+(const Tensor& x, double s) { return apply(AddScalar{fitting("add_scalar", x, s)}, x); }
Tensor operator+(double s, const Tensor& x) { return x + s; }
Tensor operator-(const Tensor& x, double s) { return x + -s; }
Tensor operator-(double s, const Tensor& x) {
  return apply(SubFromScalar{fitting("sub_from_scalar", x, s)}, x);
}
Tensor operator*(const Tensor& x, double s) { return apply(MulScalar{fitting("mul_scalar", x, s)}, x); }
Tensor operator*(double s, const Tensor& x) { return x * s; }
Tensor operator/(const Tensor& x, double s) { return apply(DivScalar{s}, x); }
Tensor operator/(double s, const Tensor& x) { return apply(DivIntoScalar{s}, x); }
Tensor& operator+=(Tensor& a, const Tensor& b) { return a = a + b; }
Tensor& operator-=(Tensor& a, const Tensor& b) { return a = a - b; }
Tensor& operator*=(Tensor& a, const Tensor& b) { return a = a * b; }
Tensor& operator/=(Tensor& a, const Tensor& b) { return a = a / b; }
Tensor& operator+=(Tensor& x, double s) { return x = x + s; }
Tensor& operator-=(Tensor& x, double s) { return x = x - s; }
Tensor& operator*=(Tensor& x, double s) { return x = x * s; }
Tensor& operator/=(Tensor& x, double s) { return x = x / s; }

Tensor pow(const Tensor& a, const Tensor& b) { return apply(Pow{}, a, b); }
Tensor pow(const Tensor& x, double exponent) { return apply(PowScalar{exponent}, x); }
Tensor maximum(const Tensor& a, const Tensor& b) { return apply(Maximum{}, a, b); }
Tensor minimum(const Tensor& a, const Tensor& b) { return apply(Minimum{}, a, b); }
Tensor abs(const Tensor& x) { return apply(Abs{}, x); }
Tensor sign(const Tensor& x) { return apply(Sign{}, x); }
Tensor square(const Tensor& x) { return apply(Square{}, x); }
Tensor sqrt(const Tensor& x) { return apply(Sqrt{}, x); }
Tensor rsqrt(const Tensor& x) { return apply(Rsqrt{}, x); }
Tensor reciprocal(const Tensor& x) { return apply(Reciprocal{}, x); }

}  // namespace reel
