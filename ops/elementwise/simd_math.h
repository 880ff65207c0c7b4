// Functions of float batches that xsimd has too slow or not exact enough: exp, log and tanh, to 2 units in the last
// place over all floats; and larger and smaller. Heavy, not part of reel.h: included by kernels.h. Formulas call them as always (`using std::exp; exp(x)`):
// the batches of our loops name an instruction set of our own, OwnMath, by which argument-dependent lookup comes
// here first. All else is xsimd's.
//
// Polynomials are minimax fits in the relative error of the result (Lawson's iteration on Chebyshev nodes), which is
// given beside each.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <numbers>
#include <xsimd/xsimd.hpp>

namespace reel::detail {

/// xsimd's instruction set `Base`, with the functions of this file.
template <class Base> struct OwnMath : Base {};

}  // namespace reel::detail

// How xsimd is told of an instruction set: the registers are those of Base.
namespace xsimd::types {

template <class T, class Base> struct simd_register<T, reel::detail::OwnMath<Base>> : simd_register<T, Base> {
  using register_type = typename simd_register<T, Base>::register_type;
  simd_register() = default;
  simd_register(register_type value) noexcept : simd_register<T, Base>{value} {}  // NOLINT: as xsimd's own
};
template <class T, class Base>
struct has_simd_register<T, reel::detail::OwnMath<Base>> : has_simd_register<T, Base> {};
template <class T, class Base> struct get_bool_simd_register<T, reel::detail::OwnMath<Base>> {
  using type = get_bool_simd_register_t<T, Base>;
};

}  // namespace xsimd::types

namespace reel::detail {

template <class T, class Base> using OwnBatch = xsimd::batch<T, OwnMath<Base>>;

/// Where one is a nan, max and min give the second argument or a nan; at a tie they give either.
template <class T, class Base>
inline OwnBatch<T, Base> larger(const OwnBatch<T, Base>& a, const OwnBatch<T, Base>& b) {
  return select(b == b, xsimd::max(b, a), b);
}
template <class T, class Base>
inline OwnBatch<T, Base> smaller(const OwnBatch<T, Base>& a, const OwnBatch<T, Base>& b) {
  return select(b == b, xsimd::min(b, a), b);
}

/// c0 + x (c1 + x (c2 + ...))
template <class V> inline V polynomial(const V&, float last) { return V(last); }
template <class V, class... C> inline V polynomial(const V& x, float first, C... rest) {
  return xsimd::fma(polynomial(x, rest...), x, V(first));
}

/// c0 + c1 x + ... + c4 x^4, with a shorter chain of dependent steps; `square` is x^2.
template <class V>
inline V quartic(const V& x, const V& square, float c0, float c1, float c2, float c3, float c4) {
  const V low = xsimd::fma(V(c1), x, V(c0));
  const V high = xsimd::fma(V(c4), square, xsimd::fma(V(c3), x, V(c2)));
  return xsimd::fma(high, square, low);
}

constexpr float log2e = std::numbers::log2e_v<float>;
// ln 2 in two parts, the first of few enough bits that its products with small whole numbers are exact.
constexpr float ln2_high = 0.693359375F, ln2_low = -2.12194440e-4F;

/// e^x = 2^n (1 + m) with m = expm1(r), x = n ln 2 + r, for |x| < 2^15.
template <class Base> struct ExpParts {
  using V = OwnBatch<float, Base>;
  using I = OwnBatch<int32_t, Base>;
  static constexpr float magic = 0x1.8p23F;  // adding it rounds to a whole number
  V shifted, m;

  /// |r| <= ln 2 / 2
  explicit ExpParts(const V& x)  // m = r + r^2 p(r); 1.4e-8
      : ExpParts(x, xsimd::fma(x, V(log2e), V(magic)), 0.49999997F, 0.16666542F, 0.0416672044F,
                 0.00836664718F, 0.0013882498F) {}
  /// n is what `shifted` has been rounded to; the rest are p's coefficients.
  ExpParts(const V& x, const V& shifted_n, float c0, float c1, float c2, float c3, float c4)
      : shifted(shifted_n) {
    const V n = shifted - V(magic);
    const V r = xsimd::fma(n, V(-ln2_low), xsimd::fma(n, V(-ln2_high), x));
    const V square = r * r;
    m = xsimd::fma(quartic(r, square, c0, c1, c2, c3, c4), square, r);
  }
  /// n, moved to where the exponent of a float stands.
  I exponent() const { return std::bit_cast<I>(shifted) << 23; }
  /// 2^n, where it is a normal number.
  V power() const { return std::bit_cast<V>(exponent() + std::bit_cast<I>(V(1))); }
};

// To here, e^x and e^-x are normal numbers.
constexpr float exp_bound = 87;

/// Whether all |x| <= exp_bound; compared as integers, which takes no turn from the units that multiply.
template <class Base> inline bool within_exp_bound(const OwnBatch<float, Base>& x) {
  using I = OwnBatch<int32_t, Base>;
  const I magnitude = std::bit_cast<I>(x) & I(std::numeric_limits<int32_t>::max());
  return !xsimd::any(magnitude > I(std::bit_cast<int32_t>(exp_bound)));
}

template <class Base> OwnBatch<float, Base> exp(const OwnBatch<float, Base>& x) {
  using V = OwnBatch<float, Base>;
  using I = OwnBatch<int32_t, Base>;
  if (within_exp_bound(x)) {
    const ExpParts<Base> parts(x);
    return std::bit_cast<V>(std::bit_cast<I>(parts.m + V(1)) + parts.exponent());
  }
  // 2^n in two factors. Where the result is 0 or infinite is soon reached; a nan goes through.
  const ExpParts<Base> parts(select(x > V(90), V(90), select(x < V(-105), V(-105), x)));
  const I n = std::bit_cast<I>(parts.shifted) - std::bit_cast<I>(V(ExpParts<Base>::magic));
  const I half = n >> 1;
  const V first = std::bit_cast<V>((half + I(127)) << 23),
          second = std::bit_cast<V>((n - half + I(127)) << 23);
  return (parts.m + V(1)) * first * second;
}

/// 1 / (1 + e^-x)
template <class Base> OwnBatch<float, Base> logistic(const OwnBatch<float, Base>& x) {
  using V = OwnBatch<float, Base>;
  const auto inner = [](const V& bounded) {
    const ExpParts<Base> parts(-bounded);
    const V power = parts.power();
    return V(1) / (xsimd::fma(power, parts.m, V(1)) + power);
  };
  const auto within = xsimd::abs(x) <= V(exp_bound);
  if (xsimd::all(within)) return inner(x);
  return select(within, inner(select(within, x, V(0))), select(x > V(0), V(1), exp(x)));
}

/// e / (e + 2) with e = expm1(2 |x|), and x's sign.
template <class Base> OwnBatch<float, Base> tanh(const OwnBatch<float, Base>& x) {
  using V = OwnBatch<float, Base>;
  using I = OwnBatch<int32_t, Base>;
  const V magnitude = xsimd::abs(x);
  const V bounded = xsimd::min(V(9.5F), magnitude);  // 1 to the last bit from there on; a nan goes through
  // Rounded from 3/4 on, so that e is m itself, without a rounding of its own, up to 0.68; m within 1.4e-8.
  const V shifted = xsimd::fma(bounded, V(2 * log2e), V(-0.25F)) + V(ExpParts<Base>::magic);
  const ExpParts<Base> parts(bounded + bounded, shifted, 0.50000006F, 0.1666684F, 0.0416617021F,
                             0.00828209054F, 0.00160285411F);
  const V power = parts.power();
  const V e = xsimd::fma(power, parts.m, power - V(1));
  const V quotient = e / (e + V(2));
  // Where e is small, e/2 - e/2 * quotient: the rounding of e + 2 matters less.
  const V half = e * V(0.5F);
  const V y = select(e < V(0.75F), xsimd::fnma(half, quotient, half), quotient);
  return std::bit_cast<V>(std::bit_cast<I>(y) | (std::bit_cast<I>(x) ^ std::bit_cast<I>(magnitude)));
}

/// log of a positive normal number, plus `offset` ln 2.
template <class Base>
inline OwnBatch<float, Base> log_normal(const OwnBatch<float, Base>& x, const OwnBatch<float, Base>& offset) {
  using V = OwnBatch<float, Base>;
  using I = OwnBatch<int32_t, Base>;
  // x = 2^n (1 + f), 1 + f between the roots of 1/2 and 2.
  const I root(0x3f3504f3);
  const I above = std::bit_cast<I>(x) - root;
  const V n = xsimd::to_float(above >> 23) + offset;
  const V f = std::bit_cast<V>((above & I(0x007fffff)) + root) - V(1);
  // log(1 + f) = f - f^2 / 2 + f^3 p(f); 6e-9
  const V p = polynomial(f, 0.333333313F, -0.250008196F, 0.200012267F, -0.166233569F, 0.142017573F,
                         -0.13160184F, 0.127615869F, -0.0763450339F);
  const V square = f * f;
  const V tail = xsimd::fma(square * f, p, V(-0.5F) * square);
  const V low = xsimd::fma(n, V(-2.12194440e-4F), tail);
  return xsimd::fma(n, V(0.693359375F), f + low);
}

template <class Base> OwnBatch<float, Base> log(const OwnBatch<float, Base>& x) {
  using V = OwnBatch<float, Base>;
  constexpr float smallest = std::numeric_limits<float>::min(),
                  infinity = std::numeric_limits<float>::infinity();
  if (xsimd::all((x >= V(smallest)) & (x < V(infinity)))) return log_normal(x, V(0));
  const auto denormal = x < V(smallest);
  const V y = log_normal(select(denormal, x * V(0x1p23F), x), select(denormal, V(-23), V(0)));
  const V at_end = select(x == V(0), V(-infinity), select(x == V(infinity), V(infinity), V(x - x) / V(0)));
  return select((x > V(0)) & (x < V(infinity)), y, at_end);
}

/// xsimd takes denormal doubles for normal ones; they are scaled up first.
template <class Base> OwnBatch<double, Base> log(const OwnBatch<double, Base>& x) {
  using V = OwnBatch<double, Base>;
  const auto denormal = x < V(std::numeric_limits<double>::min());
  if (!xsimd::any(denormal)) return xsimd::log(x);
  return xsimd::log(V(select(denormal, x * V(0x1p54), x))) -
         select(denormal, V(54 * std::numbers::ln2), V(0));
}

}  // namespace reel::detail
