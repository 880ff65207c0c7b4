#include "ops/sorting.h"

#include <algorithm>
#include <vector>

#include "framework/op.h"
#include "ops/lines.h"
#include "ops/reduction.h"
#include "ops/shape.h"

namespace reel {
namespace {

template <class T> struct Element {
  T value;
  int64_t index;
};

/// The first `wanted` places of a line in order. Nans are set apart, for they have no order; the indices make all
/// elements different, so that any way of sorting is stable.
template <class T>
void order_line(std::vector<Element<T>>& line, std::vector<int64_t>& nans, bool descending, int64_t wanted,
                int64_t* to, int64_t step) {
  const auto ascends = [](const Element<T>& a, const Element<T>& b) {
    return a.value < b.value || (a.value == b.value && a.index < b.index);
  };
  const auto descends = [](const Element<T>& a, const Element<T>& b) {
    return a.value > b.value || (a.value == b.value && a.index < b.index);
  };
  const auto nan_count = static_cast<int64_t>(nans.size()), count = static_cast<int64_t>(line.size());
  const int64_t numbers = descending ? std::max<int64_t>(0, wanted - nan_count) : std::min(wanted, count);
  const auto sort_by = [&](const auto& before) {
    if (numbers >= count)
      std::sort(line.begin(), line.end(), before);
    else
      std::partial_sort(line.begin(), line.begin() + numbers, line.end(), before);
  };
  if (descending)
    sort_by(descends);
  else
    sort_by(ascends);
  const int64_t nans_before = descending ? std::min(wanted, nan_count) : 0;
  for (int64_t k = 0; k < wanted; ++k) {
    const int64_t place = k - nans_before;
    if (place < 0)
      to[k * step] = nans[static_cast<size_t>(k)];
    else if (place < count)
      to[k * step] = line[static_cast<size_t>(place)].index;
    else
      to[k * step] = nans[static_cast<size_t>(place - count)];
  }
}

/// y = indices of the first `wanted` elements in order along an axis
struct Order {
  static constexpr std::string_view name = "argsort";
  size_t axis;
  int64_t wanted;
  bool descending;
  TensorSpec shape(Inputs in) const {
    Shape result = in[0].shape();
    result[axis] = wanted;
    return {result, DType::int64};
  }
  void forward(Inputs in, Tensor& out) const {
    const Tensor x = detail::contiguous_values(in[0]);
    const detail::Lines lines(x.shape(), axis);
    if (wanted == 0) return;
    detail::dispatch(x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      lines.for_groups([&](int64_t first, int64_t width) {
        std::vector<Element<T>> line;
        std::vector<int64_t> nans;
        line.reserve(static_cast<size_t>(lines.count));
        const int64_t target =
            first / (lines.count * lines.inner) * wanted * lines.inner + first % lines.inner;
        for (int64_t i = 0; i < width; ++i) {
          line.clear();
          nans.clear();
          const T* from = x.raw<T>() + first + i;
          for (int64_t k = 0; k < lines.count; ++k) {
            const T value = from[k * lines.inner];
            if (value != value)
              nans.push_back(k);
            else
              line.push_back({value, k});
          }
          order_line(line, nans, descending, wanted, out.raw<int64_t>() + target + i, lines.inner);
        }
      });
    });
  }
};

/// A tensor of no axes is sorted as one element.
Tensor with_axis(const Tensor& x) { return x.rank() == 0 ? reshape(x, {1}) : x; }

ValuesAndIndices in_order(const Tensor& x, size_t axis, int64_t wanted, bool descending) {
  const Tensor line = with_axis(x);
  const Tensor indices = apply(Order{axis, wanted, descending}, line);
  const Tensor values = detail::take_along(line, indices, axis);
  if (x.rank() > 0 || wanted != 1) return {values, indices};
  return {reshape(values, {}), reshape(indices, {})};
}

size_t axis_of(std::string_view op, const Tensor& x, int64_t axis) {
  return detail::normalize_axis(op, axis, std::max<size_t>(1, x.rank()));
}

ValuesAndIndices extreme(const Tensor& x, size_t axis, bool keepdim, const Tensor& indices) {
  const Tensor values = detail::take_along(x, indices, axis);
  if (keepdim) return {values, indices};
  const auto at = static_cast<int64_t>(axis);
  return {squeeze(values, at), squeeze(indices, at)};
}

void check_choice(std::string_view op, const Tensor& x, size_t axis) {
  check(x.shape()[axis] > 0, "[{}] axis {} of {} has no elements to choose from", op, axis, x);
}

}  // namespace

ValuesAndIndices sort(const Tensor& x, int64_t axis, bool descending) {
  const size_t at = axis_of("sort", x, axis);
  return in_order(x, at, with_axis(x).shape()[at], descending);
}

Tensor argsort(const Tensor& x, int64_t axis, bool descending) {
  const size_t at = axis_of("argsort", x, axis);
  const Tensor line = with_axis(x);
  return reshape(apply(Order{at, line.shape()[at], descending}, line), x.shape());
}

ValuesAndIndices topk(const Tensor& x, int64_t k, int64_t axis, bool largest) {
  const size_t at = axis_of("topk", x, axis);
  const int64_t extent = with_axis(x).shape()[at];
  check(k >= 0 && k <= extent, "[topk] expected k in [0, {}] along axis {} of {}, got {}", extent, at, x, k);
  return in_order(x, at, k, largest);
}

ValuesAndIndices max_with_index(const Tensor& x, int64_t axis, bool keepdim) {
  const size_t at = detail::normalize_axis("max_with_index", axis, x.rank());
  check_choice("max_with_index", x, at);
  return extreme(x, at, keepdim, argmax(x, axis, true));
}

ValuesAndIndices min_with_index(const Tensor& x, int64_t axis, bool keepdim) {
  const size_t at = detail::normalize_axis("min_with_index", axis, x.rank());
  check_choice("min_with_index", x, at);
  return extreme(x, at, keepdim, argmin(x, axis, true));
}

}  // namespace reel
