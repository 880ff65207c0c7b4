// Elementwise ops from scalar formulas. A formula is a struct with
//   static constexpr std::string_view name;
//   template <class T> static T value(T x);             one to three arguments; may be a const member that
//                                                       reads attributes (which must be trivially copyable)
//   template <class T> static T slope(T x, T y);        dy/dx from argument and result; for several arguments
//   template <class T> static T slope0(T a, T b, T y);  slope0, slope1, ... ; left out: no gradient
//   static constexpr bool integers = true;              if it also makes sense for int64
//   static constexpr bool folds = true;                 of the library's own: if it is associative, and reductions
//                                                       are made of it
// and nothing else: shapes, broadcasting, loops, what backward saves and second derivatives follow from it. T
// is float, double, a SIMD batch, a dual number, a probe that tells which arguments a slope reads, or a
// tensor. Functions are called unqualified after `using std::exp;` and the like; conditions are written
// select(x > T(0), a, b).
//
// The functions are those of functions.h. The loops of the library's own formulas are compiled once for each
// instruction set (kernels.h), those of any other formula where it is used (own_loops.h).
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <reel/framework/op.h>
#include <reel/ops/elementwise/functions.h>
#include <reel/ops/elementwise/own_loops.h>
#include <reel/ops/elementwise/probe.h>
#include <reel/ops/elementwise/symbolic.h>
#include <reel/ops/elementwise/traits.h>

namespace reel {

namespace detail {

/// Instruction sets that loops are compiled for; which of them this machine runs.
enum Isa { isa_baseline, isa_avx2, isa_avx512 };
Isa machine_isa();

/// Defined in the library alone, for its own formulas.
template <class F, Isa isa> const FormulaKernels& compiled();

template <class F> const FormulaKernels& kernels_of() {
  if constexpr (!in_library<F>) {
    return own_kernels<F>();
  } else {
#if defined(__x86_64__)
    static const FormulaKernels kernels = [] {
      FormulaKernels chosen = machine_isa() == isa_avx512 ? compiled<F, isa_avx512>()
                              : machine_isa() == isa_avx2 ? compiled<F, isa_avx2>()
                                                          : compiled<F, isa_baseline>();
      chosen.integers = compiled<F, isa_baseline>().integers;
      return chosen;
    }();
    return kernels;
#else
    return compiled<F, isa_baseline>();
#endif
  }
}

/// The common shape and dtype of the inputs; throws naming `op` where they do not broadcast or the dtype does
/// not fit.
TensorSpec elementwise_shape(std::string_view op, Inputs in, bool integers);
/// Runs `kernel` over inputs that broadcast to `out`, in parallel, by tiles where an input is not contiguous.
void run_tiles(TileKernel kernel, const void* formula, Inputs in, Tensor& out);
/// Adds gradient * slope for input i, where a probe of the slope has told what it depends on.
void add_slope(Backward& b, size_t i, const Probe& probe, TileKernel kernel, const void* formula);
/// Adds gradient * slope, both recorded.
void add_recorded_slope(Backward& b, size_t i, const Symbolic& slope);

/// The inputs, those with a time axis brought to one rank by axes of extent 1 behind it, so that they broadcast
/// as they do in one step.
std::vector<Tensor> align_over_time(Inputs in, uint32_t stacked);
template <class Apply> Tensor elementwise_over_time(Inputs in, uint32_t stacked, Apply&& run) {
  const std::vector<Tensor> aligned = align_over_time(in, stacked);
  const Tensor* pointers[max_arity];
  for (size_t i = 0; i < aligned.size(); ++i) pointers[i] = &aligned[i];
  return run(Inputs({pointers, aligned.size()}));
}

/// The general op that a formula stands for.
template <class F> struct FormulaOp {
  static constexpr std::string_view name = F::name;
  [[no_unique_address]] F formula;

  TensorSpec shape(Inputs in) const { return elementwise_shape(name, in, takes_integers<F>); }

  void forward(Inputs in, Tensor& out) const {
    run_tiles(kernels_of<F>().value(out.dtype()), &formula, in, out);
  }

  LoopRole loop() const {
    LoopRole role;
    role.kind = LoopRole::Kind::elementwise;
    role.elementwise = {arity<F>, &kernels_of<F>(), &formula, has_slope<F>, {}};
    if constexpr (has_slope<F>)
      for_each_input([&]<size_t K>() {
        const Probe slope = probe<K>();
        role.elementwise.slopes[K] = {slope.is_constant(), slope.constant(), slope.arguments()};
      });
    return role;
  }

  Tensor over_time(Inputs in, uint32_t stacked) const {
    return elementwise_over_time(in, stacked, [this](Inputs aligned) { return apply(*this, aligned); });
  }

  Saves saves(uint32_t needs) const requires has_slope<F> {
    Saves result;
    for_each_input([&]<size_t K>() {
      if (needs >> K & 1U) result = result | probe<K>().saves(arity<F>);
    });
    return result;
  }

  void vjp(Backward& b) const requires has_slope<F> {
    for_each_input([&]<size_t K>() {
      if (!b.needs(K)) return;
      const Probe dependence = probe<K>();
      if (b.recorded()) {
        std::array<Symbolic, arity<F> + 1> x;
        for (size_t i = 0; i < arity<F>; ++i)
          if (dependence.reads(i)) x[i] = Symbolic(b.input(i));
        if (dependence.reads(arity<F>)) x[arity<F>] = Symbolic(b.output());
        add_recorded_slope(b, K, formula_slope<K>(formula, x.data()));
      } else {
        add_slope(b, K, dependence, kernels_of<F>().slope(K, b.input_dtype(K)), &formula);
      }
    });
  }

 private:
  template <class G> static void for_each_input(G&& g) {
    [&]<size_t... K>(std::index_sequence<K...>) { (g.template operator()<K>(), ...); }
    (std::make_index_sequence<arity<F>>());
  }

  template <size_t K> Probe probe() const {
    std::array<Probe, arity<F> + 1> x;
    for (size_t i = 0; i <= arity<F>; ++i) x[i] = Probe::argument(i);
    return formula_slope<K>(formula, x.data());
  }
};

}  // namespace detail

/// A scalar formula; see the head of this file.
template <class F>
concept Formula = !Op<F> && detail::arity<F> >= 1 && std::is_trivially_copyable_v<F> && requires {
  { F::name } -> std::convertible_to<std::string_view>;
};

/// Runs a formula on every element of its inputs, which broadcast.
template <Formula F, std::same_as<Tensor>... T> Tensor apply(F formula, const T&... inputs) {
  static_assert(sizeof...(T) == detail::arity<F>,
                "the number of tensors must be that of the formula's arguments");
  return apply(detail::FormulaOp<F>{formula}, inputs...);
}

}  // namespace reel
