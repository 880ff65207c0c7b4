#include "ops/diagonal.h"

#include <algorithm>
#include <cstdlib>

#include "framework/op.h"
#include "ops/compare.h"

namespace reel {
namespace {

/// The elements (i, i + offset) of two axes, as a new last axis.
struct DiagonalOf {
  size_t a, b;
  int64_t offset;

  int64_t length(const Shape& shape) const {
    const int64_t rows = shape[a], columns = shape[b];
    // Compared before anything is added: the offset may be any number.
    if (offset >= columns || offset <= -rows) return 0;
    return offset >= 0 ? std::min(rows, columns - offset) : std::min(rows + offset, columns);
  }
  Tensor of(const Tensor& x) const {
    Shape shape = x.shape(), strides = x.strides();
    const int64_t count = length(shape), row = strides[a], column = strides[b];
    for (size_t axis : {std::max(a, b), std::min(a, b)}) {
      shape.erase(axis);
      strides.erase(axis);
    }
    shape.push_back(count);
    strides.push_back(row + column);
    return detail::view(x, shape, strides, count == 0 ? 0 : offset >= 0 ? offset * column : -offset * row);
  }
};

struct PlaceDiagonal;
Tensor place_diagonal(const Tensor& x, const DiagonalOf& place, const Shape& whole);

/// y[..., i] = x[..., i, ..., i + offset, ...]
struct Diagonal {
  static constexpr std::string_view name = "diagonal";
  DiagonalOf place;
  Tensor view(Inputs in) const { return place.of(in[0]); }
  void vjp(Backward& b) const { b.set(0, place_diagonal(b.grad(), place, b.input_shape(0))); }
};

/// y = 0 but for y[..., i, ..., i + offset, ...] = x[..., i]
struct PlaceDiagonal {
  static constexpr std::string_view name = "place_diagonal";
  DiagonalOf place;
  Shape whole;
  TensorSpec shape(Inputs in) const { return {whole, in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const {
    detail::copy_values(zeros({}, {.dtype = out.dtype()}), out);
    detail::copy_values(in[0], place.of(out));
  }
  void vjp(Backward& b) const { b.set(0, apply(Diagonal{place}, b.grad())); }
};

Tensor place_diagonal(const Tensor& x, const DiagonalOf& place, const Shape& whole) {
  return apply(PlaceDiagonal{place, whole}, x);
}

DiagonalOf two_axes(const char* op, int64_t offset, int64_t a, int64_t b, size_t rank) {
  const DiagonalOf place{detail::normalize_axis(op, a, rank), detail::normalize_axis(op, b, rank), offset};
  check(place.a != place.b, "[{}] expected two different axes, got {} and {}", op, a, b);
  return place;
}

/// x where column - row - diagonal has the wanted sign, else 0. Chosen, not multiplied: an infinity in the part that
/// goes leaves no nan.
Tensor triangle(const char* op, const Tensor& x, int64_t diagonal, bool lower) {
  check(x.rank() >= 2, "[{}] expected matrices [..., m, n], got {}", op, x);
  const int64_t rows = x.size(-2), columns = x.size(-1);
  const int64_t shift = std::clamp(diagonal, -rows - 1, columns + 1);
  Tensor keep = empty({rows, columns}, {.dtype = DType::boolean});
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      keep.raw<bool>()[i * columns + j] = lower ? j - i <= shift : j - i >= shift;
  return where(keep, x, zeros({}, {.dtype = x.dtype()}));
}

}  // namespace

Tensor tril(const Tensor& x, int64_t diagonal) { return triangle("tril", x, diagonal, true); }
Tensor triu(const Tensor& x, int64_t diagonal) { return triangle("triu", x, diagonal, false); }

Tensor diagonal(const Tensor& x, int64_t offset, int64_t a, int64_t b) {
  return apply(Diagonal{two_axes("diagonal", offset, a, b, x.rank())}, x);
}

Tensor diag_embed(const Tensor& x, int64_t offset, int64_t a, int64_t b) {
  check(x.rank() >= 1, "[diag_embed] expected at least one axis, got {}", x);
  const DiagonalOf place = two_axes("diag_embed", offset, a, b, x.rank() + 1);
  constexpr int64_t most = int64_t{1} << 31;
  check(offset >= -most && offset <= most, "[diag_embed] a matrix with offset {} fits no memory", offset);
  const int64_t side = x.size(-1) + std::abs(offset);
  Shape whole = x.shape();
  whole.erase(x.rank() - 1);
  whole.insert(std::min(place.a, place.b), side);
  whole.insert(std::max(place.a, place.b), side);
  return place_diagonal(x, place, whole);
}

Tensor diag(const Tensor& x, int64_t offset) {
  check(x.rank() == 1 || x.rank() == 2, "[diag] expected a vector or a matrix, got {}", x);
  return x.rank() == 1 ? diag_embed(x, offset) : diagonal(x, offset);
}

}  // namespace reel
