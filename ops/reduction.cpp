#include "ops/reduction.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "framework/op.h"
#include "framework/parallel.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/fold.h"
#include "ops/shape.h"

namespace reel {
namespace {

using detail::reduced_shape;

// Elements combined at once: the partial results stay in L1.
constexpr int64_t tile = 512;
// A column-wise sum adds this many rows, then as many of such sums, and so on: bounds the rounding error.
constexpr int64_t rows_per_block = 64;
constexpr size_t sum_levels = 4;
// A long row is cut into pieces of this many elements, whatever the number of threads, so that the bits stay
// the same.
constexpr int64_t piece = 1 << 16;
constexpr int64_t parallel_elements = 1 << 15;

/// Combining two runs of elements, by a formula's own loop.
template <class T> struct Combine {
  detail::TileKernel kernel;
  void operator()(const T* a, const T* b, T* out, int64_t n) const {
    const void* in[] = {a, b};
    kernel(nullptr_formula, in, out, n);
  }
  // Add, Maximum and Minimum have no attributes; their loops copy one byte of formula.
  static constexpr const char* nullptr_formula = "";
};

/// One row down to one value: lanes of a tile first, then halves onto halves.
template <class T> T reduce_run(const Combine<T>& combine, const T* x, int64_t n) {
  alignas(64) T lanes[tile];
  int64_t width = std::min(n, tile);
  std::copy_n(x, width, lanes);
  for (int64_t i = tile; i < n; i += tile) combine(lanes, x + i, lanes, std::min(tile, n - i));
  while (width > 1) {
    const int64_t half = width / 2;
    combine(lanes, lanes + half, lanes, half);
    if (width % 2) lanes[half] = lanes[width - 1];
    width = half + width % 2;
  }
  return lanes[0];
}

template <class T> T reduce_row(const Combine<T>& combine, const T* x, int64_t n) {
  if (n <= piece) return reduce_run(combine, x, n);
  std::vector<T> parts(static_cast<size_t>((n + piece - 1) / piece));
  detail::parallel_for(static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p)
      parts[static_cast<size_t>(p)] = reduce_run(combine, x + p * piece, std::min(piece, n - p * piece));
  });
  return reduce_row(combine, parts.data(), static_cast<int64_t>(parts.size()));
}

/// Partial sums of up to `tile` columns at several levels; a full one is carried to the next.
template <class T> class Cascade {
 public:
  Cascade(const Combine<T>& combine, int64_t columns) : combine_(combine), columns_(columns) {}
  void add(const T* row, size_t level = 0) {
    if (counts_[level] == 0)
      std::copy_n(row, columns_, sums_[level]);
    else
      combine_(sums_[level], row, sums_[level], columns_);
    if (++counts_[level] < rows_per_block || level + 1 == sum_levels) return;
    add(sums_[level], level + 1);
    counts_[level] = 0;
  }
  void finish(T* out) {
    bool begun = false;
    for (size_t level = 0; level < sum_levels; ++level) {
      if (counts_[level] == 0) continue;
      if (begun)
        combine_(out, sums_[level], out, columns_);
      else
        std::copy_n(sums_[level], columns_, out);
      begun = true;
    }
  }

 private:
  const Combine<T>& combine_;
  int64_t columns_;
  int64_t counts_[sum_levels] = {};
  alignas(64) T sums_[sum_levels][tile];
};

/// out[i] = combination over k of x[k * columns + i].
template <class T>
void reduce_columns(const Combine<T>& combine, const T* x, T* out, int64_t count, int64_t columns) {
  detail::parallel_for(columns, std::max<int64_t>(tile, parallel_elements / count / tile * tile),
                       [&](int64_t begin, int64_t end) {
                         for (int64_t c = begin; c < end; c += tile) {
                           Cascade<T> sums(combine, std::min(tile, end - c));
                           for (int64_t k = 0; k < count; ++k) sums.add(x + k * columns + c);
                           sums.finish(out + c);
                         }
                       });
}

struct Extents {
  int64_t outer = 1, count = 1, inner = 1;
};

/// x as [outer, count, inner] with `count` the reduced axes, if its memory is so arranged; else permuted and
/// copied.
std::pair<Tensor, Extents> arrange(const Tensor& x, uint32_t mask) {
  Shape order, reduced;
  for (size_t i = 0; i < x.rank(); ++i) (mask >> i & 1U ? reduced : order).push_back(static_cast<int64_t>(i));
  bool adjacent = x.is_contiguous();
  for (size_t i = 1; i < reduced.size(); ++i) adjacent &= reduced[i] == reduced[i - 1] + 1;
  Extents extents;
  for (int64_t axis : reduced) extents.count *= x.shape()[static_cast<size_t>(axis)];
  if (adjacent) {
    for (int64_t axis : order) {
      int64_t& side = !reduced.empty() && axis > reduced[0] ? extents.inner : extents.outer;
      side *= x.shape()[static_cast<size_t>(axis)];
    }
    return {x, extents};
  }
  for (int64_t axis : order) extents.outer *= x.shape()[static_cast<size_t>(axis)];
  Shape shape, strides;
  for (const Shape& axes : {order, reduced})
    for (int64_t axis : axes) {
      shape.push_back(x.shape()[static_cast<size_t>(axis)]);
      strides.push_back(x.strides()[static_cast<size_t>(axis)]);
    }
  return {detail::contiguous_values(detail::view(x, shape, strides)), extents};
}

template <class T> void reduce_all(const Combine<T>& combine, const Tensor& x, uint32_t mask, T* out) {
  const auto [values, extents] = arrange(x, mask);
  const T* from = values.template raw<T>();
  const auto [outer, count, inner] = extents;
  if (inner == 1 && outer == 1) {
    *out = reduce_row(combine, from, count);
  } else if (inner == 1) {
    detail::parallel_for(outer, std::max<int64_t>(1, parallel_elements / count),
                         [&, n = count](int64_t begin, int64_t end) {
                           for (int64_t row = begin; row < end; ++row)
                             out[row] = reduce_row(combine, from + row * n, n);
                         });
  } else {
    for (int64_t o = 0; o < outer; ++o)
      reduce_columns(combine, from + o * count * inner, out + o * inner, count, inner);
  }
}

template <class F> void reduce_with(const Tensor& x, uint32_t mask, Tensor& out) {
  detail::dispatch_floating(F::name, x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    reduce_all(Combine<T>{detail::kernels_of<F>().value(x.dtype())}, x, mask, out.raw<T>());
  });
}

/// y = sum of x over axes
struct Sum {
  static constexpr std::string_view name = "sum";
  uint32_t mask;
  bool keepdim;
  TensorSpec shape(Inputs in) const {
    check(is_floating(in[0].dtype()), "[sum] expected a floating dtype, got {}", in[0]);
    return {reduced_shape(in[0].shape(), mask, keepdim), in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    if (out.numel() == 0) return;
    if (in[0].numel() == 0)
      detail::copy_values(scalar(0, {.dtype = out.dtype()}), out);
    else
      reduce_with<Add>(in[0], mask, out);
  }
  void vjp(Backward& b) const {
    const Shape& shape = b.input_shape(0);
    b.set(0, broadcast_to(reshape(b.grad(), reduced_shape(shape, mask, true)), shape));
  }
};

/// y = largest (or smallest) of x over axes
template <class F> struct Extreme {
  static constexpr std::string_view name = F::name == "maximum" ? "max" : "min";
  uint32_t mask;
  bool keepdim;
  TensorSpec shape(Inputs in) const {
    check(is_floating(in[0].dtype()), "[{}] expected a floating dtype, got {}", name, in[0]);
    const Shape result = reduced_shape(in[0].shape(), mask, keepdim);
    check(in[0].numel() > 0 || result.numel() == 0, "[{}] {} has no elements to choose from", name, in[0]);
    return {result, in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    if (out.numel() > 0) reduce_with<F>(in[0], mask, out);
  }
  Saves saves(uint32_t) const { return Saves::input(0) | Saves::output(); }
  void vjp(Backward& b) const {
    const Tensor& x = b.input(0);
    const Shape kept = reduced_shape(x.shape(), mask, true);
    const Tensor zero = scalar(0, {.dtype = x.dtype()});
    const Tensor one = scalar(1, {.dtype = x.dtype()});
    const Tensor chosen = where(equal(x, reshape(detach(b.output()), kept)), one, zero);
    const Tensor share = chosen / apply(Sum{mask, true}, chosen);
    b.set(0, share * reshape(b.grad(), kept));
  }
};

/// y = index of the largest (or smallest) along an axis
template <bool largest> struct ArgExtreme {
  static constexpr std::string_view name = largest ? "argmax" : "argmin";
  size_t axis;
  bool keepdim;
  TensorSpec shape(Inputs in) const {
    check(in[0].shape()[axis] > 0, "[{}] axis {} of {} has no elements to choose from", name, axis, in[0]);
    return {reduced_shape(in[0].shape(), 1U << axis, keepdim), DType::int64};
  }
  void forward(Inputs in, Tensor& out) const {
    const auto [values, extents] = arrange(in[0], 1U << axis);
    const auto [outer, count, inner] = extents;
    detail::dispatch(
        in[0].dtype(), [&, values = values, outer = outer, count = count, inner = inner](auto zero) {
          using T = decltype(zero);
          for (int64_t o = 0; o < outer; ++o)
            for (int64_t i = 0; i < inner; ++i) {
              const T* x = values.template raw<T>() + o * count * inner + i;
              int64_t best = 0;
              for (int64_t k = 1; k < count; ++k) {
                const T candidate = x[k * inner], leader = x[best * inner];
                if (leader != leader) break;  // a nan
                if ((largest ? candidate > leader : candidate < leader) || candidate != candidate) best = k;
              }
              out.raw<int64_t>()[o * inner + i] = best;
            }
        });
  }
};

uint32_t all_axes(const Tensor& x) { return (1U << x.rank()) - 1; }

Tensor sum_over(const Tensor& x, uint32_t mask, bool keepdim) {
  return is_floating(x.dtype()) ? apply(Sum{mask, keepdim}, x) : detail::integer_sum(x, mask, keepdim);
}
Tensor max_over(const Tensor& x, uint32_t mask, bool keepdim) {
  return is_floating(x.dtype()) ? apply(Extreme<Maximum>{mask, keepdim}, x)
                                : detail::integer_max(x, mask, keepdim);
}
Tensor min_over(const Tensor& x, uint32_t mask, bool keepdim) {
  return is_floating(x.dtype()) ? apply(Extreme<Minimum>{mask, keepdim}, x)
                                : detail::integer_min(x, mask, keepdim);
}

Tensor mean_over(const Tensor& x, uint32_t mask, bool keepdim) {
  check(is_floating(x.dtype()), "[mean] expected a floating dtype, got {}", x);
  return apply(Sum{mask, keepdim}, x) / static_cast<double>(detail::reduced_extent(x.shape(), mask));
}

}  // namespace

Tensor sum(const Tensor& x) { return sum_over(x, all_axes(x), false); }
Tensor sum(const Tensor& x, const Axes& axes, bool keepdim) {
  return sum_over(x, detail::axes_mask("sum", axes, x.rank()), keepdim);
}
Tensor mean(const Tensor& x) { return mean_over(x, all_axes(x), false); }
Tensor mean(const Tensor& x, const Axes& axes, bool keepdim) {
  return mean_over(x, detail::axes_mask("mean", axes, x.rank()), keepdim);
}
Tensor max(const Tensor& x) { return max_over(x, all_axes(x), false); }
Tensor max(const Tensor& x, const Axes& axes, bool keepdim) {
  return max_over(x, detail::axes_mask("max", axes, x.rank()), keepdim);
}
Tensor min(const Tensor& x) { return min_over(x, all_axes(x), false); }
Tensor min(const Tensor& x, const Axes& axes, bool keepdim) {
  return min_over(x, detail::axes_mask("min", axes, x.rank()), keepdim);
}
Tensor amax(const Tensor& x) { return max(x); }
Tensor amax(const Tensor& x, const Axes& axes, bool keepdim) { return max(x, axes, keepdim); }
Tensor amin(const Tensor& x) { return min(x); }
Tensor amin(const Tensor& x, const Axes& axes, bool keepdim) { return min(x, axes, keepdim); }
Tensor argmax(const Tensor& x, int64_t axis, bool keepdim) {
  return apply(ArgExtreme<true>{detail::normalize_axis("argmax", axis, x.rank()), keepdim}, x);
}
Tensor argmin(const Tensor& x, int64_t axis, bool keepdim) {
  return apply(ArgExtreme<false>{detail::normalize_axis("argmin", axis, x.rank()), keepdim}, x);
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  check(detail::broadcast_shapes("sum_to", shape, x.shape()) == x.shape(),
        "[sum_to] shape {} does not broadcast to {}", shape, x.shape());
  const size_t lead = x.rank() - shape.rank();
  uint32_t mask = 0;
  for (size_t i = 0; i < x.rank(); ++i)
    if (i < lead || (shape[i - lead] == 1 && x.shape()[i] != 1)) mask |= 1U << i;
  return reshape(apply(Sum{mask, false}, x), shape);
}

}  // namespace reel
