#include "ops/convolution_kernel.h"

#include <algorithm>
#include <array>

#include "framework/parallel.h"
#include "ops/onednn/convolution.h"
#include "ops/onednn/gemm.h"

namespace reel::detail {
namespace {

constexpr int64_t parallel_elements = 1 << 14;

/// The geometry with three spatial axes, those missing of extent 1 in front.
struct Window {
  std::array<int64_t, 3> input, kernel, output, stride, dilation, padding;

  explicit Window(const ConvGeometry& g) {
    const auto fill = [&](std::array<int64_t, 3>& to, const Shape& from, int64_t missing) {
      to.fill(missing);
      std::copy(from.begin(), from.end(), to.end() - from.size());
    };
    fill(input, g.input, 1);
    fill(kernel, g.kernel, 1);
    fill(output, g.output, 1);
    fill(stride, g.stride, 1);
    fill(dilation, g.dilation, 1);
    fill(padding, g.padding, 0);
  }

  /// The outputs [begin, end) along `axis` for which element k of the kernel lies on the input.
  std::pair<int64_t, int64_t> inside(size_t axis, int64_t k) const {
    const int64_t first = k * dilation[axis] - padding[axis];  // input under output 0
    const int64_t step = stride[axis];
    const int64_t begin = first >= 0 ? 0 : (-first + step - 1) / step;
    const int64_t end = first >= input[axis] ? 0 : (input[axis] - 1 - first) / step + 1;
    return {std::min(begin, output[axis]), std::min(end, output[axis])};
  }

  int64_t input_size() const { return input[0] * input[1] * input[2]; }
  int64_t kernel_size() const { return kernel[0] * kernel[1] * kernel[2]; }
  int64_t output_size() const { return output[0] * output[1] * output[2]; }

  /// For element (channel, k) of the kernel: calls run(input offset, output offset, count) for every run of
  /// outputs along the last axis for which it lies on the input. Inputs of a run are stride[2] apart.
  template <class F> void for_runs(int64_t k, F&& run) const {
    const int64_t at[3] = {k / (kernel[1] * kernel[2]), k / kernel[2] % kernel[1], k % kernel[2]};
    std::pair<int64_t, int64_t> range[3];
    int64_t first[3];
    for (size_t axis = 0; axis < 3; ++axis) {
      range[axis] = inside(axis, at[axis]);
      first[axis] = at[axis] * dilation[axis] - padding[axis];
    }
    if (range[2].first >= range[2].second) return;
    for (int64_t d = range[0].first; d < range[0].second; ++d)
      for (int64_t h = range[1].first; h < range[1].second; ++h) {
        const int64_t row = (d * stride[0] + first[0]) * input[1] + h * stride[1] + first[1];
        run(row * input[2] + range[2].first * stride[2] + first[2],
            (d * output[1] + h) * output[2] + range[2].first, range[2].second - range[2].first);
      }
  }
};

/// columns[c, k, s] = the element of x that kernel element k meets at output s, 0 outside.
template <class T> void unfold(const Window& window, const T* x, int64_t channels, T* columns) {
  const int64_t kernel = window.kernel_size(), size = window.output_size(), step = window.stride[2];
  parallel_for(channels * kernel, std::max<int64_t>(1, parallel_elements / size),
               [&](int64_t begin, int64_t end) {
                 for (int64_t row = begin; row < end; ++row) {
                   const T* from = x + row / kernel * window.input_size();
                   T* to = columns + row * size;
                   std::fill_n(to, size, T(0));
                   window.for_runs(row % kernel, [&](int64_t in, int64_t out, int64_t count) {
                     for (int64_t i = 0; i < count; ++i) to[out + i] = from[in + i * step];
                   });
                 }
               });
}

/// The transpose: columns are added to where they came from.
template <class T> void fold(const Window& window, const T* columns, int64_t channels, T* x) {
  const int64_t kernel = window.kernel_size(), size = window.output_size(), step = window.stride[2];
  parallel_for(channels, std::max<int64_t>(1, parallel_elements / (kernel * size)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t row = begin * kernel; row < end * kernel; ++row) {
                   const T* from = columns + row * size;
                   T* to = x + row / kernel * window.input_size();
                   window.for_runs(row % kernel, [&](int64_t in, int64_t out, int64_t count) {
                     for (int64_t i = 0; i < count; ++i) to[in + i * step] += from[out + i];
                   });
                 }
               });
}

/// `rows` rows of a contiguous tensor, from element `offset`.
Tensor matrix(const Tensor& x, int64_t rows, int64_t columns, int64_t offset) {
  return view(x, {rows, columns}, {columns, 1}, offset);
}

template <class T>
void products(ConvKind kind, const ConvGeometry& geometry, const Tensor& x, const Tensor& w,
              const Tensor& y) {
  const Window window(geometry);
  const int64_t groups = geometry.groups, channels = x.shape()[1] / groups, outputs = y.shape()[1] / groups;
  const int64_t size = window.output_size(), taps = channels * window.kernel_size();
  const Tensor columns = empty({taps, size}, {.dtype = x.dtype()});
  for (int64_t i = 0; i < x.shape()[0] * groups; ++i) {  // each group of each example
    T* image = x.raw<T>() + i * channels * window.input_size();
    const Tensor filter = matrix(w, outputs, taps, i % groups * outputs * taps);
    const Tensor result = matrix(y, outputs, size, i * outputs * size);
    if (kind == ConvKind::input) {
      gemm(filter, true, result, false, columns, false);
      fold<T>(window, columns.raw<T>(), channels, image);
    } else {
      unfold<T>(window, image, channels, columns.raw<T>());
      if (kind == ConvKind::output)
        gemm(filter, false, columns, false, result, true);
      else
        gemm(result, false, columns, true, filter, true);
    }
  }
}

}  // namespace

void convolve_unfolded(ConvKind kind, const ConvGeometry& geometry, const Tensor& x, const Tensor& w,
                       const Tensor& y) {
  dispatch_floating("convolution", x.dtype(),
                    [&](auto zero) { products<decltype(zero)>(kind, geometry, x, w, y); });
}

void convolve(ConvKind kind, const ConvGeometry& geometry, const Tensor& x, const Tensor& w, const Tensor& y,
              const Tensor& bias) {
  const Tensor& result = kind == ConvKind::output ? y : kind == ConvKind::input ? x : w;
  if (result.numel() == 0) return;
  const bool empty_sum = x.numel() == 0 || w.numel() == 0 || y.numel() == 0;
  if (!empty_sum && x.dtype() == DType::float32 && onednn_convolve(kind, geometry, x, w, y, bias)) return;
  if (bias.defined()) {
    Shape shape{bias.numel()};
    for (size_t i = 0; i < geometry.output.size(); ++i) shape.push_back(1);
    copy_values(view(bias, shape, contiguous_strides(shape)), y);
  } else {
    copy_values(zeros({}, {.dtype = result.dtype()}), result);
  }
  if (!empty_sum) convolve_unfolded(kind, geometry, x, w, y);
}

}  // namespace reel::detail
