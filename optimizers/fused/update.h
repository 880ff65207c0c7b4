// Running a formula of formulas.h over a parameter, its gradient and its states: one pass over their memory, shared
// between cores, by the loop for this machine's instruction set. Internal.
#pragma once

#include <span>

#include <reel/ops/elementwise/formula.h>
#include <reel/optimizers/optimizer.h>

namespace reel::detail {

/// The loops of one formula for n elements.
struct UpdateKernels {
  using Kernel = void (*)(const void* formula, void* p, const void* g, void* const* states, int64_t n);
  Kernel float32;
  Kernel float64;
  size_t states;
};

/// Defined in the units that are compiled for each instruction set.
template <class F, Isa isa> const UpdateKernels& compiled_update();

template <class F> const UpdateKernels& update_kernels() {
#if defined(__x86_64__)
  static const UpdateKernels kernels = machine_isa() == isa_avx512 ? compiled_update<F, isa_avx512>()
                                       : machine_isa() == isa_avx2 ? compiled_update<F, isa_avx2>()
                                                                   : compiled_update<F, isa_baseline>();
  return kernels;
#else
  return compiled_update<F, isa_baseline>();
#endif
}

/// Changes `p` and the first of `states`; `rows` undefined, or which rows of p the gradient's are.
void run_update(const UpdateKernels& kernels, const void* formula, const Tensor& p, const Tensor& gradient,
                std::span<const Tensor> states, const Tensor& rows);

/// The same for contiguous memory of any tensors of one dtype and shape.
template <class F> void fused(const F& formula, const Tensor& p, const Tensor& g) {
  run_update(update_kernels<F>(), &formula, p, g, {}, Tensor());
}
template <class F> void fused(const F& formula, const Update& u) {
  run_update(update_kernels<F>(), &formula, u.parameter, u.gradient, u.moments, u.rows);
}

}  // namespace reel::detail
