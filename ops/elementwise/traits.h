// What a formula's struct tells about itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <reel/framework/loop_role.h>

namespace reel {

/// A list of formulas, for compiling their loops.
template <class... F> struct FormulaList {};

namespace detail {

template <class F> constexpr size_t arity_of() {
  if constexpr (requires(const F& f, double x) { f.value(x); })
    return 1;
  else if constexpr (requires(const F& f, double x) { f.value(x, x); })
    return 2;
  else if constexpr (requires(const F& f, double x) { f.value(x, x, x); })
    return 3;
  else
    return 0;
}

template <class F> inline constexpr size_t arity = arity_of<F>();

template <class F, class T, size_t... I> T formula_value(const F& f, const T* x, std::index_sequence<I...>) {
  return f.value(x[I]...);
}
template <class F, class T> T formula_value(const F& f, const T* x) {
  return formula_value(f, x, std::make_index_sequence<arity<F>>());
}

/// Slope with respect to argument K; `x` holds the arguments, then the result.
template <size_t K, class F, class T> T formula_slope(const F& f, const T* x) {
  if constexpr (arity<F> == 1)
    return f.slope(x[0], x[1]);
  else if constexpr (arity<F> == 2 && K == 0)
    return f.slope0(x[0], x[1], x[2]);
  else if constexpr (arity<F> == 2)
    return f.slope1(x[0], x[1], x[2]);
  else if constexpr (K == 0)
    return f.slope0(x[0], x[1], x[2], x[3]);
  else if constexpr (K == 1)
    return f.slope1(x[0], x[1], x[2], x[3]);
  else
    return f.slope2(x[0], x[1], x[2], x[3]);
}

template <class F> inline constexpr bool has_slope = requires(const F& f, double x) { f.slope(x, x); }
|| requires(const F& f, double x) { f.slope0(x, x, x); }
|| requires(const F& f, double x) { f.slope0(x, x, x, x); };

template <class F> inline constexpr bool takes_integers = requires { requires F::integers; };
template <class F> inline constexpr bool folds = requires { requires F::folds; };

template <class F, class List> inline constexpr bool is_listed = false;
template <class F, class... Listed>
inline constexpr bool is_listed<F, FormulaList<Listed...>> = (std::is_same_v<F, Listed> || ...);

/// Whether the loops of F are compiled in the library, as the header of each family says of its list; those of any
/// other formula are compiled where it is used.
template <class F> inline constexpr bool in_library = false;

template <class F> void integer_kernel(const void* formula, const void* const* in, void* out, int64_t n) {
  const F f = *static_cast<const F*>(formula);
  for (int64_t i = 0; i < n; ++i) {
    int64_t x[arity<F>];
    for (size_t k = 0; k < arity<F>; ++k) x[k] = static_cast<const int64_t*>(in[k])[i];
    static_cast<int64_t*>(out)[i] = formula_value(f, x);
  }
}

}  // namespace detail
}  // namespace reel
