// Walking several strided operands over one shape. Internal. Axes that lie behind one another in every
// operand are merged; the innermost axis is left to the caller's loop.
#pragma once

#include <array>
#include <cstdint>

#include <reel/framework/shape.h>

namespace reel::detail {

template <size_t K> class StridedWalk {
 public:
  using Offsets = std::array<int64_t, K>;

  /// `strides[k]` are those of operand k, broadcast to `shape`.
  StridedWalk(const Shape& shape, const std::array<Shape, K>& strides) {
    for (size_t axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] == 1) continue;
      Offsets steps;
      for (size_t k = 0; k < K; ++k) steps[k] = strides[k][axis];
      if (rank_ > 0 && mergeable(shape[axis], steps)) {
        extents_[rank_ - 1] *= shape[axis];
        steps_[rank_ - 1] = steps;
      } else {
        extents_[rank_] = shape[axis];
        steps_[rank_++] = steps;
      }
    }
    if (rank_ == 0) {
      extents_[0] = shape.numel();  // 1, or 0 where an axis is empty
      steps_[0].fill(0);
      rank_ = 1;
    }
    for (size_t axis = 0; axis + 1 < rank_; ++axis) rows_ *= extents_[axis];
  }

  size_t rank() const { return rank_; }
  int64_t extent(size_t axis) const { return extents_[axis]; }
  int64_t step(size_t axis, size_t operand) const { return steps_[axis][operand]; }
  int64_t inner() const { return extents_[rank_ - 1]; }
  int64_t inner_step(size_t operand) const { return steps_[rank_ - 1][operand]; }
  int64_t rows() const { return rows_; }

  /// Calls f(offsets) for the rows [begin, end), in order; offsets are in elements, of each operand's row
  /// start.
  template <class F> void for_rows(int64_t begin, int64_t end, F&& f) const {
    if (begin >= end) return;
    std::array<int64_t, Shape::max_rank> index{};
    Offsets offsets{};
    int64_t rest = begin;
    for (size_t axis = rank_ - 1; axis-- > 0;) {
      index[axis] = rest % extents_[axis];
      rest /= extents_[axis];
      for (size_t k = 0; k < K; ++k) offsets[k] += index[axis] * steps_[axis][k];
    }
    for (int64_t row = begin;;) {
      f(offsets);
      if (++row == end) return;
      for (size_t axis = rank_ - 1; axis-- > 0;) {
        for (size_t k = 0; k < K; ++k) offsets[k] += steps_[axis][k];
        if (++index[axis] < extents_[axis]) break;
        for (size_t k = 0; k < K; ++k) offsets[k] -= steps_[axis][k] * extents_[axis];
        index[axis] = 0;
      }
    }
  }

 private:
  bool mergeable(int64_t extent, const Offsets& steps) const {
    for (size_t k = 0; k < K; ++k)
      if (steps_[rank_ - 1][k] != steps[k] * extent) return false;
    return true;
  }

  std::array<int64_t, Shape::max_rank> extents_{};
  std::array<Offsets, Shape::max_rank> steps_{};
  size_t rank_ = 0;
  int64_t rows_ = 1;
};

}  // namespace reel::detail
