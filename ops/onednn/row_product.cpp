// Products of few rows with a matrix that stays: packed once, as the weights of a 1x1 convolution, whose kernels
// reach the machine's best rate with as few as four rows (measured on AVX2: 97 GFLOP/s with 4 x 200 x 800, where
// sgemm has 76, and 100 with 20 x 650 x 2600, where it has 63).
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "framework/op.h"
#include "framework/parallel.h"
#include "ops/onednn/engine.h"
#include "ops/onednn/gemm.h"
#include "ops/onednn/kept.h"

namespace reel::detail {
namespace {

constexpr int64_t convolution_kind = 3;

/// The parts side by side as one matrix of rows; a single one is taken as it is.
MatrixPart join(std::span<const MatrixPart> parts) {
  if (parts.size() == 1) return {contiguous_values(parts[0].matrix), parts[0].transposed};
  int64_t columns = 0, inner = 0;
  for (const MatrixPart& part : parts) {
    columns += part.matrix.shape()[part.transposed ? 0 : 1];
    inner = part.matrix.shape()[part.transposed ? 1 : 0];
  }
  const Tensor whole = empty({columns, inner}, {.dtype = parts[0].matrix.dtype()});
  int64_t at = 0;
  for (const MatrixPart& part : parts) {
    const Tensor& m = part.matrix;
    const int64_t count = m.shape()[part.transposed ? 0 : 1];
    const Tensor as_rows = part.transposed ? m : view(m, {count, inner}, {m.strides()[1], m.strides()[0]});
    copy_values(as_rows, view(whole, {count, inner}, {inner, 1}, at * inner));
    at += count;
  }
  return {whole, true};
}

/// Any dtype, through the gemm that ops use.
class PlainProduct final : public RowProduct {
 public:
  PlainProduct(MatrixPart matrix, bool transposed, int64_t rows)
      : matrix_(std::move(matrix)), transposed_(matrix_.transposed != transposed), rows_(rows) {
    inner_ = matrix_.matrix.shape()[transposed_ ? 1 : 0];
    columns_ = matrix_.matrix.shape()[transposed_ ? 0 : 1];
  }
  void run(const void* a, void* out) override {
    const auto wrap = [&](const void* data, int64_t width) {
      return from_blob(const_cast<void*>(data), {rows_, width}, matrix_.matrix.dtype(), nullptr);
    };
    gemm(wrap(a, inner_), false, matrix_.matrix, transposed_, wrap(out, columns_), false);
  }

 private:
  MatrixPart matrix_;
  bool transposed_;
  int64_t rows_;
  int64_t inner_ = 0, columns_ = 0;
};

class PackedProduct final : public RowProduct {
 public:
  PackedProduct(const RowConvolution& made, const Tensor& packed)
      : packed_(packed),
        primitive_(made.primitive),
        source_(made.source, onednn_engine(), nullptr),
        weights_(made.weights, onednn_engine(), packed.raw_bytes()),
        target_(made.target, onednn_engine(), nullptr),
        arguments_{{{DNNL_ARG_SRC, source_.get()},
                    {DNNL_ARG_WEIGHTS, weights_.get()},
                    {DNNL_ARG_DST, target_.get()}}} {}

  void run(const void* a, void* out) override {
    source_.set_data_handle(const_cast<void*>(a));
    target_.set_data_handle(out);
    // As primitive::execute does, which makes a list of the arguments each time.
    dnnl::error::wrap_c_api(dnnl_primitive_execute(primitive_.get(), onednn_stream().get(),
                                                   static_cast<int>(arguments_.size()), arguments_.data()),
                            "could not execute a product of rows");
  }

 private:
  Tensor packed_;
  dnnl::primitive primitive_;
  dnnl::memory source_, weights_, target_;
  std::array<dnnl_exec_arg_t, 3> arguments_;
};

/// The matrix in the order that `wanted` tells. `by_columns`: it lies in memory as [columns, inner].
Tensor packed_matrix(const Tensor& matrix, bool by_columns, const dnnl::memory::desc& wanted) {
  const int64_t columns = matrix.shape()[by_columns ? 0 : 1], inner = matrix.shape()[by_columns ? 1 : 0];
  const dnnl::memory::desc plain(
      {columns, inner, 1, 1}, dnnl::memory::data_type::f32,
      by_columns ? dnnl::memory::dims{inner, 1, 1, 1} : dnnl::memory::dims{1, columns, 1, 1});
  const Tensor packed = empty({static_cast<int64_t>(wanted.get_size() / sizeof(float))});
  dnnl::memory to(wanted, onednn_engine(), packed.raw_bytes());
  dnnl::memory from(plain, onednn_engine(), matrix.raw_bytes());
  dnnl::reorder(from, to).execute(onednn_stream(), from, to);
  onednn_stream().wait();
  return packed;
}

/// Convolutions made before, by rows, inner, columns and the threads that they may use: of a batch with lengths one
/// for each number of rows that is left.
const RowConvolution& kept_convolution(int64_t rows, int64_t inner, int64_t columns) {
  static thread_local Kept<RowConvolution> kept(1024);
  return kept.get({rows, inner, columns, num_threads()},
                  [&](const PrimitiveKey&) { return make_row_convolution(rows, inner, columns); });
}

/// Where the parts lie. Empty where their values could change without a trace, as the memory is somebody else's.
PrimitiveKey places_of(std::span<const MatrixPart> parts) {
  PrimitiveKey key;
  for (const MatrixPart& part : parts) {
    const Tensor& m = part.matrix;
    if (m.impl()->storage->owner) return {};
    key.insert(key.end(), {reinterpret_cast<int64_t>(m.raw_bytes()), m.shape()[0], m.shape()[1],
                           m.strides()[0], m.strides()[1], part.transposed});
  }
  return key;
}

struct Packed {
  dnnl::memory::desc form;
  Tensor values;
  std::vector<Tensor> parts;  // alive, as their addresses stand for them
  std::vector<uint32_t> versions;
};

/// The parts packed before, of nets that are not trained just now; emptied where they have changed since.
Packed& kept_packed(const PrimitiveKey& places, std::span<const MatrixPart> parts) {
  static thread_local Kept<Packed> kept(32);
  auto& packed = const_cast<Packed&>(kept.get(places, [](const PrimitiveKey&) { return Packed{}; }));
  std::vector<uint32_t> versions;
  for (const MatrixPart& part : parts) versions.push_back(part.matrix.version());
  if (packed.versions == versions) return packed;
  packed = {};
  packed.versions = std::move(versions);
  for (const MatrixPart& part : parts) packed.parts.push_back(part.matrix);
  return packed;
}

}  // namespace

std::vector<std::unique_ptr<RowProduct>> pack_rows(std::span<const MatrixPart> parts, bool transposed,
                                                   std::span<const int64_t> rows) {
  const DType dtype = parts[0].matrix.dtype();
  int64_t inner = 0, columns = 0;  // of the parts side by side
  for (const MatrixPart& part : parts) {
    columns += part.matrix.shape()[part.transposed ? 0 : 1];
    inner = part.matrix.shape()[part.transposed ? 1 : 0];
  }
  if (transposed) std::swap(inner, columns);
  // In training the next step will have other weights.
  const bool keep = !recording() && !transposed && dtype == DType::float32;
  const PrimitiveKey places = keep ? places_of(parts) : PrimitiveKey{};
  Packed fresh;
  Packed& packed = places.empty() ? fresh : kept_packed(places, parts);
  MatrixPart whole;
  std::vector<std::unique_ptr<RowProduct>> result;
  try {
    for (int64_t count : rows) {
      const RowConvolution made =
          dtype == DType::float32 ? kept_convolution(count, inner, columns) : RowConvolution{};
      const bool fits = made.primitive && packed.values.defined() && packed.form == made.weights;
      if (!fits && !whole.matrix.defined()) whole = join(parts);
      if (!made.primitive) {
        result.push_back(std::make_unique<PlainProduct>(whole, transposed, count));
        continue;
      }
      if (!fits) {
        packed.form = made.weights;
        packed.values = packed_matrix(whole.matrix, whole.transposed != transposed, made.weights);
      }
      result.push_back(std::make_unique<PackedProduct>(made, packed.values));
    }
  } catch (const dnnl::error& error) {
    fail("[matmul] oneDNN failed: {} (status {})",
         {error.what(), std::to_string(static_cast<int>(error.status))});
  }
  return result;
}

}  // namespace reel::detail
