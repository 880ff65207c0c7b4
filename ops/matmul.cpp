#include "ops/matmul.h"

#include <algorithm>

#include "framework/op.h"
#include "ops/arithmetic.h"
#include "ops/onednn/gemm.h"
#include "ops/reduction.h"
#include "ops/shape.h"

namespace reel {
namespace {

/// Of a product, the gradient of each factor reads the other one.
Saves other_factor(uint32_t needs) {
  Saves result;
  if (needs & 1U) result = result | Saves::input(1);
  if (needs & 2U) result = result | Saves::input(0);
  return result;
}

Tensor product_over_time(Inputs in, uint32_t stacked, const MatmulOptions& flags);

/// y = op(a) op(b) (+ bias), matrices
struct Product {
  static constexpr std::string_view name = "matmul";
  bool transpose_a = false;
  bool transpose_b = false;

  int64_t rows(const Tensor& a) const { return a.shape()[transpose_a ? 1 : 0]; }
  int64_t columns(const Tensor& b) const { return b.shape()[transpose_b ? 0 : 1]; }

  TensorSpec shape(Inputs in) const {
    const Tensor &a = in[0], &b = in[1];
    check(is_floating(a.dtype()) && a.dtype() == b.dtype(),
          "[matmul] inputs of one floating dtype expected, got {} and {}", a, b);
    const int64_t left = a.shape()[transpose_a ? 0 : 1], right = b.shape()[transpose_b ? 1 : 0];
    check(left == right, "[matmul] the inner extents differ: {}{} has {}, {}{} has {}", a,
          transpose_a ? " (transposed)" : "", left, b, transpose_b ? " (transposed)" : "", right);
    const Shape result{rows(a), columns(b)};
    if (in.size() > 2) {
      check(in[2].dtype() == a.dtype(), "[addmm] a bias of dtype {} expected, got {}", a.dtype(), in[2]);
      check(detail::broadcast_shapes("addmm", in[2].shape(), result) == result,
            "[addmm] the bias {} does not broadcast to the product's shape {}", in[2], result);
    }
    return {result, a.dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    const bool has_bias = in.size() > 2;
    if (has_bias) detail::copy_values(in[2], out);
    detail::gemm(in[0], transpose_a, in[1], transpose_b, out, has_bias);
  }
  detail::LoopRole loop() const {
    detail::LoopRole role;
    role.kind = detail::LoopRole::Kind::product;
    static constexpr detail::FormulaOp<Add> add;
    role.product = {transpose_a, transpose_b, add.loop().elementwise, detail::pack_rows, detail::gemm};
    return role;
  }
  Tensor over_time(Inputs in, uint32_t stacked) const {
    return product_over_time(in, stacked, {transpose_a, transpose_b});
  }
  Saves saves(uint32_t needs) const { return other_factor(needs); }
  void vjp(Backward& b) const {
    const Tensor g = b.grad();
    // Each gradient is a product again, added to what is there where the pass allows it.
    const auto add = [&](size_t i, const Tensor& left, bool transpose_left, const Tensor& right,
                         bool transpose_right) {
      if (Tensor* sum = b.accumulator(i))
        detail::gemm(left, transpose_left, right, transpose_right, *sum, true);
      else
        b.set(i, apply(Product{transpose_left, transpose_right}, left, right));
    };
    if (b.needs(0)) {
      if (transpose_a)
        add(0, b.input(1), transpose_b, g, true);
      else
        add(0, g, false, b.input(1), !transpose_b);
    }
    if (b.needs(1)) {
      if (transpose_b)
        add(1, g, true, b.input(0), transpose_a);
      else
        add(1, b.input(0), !transpose_a, g, false);
    }
    if (b.input_count() > 2 && b.needs(2)) b.set(2, sum_to(g, b.input_shape(2)));
  }
};

/// y_i = a_i b_i, stacks of matrices
struct BatchedProduct {
  static constexpr std::string_view name = "matmul";
  TensorSpec shape(Inputs in) const {
    const Tensor &a = in[0], &b = in[1];
    check(is_floating(a.dtype()) && a.dtype() == b.dtype(),
          "[matmul] inputs of one floating dtype expected, got {} and {}", a, b);
    check(a.shape()[2] == b.shape()[1], "[matmul] the inner extents of {} and {} differ", a, b);
    return {{a.shape()[0], a.shape()[1], b.shape()[2]}, a.dtype()};
  }
  void forward(Inputs in, Tensor& out) const { detail::batched_gemm(in[0], in[1], out); }
  Saves saves(uint32_t needs) const { return other_factor(needs); }
  void vjp(Backward& b) const {
    const Tensor g = b.grad();
    if (b.needs(0)) b.set(0, apply(BatchedProduct{}, g, transpose(b.input(1))));
    if (b.needs(1)) b.set(1, apply(BatchedProduct{}, transpose(b.input(0)), g));
  }
};

Shape leading_axes(const Tensor& x) { return Shape(std::span(x.shape().begin(), x.rank() - 2)); }

Shape with_matrix(Shape leading, int64_t rows, int64_t columns) {
  leading.push_back(rows);
  leading.push_back(columns);
  return leading;
}

Tensor batched(const Tensor& a, const Tensor& b) {
  const Shape leading = detail::broadcast_shapes("matmul", leading_axes(a), leading_axes(b));
  const auto as_stack = [&](const Tensor& x) {
    const int64_t rows = x.size(-2), columns = x.size(-1);
    return reshape(broadcast_to(x, with_matrix(leading, rows, columns)), {leading.numel(), rows, columns});
  };
  const Tensor product = apply(BatchedProduct{}, as_stack(a), as_stack(b));
  return reshape(product, with_matrix(leading, a.size(-2), b.size(-1)));
}

/// Before stacks are flattened, so that the message names what the caller gave.
void check_inner(std::string_view op, const Tensor& a, const Tensor& b, const MatmulOptions& options) {
  const int64_t left = a.size(options.transpose_a ? -2 : -1), right = b.size(options.transpose_b ? -1 : -2);
  check(left == right, "[{}] the inner extents differ: {}{} has {}, {}{} has {}", op, a,
        options.transpose_a ? " (transposed)" : "", left, b, options.transpose_b ? " (transposed)" : "",
        right);
}

/// Rows of a stack as one matrix, times b; `inputs` may end in a bias.
template <class... Bias>
Tensor rows_times(const Tensor& a, const Tensor& b, Product product, const Bias&... bias) {
  if (a.rank() == 2) return apply(product, a, b, bias...);
  Shape shape = a.shape();
  const Tensor rows = reshape(a, {a.numel() / std::max<int64_t>(1, shape.back()), shape.back()});
  shape[shape.rank() - 1] = product.columns(b);
  return reshape(apply(product, rows, b, bias...), shape);
}

/// The product for all steps at once: rows of all steps as one matrix where only they change in time.
Tensor product_over_time(Inputs in, uint32_t stacked, const MatmulOptions& flags) {
  if (stacked == 1 && !flags.transpose_a && (in.size() < 3 || in[2].rank() < 2)) {
    const Product product{false, flags.transpose_b};
    return in.size() < 3 ? rows_times(in[0], in[1], product) : rows_times(in[0], in[1], product, in[2]);
  }
  const Tensor result = matmul(in[0], in[1], flags);
  if (in.size() < 3) return result;
  return result + ((stacked & 4U) && in[2].rank() == 2 ? unsqueeze(in[2], 1) : in[2]);
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options) {
  check(a.rank() >= 1 && b.rank() >= 1, "[matmul] inputs of at least 1 axis expected, got {} and {}", a, b);
  check((a.rank() >= 2 || !options.transpose_a) && (b.rank() >= 2 || !options.transpose_b),
        "[matmul] only matrices can be transposed, got {} and {}", a, b);
  if (a.rank() == 1) return squeeze(matmul(unsqueeze(a, 0), b, options), b.rank() == 1 ? 0 : -2);
  if (b.rank() == 1) return squeeze(matmul(a, unsqueeze(b, 1), options), -1);
  if (a.rank() == 2 && b.rank() == 2) return apply(Product{options.transpose_a, options.transpose_b}, a, b);
  check_inner("matmul", a, b, options);
  if (b.rank() > 2 &&
      leading_axes(b).numel() == 1) {  // one matrix: no stack of copies, and no stack of gradients
    Shape result = detail::broadcast_shapes("matmul", leading_axes(a), leading_axes(b));
    const Tensor product = matmul(a, reshape(b, {b.size(-2), b.size(-1)}), options);
    return reshape(product, with_matrix(result, product.size(-2), product.size(-1)));
  }
  if (b.rank() == 2 && !options.transpose_a && a.numel() > 0)
    return rows_times(a, b, Product{false, options.transpose_b});
  return batched(options.transpose_a ? transpose(a) : a, options.transpose_b ? transpose(b) : b);
}

Tensor addmm(const Tensor& bias, const Tensor& a, const Tensor& b, const MatmulOptions& options) {
  check(a.rank() >= 2 && b.rank() == 2, "[addmm] rows and a matrix expected, got {} and {}", a, b);
  check(a.rank() == 2 || !options.transpose_a, "[addmm] only matrices can be transposed, got {}", a);
  check(a.rank() == 2 || bias.rank() <= 1, "[addmm] a bias of at most 1 axis expected for rows {}, got {}", a,
        bias);
  check_inner("addmm", a, b, options);
  if (a.rank() > 2 && a.numel() == 0) return matmul(a, b, options) + bias;
  return rows_times(a, b, Product{options.transpose_a, options.transpose_b}, bias);
}

}  // namespace reel
