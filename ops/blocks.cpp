#include "ops/blocks.h"

#include <algorithm>
#include <cstring>

#include "framework/op.h"
#include "framework/parallel.h"

namespace reel::detail {
namespace {

// Elements handled by one thread at a time: a few tens of us of scattered reads.
constexpr int64_t elements_per_task = 1 << 14;

int64_t per_task(int64_t width) {
  return std::max<int64_t>(1, elements_per_task / std::max<int64_t>(1, width));
}

/// Calls f with a zero of an unsigned type as wide as the dtype: only the width matters to a copy.
template <class F> void by_width(DType dtype, F&& f) {
  switch (item_size(dtype)) {
    case 1:
      return f(uint8_t{});
    case 4:
      return f(uint32_t{});
    default:
      return f(uint64_t{});
  }
}

/// Shapes of an op whose last input are the positions.
void check_positions(std::string_view op, const Tensor& positions, const Blocks& blocks) {
  check(positions.dtype() == DType::int64 && positions.is_contiguous() &&
            positions.numel() * blocks.width == blocks.part.numel(),
        "[{}] expected positions of {} blocks of {} elements each, got {}", op, blocks.part, blocks.width,
        positions);
}

template <class T> void add_typed(const T* from, const int64_t* places, const Blocks& blocks, T* to) {
  const int64_t width = blocks.width;
  const int64_t count = width > 0 ? blocks.part.numel() / width : 0;
  const auto add = [=](int64_t first, int64_t last, int64_t begin, int64_t end) {
    for (int64_t i = first; i < last; ++i) {
      if (places[i] < 0) continue;
      const T* source = from + i * width;
      T* target = to + places[i] * width;
      for (int64_t j = begin; j < end; ++j) target[j] += source[j];
    }
  };
  // Either way every element's terms are added in the order of the positions, by one thread: the same bits always.
  if (count == 0) return;
  if (blocks.groups > 1) {
    const int64_t each = count / blocks.groups;
    parallel_for(blocks.groups, per_task(each * width),
                 [=](int64_t begin, int64_t end) { add(begin * each, end * each, 0, width); });
  } else {
    const int64_t grain = std::max<int64_t>(16, elements_per_task / count / 16 * 16);
    parallel_for(width, grain, [=](int64_t begin, int64_t end) { add(0, count, begin, end); });
  }
}

void add_into(const Tensor& x, const Tensor& positions, const Blocks& blocks, const Tensor& whole) {
  const Tensor values = contiguous_values(x);
  const auto add = [&](auto zero) {
    using T = decltype(zero);
    add_typed<T>(values.raw<T>(), positions.raw<int64_t>(), blocks, whole.raw<T>());
  };
  if (whole.dtype() == DType::int64)
    add(int64_t{});
  else
    dispatch_floating("add_blocks", whole.dtype(), add);
}

/// y_i = x[positions_i]
struct TakeBlocks {
  static constexpr std::string_view name = "take_blocks";
  Blocks blocks;
  TensorSpec shape(Inputs in) const {
    check_positions(name, in[1], blocks);
    return {blocks.part, in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    const Tensor x = contiguous_values(in[0]);
    const int64_t* places = in[1].raw<int64_t>();
    const int64_t width = blocks.width;
    by_width(out.dtype(), [&](auto zero) {
      using T = decltype(zero);
      const T* from = x.raw<T>();
      T* to = out.raw<T>();
      parallel_for(in[1].numel(), per_task(width), [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          if (width == 1)
            to[i] = places[i] < 0 ? T(0) : from[places[i]];
          else if (places[i] < 0)
            std::fill_n(to + i * width, width, T(0));
          else
            std::copy_n(from + places[i] * width, width, to + i * width);
        }
      });
    });
  }
  Saves saves(uint32_t) const { return Saves::input(1); }
  void vjp(Backward& b) const {
    if (b.recorded())
      b.set(0, add_blocks(b.grad(), b.input(1), blocks));
    else
      add_into(b.grad(), b.input(1), blocks, b.zeroed_accumulator(0));
  }
};

/// y[positions_i] = sum of x_i
struct AddBlocks {
  static constexpr std::string_view name = "add_blocks";
  Blocks blocks;
  TensorSpec shape(Inputs in) const {
    check_positions(name, in[1], blocks);
    return {blocks.whole, in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    copy_values(zeros({}, {.dtype = out.dtype()}), out);
    add_into(in[0], in[1], blocks, out);
  }
  Saves saves(uint32_t) const { return Saves::input(1); }
  void vjp(Backward& b) const { b.set(0, take_blocks(b.grad(), b.input(1), blocks)); }
};

/// y = x but for y[positions_i] = values_i
struct PutBlocks {
  static constexpr std::string_view name = "put_blocks";
  Blocks blocks;
  TensorSpec shape(Inputs in) const {
    check_positions(name, in[2], blocks);
    return {blocks.whole, in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    copy_values(in[0], out);
    const Tensor values = contiguous_values(in[1]);
    const int64_t* places = in[2].raw<int64_t>();
    by_width(out.dtype(), [&](auto zero) {
      using T = decltype(zero);
      for (int64_t i = 0; i < in[2].numel(); ++i)
        if (places[i] >= 0)
          std::copy_n(values.raw<T>() + i * blocks.width, blocks.width,
                      out.raw<T>() + places[i] * blocks.width);
    });
  }
  Saves saves(uint32_t) const { return Saves::input(2); }
  void vjp(Backward& b) const {
    const Tensor gradient = b.grad();
    if (b.needs(0))
      b.set(0, put_blocks(gradient, zeros(blocks.part, {.dtype = gradient.dtype()}), b.input(2), blocks));
    if (b.needs(1)) b.set(1, take_blocks(gradient, b.input(2), blocks));
  }
};

}  // namespace

Tensor take_blocks(const Tensor& x, const Tensor& positions, const Blocks& blocks) {
  return apply(TakeBlocks{blocks}, x, positions);
}
Tensor add_blocks(const Tensor& x, const Tensor& positions, const Blocks& blocks) {
  return apply(AddBlocks{blocks}, x, positions);
}
Tensor put_blocks(const Tensor& x, const Tensor& values, const Tensor& positions, const Blocks& blocks) {
  return apply(PutBlocks{blocks}, x, values, positions);
}

Tensor last_of_each(const Tensor& positions, const Blocks& blocks) {
  if (positions.numel() == 0) return positions;
  std::vector<bool> taken(static_cast<size_t>(blocks.whole.numel() / std::max<int64_t>(1, blocks.width)));
  Tensor result = empty_like(positions);
  for (int64_t i = positions.numel(); i-- > 0;) {
    const int64_t place = positions.raw<int64_t>()[i];
    const bool wins = place >= 0 && blocks.width > 0 && !taken[static_cast<size_t>(place)];
    if (wins) taken[static_cast<size_t>(place)] = true;
    result.raw<int64_t>()[i] = wins ? place : -1;
  }
  return result;
}

Shape index_of(int64_t place, const Shape& shape) {
  Shape result = shape;
  for (size_t i = shape.rank(); i-- > 0;) {
    result[i] = place % shape[i];
    place /= shape[i];
  }
  return result;
}

}  // namespace reel::detail
