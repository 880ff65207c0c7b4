// The loops of the library's elementwise formulas, with xsimd, for the instruction set that the including unit is
// compiled for: for the generated units of ops/ alone, not part of reel.h nor of an installation.
//
// There is no scalar remainder: SIMD and scalar functions differ in the last bits, and results would depend
// on the position of an element. The last vector is padded instead.
#pragma once

#include <xsimd/xsimd.hpp>

#include <reel/ops/elementwise/formula.h>

namespace reel::detail {

/// Runs body(batches in, batch& out) over n elements of `count` inputs.
template <class T, size_t count, class Body>
inline void vector_loop(const void* const* in, void* out, int64_t n, const Body& body) {
  using Batch = xsimd::batch<T, xsimd::default_arch>;
  constexpr auto width = static_cast<int64_t>(Batch::size);
  const T* sources[count];
  for (size_t k = 0; k < count; ++k) sources[k] = static_cast<const T*>(in[k]);
  T* target = static_cast<T*>(out);
  int64_t i = 0;
  for (; i + width <= n; i += width) {
    Batch x[count];
    for (size_t k = 0; k < count; ++k) x[k] = Batch::load_unaligned(sources[k] + i);
    body(x).store_unaligned(target + i);
  }
  if (i == n) return;
  alignas(64) T padded[count + 1][width];
  Batch x[count];
  for (size_t k = 0; k < count; ++k) {
    for (int64_t j = 0; j < width; ++j) padded[k][j] = sources[k][i + j < n ? i + j : n - 1];
    x[k] = Batch::load_aligned(padded[k]);
  }
  body(x).store_aligned(padded[count]);
  for (int64_t j = 0; i + j < n; ++j) target[i + j] = padded[count][j];
}

template <class F, Isa isa, class T>
void value_kernel(const void* formula, const void* const* in, void* out, int64_t n) {
  const F f = *static_cast<const F*>(formula);
  vector_loop<T, arity<F>>(in, out, n, [&](const auto* x) { return formula_value(f, x); });
}

template <class F, Isa isa, class T, size_t K>
void slope_kernel(const void* formula, const void* const* in, void* out, int64_t n) {
  const F f = *static_cast<const F*>(formula);
  vector_loop<T, arity<F> + 2>(in, out, n,
                               [&](const auto* x) { return x[arity<F> + 1] * formula_slope<K>(f, x); });
}

template <class F, Isa isa> const FormulaKernels& compiled() {
  static_assert(in_library<F>, "the header of a family says of its list that it is in the library");
  static constexpr FormulaKernels kernels = [] {
    FormulaKernels result;
    result.value32 = value_kernel<F, isa, float>;
    result.value64 = value_kernel<F, isa, double>;
    // Only once: scalar code has no instruction set in its type, and the linker would mix up several
    // versions.
    if constexpr (takes_integers<F> && isa == isa_baseline) result.integers = integer_kernel<F>;
    if constexpr (has_slope<F>) {
      [&]<size_t... K>(std::index_sequence<K...>) {
        ((result.slope32[K] = slope_kernel<F, isa, float, K>), ...);
        ((result.slope64[K] = slope_kernel<F, isa, double, K>), ...);
      }
      (std::make_index_sequence<arity<F>>());
    }
    return result;
  }();
  return kernels;
}

/// What a list of formulas is compiled to: refers to the loops of each, so that they end up in the object
/// file.
template <class List, Isa isa> struct CompiledList;
template <class... F, Isa isa> struct CompiledList<FormulaList<F...>, isa> {
  using Getter = const FormulaKernels& (*)();
  static constexpr Getter getters[] = {compiled<F, isa>...};
};

}  // namespace reel::detail
