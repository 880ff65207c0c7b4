#include "ops/fold.h"

#include <algorithm>
#include <limits>

#include "framework/op.h"
#include "framework/strided.h"
#include "ops/axes.h"
#include "ops/shape.h"

namespace reel::detail {
namespace {

// What is folded: whether over something only, the value over nothing, and one step.

struct FoldSum {
  static constexpr std::string_view name = "sum";
  static constexpr bool chooses = false;
  template <class T> static T first() { return T(0); }
  template <class T> static T next(T a, T b) {
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  }
};
struct FoldProd {
  static constexpr std::string_view name = "prod";
  static constexpr bool chooses = false;
  template <class T> static T first() { return T(1); }
  template <class T> static T next(T a, T b) {
    return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  }
};
struct FoldMax {
  static constexpr std::string_view name = "max";
  static constexpr bool chooses = true;
  template <class T> static T first() { return std::numeric_limits<T>::lowest(); }
  template <class T> static T next(T a, T b) { return std::max(a, b); }
};
struct FoldMin {
  static constexpr std::string_view name = "min";
  static constexpr bool chooses = true;
  template <class T> static T first() { return std::numeric_limits<T>::max(); }
  template <class T> static T next(T a, T b) { return std::min(a, b); }
};
struct FoldAll : FoldMin {
  static constexpr std::string_view name = "all";
  static constexpr bool chooses = false;
};
struct FoldAny : FoldMax {
  static constexpr std::string_view name = "any";
  static constexpr bool chooses = false;
};

/// y = x folded over axes
template <class F> struct FoldOp {
  static constexpr std::string_view name = F::name;
  uint32_t mask;
  bool keepdim;
  TensorSpec shape(Inputs in) const {
    const Shape result = reduced_shape(in[0].shape(), mask, keepdim);
    check(!F::chooses || in[0].numel() > 0 || result.numel() == 0, "[{}] {} has no elements to choose from",
          name, in[0]);
    return {result, in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    if (in[0].dtype() == DType::int64)
      run<int64_t>(in[0], out);
    else if (in[0].dtype() == DType::uint8)
      run<uint8_t>(in[0], out);
    else
      run<bool>(in[0], out);
  }

 private:
  template <class T> void run(const Tensor& x, Tensor& out) const {
    std::fill_n(out.raw<T>(), out.numel(), F::template first<T>());
    if (x.numel() == 0) return;
    Shape steps = contiguous_strides(reduced_shape(x.shape(), mask, true));
    for (size_t i = 0; i < steps.rank(); ++i)
      if (mask >> i & 1U) steps[i] = 0;
    const StridedWalk<2> walk(x.shape(), {x.strides(), steps});
    walk.for_rows(0, walk.rows(), [&](const auto& at) {
      const T* from = x.raw<T>() + at[0];
      T* to = out.raw<T>() + at[1];
      for (int64_t i = 0; i < walk.inner(); ++i) {
        T& result = to[i * walk.inner_step(1)];
        result = F::next(result, from[i * walk.inner_step(0)]);
      }
    });
  }
};

}  // namespace

Tensor integer_sum(const Tensor& x, uint32_t mask, bool keepdim) {
  return apply(FoldOp<FoldSum>{mask, keepdim}, cast(x, DType::int64));
}
Tensor integer_prod(const Tensor& x, uint32_t mask, bool keepdim) {
  return apply(FoldOp<FoldProd>{mask, keepdim}, cast(x, DType::int64));
}
Tensor integer_max(const Tensor& x, uint32_t mask, bool keepdim) {
  return apply(FoldOp<FoldMax>{mask, keepdim}, x);
}
Tensor integer_min(const Tensor& x, uint32_t mask, bool keepdim) {
  return apply(FoldOp<FoldMin>{mask, keepdim}, x);
}
Tensor all_true(const Tensor& x, uint32_t mask, bool keepdim) {
  return apply(FoldOp<FoldAll>{mask, keepdim}, x);
}
Tensor any_true(const Tensor& x, uint32_t mask, bool keepdim) {
  return apply(FoldOp<FoldAny>{mask, keepdim}, x);
}

}  // namespace reel::detail
