#include "ops/convolution.h"

#include <string>

#include "framework/op.h"
#include "ops/arithmetic.h"
#include "ops/convolution_kernel.h"
#include "ops/reduction.h"
#include "ops/shape.h"

namespace reel {
namespace {

using detail::ConvGeometry;
using detail::ConvKind;

/// [n, channels, spatial...]
Shape with_channels(int64_t n, int64_t channels, const Shape& spatial) {
  Shape result{n, channels};
  for (int64_t extent : spatial) result.push_back(extent);
  return result;
}

/// Each of the three ops computes one factor of the form sum(x * w * y) from the other two, and its vjp are
/// the other two ops: what backward reads of one factor is the other.
Saves other_factor(uint32_t needs) {
  Saves result;
  if (needs & 1U) result = result | Saves::input(1);
  if (needs & 2U) result = result | Saves::input(0);
  return result;
}

Tensor values(const Tensor& x) { return detail::contiguous_values(x); }

/// Sum over examples and positions. One after the other: rows first, which lie in one piece.
Tensor sum_to_channels(const Tensor& y) {
  return sum(sum(reshape(y, {y.shape()[0], y.shape()[1], y.numel() == 0 ? 0 : -1}), 2), 0);
}

/// y = x * w (+ bias)
struct Convolution {
  static constexpr std::string_view name = "convolution";
  ConvGeometry geometry;
  TensorSpec shape(Inputs in) const {
    return {with_channels(in[0].shape()[0], in[1].shape()[0], geometry.output), in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    detail::convolve(ConvKind::output, geometry, values(in[0]), values(in[1]), out,
                     in.size() > 2 ? values(in[2]) : Tensor());
  }
  Saves saves(uint32_t needs) const { return other_factor(needs); }
  void vjp(Backward& b) const;
};

/// x = y * w, spread to where Convolution read
struct ConvolutionInput {
  static constexpr std::string_view name = "convolution_input";
  ConvGeometry geometry;
  TensorSpec shape(Inputs in) const {
    return {with_channels(in[0].shape()[0], in[1].shape()[1] * geometry.groups, geometry.input),
            in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    detail::convolve(ConvKind::input, geometry, out, values(in[1]), values(in[0]), {});
  }
  Saves saves(uint32_t needs) const { return other_factor(needs); }
  void vjp(Backward& b) const;
};

/// w = x * y, summed over what Convolution repeats
struct ConvolutionWeight {
  static constexpr std::string_view name = "convolution_weight";
  ConvGeometry geometry;
  TensorSpec shape(Inputs in) const {
    return {with_channels(in[1].shape()[1], in[0].shape()[1] / geometry.groups, geometry.kernel),
            in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    detail::convolve(ConvKind::weight, geometry, values(in[0]), out, values(in[1]), {});
  }
  Saves saves(uint32_t needs) const { return other_factor(needs); }
  void vjp(Backward& b) const;
};

void Convolution::vjp(Backward& b) const {
  const Tensor y = b.grad();
  if (b.needs(0)) b.set(0, apply(ConvolutionInput{geometry}, y, b.input(1)));
  if (b.needs(1)) b.set(1, apply(ConvolutionWeight{geometry}, b.input(0), y));
  if (b.input_count() > 2 && b.needs(2)) b.set(2, sum_to_channels(y));
}

void ConvolutionInput::vjp(Backward& b) const {
  const Tensor x = b.grad();
  if (b.needs(0)) b.set(0, apply(Convolution{geometry}, x, b.input(1)));
  if (b.needs(1)) b.set(1, apply(ConvolutionWeight{geometry}, x, b.input(0)));
}

void ConvolutionWeight::vjp(Backward& b) const {
  const Tensor w = b.grad();
  if (b.needs(0)) b.set(0, apply(ConvolutionInput{geometry}, b.input(1), w));
  if (b.needs(1)) b.set(1, apply(Convolution{geometry}, b.input(0), w));
}

/// What every kind of convolution is given.
struct Call {
  std::string op;
  size_t axes;
  const Tensor& x;
  const Tensor& weight;
  const Tensor& bias;

  bool batched() const { return x.rank() == axes + 2; }
  int64_t channels() const { return x.shape()[batched() ? 1 : 0]; }
  Shape input() const { return Shape(std::span(x.shape().end() - axes, axes)); }
  Shape kernel() const { return Shape(std::span(weight.shape().begin() + 2, axes)); }

  void check_tensors() const {
    check(x.rank() == axes + 2 || x.rank() == axes + 1,
          "[{}] expected an input with {} spatial axes behind [N, C] or [C], got {}", op, axes, x);
    check(weight.rank() == axes + 2,
          "[{}] expected a weight with {} spatial axes behind two of channels, got {}", op, axes, weight);
    check(is_floating(x.dtype()) && x.dtype() == weight.dtype(),
          "[{}] expected input and weight of one floating dtype, got {} and {}", op, x, weight);
    for (int64_t extent : weight.shape())
      check(extent >= 1, "[{}] expected a weight with extents of at least 1, got {}", op, weight);
  }
  void check_channels(int64_t groups, int64_t expected) const {
    check(channels() == expected, "[{}] expected an input of {} channels for weight {} and {} groups, got {}",
          op, expected, weight, groups, x);
  }
  void check_groups(int64_t groups) const {
    check(groups >= 1 && weight.shape()[0] % groups == 0,
          "[{}] expected a number of groups that divides the {} channels of weight {}, got {}", op,
          weight.shape()[0], weight, groups);
  }
  void check_bias(int64_t outputs) const {
    check(!bias.defined() || (bias.shape() == Shape{outputs} && bias.dtype() == x.dtype()),
          "[{}] expected a bias {} [{}] for weight {} and input {}, got {}", op, x.dtype(), outputs, weight,
          x, bias.defined() ? bias : x);
  }
  /// Before memory is asked for.
  void check_size(int64_t outputs, const Shape& spatial) const {
    double count = static_cast<double>(outputs);
    for (int64_t extent : spatial) count *= static_cast<double>(extent);
    check(count * static_cast<double>(batched() ? x.shape()[0] : 1) < 0x1p60,
          "[{}] {} channels of {} are too large", op, outputs, spatial);
  }
  /// The result of `run` on x with a batch.
  template <class F> Tensor with_batch(F&& run) const {
    return batched() ? run(x) : squeeze(run(unsqueeze(x, 0)), 0);
  }
};

Tensor conv(const Call& call, const ConvOptions& options) {
  call.check_tensors();
  call.check_groups(options.groups);
  call.check_channels(options.groups, call.weight.shape()[1] * options.groups);
  call.check_bias(call.weight.shape()[0]);
  const std::string& op = call.op;
  ConvGeometry g{.input = call.input(),
                 .kernel = call.kernel(),
                 .stride = options.stride.expand(op, "stride", call.axes, 1),
                 .dilation = options.dilation.expand(op, "dilation", call.axes, 1),
                 .padding = options.padding.expand(op, "padding", call.axes, 0),
                 .groups = options.groups};
  Shape behind =
      options.padding_end.given() ? options.padding_end.expand(op, "padding_end", call.axes, 0) : g.padding;
  for (size_t i = 0; i < call.axes; ++i) {
    if (options.same) {
      check(g.stride[i] == 1 && g.padding[i] == 0 && behind[i] == 0,
            "[{}] the padding same goes with stride 1 and no other padding, got stride {} and paddings {} "
            "and {}",
            op, g.stride, g.padding, behind);
    }
  }
  for (size_t i = 0; i < call.axes; ++i) {
    const int64_t span = g.dilation[i] * (g.kernel[i] - 1);
    if (options.same) {
      g.padding[i] = span / 2;
      behind[i] = span - span / 2;
    }
    const int64_t room = g.input[i] + g.padding[i] + behind[i] - span - 1;
    check(room >= 0,
          "[{}] the kernel {} with dilation {} is larger than the input {} with paddings {} and {}", op,
          g.kernel, g.dilation, g.input, g.padding, behind);
    g.output.push_back(room / g.stride[i] + 1);
  }
  call.check_size(call.weight.shape()[0], g.output);
  return call.with_batch([&](const Tensor& x) {
    return call.bias.defined() ? apply(Convolution{g}, x, call.weight, call.bias)
                               : apply(Convolution{g}, x, call.weight);
  });
}

Tensor conv_transpose(const Call& call, const ConvTransposeOptions& options) {
  call.check_tensors();
  call.check_groups(options.groups);
  call.check_channels(options.groups, call.weight.shape()[0]);
  const int64_t outputs = call.weight.shape()[1] * options.groups;
  call.check_bias(outputs);
  const std::string& op = call.op;
  ConvGeometry g{.kernel = call.kernel(),
                 .output = call.input(),
                 .stride = options.stride.expand(op, "stride", call.axes, 1),
                 .dilation = options.dilation.expand(op, "dilation", call.axes, 1),
                 .padding = options.padding.expand(op, "padding", call.axes, 0),
                 .groups = options.groups};
  const Shape longer = options.output_padding.expand(op, "output_padding", call.axes, 0);
  for (size_t i = 0; i < call.axes; ++i) {
    check(
        longer[i] < g.stride[i] || longer[i] < g.dilation[i],
        "[{}] expected output_padding below stride or below dilation, got {} with stride {} and dilation {}",
        op, longer, g.stride, g.dilation);
    const int64_t extent = (g.output[i] - 1) * g.stride[i] - 2 * g.padding[i] +
                           g.dilation[i] * (g.kernel[i] - 1) + longer[i] + 1;
    check(g.output[i] >= 1 && extent >= 1,
          "[{}] nothing is left of input {} with kernel {}, stride {}, padding {}", op, g.output, g.kernel,
          g.stride, g.padding);
    g.input.push_back(extent);
  }
  call.check_size(outputs, g.input);
  const Tensor y =
      call.with_batch([&](const Tensor& x) { return apply(ConvolutionInput{g}, x, call.weight); });
  if (!call.bias.defined()) return y;
  Shape column{outputs};
  for (size_t i = 0; i < call.axes; ++i) column.push_back(1);
  return y + reshape(call.bias, column);
}

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  return conv({"conv1d", 1, x, weight, bias}, options);
}
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  return conv({"conv2d", 2, x, weight, bias}, options);
}
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvOptions& options) {
  return conv({"conv3d", 3, x, weight, bias}, options);
}
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTransposeOptions& options) {
  return conv_transpose({"conv_transpose1d", 1, x, weight, bias}, options);
}
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTransposeOptions& options) {
  return conv_transpose({"conv_transpose2d", 2, x, weight, bias}, options);
}
Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias,
                        const ConvTransposeOptions& options) {
  return conv_transpose({"conv_transpose3d", 3, x, weight, bias}, options);
}

}  // namespace reel
