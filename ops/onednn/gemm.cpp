#include "ops/onednn/gemm.h"

#include <algorithm>
#include <array>
#include <string>

#include "framework/error.h"
#include "framework/parallel.h"
#include "ops/onednn/engine.h"

namespace reel::detail {
namespace {

/// A matrix as dnnl_sgemm and our own loop take it: rows of unit stride, read as they are or exchanged.
struct Operand {
  Tensor values;
  bool transposed;
  int64_t leading;
};

Operand operand(const Tensor& x, bool transpose) {
  const auto rows = x.shape()[0], columns = x.shape()[1];
  const auto row_step = x.strides()[0], column_step = x.strides()[1];
  if ((column_step == 1 || columns == 1) && (row_step >= std::max<int64_t>(1, columns) || rows == 1))
    return {x, transpose, std::max({row_step, columns, int64_t{1}})};
  if ((row_step == 1 || rows == 1) && (column_step >= std::max<int64_t>(1, rows) || columns == 1))
    return {x, !transpose, std::max({column_step, rows, int64_t{1}})};
  return {contiguous_values(x), transpose, std::max<int64_t>(1, columns)};
}

// Columns of a left operand that is read across its rows lie a multiple of the cache's ways apart where the rows are
// a multiple of this long, and sgemm then falls from 90 to 40 GFLOP/s (measured with 1024 x 400 x 256, one core). A
// copy with longer rows, a part at a time, is worth it from so many columns of the result on.
constexpr int64_t colliding_elements = 256;
constexpr int64_t padding_elements = 16;
constexpr int64_t least_columns_for_copy = 16;
constexpr int64_t copied_rows = 1024;

bool collides(const Operand& left, int64_t columns) {
  return left.transposed && left.leading % colliding_elements == 0 && columns >= least_columns_for_copy;
}

void sgemm(const Operand& a, const Operand& b, float* out, int64_t m, int64_t n, int64_t k, bool accumulate) {
  const dnnl_status_t status =
      dnnl_sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', m, n, k, 1.0F, a.values.raw<float>(),
                 a.leading, b.values.raw<float>(), b.leading, accumulate ? 1.0F : 0.0F, out, n);
  check(status == dnnl_success, "[matmul] dnnl_sgemm failed with status {}", static_cast<int>(status));
}

/// `count` elements of the inner axis from `first` on, of an operand whose inner axis is that of its rows in memory
/// (`by_rows`) or of their elements.
Tensor inner_part(const Operand& operand, bool by_rows, int64_t first, int64_t count, int64_t other) {
  return by_rows ? view(operand.values, {count, other}, {operand.leading, 1}, first * operand.leading)
                 : view(operand.values, {other, count}, {operand.leading, 1}, first);
}

void sgemm_with_longer_rows(const Operand& a, const Operand& b, float* out, int64_t m, int64_t n, int64_t k,
                            bool accumulate) {
  const int64_t leading = m + padding_elements;
  const Tensor copy = empty({std::min(k, copied_rows), leading});
  for (int64_t first = 0; first < k; first += copied_rows) {
    const int64_t count = std::min(copied_rows, k - first);
    const Tensor part = view(copy, {count, m}, {leading, 1});
    copy_values(inner_part(a, true, first, count, m), part);
    sgemm({part, true, leading}, {inner_part(b, !b.transposed, first, count, n), b.transposed, b.leading},
          out, m, n, count, accumulate || first > 0);
  }
}

/// The float64 product serves checks of gradients, not training: a plain loop, rows shared between cores.
void gemm64(const Operand& a, const Operand& b, double* out, int64_t m, int64_t n, int64_t k,
            bool accumulate) {
  const double* left = a.values.raw<double>();
  const Tensor rows_of_b = b.transposed ? contiguous_values(view(b.values, {k, n}, {1, b.leading}))
                                        : view(b.values, {k, n}, {b.leading, 1});
  const double* right = rows_of_b.raw<double>();
  const int64_t right_step = b.transposed ? n : b.leading;
  const int64_t grain = std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(1, n * k));
  parallel_for(m, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      double* row = out + i * n;
      if (!accumulate) std::fill_n(row, n, 0.0);
      for (int64_t p = 0; p < k; ++p) {
        const double factor = a.transposed ? left[p * a.leading + i] : left[i * a.leading + p];
        const double* from = right + p * right_step;
        for (int64_t j = 0; j < n; ++j) row[j] += factor * from[j];
      }
    }
  });
}

dnnl::memory::desc desc(const PrimitiveKey& key, size_t from) {
  return {{key[from], key[from + 1], key[from + 2]},
          dnnl::memory::data_type::f32,
          {key[from + 3], key[from + 4], key[from + 5]}};
}

constexpr int64_t matmul_kind = 1;
constexpr int64_t softmax_kind = 2;

[[noreturn]] void fail_onednn(std::string_view op, const dnnl::error& error) {
  fail("[{}] oneDNN failed: {} (status {})",
       {text(op), error.what(), std::to_string(static_cast<int>(error.status))});
}

}  // namespace

void gemm(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, const Tensor& out,
          bool accumulate) {
  const int64_t m = out.shape()[0], n = out.shape()[1], k = a.shape()[transpose_a ? 0 : 1];
  if (m == 0 || n == 0) return;
  if (k == 0) {
    if (!accumulate) copy_values(zeros({}, {.dtype = out.dtype()}), out);
    return;
  }
  const Operand left = operand(a, transpose_a);
  const Operand right = operand(b, transpose_b);
  if (out.dtype() == DType::float64) return gemm64(left, right, out.raw<double>(), m, n, k, accumulate);
  (collides(left, n) ? sgemm_with_longer_rows : sgemm)(left, right, out.raw<float>(), m, n, k, accumulate);
}

void batched_gemm(const Tensor& a, const Tensor& b, const Tensor& out) {
  const int64_t batch = out.shape()[0];
  if (out.numel() == 0) return;
  const auto matrix = [](const Tensor& x, int64_t i) {
    return view(x, {x.shape()[1], x.shape()[2]}, {x.strides()[1], x.strides()[2]}, i * x.strides()[0]);
  };
  // oneDNN wants a unit stride in each matrix, and axes that do not reach into one another.
  const auto suits = [](const Tensor& x) {
    std::array<std::pair<int64_t, int64_t>, 3> axes;  // stride and extent
    for (size_t i = 0; i < 3; ++i) axes[i] = {x.strides()[i], x.shape()[i]};
    std::sort(axes.begin(), axes.end());
    return (x.strides()[1] == 1 || x.strides()[2] == 1) && axes[0].first == 1 &&
           axes[1].first >= axes[0].second && axes[2].first >= axes[1].first * axes[1].second;
  };
  if (out.dtype() == DType::float64 || a.shape()[2] == 0 || !suits(a) || !suits(b)) {
    for (int64_t i = 0; i < batch; ++i) gemm(matrix(a, i), false, matrix(b, i), false, matrix(out, i), false);
    return;
  }
  PrimitiveKey key{matmul_kind};
  for (const Tensor* x : {&a, &b, &out})
    for (const Shape* numbers : {&x->shape(), &x->strides()})
      key.insert(key.end(), numbers->begin(), numbers->end());
  try {
    const dnnl::primitive& product = kept_primitive(
        key, [](const PrimitiveKey& k) { return make_matmul(desc(k, 1), desc(k, 7), desc(k, 13)); });
    const dnnl::engine& engine = onednn_engine();
    product.execute(onednn_stream(), {{DNNL_ARG_SRC, {desc(key, 1), engine, a.raw_bytes()}},
                                      {DNNL_ARG_WEIGHTS, {desc(key, 7), engine, b.raw_bytes()}},
                                      {DNNL_ARG_DST, {desc(key, 13), engine, out.raw_bytes()}}});
    onednn_stream().wait();
  } catch (const dnnl::error& error) {
    fail_onednn("matmul", error);
  }
}

void softmax_rows(const Tensor& x, const Tensor& out) {
  if (x.numel() == 0) return;
  const PrimitiveKey key{softmax_kind, x.shape()[0], x.shape()[1]};
  const auto rows = [](const PrimitiveKey& k) {
    return dnnl::memory::desc({k[1], k[2]}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::ab);
  };
  try {
    const dnnl::primitive& softmax = kept_primitive(key, [](const PrimitiveKey& k) {
      const dnnl::memory::desc matrix({k[1], k[2]}, dnnl::memory::data_type::f32,
                                      dnnl::memory::format_tag::ab);
      return make_softmax(matrix, 1);
    });
    const dnnl::engine& engine = onednn_engine();
    softmax.execute(onednn_stream(), {{DNNL_ARG_SRC, {rows(key), engine, x.raw_bytes()}},
                                      {DNNL_ARG_DST, {rows(key), engine, out.raw_bytes()}}});
    onednn_stream().wait();
  } catch (const dnnl::error& error) {
    fail_onednn("softmax", error);
  }
}

}  // namespace reel::detail
