// Matrix products, by oneDNN in float32.
#pragma once

#include <reel/framework/tensor.h>

namespace reel {

struct MatmulOptions {
  bool transpose_a = false;  ///< Read a with its last two axes exchanged, without a copy.
  bool transpose_b = false;  ///< Likewise b.
};

/// Matrix product by NumPy's rules: vectors are taken as rows (left) or columns (right), leading axes
/// broadcast.
/// [..., M, K] x [..., K, N] -> [..., M, N]. float32 and float64.
Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options = {});

/// bias + a b for matrices or stacks of rows a [..., K] and a matrix b [K, N]; `bias` broadcasts to [..., N].
/// One pass: the product is added to what the bias has filled in.
Tensor addmm(const Tensor& bias, const Tensor& a, const Tensor& b, const MatmulOptions& options = {});

}  // namespace reel
