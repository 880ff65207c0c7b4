// The loops of formulas that are defined outside of the library, with nothing but the standard library: arithmetic on
// a row of lanes, which any compiler turns into vector instructions; functions by the library's own loops, which fit
// the machine. Types and functions here are never used inside the library, so that its loops, compiled with other
// flags, cannot be mixed up with those of a program.
#pragma once

#include <algorithm>
#include <cstring>

#include <reel/ops/elementwise/functions.h>
#include <reel/ops/elementwise/traits.h>

namespace reel::detail {

/// The library's loop for a function.
TileKernel function_kernel(Function function, DType dtype);
TileKernel function_kernel(BinaryFunction function, DType dtype);

/// Conditions on the lanes: all bits of a lane set, or none.
template <class T> struct LaneMask {
  using Lane = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  // Long enough to make up for the call that a function costs, short enough for the intermediate values of a formula
  // to stay in L1.
  static constexpr size_t size = 64;
  alignas(16) Lane lane[size];

  template <class Op> static LaneMask zip(const LaneMask& a, const LaneMask& b, Op op) {
    LaneMask result;
    for (size_t i = 0; i < size; ++i) result.lane[i] = op(a.lane[i], b.lane[i]);
    return result;
  }
  friend LaneMask operator|(const LaneMask& a, const LaneMask& b) {
    return zip(a, b, [](Lane x, Lane y) { return x | y; });
  }
  friend LaneMask operator&(const LaneMask& a, const LaneMask& b) {
    return zip(a, b, [](Lane x, Lane y) { return x & y; });
  }
};

/// A row of numbers, with the arithmetic that formulas use.
template <class T> struct Lanes {
  using Mask = LaneMask<T>;
  static constexpr size_t size = Mask::size;
  alignas(16) T lane[size];

  Lanes() = default;
  explicit Lanes(double constant) { std::fill_n(lane, size, static_cast<T>(constant)); }

  template <class Op> static Lanes zip(const Lanes& a, const Lanes& b, Op op) {
    Lanes result;
    for (size_t i = 0; i < size; ++i) result.lane[i] = op(a.lane[i], b.lane[i]);
    return result;
  }
  template <class Op> static Mask compare(const Lanes& a, const Lanes& b, Op op) {
    using Lane = typename Mask::Lane;
    Mask result;
    for (size_t i = 0; i < size; ++i) result.lane[i] = op(a.lane[i], b.lane[i]) ? ~Lane{0} : Lane{0};
    return result;
  }
  // Functions have no attributes: what their loops take for the formula is never read.
  static Lanes call(Function function, const Lanes& x) {
    Lanes result;
    const void* in[] = {x.lane};
    function_kernel(function, dtype_of<T>())(x.lane, in, result.lane, size);
    return result;
  }
  static Lanes call(BinaryFunction function, const Lanes& a, const Lanes& b) {
    Lanes result;
    const void* in[] = {a.lane, b.lane};
    function_kernel(function, dtype_of<T>())(a.lane, in, result.lane, size);
    return result;
  }

  friend Lanes operator-(const Lanes& a) {
    return zip(a, a, [](T x, T) { return -x; });
  }
  friend Lanes operator+(const Lanes& a, const Lanes& b) {
    return zip(a, b, [](T x, T y) { return x + y; });
  }
  friend Lanes operator-(const Lanes& a, const Lanes& b) {
    return zip(a, b, [](T x, T y) { return x - y; });
  }
  friend Lanes operator*(const Lanes& a, const Lanes& b) {
    return zip(a, b, [](T x, T y) { return x * y; });
  }
  friend Lanes operator/(const Lanes& a, const Lanes& b) {
    return zip(a, b, [](T x, T y) { return x / y; });
  }
  friend Mask operator<(const Lanes& a, const Lanes& b) {
    return compare(a, b, [](T x, T y) { return x < y; });
  }
  friend Mask operator<=(const Lanes& a, const Lanes& b) {
    return compare(a, b, [](T x, T y) { return x <= y; });
  }
  friend Mask operator>(const Lanes& a, const Lanes& b) { return b < a; }
  friend Mask operator>=(const Lanes& a, const Lanes& b) { return b <= a; }
  friend Mask operator==(const Lanes& a, const Lanes& b) {
    return compare(a, b, [](T x, T y) { return x == y; });
  }
  friend Mask operator!=(const Lanes& a, const Lanes& b) {
    return compare(a, b, [](T x, T y) { return x != y; });
  }
  friend Lanes select(const Mask& condition, const Lanes& a, const Lanes& b) {
    Lanes result;
    for (size_t i = 0; i < size; ++i) result.lane[i] = condition.lane[i] != 0 ? a.lane[i] : b.lane[i];
    return result;
  }
};

/// Runs body(lanes in) over n elements of `count` inputs; the last row is filled up with its last element. The body
/// stands in one place, so that no compiler contracts it in two ways and results depend on the position.
template <class T, size_t count, class Body>
void lanes_loop(const void* const* in, void* out, int64_t n, const Body& body) {
  constexpr size_t width = Lanes<T>::size;
  Lanes<T> x[count];
  for (size_t left = static_cast<size_t>(n), done = 0; left > 0;) {
    const size_t present = std::min(width, left);
    for (size_t k = 0; k < count; ++k) {
      const T* source = static_cast<const T*>(in[k]) + done;
      if (present == width) {
        std::memcpy(x[k].lane, source, width * sizeof(T));
      } else {
        std::copy_n(source, present, x[k].lane);
        std::fill_n(x[k].lane + present, width - present, source[present - 1]);
      }
    }
    const Lanes<T> result = body(static_cast<const Lanes<T>*>(x));
    T* target = static_cast<T*>(out) + done;
    if (present == width)
      std::memcpy(target, result.lane, width * sizeof(T));
    else
      std::copy_n(result.lane, present, target);
    done += present;
    left -= present;
  }
}

template <class F, class T>
void own_value_kernel(const void* formula, const void* const* in, void* out, int64_t n) {
  const F f = *static_cast<const F*>(formula);
  lanes_loop<T, arity<F>>(in, out, n, [&](const Lanes<T>* x) { return formula_value(f, x); });
}

template <class F, class T, size_t K>
void own_slope_kernel(const void* formula, const void* const* in, void* out, int64_t n) {
  const F f = *static_cast<const F*>(formula);
  lanes_loop<T, arity<F> + 2>(in, out, n,
                              [&](const Lanes<T>* x) { return x[arity<F> + 1] * formula_slope<K>(f, x); });
}

template <class F> const FormulaKernels& own_kernels() {
  static constexpr FormulaKernels kernels = [] {
    FormulaKernels result;
    result.value32 = own_value_kernel<F, float>;
    result.value64 = own_value_kernel<F, double>;
    if constexpr (takes_integers<F>) result.integers = integer_kernel<F>;
    if constexpr (has_slope<F>) {
      [&]<size_t... K>(std::index_sequence<K...>) {
        ((result.slope32[K] = own_slope_kernel<F, float, K>), ...);
        ((result.slope64[K] = own_slope_kernel<F, double, K>), ...);
      }
      (std::make_index_sequence<arity<F>>());
    }
    return result;
  }();
  return kernels;
}

}  // namespace reel::detail
