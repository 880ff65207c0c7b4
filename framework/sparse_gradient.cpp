// Gradients of tables of which few rows are used.
#include <algorithm>
#include <numeric>

#include "framework/parallel.h"
#include "framework/tensor.h"

namespace reel {
namespace detail {
namespace {

constexpr int64_t parallel_elements = 1 << 15;

/// Rows in ascending order, each once. Values of one row are added in the order in which they stand.
SparseGradient coalesced(const Tensor& given_rows, const Tensor& given_values) {
  const Tensor rows = contiguous_values(given_rows), values = contiguous_values(given_values);
  const int64_t count = rows.numel();
  const auto* row = rows.raw<int64_t>();
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [row](int64_t a, int64_t b) { return row[a] < row[b]; });
  std::vector<int64_t> begins;  // where in `order` each row's values begin
  for (size_t i = 0; i < order.size(); ++i)
    if (i == 0 || row[order[i]] != row[order[i - 1]]) begins.push_back(static_cast<int64_t>(i));
  const auto unique = static_cast<int64_t>(begins.size());
  begins.push_back(count);

  Shape shape = values.shape();
  shape[0] = unique;
  SparseGradient result{empty({unique}, {.dtype = DType::int64}), empty(shape, {.dtype = values.dtype()})};
  const int64_t width = unique > 0 ? result.values.numel() / unique : 0;
  dispatch_floating("set_sparse_grad", values.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const int64_t grain = std::max<int64_t>(1, parallel_elements / std::max<int64_t>(1, width));
    parallel_for(unique, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const auto first = static_cast<size_t>(begins[static_cast<size_t>(i)]);
        const auto last = static_cast<size_t>(begins[static_cast<size_t>(i) + 1]);
        result.rows.raw<int64_t>()[i] = row[order[first]];
        T* to = result.values.raw<T>() + i * width;
        std::copy_n(values.raw<T>() + order[first] * width, width, to);
        for (size_t k = first + 1; k < last; ++k) {
          const T* from = values.raw<T>() + order[k] * width;
          for (int64_t j = 0; j < width; ++j) to[j] += from[j];
        }
      }
    });
  });
  return result;
}

/// dense[row] += values
void scatter(const Tensor& rows, const Tensor& values, const Tensor& dense) {
  const int64_t count = rows.numel(), width = count > 0 ? values.numel() / count : 0;
  dispatch_floating("grad", dense.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < count; ++i) {
      const T* from = values.raw<T>() + i * width;
      T* to = dense.raw<T>() + rows.raw<int64_t>()[i] * width;
      for (int64_t j = 0; j < width; ++j) to[j] += from[j];
    }
  });
}

/// a above b.
Tensor stacked(const Tensor& a, const Tensor& b) {
  Shape shape = a.shape();
  shape[0] += b.shape()[0];
  Tensor result = empty(shape, {.dtype = a.dtype()});
  copy_values(a, view(result, a.shape(), result.strides()));
  copy_values(b, view(result, b.shape(), result.strides(), a.numel()));
  return result;
}

}  // namespace

Tensor gradient_values(const Tensor& tensor) {
  if (!tensor.defined()) fail_undefined();
  return tensor.impl()->grad;
}

void add_sparse_grad(Tensor& tensor, const Tensor& rows, const Tensor& values) {
  const SparseGradient before = tensor.sparse_grad();
  if (before.defined()) {
    tensor.set_sparse_grad(stacked(before.rows, rows), stacked(before.values, values));
  } else if (tensor.grad().defined()) {
    // A new one: others may hold the old.
    Tensor dense = empty_like(tensor);
    copy_values(tensor.grad(), dense);
    scatter(contiguous_values(rows), contiguous_values(values), dense);
    tensor.set_grad(std::move(dense));
  } else {
    tensor.set_sparse_grad(rows, values);
  }
}

}  // namespace detail

Tensor Tensor::grad() const {
  get();
  if (impl_->grad_rows.defined()) {
    Tensor dense = zeros(shape(), {.dtype = dtype()});
    detail::scatter(impl_->grad_rows, impl_->grad, dense);
    impl_->grad = std::move(dense);
    impl_->grad_rows = Tensor();
  }
  return impl_->grad;
}

SparseGradient Tensor::sparse_grad() const {
  if (!get().grad_rows.defined()) return {};
  return {impl_->grad_rows, impl_->grad};
}

void Tensor::set_sparse_grad(const Tensor& rows, const Tensor& values) {
  check(rank() >= 1 && is_floating(dtype()), "[set_sparse_grad] a floating tensor with rows expected, got {}",
        *this);
  check(rows.dtype() == DType::int64 && rows.rank() == 1,
        "[set_sparse_grad] int64 rows [count] expected, got {}", rows);
  Shape expected = shape();
  expected[0] = rows.numel();
  check(values.shape() == expected && values.dtype() == dtype(),
        "[set_sparse_grad] values {} {} expected for {} of {}, got {}", dtype(), expected, rows, *this,
        values);
  for (int64_t row : rows.to_vector<int64_t>())
    check(row >= 0 && row < shape()[0], "[set_sparse_grad] row {} is outside [0, {})", row, shape()[0]);
  SparseGradient gradient = detail::coalesced(rows, values);
  impl_->grad = std::move(gradient.values);
  impl_->grad_rows = std::move(gradient.rows);
}

}  // namespace reel
