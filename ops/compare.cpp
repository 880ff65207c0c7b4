#include "ops/compare.h"

#include <cmath>
#include <functional>

#include "ops/elementwise/formula.h"
#include "ops/elementwise/scalars.h"
#include "ops/reduction.h"

namespace reel {

using detail::beside;

namespace {

template <class T, class Compare>
void compare_kernel(const void*, const void* const* in, void* out, int64_t n) {
  const auto* a = static_cast<const T*>(in[0]);
  const auto* b = static_cast<const T*>(in[1]);
  for (int64_t i = 0; i < n; ++i) static_cast<bool*>(out)[i] = Compare{}(a[i], b[i]);
}

template <class T> void where_kernel(const void*, const void* const* in, void* out, int64_t n) {
  const auto* condition = static_cast<const bool*>(in[0]);
  const auto* a = static_cast<const T*>(in[1]);
  const auto* b = static_cast<const T*>(in[2]);
  for (int64_t i = 0; i < n; ++i) static_cast<T*>(out)[i] = condition[i] ? a[i] : b[i];
}

void check_bool(std::string_view op, const Tensor& x) {
  check(x.dtype() == DType::boolean, "[{}] expected a bool tensor, got {}", op, x);
}

/// y = a <compare> b
template <class Compare> struct Comparison {
  static constexpr std::string_view name = Compare::name;
  TensorSpec shape(Inputs in) const {
    check(in[0].dtype() == in[1].dtype(), "[{}] inputs of one dtype expected, got {} and {}", name, in[0],
          in[1]);
    if (Compare::logical) check_bool(name, in[0]);
    return {detail::broadcast_shapes(name, in[0].shape(), in[1].shape()), DType::boolean};
  }
  void forward(Inputs in, Tensor& out) const {
    detail::dispatch(in[0].dtype(), [&](auto zero) {
      detail::run_tiles(compare_kernel<decltype(zero), typename Compare::Function>, nullptr, in, out);
    });
  }
};

template <class F, bool is_logical = false> struct Relation {
  using Function = F;
  static constexpr bool logical = is_logical;
};
struct Equal : Relation<std::equal_to<>> {
  static constexpr std::string_view name = "equal";
};
struct NotEqual : Relation<std::not_equal_to<>> {
  static constexpr std::string_view name = "not_equal";
};
struct Less : Relation<std::less<>> {
  static constexpr std::string_view name = "less";
};
struct LessEqual : Relation<std::less_equal<>> {
  static constexpr std::string_view name = "less_equal";
};
struct Greater : Relation<std::greater<>> {
  static constexpr std::string_view name = "greater";
};
struct GreaterEqual : Relation<std::greater_equal<>> {
  static constexpr std::string_view name = "greater_equal";
};
struct And : Relation<std::logical_and<>, true> {
  static constexpr std::string_view name = "logical_and";
};
struct Or : Relation<std::logical_or<>, true> {
  static constexpr std::string_view name = "logical_or";
};

struct Xor : Relation<std::not_equal_to<>, true> {
  static constexpr std::string_view name = "logical_xor";
};

/// y = condition ? a : b
struct Where {
  static constexpr std::string_view name = "where";
  TensorSpec shape(Inputs in) const {
    check_bool(name, in[0]);
    check(in[1].dtype() == in[2].dtype(), "[where] inputs of one dtype expected, got {} and {}", in[1],
          in[2]);
    const Shape choices = detail::broadcast_shapes(name, in[1].shape(), in[2].shape());
    return {detail::broadcast_shapes(name, in[0].shape(), choices), in[1].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    detail::dispatch(out.dtype(),
                     [&](auto zero) { detail::run_tiles(where_kernel<decltype(zero)>, nullptr, in, out); });
  }
  Saves saves(uint32_t) const { return Saves::input(0); }
  void vjp(Backward& b) const {
    const Tensor gradient = b.grad();
    const Tensor zero = scalar(0, {.dtype = gradient.dtype()});
    if (b.needs(1)) b.set(1, sum_to(where(b.input(0), gradient, zero), b.input_shape(1)));
    if (b.needs(2)) b.set(2, sum_to(where(b.input(0), zero, gradient), b.input_shape(2)));
  }
};

template <class Compare> Tensor compare(const Tensor& a, const Tensor& b) {
  return apply(Comparison<Compare>{}, a, b);
}
template <class Compare> Tensor compare(const Tensor& a, double b) {
  return apply(Comparison<Compare>{}, a, beside(Compare::name, a, b));
}
template <class Compare> Tensor compare(double a, const Tensor& b) {
  return apply(Comparison<Compare>{}, beside(Compare::name, b, a), b);
}

/// A condition that only floating numbers can fulfil, or `otherwise`.
template <class Condition> Tensor of_floating(const Tensor& x, bool otherwise, Condition condition) {
  return is_floating(x.dtype()) ? condition() : full(x.shape(), otherwise, {.dtype = DType::boolean});
}

}  // namespace

Tensor equal(const Tensor& a, const Tensor& b) { return compare<Equal>(a, b); }
Tensor not_equal(const Tensor& a, const Tensor& b) { return compare<NotEqual>(a, b); }
Tensor less(const Tensor& a, const Tensor& b) { return compare<Less>(a, b); }
Tensor less_equal(const Tensor& a, const Tensor& b) { return compare<LessEqual>(a, b); }
Tensor greater(const Tensor& a, const Tensor& b) { return compare<Greater>(a, b); }
Tensor greater_equal(const Tensor& a, const Tensor& b) { return compare<GreaterEqual>(a, b); }
Tensor equal(const Tensor& a, double b) { return compare<Equal>(a, b); }
Tensor not_equal(const Tensor& a, double b) { return compare<NotEqual>(a, b); }
Tensor less(const Tensor& a, double b) { return compare<Less>(a, b); }
Tensor less_equal(const Tensor& a, double b) { return compare<LessEqual>(a, b); }
Tensor greater(const Tensor& a, double b) { return compare<Greater>(a, b); }
Tensor greater_equal(const Tensor& a, double b) { return compare<GreaterEqual>(a, b); }
Tensor equal(double a, const Tensor& b) { return compare<Equal>(a, b); }
Tensor not_equal(double a, const Tensor& b) { return compare<NotEqual>(a, b); }
Tensor less(double a, const Tensor& b) { return compare<Less>(a, b); }
Tensor less_equal(double a, const Tensor& b) { return compare<LessEqual>(a, b); }
Tensor greater(double a, const Tensor& b) { return compare<Greater>(a, b); }
Tensor greater_equal(double a, const Tensor& b) { return compare<GreaterEqual>(a, b); }

Tensor logical_and(const Tensor& a, const Tensor& b) { return compare<And>(a, b); }
Tensor logical_or(const Tensor& a, const Tensor& b) { return compare<Or>(a, b); }
Tensor logical_xor(const Tensor& a, const Tensor& b) { return compare<Xor>(a, b); }
Tensor logical_not(const Tensor& x) {
  check_bool("logical_not", x);
  return equal(x, 0.0);
}

Tensor isnan(const Tensor& x) {
  return of_floating(x, false, [&] { return not_equal(x, x); });
}
Tensor isinf(const Tensor& x) {
  return of_floating(x, false, [&] { return logical_or(equal(x, INFINITY), equal(x, -INFINITY)); });
}
Tensor isfinite(const Tensor& x) {
  return of_floating(x, true, [&] { return logical_and(less(x, INFINITY), greater(x, -INFINITY)); });
}

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  return apply(Where{}, condition, a, b);
}
Tensor where(const Tensor& condition, const Tensor& a, double b) {
  return where(condition, a, beside("where", a, b));
}
Tensor where(const Tensor& condition, double a, const Tensor& b) {
  return where(condition, beside("where", b, a), b);
}
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  return where(mask, beside("masked_fill", x, value), x);
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, const Tensor& value) {
  check(mask.dtype() == DType::boolean, "[masked_fill] expected a bool mask, got {}", mask);
  check(value.dtype() == x.dtype(), "[masked_fill] expected a value of dtype {}, got {}", x.dtype(), value);
  check(detail::broadcast_shapes("masked_fill", mask.shape(), x.shape()) == x.shape(),
        "[masked_fill] the mask's shape {} does not broadcast to {}", mask.shape(), x);
  check(detail::broadcast_shapes("masked_fill", value.shape(), x.shape()) == x.shape(),
        "[masked_fill] the value's shape {} does not broadcast to {}", value.shape(), x);
  return where(mask, value, x);
}

}  // namespace reel
