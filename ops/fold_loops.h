// Folding a tensor along axes with a formula's own loops: long rows, short rows, columns, and layouts without a copy
// where there is a way. Internal: the reductions that are ops are in reduction.cpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include <reel/framework/blocks.h>
#include <reel/framework/memory.h>
#include <reel/framework/op.h>
#include <reel/framework/parallel.h>

namespace reel::detail::fold_loops {

// Columns that are folded together: their partial results stay in L1.
inline constexpr int64_t tile = 2048;
// A column-wise fold takes this many rows, then as many of such results, and so on: bounds the rounding error.
inline constexpr int64_t rows_per_block = 64;
inline constexpr size_t fold_levels = 4;
// A run is folded by so many elements at a time, for the same reason, and a long one is cut into pieces of so many,
// whatever the number of threads, so that the bits stay the same.
inline constexpr int64_t run = 1 << 13;
inline constexpr int64_t piece = 1 << 16;
inline constexpr int64_t parallel_elements = 1 << 15;
// Rows and columns shorter than this are folded many at once.
inline constexpr int64_t short_side = 64;

/// A formula's own loops: of two runs of elements, and folds.
template <class T> struct Combine {
  detail::TileKernel kernel;
  detail::FoldKernels fold;
  void operator()(const T* a, const T* b, T* out, int64_t n) const {
    const void* in[] = {a, b};
    kernel("", in, out,
           n);  // the formulas that fold have no attributes; their loops copy one byte of formula
  }
};

/// One row down to one value.
template <class T> T reduce_row(const Combine<T>& combine, const T* x, int64_t n) {
  T result;
  if (n <= run) {
    combine.fold.run(x, &result, n);
    return result;
  }
  const int64_t part = n <= piece ? run : piece;
  detail::Scratch<T> parts(static_cast<size_t>((n + part - 1) / part));
  detail::parallel_for(static_cast<int64_t>(parts.size()), std::max<int64_t>(1, parallel_elements * 2 / part),
                       [&](int64_t begin, int64_t end) {
                         for (int64_t p = begin; p < end; ++p)
                           parts[static_cast<size_t>(p)] =
                               reduce_row(combine, x + p * part, std::min(part, n - p * part));
                       });
  return reduce_row(combine, parts.data(), static_cast<int64_t>(parts.size()));
}

/// Partial results of up to `tile` columns at several levels; a full one is carried to the next.
template <class T> class Cascade {
 public:
  Cascade(const Combine<T>& combine, int64_t columns) : combine_(combine), columns_(columns) {}
  /// `count` rows, `step` elements apart.
  void add(const T* x, int64_t step, int64_t count) {
    for (int64_t k = 0; k < count;) {
      const bool many = counts_[0] > 0 && counts_[0] + detail::rows_at_once <= rows_per_block &&
                        k + detail::rows_at_once <= count;
      if (many)
        combine_.fold.rows(x + k * step, step, results_[0], columns_);
      else
        add_one(x + k * step, 0);
      if (many) carry(0, detail::rows_at_once);
      k += many ? detail::rows_at_once : 1;
    }
  }
  void finish(T* out) {
    bool begun = false;
    for (size_t level = 0; level < fold_levels; ++level) {
      if (counts_[level] == 0) continue;
      if (begun)
        combine_(out, results_[level], out, columns_);
      else
        std::copy_n(results_[level], columns_, out);
      begun = true;
    }
  }

 private:
  void add_one(const T* row, size_t level) {
    if (counts_[level] == 0)
      std::copy_n(row, columns_, results_[level]);
    else
      combine_(results_[level], row, results_[level], columns_);
    carry(level, 1);
  }
  void carry(size_t level, int64_t rows) {
    counts_[level] += rows;
    if (counts_[level] < rows_per_block || level + 1 == fold_levels) return;
    add_one(results_[level], level + 1);
    counts_[level] = 0;
  }

  const Combine<T>& combine_;
  int64_t columns_;
  int64_t counts_[fold_levels] = {};
  alignas(64) T results_[fold_levels][tile];
};

/// The same for short rows: [count, columns] elements as one run, halves onto halves; `x` is overwritten.
template <class T>
void reduce_halves(const Combine<T>& combine, T* x, T* out, int64_t count, int64_t columns) {
  while (count > 1) {
    const int64_t half = count / 2;
    combine(x, x + half * columns, x, half * columns);
    if (count % 2) std::copy_n(x + (count - 1) * columns, columns, x + half * columns);
    count = half + count % 2;
  }
  std::copy_n(x, columns, out);
}

/// out[i] = fold over k of x[k * step + i], up to `tile` columns.
template <class T>
void reduce_columns(const Combine<T>& combine, const T* x, int64_t step, T* out, int64_t count,
                    int64_t columns) {
  if (columns >= short_side || step != columns || count < 4) {
    Cascade<T> folds(combine, columns);
    folds.add(x, step, count);
    folds.finish(out);
    return;
  }
  // Many short rows make a long one.
  alignas(64) T joined[tile];
  const int64_t group = std::min(count, tile / columns);
  reduce_columns(combine, x, group * columns, joined, count / group, group * columns);
  const int64_t rest = count % group;
  if (rest > 0) combine(joined, x + (count - rest) * columns, joined, rest * columns);
  reduce_halves(combine, joined, out, group, columns);
}

/// Rows of `n` elements, n small: turned on their side, many at once.
template <class T>
void reduce_short_rows(const Combine<T>& combine, const T* x, T* out, int64_t rows, int64_t n) {
  alignas(64) T turned[tile];
  const int64_t block = std::min<int64_t>(512, tile / n / 4 * 4);
  for (int64_t row = 0; row < rows; row += block) {
    const int64_t here = std::min(block, rows - row);
    detail::transpose_block(x + row * n, n, turned, here, n, here);
    reduce_halves(combine, turned, out + row, n, here);
  }
}

/// Rows of n elements, at least a vector of them: each down to one vector, and these as short rows.
template <class T> void reduce_rows(const Combine<T>& combine, const T* x, T* out, int64_t rows, int64_t n) {
  alignas(64) T partials[tile];
  const int64_t width = combine.fold.width, block = tile / width;
  for (int64_t row = 0; row < rows; row += block) {
    const int64_t here = std::min(block, rows - row);
    for (int64_t r = 0; r < here; ++r) combine.fold.partial(x + (row + r) * n, partials + r * width, n);
    reduce_short_rows(combine, partials, out + row, here, width);
  }
}

struct Extents {
  int64_t outer = 1, count = 1, inner = 1;
};

/// x as [outer, count, inner] with `count` the reduced axes, if its memory is so arranged; else permuted and
/// copied.
inline std::pair<Tensor, Extents> arrange(const Tensor& x, uint32_t mask) {
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

/// The axes of x from the longest stride to the shortest; axes that are reduced may go anywhere, those that are kept
/// stay in order. Then a transposed tensor is reduced as it lies, without a copy.
inline std::pair<Tensor, uint32_t> in_order_of_memory(const Tensor& x, uint32_t mask) {
  Shape order;
  for (size_t i = 0; i < x.rank(); ++i) order.push_back(static_cast<int64_t>(i));
  const auto stride = [&](int64_t axis) { return x.strides()[static_cast<size_t>(axis)]; };
  std::sort(order.begin(), order.end(),
            [&](int64_t a, int64_t b) { return stride(a) != stride(b) ? stride(a) > stride(b) : a < b; });
  Shape shape, strides;
  uint32_t moved = 0;
  int64_t last_kept = -1;
  for (int64_t axis : order) {
    if (mask >> axis & 1U) {
      moved |= 1U << shape.size();
    } else {
      if (axis < last_kept) return {x, mask};
      last_kept = axis;
    }
    shape.push_back(x.shape()[static_cast<size_t>(axis)]);
    strides.push_back(stride(axis));
  }
  return {detail::view(x, shape, strides), moved};
}

template <class T> void reduce_all(const Combine<T>& combine, const Tensor& x, uint32_t mask, T* out) {
  const auto [ordered, moved] = x.is_contiguous() ? std::pair(x, mask) : in_order_of_memory(x, mask);
  const auto [values, extents] = arrange(ordered, moved);
  const T* from = values.template raw<T>();
  const auto [outer, count, inner] = extents;
  if (inner == 1 && outer == 1) {
    *out = reduce_row(combine, from, count);
  } else if (inner == 1) {
    detail::parallel_for(outer, std::max<int64_t>(1, parallel_elements / count),
                         [&, n = count](int64_t begin, int64_t end) {
                           if (n < short_side)
                             return reduce_short_rows(combine, from + begin * n, out + begin, end - begin, n);
                           if (n <= run)
                             return reduce_rows(combine, from + begin * n, out + begin, end - begin, n);
                           for (int64_t row = begin; row < end; ++row)
                             out[row] = reduce_row(combine, from + row * n, n);
                         });
  } else if (outer == 1 && inner <= tile && count > 1 && count * inner > 2 * piece) {
    // Pieces that do not depend on the number of threads.
    const int64_t rows = std::max<int64_t>(rows_per_block, piece / inner), pieces = (count + rows - 1) / rows;
    detail::Scratch<T> parts(static_cast<size_t>(pieces * inner));
    detail::parallel_for(pieces, 1, [&, count = count, inner = inner](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p)
        reduce_columns(combine, from + p * rows * inner, inner, parts.data() + p * inner,
                       std::min(rows, count - p * rows), inner);
    });
    reduce_columns(combine, parts.data(), inner, out, pieces, inner);
  } else {
    const int64_t tiles = (inner + tile - 1) / tile;
    const int64_t grain = std::max<int64_t>(1, parallel_elements / (count * std::min(inner, tile)));
    detail::parallel_for(outer * tiles, grain, [&, count = count, inner = inner](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t o = i / tiles, column = i % tiles * tile;
        reduce_columns(combine, from + o * count * inner + column, inner, out + o * inner + column, count,
                       std::min(tile, inner - column));
      }
    });
  }
}

}  // namespace reel::detail::fold_loops
