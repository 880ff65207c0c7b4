// Moving small blocks of a matrix between layouts: what strided copies and the loops over strided operands are made
// of. Internal. The width of an element is all that matters.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

namespace reel::detail {

/// Four neighbours of four bytes each, in one register on every machine that has such.
using FourWords [[gnu::vector_size(16)]] = uint32_t;

inline FourWords load_four(const void* from) {
  FourWords words;
  std::memcpy(&words, from, sizeof words);
  return words;
}
inline void store_four(FourWords words, void* to) { std::memcpy(to, &words, sizeof words); }

/// to[r * to_step + c] = from[r + c * from_step], four by four where the element has four bytes.
template <class T>
void transpose_block(const T* from, int64_t from_step, T* to, int64_t to_step, int64_t rows,
                     int64_t columns) {
  int64_t c = 0;
  if constexpr (sizeof(T) == 4) {
    for (; c + 4 <= columns; c += 4) {
      const T* source = from + c * from_step;
      T* target = to + c;
      int64_t r = 0;
      for (; r + 4 <= rows; r += 4) {
        const FourWords a = load_four(source + r), b = load_four(source + from_step + r);
        const FourWords d = load_four(source + 2 * from_step + r), e = load_four(source + 3 * from_step + r);
        const FourWords ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
        const FourWords ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
        const FourWords de_low = __builtin_shufflevector(d, e, 0, 4, 1, 5);
        const FourWords de_high = __builtin_shufflevector(d, e, 2, 6, 3, 7);
        store_four(__builtin_shufflevector(ab_low, de_low, 0, 1, 4, 5), target + r * to_step);
        store_four(__builtin_shufflevector(ab_low, de_low, 2, 3, 6, 7), target + (r + 1) * to_step);
        store_four(__builtin_shufflevector(ab_high, de_high, 0, 1, 4, 5), target + (r + 2) * to_step);
        store_four(__builtin_shufflevector(ab_high, de_high, 2, 3, 6, 7), target + (r + 3) * to_step);
      }
      for (; r < rows; ++r)
        for (int64_t i = 0; i < 4; ++i) target[r * to_step + i] = source[r + i * from_step];
    }
  }
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = c; i < columns; ++i) to[r * to_step + i] = from[r + i * from_step];
}

/// to[0 .. n) = x
template <class T> void fill_run(T x, T* to, int64_t n) {
  if constexpr (sizeof(T) == 4) {
    if (n >= 4 && n < 32) {  // too short for a call; the last four may overlap those before them
      const FourWords words = std::bit_cast<uint32_t>(x) + FourWords{};
      for (int64_t i = 0; i + 4 < n; i += 4) store_four(words, to + i);
      return store_four(words, to + n - 4);
    }
  }
  std::fill_n(to, n, x);
}

/// to[0 .. n) = from[0 .. n)
template <class T> void copy_run(const T* from, T* to, int64_t n) {
  if constexpr (sizeof(T) == 4) {
    if (n >= 4 && n < 32) {
      for (int64_t i = 0; i + 4 < n; i += 4) store_four(load_four(from + i), to + i);
      return store_four(load_four(from + n - 4), to + n - 4);
    }
  }
  std::copy_n(from, n, to);
}

/// to[i] = from[2 * i]
template <class T> void copy_every_other(const T* from, T* to, int64_t n) {
  int64_t i = 0;
  if constexpr (sizeof(T) == 4)
    for (; i + 4 < n; i += 4)  // short of the end, as it reads one further than it needs
      store_four(__builtin_shufflevector(load_four(from + 2 * i), load_four(from + 2 * i + 4), 0, 2, 4, 6),
                 to + i);
  for (; i < n; ++i) to[i] = from[2 * i];
}

/// to[r * columns + c] = from[r * row_step + c * column_step]
template <class T>
void gather_block(const T* from, int64_t row_step, int64_t column_step, T* to, int64_t rows,
                  int64_t columns) {
  if (column_step == 0 && row_step == 0)
    fill_run(*from, to, rows * columns);
  else if (column_step == 0)
    for (int64_t r = 0; r < rows; ++r) fill_run(from[r * row_step], to + r * columns, columns);
  else if (column_step == 1)
    for (int64_t r = 0; r < rows; ++r) copy_run(from + r * row_step, to + r * columns, columns);
  else if (row_step == 1)
    transpose_block(from, column_step, to, columns, rows, columns);
  else if (column_step == 2)
    for (int64_t r = 0; r < rows; ++r) copy_every_other(from + r * row_step, to + r * columns, columns);
  else
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) to[r * columns + c] = from[r * row_step + c * column_step];
}

}  // namespace reel::detail
