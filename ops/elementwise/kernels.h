// The loops of the library's elementwise formulas, with xsimd, for the instruction set that the including unit is
// compiled for: for the generated units of ops/ alone, not part of reel.h nor of an installation.
//
// There is no scalar remainder: SIMD and scalar functions differ in the last bits, and results would depend
// on the position of an element. The last vector is padded instead.
#pragma once

#include <xsimd/xsimd.hpp>

#include <reel/ops/elementwise/formula.h>
#include <reel/ops/elementwise/simd_math.h>

namespace reel::detail {

/// Runs body(batches in, batch& out) over n elements of `count` inputs.
template <class T, size_t count, class Body>
inline void vector_loop(const void* const* in, void* out, int64_t n, const Body& body) {
  using Batch = OwnBatch<T, xsimd::default_arch>;
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

/// Folding with a formula of two arguments.
template <class F, Isa isa, class T> struct Fold {
  using Batch = OwnBatch<T, xsimd::default_arch>;
  static constexpr auto width = static_cast<int64_t>(Batch::size);

  static Batch two(const Batch& a, const Batch& b) { return F::value(a, b); }
  static Batch load(const T* from, int64_t n) {
    if (n >= width) return Batch::load_unaligned(from);
    alignas(64) T padded[width] = {};
    for (int64_t j = 0; j < n; ++j) padded[j] = from[j];
    return Batch::load_aligned(padded);
  }
  /// The first n lanes, halves onto halves.
  static void lanes(const Batch& partials, int64_t n, T* out) {
    alignas(64) T lane[2 * width] = {};
    partials.store_aligned(lane);
    while (n > 1) {
      const int64_t half = n / 2;
      const T last = lane[n - 1];
      two(Batch::load_aligned(lane), Batch::load_unaligned(lane + half)).store_aligned(lane);
      if (n % 2) lane[half] = last;
      n = half + n % 2;
    }
    *out = lane[0];
  }

  static void run(const void* in, void* out, int64_t n) {
    const T* x = static_cast<const T*>(in);
    if (n < width)
      lanes(load(x, n), n, static_cast<T*>(out));
    else
      lanes(folded(x, n), width, static_cast<T*>(out));
  }
  static void partial(const void* in, void* out, int64_t n) {
    folded(static_cast<const T*>(in), n).store_unaligned(static_cast<T*>(out));
  }
  static Batch folded(const T* x, int64_t n) {
    constexpr int64_t chains = 8;  // as many additions as are under way at once
    int64_t i = width;
    Batch result = Batch::load_unaligned(x);
    if (n >= chains * width) {
      Batch sums[chains];
      for (int64_t c = 0; c < chains; ++c) sums[c] = Batch::load_unaligned(x + c * width);
      for (i = chains * width; i + chains * width <= n; i += chains * width)
        for (int64_t c = 0; c < chains; ++c) sums[c] = two(sums[c], Batch::load_unaligned(x + i + c * width));
      for (int64_t c = chains / 2; c > 0; c /= 2)
        for (int64_t k = 0; k < c; ++k) sums[k] = two(sums[k], sums[k + c]);
      result = sums[0];
    }
    for (; i + width <= n; i += width) result = two(result, Batch::load_unaligned(x + i));
    if (i < n) {  // lanes that have a partner
      alignas(64) T kept[width], joined[width];
      result.store_aligned(kept);
      two(result, load(x + i, n - i)).store_aligned(joined);
      for (int64_t j = 0; i + j < n; ++j) kept[j] = joined[j];
      result = Batch::load_aligned(kept);
    }
    return result;
  }

  static void rows(const void* in, int64_t step, void* out, int64_t n) {
    const T* x = static_cast<const T*>(in);
    T* target = static_cast<T*>(out);
    const auto all = [&](int64_t i, int64_t count) {
      const auto pair = [&](int64_t k) {
        return two(load(x + k * step + i, count), load(x + (k + 1) * step + i, count));
      };
      return two(load(target + i, count), two(two(pair(0), pair(2)), two(pair(4), pair(6))));
    };
    int64_t i = 0;
    for (; i + width <= n; i += width) all(i, width).store_unaligned(target + i);
    if (i == n) return;
    alignas(64) T padded[width];
    all(i, n - i).store_aligned(padded);
    for (int64_t j = 0; i + j < n; ++j) target[i + j] = padded[j];
  }
};

template <class F, Isa isa> const FormulaKernels& compiled() {
  static_assert(in_library<F>, "the header of a family says of its list that it is in the library");
  static constexpr FormulaKernels kernels = [] {
    FormulaKernels result;
    result.value32 = value_kernel<F, isa, float>;
    result.value64 = value_kernel<F, isa, double>;
    // Only once: scalar code has no instruction set in its type, and the linker would mix up several
    // versions.
    if constexpr (takes_integers<F> && isa == isa_baseline) result.integers = integer_kernel<F>;
    if constexpr (folds<F>) {
      result.fold32 = {Fold<F, isa, float>::width, Fold<F, isa, float>::run, Fold<F, isa, float>::partial,
                       Fold<F, isa, float>::rows};
      result.fold64 = {Fold<F, isa, double>::width, Fold<F, isa, double>::run, Fold<F, isa, double>::partial,
                       Fold<F, isa, double>::rows};
    }
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
