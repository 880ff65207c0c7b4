// Moving values between layouts and dtypes, outside of the tape.
#include <algorithm>
#include <cstring>

#include "framework/blocks.h"
#include "framework/parallel.h"
#include "framework/strided.h"
#include "framework/tensor.h"

namespace reel::detail {
namespace {

// Below this, a copy is not worth a second thread (about 10 us of work).
constexpr int64_t parallel_elements = 1 << 16;
// Transposing goes by squares of this side, so that both sides' lines stay in L1.
constexpr int64_t square = 32;

template <class T> void copy_rows(const StridedWalk<2>& walk, const T* from, T* to) {
  const int64_t n = walk.inner();
  const int64_t from_step = walk.inner_step(1);
  const int64_t to_step = walk.inner_step(0);
  const int64_t grain = std::max<int64_t>(1, parallel_elements / std::max<int64_t>(n, 1));
  parallel_for(walk.rows(), grain, [&](int64_t begin, int64_t end) {
    walk.for_rows(begin, end, [&](const auto& at) {
      const T* source = from + at[1];
      T* target = to + at[0];
      if (from_step == 1 && to_step == 1)
        copy_run(source, target, n);
      else if (from_step == 0 && to_step == 1)
        fill_run(*source, target, n);
      else
        for (int64_t i = 0; i < n; ++i) target[i * to_step] = source[i * from_step];
    });
  });
}

/// Where the source runs along another axis than the target: squares over both of these axes.
template <class T>
void copy_transposed(const StridedWalk<2>& walk, size_t source_axis, const T* from, T* to) {
  const size_t last = walk.rank() - 1;
  Shape outer;
  std::array<Shape, 2> steps;
  for (size_t axis = 0; axis < last; ++axis) {
    if (axis == source_axis) continue;
    outer.push_back(walk.extent(axis));
    for (size_t k = 0; k < 2; ++k) steps[k].push_back(walk.step(axis, k));
  }
  outer.push_back(1);
  for (auto& step : steps) step.push_back(0);
  const int64_t rows = walk.extent(source_axis);
  const int64_t columns = walk.extent(last);
  const int64_t row_step = walk.step(source_axis, 0);
  const int64_t column_step = walk.step(last, 1);
  const StridedWalk<2> planes(outer, steps);
  for (int64_t plane = 0; plane < planes.inner() * planes.rows(); ++plane) {
    const int64_t row_of_planes = plane / planes.inner();
    const int64_t column = plane % planes.inner();
    planes.for_rows(row_of_planes, row_of_planes + 1, [&](const auto& at) {
      const T* source = from + at[1] + column * planes.inner_step(1);
      T* target = to + at[0] + column * planes.inner_step(0);
      const int64_t grain =
          std::max<int64_t>(square, parallel_elements / std::max<int64_t>(columns, 1) / square * square);
      parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
        for (int64_t r0 = begin; r0 < end; r0 += square)
          for (int64_t c0 = 0; c0 < columns; c0 += square)
            transpose_block(source + r0 + c0 * column_step, column_step, target + r0 * row_step + c0,
                            row_step, std::min(end - r0, square), std::min(columns - c0, square));
      });
    });
  }
}

template <class T> void copy_typed(const StridedWalk<2>& walk, const T* from, T* to) {
  const size_t last = walk.rank() - 1;
  if (walk.step(last, 0) == 1 && walk.step(last, 1) != 1 && walk.step(last, 1) != 0)
    for (size_t axis = 0; axis < last; ++axis)
      if (walk.step(axis, 1) == 1) return copy_transposed(walk, axis, from, to);
  copy_rows(walk, from, to);
}

}  // namespace

void copy_values(const Tensor& from, const Tensor& to) {
  if (to.numel() == 0) return;
  if (from.is_contiguous() && to.is_contiguous() && from.numel() == to.numel()) {
    std::memmove(to.raw_bytes(), from.raw_bytes(), static_cast<size_t>(to.numel()) * item_size(to.dtype()));
    return;
  }
  const StridedWalk<2> walk(to.shape(),
                            {to.strides(), broadcast_strides(from.shape(), from.strides(), to.shape())});
  switch (item_size(to.dtype())) {  // only the width matters to a copy
    case 1:
      return copy_typed(walk, from.raw<uint8_t>(), to.raw<uint8_t>());
    case 4:
      return copy_typed(walk, from.raw<uint32_t>(), to.raw<uint32_t>());
    default:
      return copy_typed(walk, from.raw<uint64_t>(), to.raw<uint64_t>());
  }
}

Tensor contiguous_values(const Tensor& tensor) {
  if (tensor.is_contiguous()) return tensor;
  Tensor result = empty_like(tensor);
  copy_values(tensor, result);
  return result;
}

Tensor cast_values(const Tensor& tensor, DType dtype) {
  const Tensor flat = contiguous_values(tensor);
  Tensor result = empty(tensor.shape(), {.dtype = dtype});
  dispatch(tensor.dtype(), [&](auto from) {
    dispatch(dtype, [&](auto to) {
      using To = decltype(to);
      const auto* source = flat.raw<decltype(from)>();
      std::transform(source, source + flat.numel(), result.raw<To>(), [](auto value) {
        if constexpr (std::is_same_v<To, bool>)
          return value != 0;
        else
          return static_cast<To>(value);
      });
    });
  });
  return result;
}

}  // namespace reel::detail
