#include "optimizers/fused/update.h"

#include "framework/parallel.h"

namespace reel::detail {
namespace {

constexpr int64_t parallel_elements = 1 << 15;  // about 20 us of updating
constexpr size_t most_states = 4;

}  // namespace

void run_update(const UpdateKernels& kernels, const void* formula, const Tensor& p, const Tensor& gradient,
                std::span<const Tensor> states, const Tensor& rows) {
  const UpdateKernels::Kernel kernel = p.dtype() == DType::float64 ? kernels.float64 : kernels.float32;
  const auto size = static_cast<int64_t>(item_size(p.dtype()));
  const auto at = [size](const Tensor& tensor, int64_t element) {
    return static_cast<void*>(static_cast<std::byte*>(tensor.raw_bytes()) + element * size);
  };
  const auto run = [&](int64_t to, int64_t from, int64_t n) {
    void* state[most_states] = {};
    for (size_t k = 0; k < kernels.states; ++k) state[k] = at(states[k], to);
    kernel(formula, at(p, to), at(gradient, from), state, n);
  };
  if (!rows.defined()) {
    parallel_for(p.numel(), parallel_elements,
                 [&](int64_t begin, int64_t end) { run(begin, begin, end - begin); });
    return;
  }
  const int64_t width = rows.numel() > 0 ? gradient.numel() / rows.numel() : 0;
  const auto* places = rows.raw<int64_t>();
  parallel_for(width > 0 ? rows.numel() : 0,
               std::max<int64_t>(1, parallel_elements / std::max<int64_t>(1, width)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) run(places[i] * width, i * width, width);
               });
}

}  // namespace reel::detail
