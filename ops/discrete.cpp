#include "ops/discrete.h"

#include <algorithm>
#include <cmath>

#include "framework/strided.h"
#include "ops/blocks.h"

namespace reel {
namespace {

void check_whole(const char* op, const Tensor& x) {
  check(x.dtype() == DType::int64, "[{}] expected an int64 tensor, got {}", op, x);
}

/// The largest element, after checking that all are in [0, bound).
int64_t checked_maximum(const char* op, const Tensor& x, int64_t bound) {
  int64_t largest = -1;
  for (int64_t i = 0; i < x.numel(); ++i) {
    const int64_t value = x.raw<int64_t>()[i];
    check(value >= 0, "[{}] expected values of at least 0, got {} at position {}", op, value,
          detail::index_of(i, x.shape()));
    check(value < bound, "[{}] index {} at position {} is outside [0, {})", op, value,
          detail::index_of(i, x.shape()), bound);
    largest = std::max(largest, value);
  }
  return largest;
}

}  // namespace

Tensor nonzero(const Tensor& x) {
  const Tensor values = detail::contiguous_values(x);
  return detail::dispatch(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = values.raw<T>();
    const int64_t n = values.numel();
    const int64_t count = n - std::count(from, from + n, T(0));
    const auto rank = static_cast<int64_t>(x.rank());
    Tensor result = empty({count, rank}, {.dtype = DType::int64});
    int64_t* to = result.raw<int64_t>();
    for (int64_t i = 0; i < n; ++i) {
      if (from[i] == T(0)) continue;
      int64_t place = i;
      for (int64_t axis = rank; axis-- > 0;) {
        const int64_t extent = x.shape()[static_cast<size_t>(axis)];
        to[axis] = place % extent;
        place /= extent;
      }
      to += rank;
    }
    return result;
  });
}

Tensor one_hot(const Tensor& indices, int64_t classes, TensorOptions options) {
  check_whole("one_hot", indices);
  check(classes >= 1 || classes == -1, "[one_hot] expected at least 1 class, or -1, got {}", classes);
  const Tensor places = detail::contiguous_values(indices);
  check(classes >= 1 || places.numel() > 0,
        "[one_hot] the number of classes does not follow from no indices, {}", indices);
  const int64_t largest = checked_maximum("one_hot", places, classes == -1 ? INT64_MAX : classes);
  Shape shape = indices.shape();
  shape.push_back(classes == -1 ? largest + 1 : classes);
  Tensor result = zeros(shape, options);
  detail::dispatch(options.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < places.numel(); ++i)
      result.raw<T>()[i * shape.back() + places.raw<int64_t>()[i]] = T(1);
  });
  return result;
}

Tensor bincount(const Tensor& x, int64_t minimum_length) {
  check_whole("bincount", x);
  check(x.rank() == 1, "[bincount] expected one axis, got {}", x);
  check(minimum_length >= 0, "[bincount] expected a length of at least 0, got {}", minimum_length);
  const Tensor values = detail::contiguous_values(x);
  const int64_t largest = checked_maximum("bincount", values, INT64_MAX);
  Tensor counts = zeros({std::max(minimum_length, largest + 1)}, {.dtype = DType::int64});
  for (int64_t i = 0; i < values.numel(); ++i) ++counts.raw<int64_t>()[values.raw<int64_t>()[i]];
  return counts;
}

Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right) {
  check(sorted.rank() == 1, "[searchsorted] expected a sorted tensor of one axis, got {}", sorted);
  check(sorted.dtype() == values.dtype(), "[searchsorted] expected one dtype, got {} and {}", sorted, values);
  const Tensor row = detail::contiguous_values(sorted), wanted = detail::contiguous_values(values);
  Tensor result = empty(values.shape(), {.dtype = DType::int64});
  detail::dispatch(sorted.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto less = [](T a, T b) {
      if constexpr (std::is_floating_point_v<T>)
        return a < b || (std::isnan(b) && !std::isnan(a));
      else
        return a < b;
    };
    const T* begin = row.raw<T>();
    const T* end = begin + row.numel();
    check(std::is_sorted(begin, end, less),
          "[searchsorted] expected an ascending tensor, got {} in another order", sorted);
    for (int64_t i = 0; i < wanted.numel(); ++i) {
      const T value = wanted.raw<T>()[i];
      result.raw<int64_t>()[i] =
          (right ? std::upper_bound(begin, end, value, less) : std::lower_bound(begin, end, value, less)) -
          begin;
    }
  });
  return result;
}

}  // namespace reel
