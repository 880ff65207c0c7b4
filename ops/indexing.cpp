#include "ops/indexing.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "framework/op.h"
#include "framework/parallel.h"

namespace reel {
namespace {

// Rows copied by one thread at a time: a few tens of KB, and no fewer.
constexpr int64_t rows_per_task = 256;
constexpr int64_t bytes_per_task = 1 << 15;

void check_indices(std::string_view op, const Tensor& indices) {
  check(indices.dtype() == DType::int64, "[{}] expected int64 indices, got {}", op, indices);
}

void check_range(std::string_view op, const Tensor& indices, int64_t bound,
                 std::optional<int64_t> ignore = {}) {
  const auto* values = indices.raw<int64_t>();
  for (int64_t i = 0; i < indices.numel(); ++i)
    check((values[i] >= 0 && values[i] < bound) || values[i] == ignore,
          "[{}] index {} at position {} is outside [0, {})", op, values[i], i, bound);
}

/// Elements of one row of a table [V, E...].
int64_t row_size(const Tensor& table) { return table.numel() / std::max<int64_t>(1, table.shape()[0]); }

template <class T> void add_rows(const Tensor& x, const Tensor& indices, int64_t width, const Tensor& table) {
  // Columns are shared between threads, rows stay in order: the same bits on any number of threads.
  const int64_t count = indices.numel();
  const int64_t grain = std::max<int64_t>(16, (1 << 15) / std::max<int64_t>(1, count) / 16 * 16);
  detail::parallel_for(width, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < count; ++i) {
      const T* from = x.raw<T>() + i * width;
      T* to = table.raw<T>() + indices.raw<int64_t>()[i] * width;
      for (int64_t j = begin; j < end; ++j) to[j] += from[j];
    }
  });
}

void scatter_into(const Tensor& x, const Tensor& indices, const Tensor& table) {
  const Tensor rows = detail::contiguous_values(x);
  const Tensor places = detail::contiguous_values(indices);
  if (places.numel() == 0) return;
  detail::dispatch_floating("scatter_rows", table.dtype(), [&](auto zero) {
    add_rows<decltype(zero)>(rows, places, row_size(table), table);
  });
}

/// y[i..., :] = W[index[i...], :]
struct Embed {
  static constexpr std::string_view name = "embedding";
  bool sparse;
  TensorSpec shape(Inputs in) const {
    check(in[0].rank() >= 1 && is_floating(in[0].dtype()),
          "[embedding] a floating table [V, ...] expected, got {}", in[0]);
    check_indices(name, in[1]);
    Shape result = in[1].shape();
    for (size_t i = 1; i < in[0].rank(); ++i) result.push_back(in[0].shape()[i]);
    return {result, in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    const Tensor table = detail::contiguous_values(in[0]);
    const Tensor indices = detail::contiguous_values(in[1]);
    check_range(name, indices, table.shape()[0]);
    const auto bytes = row_size(table) * static_cast<int64_t>(item_size(table.dtype()));
    const auto* from = static_cast<const std::byte*>(table.raw_bytes());
    auto* to = static_cast<std::byte*>(out.raw_bytes());
    const int64_t grain = std::max(rows_per_task, bytes_per_task / std::max<int64_t>(1, bytes));
    detail::parallel_for(indices.numel(), grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        std::memcpy(to + i * bytes, from + indices.raw<int64_t>()[i] * bytes, static_cast<size_t>(bytes));
    });
  }
  Saves saves(uint32_t) const { return Saves::input(1); }
  static bool add_sparse(Backward& b) {
    Shape rows = b.input_shape(0);
    rows[0] = b.input(1).numel();
    const Tensor indices = detail::contiguous_values(b.input(1)),
                 gradient = detail::contiguous_values(b.grad());
    return b.add_rows(0, detail::view(indices, {rows[0]}, {1}),
                      detail::view(gradient, rows, detail::contiguous_strides(rows)));
  }
  void vjp(Backward& b) const {
    if (b.recorded())
      b.set(0, scatter_rows(b.grad(), b.input(1), b.input_shape(0)[0]));
    else if (!sparse || !add_sparse(b))
      scatter_into(b.grad(), b.input(1), b.zeroed_accumulator(0));
  }
};

/// y[v, :] = sum of x[i..., :] over index[i...] = v
struct ScatterRows {
  static constexpr std::string_view name = "scatter_rows";
  int64_t rows;
  TensorSpec shape(Inputs in) const {
    check(is_floating(in[0].dtype()), "[scatter_rows] expected a floating dtype, got {}", in[0]);
    check_indices(name, in[1]);
    const Shape& all = in[0].shape();
    const Shape& places = in[1].shape();
    check(places.rank() <= all.rank() && std::equal(places.begin(), places.end(), all.begin()),
          "[scatter_rows] the indices' shape {} is no beginning of {}", places, all);
    Shape result{rows};
    for (size_t i = places.rank(); i < all.rank(); ++i) result.push_back(all[i]);
    return {result, in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    check_range(name, detail::contiguous_values(in[1]), rows);
    detail::copy_values(zeros({}, {.dtype = out.dtype()}), out);
    scatter_into(in[0], in[1], out);
  }
  Saves saves(uint32_t) const { return Saves::input(1); }
  void vjp(Backward& b) const { b.set(0, embedding(b.grad(), b.input(1))); }
};

/// y[i...] = x[i..., index[i...]]
struct Pick {
  static constexpr std::string_view name = "pick";
  int64_t ignore;
  TensorSpec shape(Inputs in) const {
    check(in[0].rank() >= 1 && is_floating(in[0].dtype()),
          "[pick] a floating tensor [..., C] expected, got {}", in[0]);
    check_indices(name, in[1]);
    Shape leading = in[0].shape();
    leading.erase(leading.rank() - 1);
    check(in[1].shape() == leading, "[pick] indices of shape {} expected for {}, got {}", leading, in[0],
          in[1]);
    return {leading, in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    const Tensor x = detail::contiguous_values(in[0]);
    const Tensor indices = detail::contiguous_values(in[1]);
    const int64_t classes = x.shape().back();
    check_range(name, indices, classes, ignore);
    detail::dispatch_floating(name, x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      for (int64_t i = 0; i < indices.numel(); ++i) {
        const int64_t index = indices.raw<int64_t>()[i];
        out.raw<T>()[i] = index == ignore ? T(0) : x.raw<T>()[i * classes + index];
      }
    });
  }
  Saves saves(uint32_t) const { return Saves::input(1); }
  void vjp(Backward& b) const;
};

/// y[i..., index[i...]] = x[i...], else 0
struct PutBack {
  static constexpr std::string_view name = "put_back";
  int64_t classes;
  int64_t ignore;
  TensorSpec shape(Inputs in) const {
    Shape result = in[0].shape();
    result.push_back(classes);
    return {result, in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    detail::copy_values(zeros({}, {.dtype = out.dtype()}), out);
    const Tensor x = detail::contiguous_values(in[0]);
    const Tensor indices = detail::contiguous_values(in[1]);
    detail::dispatch_floating(name, x.dtype(), [&](auto zero) {
      using T = decltype(zero);
      for (int64_t i = 0; i < indices.numel(); ++i) {
        const int64_t index = indices.raw<int64_t>()[i];
        if (index != ignore) out.raw<T>()[i * classes + index] = x.raw<T>()[i];
      }
    });
  }
  Saves saves(uint32_t) const { return Saves::input(1); }
  void vjp(Backward& b) const { b.set(0, apply(Pick{ignore}, b.grad(), b.input(1))); }
};

void Pick::vjp(Backward& b) const {
  b.set(0, apply(PutBack{b.input_shape(0).back(), ignore}, b.grad(), b.input(1)));
}

}  // namespace

Tensor embedding(const Tensor& weight, const Tensor& indices, bool sparse) {
  return apply(Embed{sparse}, weight, indices);
}
Tensor scatter_rows(const Tensor& x, const Tensor& indices, int64_t rows) {
  return apply(ScatterRows{rows}, x, indices);
}
Tensor pick(const Tensor& x, const Tensor& indices, int64_t ignore) {
  return apply(Pick{ignore}, x, indices);
}

}  // namespace reel
