#include "ops/pooling_windows.h"

#include <algorithm>
#include <limits>

#include "framework/parallel.h"

namespace reel::detail {
namespace {

// Plain loops, for both dtypes: as fast as libtorch's (bench_networks), while oneDNN knows neither PyTorch's
// indices, nor its windows at the edge of ceil_mode, nor adaptive ones.
// A thread takes rows of at least this many window elements: about 10 us.
constexpr int64_t parallel_elements = 1 << 14;

/// The windows along three axes, those missing a single window of one element in front.
struct Windows {
  std::array<std::vector<PoolRange>, 3> axes;
  int64_t input[3] = {1, 1, 1};
  int64_t input_size = 1, output_size = 1, work = 1;
  double divisor;

  explicit Windows(const PoolGeometry& g) : divisor(static_cast<double>(g.divisor)) {
    const size_t missing = 3 - g.input.size();
    for (size_t axis = 0; axis < 3; ++axis) {
      axes[axis] = axis < missing ? std::vector<PoolRange>{{0, 1, 1, 1}} : g.ranges(axis - missing);
      if (axis >= missing) input[axis] = g.input[axis - missing];
      input_size *= input[axis];
      output_size *= static_cast<int64_t>(axes[axis].size());
    }
    work = std::max<int64_t>(1, input_size + output_size);
  }

  template <class F> void for_rows(int64_t rows, F&& f) const {
    parallel_for(rows, std::max<int64_t>(1, parallel_elements / work), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) f(row);
    });
  }

  /// Calls f(output index, d, h, w) for every window, in order.
  template <class F> void for_windows(F&& f) const {
    int64_t out = 0;
    for (const PoolRange& d : axes[0])
      for (const PoolRange& h : axes[1])
        for (const PoolRange& w : axes[2]) f(out++, d, h, w);
  }

  /// Calls f(offset of a run along the last axis) for every such run in a window.
  template <class F> void for_runs(const PoolRange& d, const PoolRange& h, F&& f) const {
    for (int64_t i = d.begin; i < d.end; i += d.step)
      for (int64_t j = h.begin; j < h.end; j += h.step) f((i * input[1] + j) * input[2]);
  }

  /// Where a window begins. One that ceil_mode has put between two elements of a dilated kernel is empty.
  int64_t first_place(const PoolRange& d, const PoolRange& h, const PoolRange& w) const {
    const auto in = [&](int64_t place, size_t axis) { return std::min(place, input[axis] - 1); };
    return (in(d.begin, 0) * input[1] + in(h.begin, 1)) * input[2] + in(w.begin, 2);
  }

  template <class T> T share(const PoolRange& d, const PoolRange& h, const PoolRange& w) const {
    const double counted = static_cast<double>(d.count * h.count * w.count);
    return counted == 0 ? T(0) : static_cast<T>(1 / (divisor != 0 ? divisor : counted));
  }
};

template <class T> void largest(const Windows& windows, const T* x, T* out, int64_t* indices) {
  windows.for_windows([&](int64_t o, const PoolRange& d, const PoolRange& h, const PoolRange& w) {
    T best = -std::numeric_limits<T>::infinity();
    int64_t at = windows.first_place(d, h, w);
    windows.for_runs(d, h, [&](int64_t run) {
      for (int64_t i = w.begin; i < w.end; i += w.step) {
        const T value = x[run + i];
        if (value > best || value != value) {  // a nan wins, the last one as in PyTorch
          best = value;
          at = run + i;
        }
      }
    });
    out[o] = best;
    indices[o] = at;
  });
}

}  // namespace

std::vector<PoolRange> PoolGeometry::ranges(size_t axis) const {
  const int64_t length = input[axis], windows = output[axis];
  std::vector<PoolRange> result(static_cast<size_t>(windows));
  for (int64_t i = 0; i < windows; ++i) {
    PoolRange& range = result[static_cast<size_t>(i)];
    if (adaptive()) {
      range = {i * length / windows, ((i + 1) * length + windows - 1) / windows, 1, 0};
      range.count = range.end - range.begin;
      continue;
    }
    const int64_t step = dilation[axis];
    const int64_t first = i * stride[axis] - padding[axis];
    const int64_t last = first + (kernel[axis] - 1) * step + 1;
    range = {first, std::min(last, length), step, 0};
    if (first < 0) range.begin += (-first + step - 1) / step * step;
    range.count = count_padding ? std::min(last, length + padding[axis]) - first
                                : std::max<int64_t>(0, range.end - range.begin);
  }
  return result;
}

void pool_max(const PoolGeometry& geometry, const Tensor& x, const Tensor& out, const Tensor& indices) {
  const Windows windows(geometry);
  dispatch_floating("max_pool", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    windows.for_rows(x.shape()[0], [&](int64_t row) {
      largest(windows, x.raw<T>() + row * windows.input_size, out.raw<T>() + row * windows.output_size,
              indices.raw<int64_t>() + row * windows.output_size);
    });
  });
}

void pool_average(const PoolGeometry& geometry, const Tensor& x, const Tensor& out) {
  const Windows windows(geometry);
  dispatch_floating("avg_pool", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    windows.for_rows(x.shape()[0], [&](int64_t row) {
      const T* from = x.raw<T>() + row * windows.input_size;
      T* to = out.raw<T>() + row * windows.output_size;
      windows.for_windows([&](int64_t o, const PoolRange& d, const PoolRange& h, const PoolRange& w) {
        T sum = 0;
        windows.for_runs(d, h, [&](int64_t run) {
          for (int64_t i = w.begin; i < w.end; ++i) sum += from[run + i];
        });
        to[o] = sum * windows.share<T>(d, h, w);
      });
    });
  });
}

void spread_average(const PoolGeometry& geometry, const Tensor& y, const Tensor& out) {
  const Windows windows(geometry);
  dispatch_floating("avg_pool", y.dtype(), [&](auto zero) {
    using T = decltype(zero);
    windows.for_rows(y.shape()[0], [&](int64_t row) {
      const T* from = y.raw<T>() + row * windows.output_size;
      T* to = out.raw<T>() + row * windows.input_size;
      std::fill_n(to, windows.input_size, T(0));
      windows.for_windows([&](int64_t o, const PoolRange& d, const PoolRange& h, const PoolRange& w) {
        const T part = from[o] * windows.share<T>(d, h, w);
        windows.for_runs(d, h, [&](int64_t run) {
          for (int64_t i = w.begin; i < w.end; ++i) to[run + i] += part;
        });
      });
    });
  });
}

}  // namespace reel::detail
