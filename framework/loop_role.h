// What an op says of itself for the compiled loop: whether it works element by element, is a product of rows, or
// shows columns of its input. The planner asks, and holds no list of ops.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel::detail {

inline constexpr size_t max_arity = 3;

/// The loops of one formula. `in` are contiguous runs of n elements; those of a slope are the arguments, the
/// result and the gradient from above, by which the slope is multiplied.
using TileKernel = void (*)(const void* formula, const void* const* in, void* out, int64_t n);
/// Of an associative formula of two arguments, without attributes: folding a run of n >= 1 elements to one, one of
/// n >= `width` elements to `width`, and folding `rows_at_once` rows, `step` elements apart, onto n elements of `out`.
inline constexpr int64_t rows_at_once = 8;
struct FoldKernels {
  int64_t width = 0;
  void (*run)(const void* in, void* out, int64_t n) = nullptr;
  void (*partial)(const void* in, void* out, int64_t n) = nullptr;
  void (*rows)(const void* in, int64_t step, void* out, int64_t n) = nullptr;
};
struct FormulaKernels {
  TileKernel value32 = nullptr;
  TileKernel value64 = nullptr;
  TileKernel integers = nullptr;
  std::array<TileKernel, max_arity> slope32{};
  std::array<TileKernel, max_arity> slope64{};
  FoldKernels fold32{}, fold64{};

  TileKernel value(DType dtype) const {
    return dtype == DType::float32 ? value32 : dtype == DType::float64 ? value64 : integers;
  }
  TileKernel slope(size_t k, DType dtype) const { return (dtype == DType::float32 ? slope32 : slope64)[k]; }
};

/// What the slope to one argument is, and what it reads: bit i for argument i, bit `arity` for the result.
struct SlopeRole {
  bool constant = false;
  double value = 0;
  uint32_t reads = 0;
};

struct ElementwiseRole {
  size_t arity = 0;
  const FormulaKernels* kernels = nullptr;
  const void* formula = nullptr;
  bool differentiable = false;
  std::array<SlopeRole, max_arity> slopes{};
};

/// out [rows, M] = a [rows, K] times a matrix that was packed once; rows lie without gaps.
class RowProduct {
 public:
  virtual ~RowProduct() = default;
  virtual void run(const void* a, void* out) = 0;
};

/// A matrix [K, M] as the side by side of parts; each is given as it is or, `transposed`, as [M_i, K].
struct MatrixPart {
  Tensor matrix;
  bool transposed;
};

struct ProductRole {
  bool transpose_a = false;
  bool transpose_b = false;
  ElementwiseRole add{};  ///< By which a bias is added.
  /// Products with [parts...], or with its transpose, of as many rows as each of `rows` says; they share what
  /// was packed, and can run side by side.
  std::vector<std::unique_ptr<RowProduct>> (*pack)(std::span<const MatrixPart> parts, bool transposed,
                                                   std::span<const int64_t> rows) = nullptr;
  /// out = op(a) op(b).
  void (*gemm)(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, const Tensor& out,
               bool accumulate) = nullptr;
};

/// Columns [start, start + count) of the last axis, which is axis `axis`.
struct ColumnsRole {
  size_t axis = 0;
  int64_t start = 0;
  int64_t count = 0;
};

struct LoopRole {
  enum class Kind : uint8_t { opaque, elementwise, product, columns };
  Kind kind = Kind::opaque;
  ElementwiseRole elementwise{};
  ProductRole product{};
  ColumnsRole columns{};
};

}  // namespace reel::detail
