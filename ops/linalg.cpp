#include "ops/linalg.h"

#include <algorithm>

#include "ops/arithmetic.h"
#include "ops/einsum.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel {
namespace {

void check_vectors(std::string_view op, const Tensor& a, const Tensor& b) {
  check(a.rank() == 1 && b.rank() == 1, "[{}] two vectors expected, got {} and {}", op, a, b);
}

void check_bilinear(const Tensor& a, const Tensor& b, const Tensor& weight) {
  check(a.rank() >= 1 && b.rank() >= 1 && weight.rank() == 3,
        "[bilinear] inputs [..., I] and [..., J] and a weight [O, I, J] expected, got {}, {} and {}", a, b,
        weight);
  check(a.size(-1) == weight.size(1) && b.size(-1) == weight.size(2),
        "[bilinear] the last axes of {} and {} do not fit the weight {}", a, b, weight);
  const auto leading = [](const Tensor& x) { return Shape(std::span(x.shape().begin(), x.rank() - 1)); };
  check(leading(a) == leading(b), "[bilinear] the leading axes of {} and {} differ", a, b);
  check(is_floating(a.dtype()) && b.dtype() == a.dtype() && weight.dtype() == a.dtype(),
        "[bilinear] inputs of one floating dtype expected, got {}, {} and {}", a, b, weight);
}

}  // namespace

namespace detail {

Tensor diagonal_last(const Tensor& x, size_t i, size_t j) {
  Shape order, shape;
  for (size_t axis = 0; axis < x.rank(); ++axis) {
    if (axis == i || axis == j) continue;
    order.push_back(static_cast<int64_t>(axis));
    shape.push_back(x.shape()[axis]);
  }
  order.push_back(static_cast<int64_t>(i));
  order.push_back(static_cast<int64_t>(j));
  const int64_t n = x.shape()[i];
  shape.push_back(n * n);
  return slice(reshape(permute(x, Axes(order)), shape), -1, {.step = n + 1});
}

}  // namespace detail

Tensor outer(const Tensor& a, const Tensor& b) {
  check_vectors("outer", a, b);
  check(a.dtype() == b.dtype(), "[outer] inputs of one dtype expected, got {} and {}", a, b);
  return unsqueeze(a, 1) * b;
}

Tensor dot(const Tensor& a, const Tensor& b) {
  check_vectors("dot", a, b);
  check(a.shape() == b.shape(), "[dot] vectors of one length expected, got {} and {}", a, b);
  check(is_floating(a.dtype()) && a.dtype() == b.dtype(),
        "[dot] inputs of one floating dtype expected, got {} and {}", a, b);
  return matmul(a, b);
}

Tensor trace(const Tensor& x) {
  check(x.rank() == 2, "[trace] a matrix expected, got {}", x);
  const int64_t n = std::min(x.shape()[0], x.shape()[1]);
  return sum(detail::diagonal_last(narrow(narrow(x, 0, 0, n), 1, 0, n), 0, 1));
}

Tensor tensordot(const Tensor& a, const Tensor& b, int64_t count) {
  const auto most = static_cast<int64_t>(std::min(a.rank(), b.rank()));
  check(count >= 0 && count <= most, "[tensordot] from 0 to {} axes expected for {} and {}, got {}", most, a,
        b, count);
  Shape last, first;
  for (int64_t i = 0; i < count; ++i) {
    last.push_back(static_cast<int64_t>(a.rank()) - count + i);
    first.push_back(i);
  }
  return tensordot(a, b, Axes(last), Axes(first));
}

Tensor tensordot(const Tensor& a, const Tensor& b, const Axes& axes_a, const Axes& axes_b) {
  const uint32_t mask_a = detail::axes_mask("tensordot", axes_a, a.rank());
  const uint32_t mask_b = detail::axes_mask("tensordot", axes_b, b.rank());
  check(axes_a.list().size() == axes_b.list().size(),
        "[tensordot] as many axes of {} as of {} expected, got {} and {}", a, b, axes_a.list().size(),
        axes_b.list().size());
  check(is_floating(a.dtype()) && a.dtype() == b.dtype(),
        "[tensordot] inputs of one floating dtype expected, got {} and {}", a, b);
  Shape order_a, order_b, result;
  for (size_t i = 0; i < a.rank(); ++i)
    if (!(mask_a >> i & 1U)) order_a.push_back(static_cast<int64_t>(i));
  for (size_t k = 0; k < axes_a.list().size(); ++k) {
    const size_t i = detail::normalize_axis("tensordot", axes_a.list()[k], a.rank());
    const size_t j = detail::normalize_axis("tensordot", axes_b.list()[k], b.rank());
    check(a.shape()[i] == b.shape()[j], "[tensordot] axis {} of {} and axis {} of {} differ in extent", i, a,
          j, b);
    order_a.push_back(static_cast<int64_t>(i));
    order_b.push_back(static_cast<int64_t>(j));
  }
  for (size_t j = 0; j < b.rank(); ++j)
    if (!(mask_b >> j & 1U)) order_b.push_back(static_cast<int64_t>(j));
  for (int64_t extent : detail::reduced_shape(a.shape(), mask_a, false)) result.push_back(extent);
  for (int64_t extent : detail::reduced_shape(b.shape(), mask_b, false)) result.push_back(extent);
  const int64_t inner = detail::reduced_extent(a.shape(), mask_a);
  const int64_t rows = detail::reduced_shape(a.shape(), mask_a, false).numel();
  const int64_t columns = detail::reduced_shape(b.shape(), mask_b, false).numel();
  return reshape(matmul(reshape(permute(a, Axes(order_a)), {rows, inner}),
                        reshape(permute(b, Axes(order_b)), {inner, columns})),
                 result);
}

Tensor bilinear(const Tensor& a, const Tensor& b, const Tensor& weight) {
  check_bilinear(a, b, weight);
  Shape result = a.shape();
  const int64_t inner = result.back();
  result[result.rank() - 1] = 1;
  const int64_t rows = result.numel();
  result[result.rank() - 1] = weight.shape()[0];
  const Tensor forms =
      einsum("ni,oij,nj->no", {reshape(a, {rows, inner}), weight, reshape(b, {rows, b.size(-1)})});
  return reshape(forms, result);
}

Tensor bilinear(const Tensor& a, const Tensor& b, const Tensor& weight, const Tensor& bias) {
  check_bilinear(a, b, weight);
  check(bias.shape() == Shape{weight.shape()[0]} && bias.dtype() == weight.dtype(),
        "[bilinear] a bias of shape [{}] expected for the weight {}, got {}", weight.shape()[0], weight,
        bias);
  return bilinear(a, b, weight) + bias;
}

}  // namespace reel
