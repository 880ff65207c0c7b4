#include "ops/normalization.h"

#include <limits>
#include <string>

#include "framework/op.h"
#include "ops/arithmetic.h"
#include "ops/normalization_kernel.h"
#include "ops/reduction.h"
#include "ops/shape.h"

namespace reel {
namespace {

using detail::NormLayout;

/// y = (x - mean) / sqrt(variance + eps) (* weight) (+ bias), and mean and variance, over the sets of a
/// layout. x is [outer, groups, parts, inner].
struct Normalize {
  static constexpr std::string_view name = "normalize";
  NormLayout layout;
  double eps;

  std::vector<Tensor> run(Inputs in) const {
    const auto values = [&](size_t i) { return i < in.size() ? detail::contiguous_values(in[i]) : Tensor(); };
    const TensorOptions options{.dtype = in[0].dtype()};
    std::vector<Tensor> result{empty(in[0].shape(), options), empty(set_shape(), options),
                               empty(set_shape(), options)};
    detail::normalize(layout, eps, values(0), values(1), values(2), result[0], result[1], result[2]);
    return result;
  }

  Saves saves(uint32_t needs) const {
    Saves result = needs & 3U ? Saves::input(0) | Saves::output(1) | Saves::output(2) : Saves();
    return needs & 1U ? result | Saves::input(1) : result;
  }

  void vjp(Backward& b) const {
    if (!b.recorded() && !b.has_grad(1) && !b.has_grad(2)) return fused(b);
    const bool weighted = b.input_count() > 1;
    const Tensor g = b.grad();
    if (b.input_count() > 2 && b.needs(2)) b.set(2, to_weight(g, b.input_shape(2)));
    if (!b.needs(0) && !(weighted && b.needs(1))) return;
    const Tensor& x = b.input(0);
    const Tensor scale = rsqrt(b.output(2) + eps);
    const Tensor centred = layout.centred ? x - b.output(1) : x;
    const Tensor normal = centred * scale;
    if (weighted && b.needs(1)) b.set(1, to_weight(g * normal, b.input_shape(1)));
    if (!b.needs(0)) return;
    const Tensor upper = weighted ? g * as_weight(b.input(1)) : g;
    Tensor inner = upper - normal * mean_of_set(upper * normal);
    if (layout.centred) inner = inner - mean_of_set(upper);
    Tensor gradient = scale * inner;
    const double n = static_cast<double>(layout.set_size());
    if (b.has_grad(1) && layout.centred) gradient = gradient + b.grad(1) / n;
    if (b.has_grad(2)) gradient = gradient + centred * (b.grad(2) * (2 / n));
    b.set(0, gradient);
  }

 private:
  Shape set_shape() const {
    return layout.over_outer ? Shape{1, layout.groups, 1, 1} : Shape{layout.outer, layout.groups, 1, 1};
  }
  Tensor mean_of_set(const Tensor& x) const {
    return layout.over_outer ? mean(x, {0, 2, 3}, true) : mean(x, {2, 3}, true);
  }
  Shape weight_shape() const {
    return layout.weight_by_element() ? Shape{layout.inner} : Shape{layout.groups, layout.parts, 1};
  }
  Tensor as_weight(const Tensor& weight) const { return reshape(weight, weight_shape()); }
  Tensor to_weight(const Tensor& x, const Shape& shape) const {
    return reshape(sum_to(x, weight_shape()), shape);
  }

  void fused(Backward& b) const {
    const bool weighted = b.input_count() > 1, shifted = b.input_count() > 2;
    detail::NormGradients out;
    const auto wanted = [&](size_t i, Tensor& gradient) {
      if (b.needs(i)) gradient = empty(b.input_shape(i), {.dtype = b.input_dtype(i)});
    };
    wanted(0, out.x);
    if (weighted) wanted(1, out.weight);
    if (shifted && b.needs(2) && !out.x.defined() && !out.weight.defined()) {
      b.set(2, to_weight(b.grad(), b.input_shape(2)));  // which reads nothing
      return;
    }
    if (shifted) wanted(2, out.bias);
    const Tensor weight = weighted && b.needs(0) ? detail::contiguous_values(b.input(1)) : Tensor();
    detail::normalize_gradient(layout, eps, detail::contiguous_values(b.input(0)), weight, b.output(1),
                               b.output(2), detail::contiguous_values(b.grad()), out);
    if (out.x.defined()) b.set(0, out.x);
    if (out.weight.defined()) b.set(1, out.weight);
    if (out.bias.defined()) b.set(2, out.bias);
  }
};

void check_floating(std::string_view op, const Tensor& x) {
  check(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x);
}

void check_affine(std::string_view op, const Tensor& x, const Shape& shape, std::string_view what,
                  const Tensor& tensor) {
  check(!tensor.defined() || (tensor.shape() == shape && tensor.dtype() == x.dtype()),
        "[{}] expected a {} {} {}, got {}", op, what, x.dtype(), shape, tensor.defined() ? tensor : x);
}

/// Every way but the running statistics: y, mean, variance, with y in the shape of x.
std::vector<Tensor> normalized(const Tensor& x, const NormLayout& layout, const Tensor& weight,
                               const Tensor& bias, double eps) {
  const Tensor sets = reshape(x, {layout.outer, layout.groups, layout.parts, layout.inner});
  const Normalize op{layout, eps};
  std::vector<Tensor> result;
  if (!weight.defined() && bias.defined())
    result = apply(op, sets, ones_like(bias), bias);
  else if (bias.defined())
    result = apply(op, sets, weight, bias);
  else if (weight.defined())
    result = apply(op, sets, weight);
  else
    result = apply(op, sets);
  result[0] = reshape(result[0], x.shape());
  return result;
}

Tensor over_last_axes(std::string_view op, const Tensor& x, const Shape& shape, const Tensor& weight,
                      const Tensor& bias, double eps, bool centred) {
  check_floating(op, x);
  const size_t lead = x.rank() - std::min(x.rank(), shape.rank());
  check(!shape.empty() && Shape(std::span(x.shape().begin() + lead, x.rank() - lead)) == shape,
        "[{}] expected an input that ends in axes {}, got {}", op, shape, x);
  check(shape.numel() >= 1, "[{}] expected extents of at least 1, got {}", op, shape);
  check_affine(op, x, shape, "weight", weight);
  check_affine(op, x, shape, "bias", bias);
  const NormLayout layout{.outer = x.numel() / shape.numel(), .inner = shape.numel(), .centred = centred};
  return normalized(x, layout, weight, bias, eps)[0];
}

int64_t positions(const Tensor& x) {
  int64_t count = 1;
  for (size_t i = 2; i < x.rank(); ++i) count *= x.shape()[i];
  return count;
}

/// x [N, C, ...] with weight and bias [C].
void check_channels(std::string_view op, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check(x.rank() >= 2, "[{}] expected an input [N, C, ...], got {}", op, x);
  check_floating(op, x);
  check_affine(op, x, {x.shape()[1]}, "weight", weight);
  check_affine(op, x, {x.shape()[1]}, "bias", bias);
}

Tensor by_groups(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps) {
  // Without elements there is nothing to do but to keep the tape together.
  if (x.numel() == 0) return x * 1.0;
  const int64_t channels = x.shape()[1];
  // One channel in one group looks like weights by element; a second axis of extent 1 keeps them apart.
  const NormLayout layout{
      .outer = x.shape()[0], .groups = groups, .parts = channels / groups, .inner = positions(x)};
  if (!layout.weight_by_element()) return normalized(x, layout, weight, bias, eps)[0];
  Tensor y = normalized(x, layout, {}, {}, eps)[0];
  if (weight.defined()) y = y * weight;
  return bias.defined() ? y + bias : y;
}

/// value += momentum * (batch - value), off the tape
void move_towards(const Tensor& value, const Tensor& batch, double momentum) {
  Tensor target = value;
  target.copy_(detach(value) * (1 - momentum) + detach(batch) * momentum);
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Shape& shape, const Tensor& weight, const Tensor& bias, double eps) {
  return over_last_axes("layer_norm", x, shape, weight, bias, eps, true);
}

Tensor rms_norm(const Tensor& x, const Shape& shape, const Tensor& weight, double eps) {
  if (eps < 0)
    eps = x.dtype() == DType::float64 ? std::numeric_limits<double>::epsilon()
                                      : static_cast<double>(std::numeric_limits<float>::epsilon());
  return over_last_axes("rms_norm", x, shape, weight, {}, eps, false);
}

Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps) {
  check_channels("group_norm", x, weight, bias);
  check(groups >= 1 && x.shape()[1] % groups == 0,
        "[group_norm] expected a number of groups that divides the {} channels of {}, got {}", x.shape()[1],
        x, groups);
  return by_groups(x, groups, weight, bias, eps);
}

Tensor instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  check_channels("instance_norm", x, weight, bias);
  check(x.rank() >= 3 && (positions(x) > 1 || x.numel() == 0),
        "[instance_norm] expected an input [N, C, ...] of more than one position, got {}", x);
  return by_groups(x, x.shape()[1], weight, bias, eps);
}

Tensor batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var,
                  const Tensor& weight, const Tensor& bias, const BatchNormOptions& options) {
  check_channels("batch_norm", x, weight, bias);
  const int64_t channels = x.shape()[1], spatial = positions(x), count = x.shape()[0] * spatial;
  check_affine("batch_norm", x, {channels}, "running_mean", running_mean);
  check_affine("batch_norm", x, {channels}, "running_var", running_var);
  if (!options.training) {
    check(running_mean.defined() && running_var.defined(),
          "[batch_norm] expected running statistics for {} outside of training, got none", x);
    Shape column{channels};
    for (size_t i = 2; i < x.rank(); ++i) column.push_back(1);
    Tensor scale = rsqrt(running_var + options.eps);
    if (weight.defined()) scale = scale * weight;
    const Tensor shift = bias.defined() ? bias - running_mean * scale : -(running_mean * scale);
    return x * reshape(scale, column) + reshape(shift, column);
  }
  check(channels == 0 || count > 1,
        "[batch_norm] expected more than one value for each channel in training, got {}", x);
  if (channels == 0) return x * 1.0;
  std::vector<Tensor> result;
  if (spatial == 1) {
    // Channels lie side by side: rows of their own are read faster than columns.
    const Tensor rows = transpose(reshape(x, {x.shape()[0], channels}));
    result =
        normalized(rows, {.outer = 1, .groups = channels, .parts = 1, .inner = count, .over_outer = true},
                   weight, bias, options.eps);
    result[0] = reshape(transpose(result[0]), x.shape());
  } else {
    result = normalized(
        x, {.outer = x.shape()[0], .groups = channels, .parts = 1, .inner = spatial, .over_outer = true},
        weight, bias, options.eps);
  }
  const double unbiased = static_cast<double>(count) / static_cast<double>(count - 1);
  if (running_mean.defined()) move_towards(running_mean, reshape(result[1], {channels}), options.momentum);
  if (running_var.defined())
    move_towards(running_var, detach(reshape(result[2], {channels})) * unbiased, options.momentum);
  return result[0];
}

}  // namespace reel
