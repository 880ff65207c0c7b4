// Operands of any strides, brought tile by tile into the runs of elements that a formula's loop takes. Internal.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <reel/framework/blocks.h>
#include <reel/framework/strided.h>

namespace reel::detail {

// Elements of a tile: one of them stays within L1, a few within L2 (a million floats added to transposed ones: 590 us by
// tiles of 2048, 454 us by 4096, 456 us by 8192).
constexpr int64_t tile_elements = 4096;
// Where an operand is transposed: rows of a tile, two cache lines of its columns (230 us for a million floats by one
// line, 155 us by two, 175 us by four).
constexpr int64_t tile_rows = 32;
// Rows of this length are worth a call of the loop each.
constexpr int64_t long_row = 64;

/// How the output's shape is cut into tiles: planes of rows and columns, the columns along its last axis, the rows
/// along the one before it or, where an operand is transposed, along the one that this operand runs along.
template <size_t K> struct TilePlan {
  const StridedWalk<K>& walk;
  size_t row_axis = 0;                      // of the walk; its last axis where there is only one
  int64_t rows = 1, columns = 1;            // of a plane
  int64_t tile_height = 1, tile_width = 1;  // of a tile
  int64_t vertical = 1, horizontal = 1;     // tiles of a plane
  int64_t planes = 1;
  bool joined;  // a tile is one run of the output

  /// Operand 0 is the output.
  explicit TilePlan(const StridedWalk<K>& strided_walk) : walk(strided_walk), columns(walk.inner()) {
    const size_t last = walk.rank() - 1;
    bool transposed = false;
    row_axis = last > 0 ? last - 1 : 0;
    for (size_t k = 1; k < K && !transposed; ++k) {
      if (walk.step(last, k) == 0 || walk.step(last, k) == 1) continue;
      for (size_t axis = 0; axis < last && !transposed; ++axis)
        if (walk.step(axis, k) == 1) transposed = (row_axis = axis, true);
    }
    if (last > 0) rows = walk.extent(row_axis);
    tile_width = std::min(columns, transposed ? tile_elements / tile_rows : tile_elements);
    tile_height = tile_elements / tile_width;
    if (tile_height > tile_rows) tile_height -= tile_height % tile_rows;
    tile_height = std::min(tile_height, rows);
    joined = tile_width == columns && (rows == 1 || walk.step(row_axis, 0) == columns) &&
             (tile_height == 1 || columns < long_row || transposed);
    vertical = (rows + tile_height - 1) / tile_height;
    horizontal = (columns + tile_width - 1) / tile_width;
    for (size_t axis = 0; axis < last; ++axis)
      if (axis != row_axis) planes *= walk.extent(axis);
  }

  int64_t tiles() const { return planes * vertical * horizontal; }
  int64_t row_step(size_t k) const { return walk.rank() > 1 ? walk.step(row_axis, k) : 0; }
  int64_t column_step(size_t k) const { return walk.inner_step(k); }

  /// Calls f(offsets, rows, columns) for the tiles [begin, end), in order; offsets are of each operand's first
  /// element in the tile.
  template <class F> void for_tiles(int64_t begin, int64_t end, F&& f) const {
    int64_t across = begin % horizontal, down = begin / horizontal % vertical;
    typename StridedWalk<K>::Offsets plane = plane_offsets(begin / horizontal / vertical);
    for (int64_t tile = begin; tile < end; ++tile) {
      auto at = plane;
      const int64_t row = down * tile_height, column = across * tile_width;
      for (size_t k = 0; k < K; ++k) at[k] += row * row_step(k) + column * column_step(k);
      f(at, std::min(tile_height, rows - row), std::min(tile_width, columns - column));
      if (++across < horizontal) continue;
      across = 0;
      if (++down < vertical) continue;
      down = 0;
      if (tile + 1 < end) plane = plane_offsets((tile + 1) / horizontal / vertical);
    }
  }

 private:
  typename StridedWalk<K>::Offsets plane_offsets(int64_t plane) const {
    typename StridedWalk<K>::Offsets offsets{};
    for (size_t axis = walk.rank() - 1; axis-- > 0;) {
      if (axis == row_axis) continue;
      const int64_t index = plane % walk.extent(axis);
      plane /= walk.extent(axis);
      for (size_t k = 0; k < K; ++k) offsets[k] += index * walk.step(axis, k);
    }
    return offsets;
  }
};

/// One operand's tile, gathered into a buffer where the loop cannot read it in place.
class TileSource {
 public:
  /// Tiles of an operand whose elements have `item` bytes.
  void begin(const void* data, size_t item, int64_t row_step, int64_t column_step) {
    data_ = static_cast<const std::byte*>(data);
    item_ = static_cast<int64_t>(item);
    row_step_ = row_step;
    column_step_ = column_step;
  }
  /// Makes the tile at `offset` readable: where a row begins is then row(r), and all of it lies at row(0) if it is
  /// to be `joined`.
  void take(int64_t offset, int64_t rows, int64_t columns, bool joined) {
    const std::byte* source = data_ + offset * item_;
    if (column_step_ == 1 && (!joined || rows == 1 || row_step_ == columns)) {
      rows_ = source;
      bytes_per_row_ = row_step_ * item_;
      gathered_ = nullptr;
      return;
    }
    rows_ = buffer_;
    bytes_per_row_ = columns * item_;
    // What does not move from tile to tile, a row or column that is repeated, stays where it is.
    if (gathered_ == source && gathered_rows_ == rows && gathered_columns_ == columns) return;
    gathered_ = source;
    gathered_rows_ = rows;
    gathered_columns_ = columns;
    if (item_ == 4)
      gather<uint32_t>(source, rows, columns);
    else if (item_ == 8)
      gather<uint64_t>(source, rows, columns);
    else
      gather<uint8_t>(source, rows, columns);
  }
  const void* row(int64_t r) const { return rows_ + r * bytes_per_row_; }

 private:
  template <class T> void gather(const std::byte* source, int64_t rows, int64_t columns) {
    gather_block(reinterpret_cast<const T*>(source), row_step_, column_step_, reinterpret_cast<T*>(buffer_),
                 rows, columns);
  }

  const std::byte* data_ = nullptr;
  int64_t item_ = 0, row_step_ = 0, column_step_ = 0;
  const std::byte* rows_ = nullptr;
  int64_t bytes_per_row_ = 0;
  const std::byte* gathered_ = nullptr;
  int64_t gathered_rows_ = 0, gathered_columns_ = 0;
  alignas(64) std::byte buffer_[tile_elements * sizeof(double)];
};

}  // namespace reel::detail
