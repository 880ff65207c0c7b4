// The loops of the update rules, with xsimd, for the instruction set that the including unit is compiled for: for the
// generated units alone, not part of reel.h nor of an installation. The last vector is padded, so that no result depends
// on an element's position; nothing is contracted, so that none depends on the instruction set.
#pragma once

#include <xsimd/xsimd.hpp>

#include <reel/optimizers/fused/formulas.h>
#include <reel/optimizers/fused/update.h>

namespace reel::detail {

template <class F, Isa isa, class T>
void update_kernel(const void* formula, void* parameter, const void* gradient, void* const* states,
                   int64_t n) {
  using Batch = xsimd::batch<T>;
  constexpr auto width = static_cast<int64_t>(Batch::size);
  constexpr size_t count = F::states;
  const F step = *static_cast<const F*>(formula);
  T* p = static_cast<T*>(parameter);
  const T* g = static_cast<const T*>(gradient);
  T* s[count + 1] = {};
  for (size_t k = 0; k < count; ++k) s[k] = static_cast<T*>(states[k]);
  int64_t i = 0;
  for (; i + width <= n; i += width) {
    Batch value = Batch::load_unaligned(p + i), state[count + 1];
    for (size_t k = 0; k < count; ++k) state[k] = Batch::load_unaligned(s[k] + i);
    step(value, Batch::load_unaligned(g + i), state);
    value.store_unaligned(p + i);
    for (size_t k = 0; k < count; ++k) state[k].store_unaligned(s[k] + i);
  }
  if (i == n) return;
  alignas(64) T padded[count + 2][width];
  const auto load = [&](const T* from, T* to) {
    for (int64_t j = 0; j < width; ++j) to[j] = from[i + j < n ? i + j : n - 1];
    return Batch::load_aligned(to);
  };
  const auto store = [&](const Batch& x, T* by, T* to) {
    x.store_aligned(by);
    for (int64_t j = 0; i + j < n; ++j) to[i + j] = by[j];
  };
  Batch value = load(p, padded[count]), state[count + 1];
  for (size_t k = 0; k < count; ++k) state[k] = load(s[k], padded[k]);
  step(value, load(g, padded[count + 1]), state);
  store(value, padded[count], p);
  for (size_t k = 0; k < count; ++k) store(state[k], padded[k], s[k]);
}

template <class F, Isa isa> const UpdateKernels& compiled_update() {
  static constexpr UpdateKernels kernels = {update_kernel<F, isa, float>, update_kernel<F, isa, double>,
                                            F::states};
  return kernels;
}

/// Refers to the loops of each formula, so that they end up in the object file.
template <class List, Isa isa> struct CompiledSteps;
template <class... F, Isa isa> struct CompiledSteps<StepList<F...>, isa> {
  using Getter = const UpdateKernels& (*)();
  static constexpr Getter getters[] = {compiled_update<F, isa>...};
};

}  // namespace reel::detail
