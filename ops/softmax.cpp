#include "ops/softmax.h"

#include <algorithm>
#include <cmath>

#include "framework/op.h"
#include "framework/parallel.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/onednn/gemm.h"
#include "ops/reduction.h"
#include "ops/shape.h"

namespace reel {
namespace {

/// Rows of float64, which oneDNN does not know.
void rows64(const Tensor& x, const Tensor& out, bool logarithm) {
  const int64_t columns = x.shape()[1];
  for (int64_t row = 0; row < x.shape()[0]; ++row) {
    const double* from = x.raw<double>() + row * columns;
    double* to = out.raw<double>() + row * columns;
    const double largest = *std::max_element(from, from + columns);
    double sum = 0;
    for (int64_t i = 0; i < columns; ++i) sum += std::exp(from[i] - largest);
    for (int64_t i = 0; i < columns; ++i)
      to[i] = logarithm ? from[i] - largest - std::log(sum) : std::exp(from[i] - largest) / sum;
  }
}

/// A matrix whose rows are softmaxed, whatever axis was asked for.
TensorSpec matrix_shape(std::string_view op, const Tensor& x) {
  check(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x);
  return {x.shape(), x.dtype()};
}

void matrix_forward(const Tensor& x, Tensor& out, bool logarithm) {
  if (x.numel() == 0) return;
  const Tensor values = detail::contiguous_values(x);
  if (x.dtype() == DType::float64) rows64(values, out, logarithm);
  else detail::softmax_rows(values, out, logarithm);
}

/// y = exp(x) / sum(exp(x)), rows of a matrix
struct Softmax {
  static constexpr std::string_view name = "softmax";
  TensorSpec shape(Inputs in) const { return matrix_shape(name, in[0]); }
  void forward(Inputs in, Tensor& out) const { matrix_forward(in[0], out, false); }
  Saves saves(uint32_t) const { return Saves::output(); }
  void vjp(Backward& b) const {
    const Tensor product = b.grad() * b.output();
    b.set(0, product - b.output() * sum(product, 1, true));
  }
};

/// y = x - log(sum(exp(x))), rows of a matrix
struct LogSoftmax {
  static constexpr std::string_view name = "log_softmax";
  TensorSpec shape(Inputs in) const { return matrix_shape(name, in[0]); }
  void forward(Inputs in, Tensor& out) const { matrix_forward(in[0], out, true); }
  Saves saves(uint32_t) const { return Saves::output(); }
  void vjp(Backward& b) const {
    const Tensor g = b.grad();
    b.set(0, g - exp(b.output()) * sum(g, 1, true));
  }
};

template <class O>
Tensor along(const Tensor& x, int64_t axis) {
  const auto last = static_cast<int64_t>(x.rank()) - 1;
  const auto at = static_cast<int64_t>(detail::normalize_axis(O::name, axis, x.rank()));
  const Tensor moved = at == last ? x : transpose(x, at, last);
  const int64_t columns = moved.shape().back();
  const Tensor rows = reshape(moved, {moved.numel() / std::max<int64_t>(1, columns), columns});
  const Tensor result = reshape(apply(O{}, rows), moved.shape());
  return at == last ? result : transpose(result, at, last);
}

}  // namespace

Tensor softmax(const Tensor& x, int64_t axis) { return along<Softmax>(x, axis); }
Tensor log_softmax(const Tensor& x, int64_t axis) { return along<LogSoftmax>(x, axis); }

}  // namespace reel
