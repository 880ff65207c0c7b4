// The mathematical functions that formulas call. On numbers they are those of std, on SIMD batches xsimd's; here is
// the list of them for the types that stand in for numbers (Probe, Symbolic, Lanes), and what replaces xsimd where it
// is wrong. A new function: an enumerator and a line here, a line in functions.cpp.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

namespace reel {

/// condition ? a : b, in the form that formulas use.
template <class T>
requires std::is_arithmetic_v<T>
constexpr T select(bool condition, T a, T b) { return condition ? a : b; }

namespace detail {

enum class Function : uint8_t {
  exp,
  expm1,
  log,
  log1p,
  log2,
  log10,
  sqrt,
  abs,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  erf,
  erfc,
  floor,
  ceil,
  trunc,
  nearbyint
};
enum class BinaryFunction : uint8_t { pow, atan2, hypot, fmod };

/// A type that stands in for numbers: given a function, it does in its own way what the function does to a number.
template <class T>
concept StandIn = requires(const T& x) {
  { T::call(Function::exp, x) } -> std::same_as<T>;
};

// clang-format off
template <StandIn T> T exp(const T& x) { return T::call(Function::exp, x); }
template <StandIn T> T expm1(const T& x) { return T::call(Function::expm1, x); }
template <StandIn T> T log(const T& x) { return T::call(Function::log, x); }
template <StandIn T> T log1p(const T& x) { return T::call(Function::log1p, x); }
template <StandIn T> T log2(const T& x) { return T::call(Function::log2, x); }
template <StandIn T> T log10(const T& x) { return T::call(Function::log10, x); }
template <StandIn T> T sqrt(const T& x) { return T::call(Function::sqrt, x); }
template <StandIn T> T abs(const T& x) { return T::call(Function::abs, x); }
template <StandIn T> T sin(const T& x) { return T::call(Function::sin, x); }
template <StandIn T> T cos(const T& x) { return T::call(Function::cos, x); }
template <StandIn T> T tan(const T& x) { return T::call(Function::tan, x); }
template <StandIn T> T asin(const T& x) { return T::call(Function::asin, x); }
template <StandIn T> T acos(const T& x) { return T::call(Function::acos, x); }
template <StandIn T> T atan(const T& x) { return T::call(Function::atan, x); }
template <StandIn T> T sinh(const T& x) { return T::call(Function::sinh, x); }
template <StandIn T> T cosh(const T& x) { return T::call(Function::cosh, x); }
template <StandIn T> T tanh(const T& x) { return T::call(Function::tanh, x); }
template <StandIn T> T asinh(const T& x) { return T::call(Function::asinh, x); }
template <StandIn T> T acosh(const T& x) { return T::call(Function::acosh, x); }
template <StandIn T> T atanh(const T& x) { return T::call(Function::atanh, x); }
template <StandIn T> T erf(const T& x) { return T::call(Function::erf, x); }
template <StandIn T> T erfc(const T& x) { return T::call(Function::erfc, x); }
template <StandIn T> T floor(const T& x) { return T::call(Function::floor, x); }
template <StandIn T> T ceil(const T& x) { return T::call(Function::ceil, x); }
template <StandIn T> T trunc(const T& x) { return T::call(Function::trunc, x); }
template <StandIn T> T nearbyint(const T& x) { return T::call(Function::nearbyint, x); }
template <StandIn T> T pow(const T& a, const T& b) { return T::call(BinaryFunction::pow, a, b); }
template <StandIn T> T atan2(const T& a, const T& b) { return T::call(BinaryFunction::atan2, a, b); }
template <StandIn T> T hypot(const T& a, const T& b) { return T::call(BinaryFunction::hypot, a, b); }
template <StandIn T> T fmod(const T& a, const T& b) { return T::call(BinaryFunction::fmod, a, b); }
// clang-format on

template <class T>
concept SimdBatch = requires {
  typename T::arch_type;
  T::size;
};

/// f on every lane by itself: where xsimd has no such function, or a wrong one.
template <class F, SimdBatch T> T lanewise(F f, const T& a, const T& b) {
  typename T::value_type x[T::size], y[T::size];
  a.store_unaligned(x);
  b.store_unaligned(y);
  for (size_t i = 0; i < T::size; ++i) x[i] = f(x[i], y[i]);
  return T::load_unaligned(x);
}

/// a^b by C's rules, which xsimd's pow does not keep for zeros, negative numbers and infinities.
template <class T> T power(const T& a, const T& b) {
  using std::pow;
  if constexpr (SimdBatch<T>)
    return lanewise([](auto x, auto y) { return std::pow(x, y); }, a, b);
  else
    return pow(a, b);
}

/// The angle of (b, a); xsimd's is nan at the origin and between infinities.
template <class T> T angle(const T& a, const T& b) {
  using std::atan2;
  if constexpr (SimdBatch<T>)
    return lanewise([](auto x, auto y) { return std::atan2(x, y); }, a, b);
  else
    return atan2(a, b);
}

/// sqrt(a^2 + b^2); xsimd's overflows in the squares.
template <class T> T length(const T& a, const T& b) {
  using std::hypot;
  if constexpr (SimdBatch<T>)
    return lanewise([](auto x, auto y) { return std::hypot(x, y); }, a, b);
  else
    return hypot(a, b);
}

/// What is left of a after b was taken away as often as it fits, with a's sign; exact, which xsimd's is not.
/// For integers 0 where b is 0.
template <class T> T modulus(const T& a, const T& b) {
  using std::fmod;
  if constexpr (std::is_integral_v<T>)
    return b == 0 || b == -1 ? T(0) : a % b;
  else if constexpr (SimdBatch<T>)
    return lanewise([](auto x, auto y) { return std::fmod(x, y); }, a, b);
  else
    return fmod(a, b);
}

/// c0 x^n + c1 x^(n-1) + ...
template <class T, class... C> T polynomial(const T& x, double first, C... rest) {
  T result(first);
  ((result = result * x + T(rest)), ...);
  return result;
}

/// erf and erfc together, to a few units in the last place. W. J. Cody, "Rational Chebyshev approximations for the
/// error function", Math. Comp. 23 (1969).
template <class T> void error_functions(const T& x, T& erf, T& erfc) {
  using std::abs;
  using std::exp;
  using std::trunc;
  const T magnitude = abs(x);
  const T y = select(magnitude > T(30), T(30), magnitude);  // where erfc is 0 and squares do not overflow
  const T square = y * y;
  const T small = x *
                  polynomial(square, 1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2,
                             3.77485237685302021e2, 3.20937758913846947e3) /
                  polynomial(square, 1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
                             2.84423683343917062e3);
  const T middle = polynomial(y, 2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0,
                              6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
                              1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3) /
                   polynomial(y, 1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
                              1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
                              3.43936767414372164e3, 1.23033935480374942e3);
  const T z = T(1) / square;
  const T correction = z *
                       polynomial(z, 1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1,
                                  1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4) /
                       polynomial(z, 1.0, 2.56852019228982242e0, 1.87295284992346725e0,
                                  5.27905102951428412e-1, 6.05183413124413191e-2, 2.33520497626869185e-3);
  const T far = (T(0.56418958354775628695) - correction) / y;
  // exp(-y^2) with the square in two parts, the first of which is exact.
  const T head = trunc(y * T(16)) * T(0.0625);
  const T tail = exp(-(head * head)) * exp(-((y - head) * (y + head))) * select(y > T(4), far, middle);
  const auto inner = y <= T(0.46875);
  const auto negative = x < T(0);
  erf = select(inner, small, select(negative, tail - T(1), T(1) - tail));
  erfc = select(inner, T(1) - small, select(negative, T(2) - tail, tail));
}

/// erf; xsimd's is off by 66 units in the last place in float64.
template <class T> T error_function(const T& x) {
  using std::erf;
  if constexpr (SimdBatch<T>) {
    T value, complement;
    error_functions(x, value, complement);
    return value;
  } else {
    return erf(x);
  }
}

/// 1 - erf, exact where it is small; xsimd's is not, in either dtype.
template <class T> T complementary_error_function(const T& x) {
  using std::erfc;
  if constexpr (SimdBatch<T>) {
    T value, complement;
    error_functions(x, value, complement);
    return complement;
  } else {
    return erfc(x);
  }
}

}  // namespace detail
}  // namespace reel
