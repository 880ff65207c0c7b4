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

constexpr int64_t parallel_elements = 1 << 12;  // about 20 us of exponentials

/// Rows in float64, which oneDNN does not know, and the logarithm in float32, which it gives with an error of
/// 3e-6.
template <class T> void own_rows(const Tensor& x, const Tensor& out, bool logarithm) {
  const int64_t columns = x.shape()[1];
  detail::parallel_for(
      x.shape()[0], std::max<int64_t>(1, parallel_elements / columns), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          const T* from = x.raw<T>() + row * columns;
          T* to = out.raw<T>() + row * columns;
          const T largest = *std::max_element(from, from + columns);
          double sum = 0;
          for (int64_t i = 0; i < columns; ++i)
            sum += static_cast<double>(to[i] = std::exp(from[i] - largest));
          const double log_sum = std::log(sum);
          for (int64_t i = 0; i < columns; ++i)
            to[i] = logarithm ? static_cast<T>(static_cast<double>(from[i] - largest) - log_sum)
                              : static_cast<T>(static_cast<double>(to[i]) / sum);
        }
      });
}

/// A matrix whose rows are softmaxed, whatever axis was asked for.
TensorSpec matrix_shape(std::string_view op, const Tensor& x) {
  check(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x);
  return {x.shape(), x.dtype()};
}

void matrix_forward(const Tensor& x, Tensor& out, bool logarithm) {
  if (x.numel() == 0) return;
  const Tensor values = detail::contiguous_values(x);
  if (x.dtype() == DType::float64)
    own_rows<double>(values, out, logarithm);
  else if (logarithm)
    own_rows<float>(values, out, true);
  else
    detail::softmax_rows(values, out);
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

template <class O> Tensor along(const Tensor& x, int64_t axis) {
  check(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", O::name, x);
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
