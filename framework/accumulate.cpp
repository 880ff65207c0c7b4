// Adding up gradients.
#include <algorithm>

#include "framework/parallel.h"
#include "framework/recording.h"

namespace reel::detail {
namespace {

constexpr int64_t parallel_elements = 1 << 15;  // half of that is about 5 us of adding

template <class T> void add_loop(const T* a, const T* b, T* out, int64_t n) {
  parallel_for(n, parallel_elements, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = a[i] + b[i];
  });
}

/// y = a + b, one shape
struct Accumulate {
  static constexpr std::string_view name = "accumulate";
  TensorSpec shape(Inputs in) const { return {in[0].shape(), in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const {
    const Tensor a = contiguous_values(in[0]);
    const Tensor b = contiguous_values(in[1]);
    dispatch_floating(name, out.dtype(), [&](auto zero) {
      using T = decltype(zero);
      add_loop(a.raw<T>(), b.raw<T>(), out.raw<T>(), out.numel());
    });
  }
  void vjp(Backward& b) const {
    for (size_t i = 0; i < 2; ++i)
      if (b.needs(i)) b.set(i, b.grad());
  }
};

}  // namespace

Tensor accumulate(const Tensor& a, const Tensor& b) { return apply(Accumulate{}, a, b); }

void accumulate_in_place(Tensor& a, const Tensor& b) {
  const Tensor from = contiguous_values(b);
  dispatch_floating("accumulate", a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    add_loop(a.raw<T>(), from.raw<T>(), a.raw<T>(), a.numel());
  });
}

bool owns_memory_alone(const Tensor& tensor) {
  const auto& impl = const_cast<Tensor&>(tensor).handle();
  return impl.unique() && impl->contiguous && impl->storage.unique() && !impl->storage->owner &&
         impl->data == impl->storage->data &&
         static_cast<size_t>(impl->numel) * item_size(impl->dtype) == impl->storage->bytes;
}

}  // namespace reel::detail
