// Extents of a tensor, and the arithmetic on them: broadcasting, axes, strides. Holds no data.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include <reel/framework/error.h>

namespace reel {

/// Up to `max_rank` extents, held in place. Also used for strides (in elements) and lists of axes.
class Shape {
 public:
  static constexpr size_t max_rank = 8;

  constexpr Shape() = default;
  Shape(std::initializer_list<int64_t> extents) : Shape(std::span(extents.begin(), extents.size())) {}
  explicit Shape(std::span<const int64_t> extents) {
    for (int64_t extent : extents) push_back(extent);
  }

  constexpr size_t rank() const { return rank_; }
  constexpr size_t size() const { return rank_; }
  constexpr bool empty() const { return rank_ == 0; }
  constexpr int64_t operator[](size_t i) const { return extents_[i]; }
  constexpr int64_t& operator[](size_t i) { return extents_[i]; }
  constexpr const int64_t* begin() const { return extents_.data(); }
  constexpr const int64_t* end() const { return extents_.data() + rank_; }
  constexpr int64_t* begin() { return extents_.data(); }
  constexpr int64_t* end() { return extents_.data() + rank_; }
  int64_t back() const {
    check(rank_ > 0, "[shape] a shape without axes has no last extent");
    return extents_[rank_ - 1];
  }

  void push_back(int64_t extent) {
    check(rank_ < max_rank, "[shape] tensors have at most {} axes", max_rank);
    extents_[rank_++] = extent;
  }
  void insert(size_t at, int64_t extent) {
    push_back(extent);
    std::rotate(begin() + at, end() - 1, end());
  }
  void erase(size_t at) {
    check(at < rank_, "[shape] there is no axis {} in {}", at, *this);
    std::copy(begin() + at + 1, end(), begin() + at);
    --rank_;
  }

  /// Product of the extents; 1 for a scalar.
  constexpr int64_t numel() const {
    int64_t n = 1;
    for (int64_t extent : *this) n *= extent;
    return n;
  }

  constexpr bool operator==(const Shape& other) const {
    return std::equal(begin(), end(), other.begin(), other.end());
  }

  /// "[2, 3]".
  std::string str() const;

 private:
  std::array<int64_t, max_rank> extents_{};
  uint32_t rank_ = 0;
};

namespace detail {

/// `axis` counted from the front; throws naming `op` if it is not in [-rank, rank).
size_t normalize_axis(std::string_view op, int64_t axis, size_t rank);

/// NumPy's rule: align at the right, extents must be equal or 1. Throws naming `op` and both shapes.
Shape broadcast_shapes(std::string_view op, const Shape& a, const Shape& b);

/// Row-major strides of `shape`.
Shape contiguous_strides(const Shape& shape);

/// Strides that read a tensor of `shape` and `strides` as one of shape `target`: 0 along repeated axes.
/// `shape` must broadcast to `target`.
Shape broadcast_strides(const Shape& shape, const Shape& strides, const Shape& target);

}  // namespace detail
}  // namespace reel
