#include "ops/pooling.h"

#include <string>

#include "framework/op.h"
#include "framework/parallel.h"
#include "ops/pooling_windows.h"
#include "ops/shape.h"

namespace reel {
namespace {

using detail::PoolGeometry;

// Ops work on x as [rows, spatial...], one row for each channel of each example.

Shape with_rows(int64_t rows, const Shape& spatial) {
  Shape result{rows};
  for (int64_t extent : spatial) result.push_back(extent);
  return result;
}

Tensor as_table(const Tensor& x) {
  return detail::view(x, {x.shape()[0], x.numel() / std::max<int64_t>(1, x.shape()[0])},
                      {x.numel() / std::max<int64_t>(1, x.shape()[0]), 1});
}

constexpr int64_t rows_per_task = 16;

/// y[r, i...] = x[r, index[r, i...]], places counted over all axes of a row
struct PoolGather {
  static constexpr std::string_view name = "pool_gather";
  TensorSpec shape(Inputs in) const { return {in[1].shape(), in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const;
  Saves saves(uint32_t) const { return Saves::input(1); }
  void vjp(Backward& b) const;
};

/// y[r, index[r, i...]] = sum of x[r, i...], else 0
struct PoolScatter {
  static constexpr std::string_view name = "pool_scatter";
  Shape spatial;  // of y
  TensorSpec shape(Inputs in) const { return {with_rows(in[0].shape()[0], spatial), in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const {
    detail::copy_values(zeros({}, {.dtype = out.dtype()}), out);
    each_row(in[0], in[1], out, [](auto* x, const int64_t* index, auto* y, int64_t n) {
      for (int64_t i = 0; i < n; ++i) y[index[i]] += x[i];
    });
  }
  Saves saves(uint32_t) const { return Saves::input(1); }
  void vjp(Backward& b) const { b.set(0, apply(PoolGather{}, b.grad(), b.input(1))); }

  /// f(row of `small`, row of its indices, row of `large`, elements of the small row).
  template <class F>
  static void each_row(const Tensor& small, const Tensor& indices, const Tensor& large, F f) {
    if (small.numel() == 0) return;
    const Tensor from = as_table(detail::contiguous_values(small)), to = as_table(large);
    const Tensor places = detail::contiguous_values(indices);
    const int64_t n = from.shape()[1], width = to.shape()[1];
    detail::dispatch_floating(name, small.dtype(), [&](auto zero) {
      using T = decltype(zero);
      detail::parallel_for(from.shape()[0], rows_per_task, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r)
          f(from.raw<T>() + r * n, places.raw<int64_t>() + r * n, to.raw<T>() + r * width, n);
      });
    });
  }
};

void PoolGather::forward(Inputs in, Tensor& out) const {
  PoolScatter::each_row(out, in[1], detail::contiguous_values(in[0]),
                        [](auto* y, const int64_t* index, const auto* x, int64_t n) {
                          for (int64_t i = 0; i < n; ++i) y[i] = x[index[i]];
                        });
}

void PoolGather::vjp(Backward& b) const {
  const Shape& shape = b.input_shape(0);
  b.set(0, apply(PoolScatter{Shape(std::span(shape.begin() + 1, shape.rank() - 1))}, b.grad(), b.input(1)));
}

/// y = the largest of each window of x, and its place
struct MaxPool {
  static constexpr std::string_view name = "max_pool";
  PoolGeometry geometry;
  std::vector<Tensor> run(Inputs in) const {
    const Shape shape = with_rows(in[0].shape()[0], geometry.output);
    std::vector<Tensor> result{empty(shape, {.dtype = in[0].dtype()}), empty(shape, {.dtype = DType::int64})};
    detail::pool_max(geometry, detail::contiguous_values(in[0]), result[0], result[1]);
    return result;
  }
  Saves saves(uint32_t) const { return Saves::output(1); }
  void vjp(Backward& b) const { b.set(0, apply(PoolScatter{geometry.input}, b.grad(), b.output(1))); }
};

/// y = the average of each window of x
struct AvgPool {
  static constexpr std::string_view name = "avg_pool";
  PoolGeometry geometry;
  TensorSpec shape(Inputs in) const { return {with_rows(in[0].shape()[0], geometry.output), in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const {
    detail::pool_average(geometry, detail::contiguous_values(in[0]), out);
  }
  void vjp(Backward& b) const;
};

/// The transpose: y = each element of x spread over its window
struct AvgSpread {
  static constexpr std::string_view name = "avg_spread";
  PoolGeometry geometry;
  TensorSpec shape(Inputs in) const { return {with_rows(in[0].shape()[0], geometry.input), in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const {
    detail::spread_average(geometry, detail::contiguous_values(in[0]), out);
  }
  void vjp(Backward& b) const { b.set(0, apply(AvgPool{geometry}, b.grad())); }
};

void AvgPool::vjp(Backward& b) const { b.set(0, apply(AvgSpread{geometry}, b.grad())); }

/// What every kind of pooling is given.
struct Call {
  std::string op;
  size_t axes;
  const Tensor& x;

  Shape input() const { return Shape(std::span(x.shape().end() - axes, axes)); }

  void check_input() const {
    check(x.rank() == axes + 2 || x.rank() == axes + 1,
          "[{}] expected an input with {} spatial axes behind [N, C] or [C], got {}", op, axes, x);
    check(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x);
    for (int64_t extent : input())
      check(extent >= 1, "[{}] expected spatial extents of at least 1, got {}", op, x);
  }

  PoolGeometry windows(const PerAxis& kernel, const PerAxis& stride, const PerAxis& padding,
                       const PerAxis& dilation, bool ceil_mode) const {
    check_input();
    PoolGeometry g{.input = input()};
    g.kernel = kernel.expand(op, "kernel", axes, 1);
    g.stride = stride.given() ? stride.expand(op, "stride", axes, 1) : g.kernel;
    g.padding = padding.expand(op, "padding", axes, 0);
    g.dilation = dilation.expand(op, "dilation", axes, 1);
    for (size_t i = 0; i < axes; ++i) {
      check(2 * g.padding[i] <= g.kernel[i],
            "[{}] expected a padding of at most half of the kernel {}, got {}", op, g.kernel, g.padding);
      const int64_t room = g.input[i] + 2 * g.padding[i] - g.dilation[i] * (g.kernel[i] - 1) - 1;
      int64_t count = room < 0 ? 0 : room / g.stride[i] + 1;
      if (ceil_mode) {
        const int64_t up = room + g.stride[i] - 1;
        count = up < 0 ? 0 : up / g.stride[i] + 1;
        if (count > 0 && (count - 1) * g.stride[i] >= g.input[i] + g.padding[i]) --count;
      }
      check(count >= 1, "[{}] the kernel {} with dilation {} is larger than the input {} with padding {}", op,
            g.kernel, g.dilation, g.input, g.padding);
      g.output.push_back(count);
    }
    return g;
  }

  PoolGeometry adaptive(const PerAxis& size) const {
    check_input();
    PoolGeometry g{.input = input(), .output = size.expand(op, "output size", axes, 1)};
    double count = static_cast<double>(row_count());
    for (int64_t extent : g.output) count *= static_cast<double>(extent);
    check(count < 0x1p60, "[{}] the output size {} is too large", op, g.output);
    return g;
  }

  Tensor rows() const { return reshape(x, with_rows(row_count(), input())); }
  int64_t row_count() const { return x.rank() == axes + 2 ? x.shape()[0] * x.shape()[1] : x.shape()[0]; }

  /// [rows, spatial...] under the leading axes of x.
  Tensor with_leading(const Tensor& y) const {
    Shape shape(std::span(x.shape().begin(), x.rank() - axes));
    for (size_t i = 0; i < axes; ++i) shape.push_back(y.shape()[i + 1]);
    return reshape(y, shape);
  }

  MaxPoolResult largest(const PoolGeometry& g) const {
    const std::vector<Tensor> results = apply(MaxPool{g}, rows());
    return {with_leading(results[0]), with_leading(results[1])};
  }
  Tensor average(const PoolGeometry& g) const { return with_leading(apply(AvgPool{g}, rows())); }
};

MaxPoolResult max_pool(const Call& call, const PerAxis& kernel, const MaxPoolOptions& o) {
  return call.largest(call.windows(kernel, o.stride, o.padding, o.dilation, o.ceil_mode));
}

Tensor avg_pool(const Call& call, const PerAxis& kernel, const AvgPoolOptions& o) {
  PoolGeometry g = call.windows(kernel, o.stride, o.padding, 1, o.ceil_mode);
  check(o.divisor_override >= 0, "[{}] expected a divisor of at least 1, or 0 for none, got {}", call.op,
        o.divisor_override);
  g.count_padding = o.count_include_pad;
  g.divisor = o.divisor_override;
  return call.average(g);
}

}  // namespace

MaxPoolResult max_pool1d_with_indices(const Tensor& x, const PerAxis& kernel, const MaxPoolOptions& options) {
  return max_pool({"max_pool1d", 1, x}, kernel, options);
}
MaxPoolResult max_pool2d_with_indices(const Tensor& x, const PerAxis& kernel, const MaxPoolOptions& options) {
  return max_pool({"max_pool2d", 2, x}, kernel, options);
}
MaxPoolResult max_pool3d_with_indices(const Tensor& x, const PerAxis& kernel, const MaxPoolOptions& options) {
  return max_pool({"max_pool3d", 3, x}, kernel, options);
}
Tensor max_pool1d(const Tensor& x, const PerAxis& kernel, const MaxPoolOptions& options) {
  return max_pool1d_with_indices(x, kernel, options).values;
}
Tensor max_pool2d(const Tensor& x, const PerAxis& kernel, const MaxPoolOptions& options) {
  return max_pool2d_with_indices(x, kernel, options).values;
}
Tensor max_pool3d(const Tensor& x, const PerAxis& kernel, const MaxPoolOptions& options) {
  return max_pool3d_with_indices(x, kernel, options).values;
}

Tensor avg_pool1d(const Tensor& x, const PerAxis& kernel, const AvgPoolOptions& options) {
  return avg_pool({"avg_pool1d", 1, x}, kernel, options);
}
Tensor avg_pool2d(const Tensor& x, const PerAxis& kernel, const AvgPoolOptions& options) {
  return avg_pool({"avg_pool2d", 2, x}, kernel, options);
}
Tensor avg_pool3d(const Tensor& x, const PerAxis& kernel, const AvgPoolOptions& options) {
  return avg_pool({"avg_pool3d", 3, x}, kernel, options);
}

Tensor adaptive_avg_pool1d(const Tensor& x, const PerAxis& size) {
  const Call call{"adaptive_avg_pool1d", 1, x};
  return call.average(call.adaptive(size));
}
Tensor adaptive_avg_pool2d(const Tensor& x, const PerAxis& size) {
  const Call call{"adaptive_avg_pool2d", 2, x};
  return call.average(call.adaptive(size));
}
Tensor adaptive_avg_pool3d(const Tensor& x, const PerAxis& size) {
  const Call call{"adaptive_avg_pool3d", 3, x};
  return call.average(call.adaptive(size));
}

MaxPoolResult adaptive_max_pool1d_with_indices(const Tensor& x, const PerAxis& size) {
  const Call call{"adaptive_max_pool1d", 1, x};
  return call.largest(call.adaptive(size));
}
MaxPoolResult adaptive_max_pool2d_with_indices(const Tensor& x, const PerAxis& size) {
  const Call call{"adaptive_max_pool2d", 2, x};
  return call.largest(call.adaptive(size));
}
MaxPoolResult adaptive_max_pool3d_with_indices(const Tensor& x, const PerAxis& size) {
  const Call call{"adaptive_max_pool3d", 3, x};
  return call.largest(call.adaptive(size));
}
Tensor adaptive_max_pool1d(const Tensor& x, const PerAxis& size) {
  return adaptive_max_pool1d_with_indices(x, size).values;
}
Tensor adaptive_max_pool2d(const Tensor& x, const PerAxis& size) {
  return adaptive_max_pool2d_with_indices(x, size).values;
}
Tensor adaptive_max_pool3d(const Tensor& x, const PerAxis& size) {
  return adaptive_max_pool3d_with_indices(x, size).values;
}

}  // namespace reel
