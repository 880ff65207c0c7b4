#include "ops/arithmetic.h"

#include "ops/elementwise/scalars.h"

namespace reel {

using detail::fitting;

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
Tensor pow(double base, const Tensor& x) { return apply(PowOfScalar{base}, x); }
Tensor lerp(const Tensor& a, const Tensor& b, double weight) { return apply(LerpScalar{weight}, a, b); }
Tensor lerp(const Tensor& a, const Tensor& b, const Tensor& weight) { return apply(Lerp{}, a, b, weight); }
Tensor maximum(const Tensor& a, const Tensor& b) { return apply(Maximum{}, a, b); }
Tensor minimum(const Tensor& a, const Tensor& b) { return apply(Minimum{}, a, b); }
Tensor abs(const Tensor& x) { return apply(Abs{}, x); }
Tensor sign(const Tensor& x) { return apply(Sign{}, x); }
Tensor square(const Tensor& x) { return apply(Square{}, x); }
Tensor sqrt(const Tensor& x) { return apply(Sqrt{}, x); }
Tensor rsqrt(const Tensor& x) { return apply(Rsqrt{}, x); }
Tensor reciprocal(const Tensor& x) { return apply(Reciprocal{}, x); }

}  // namespace reel
