#include "ops/slicing.h"

#include <algorithm>

#include "framework/op.h"
#include "framework/parallel.h"
#include "ops/arithmetic.h"
#include "ops/shape.h"

namespace reel {
namespace {

/// start, start + step, ... of one axis; `count` elements.
struct Range {
  size_t axis;
  int64_t start, step, count;

  Tensor of(const Tensor& x) const {
    Shape shape = x.shape(), strides = x.strides();
    shape[axis] = count;
    if (count > 1) strides[axis] *= step;
    return detail::view(x, shape, strides, count > 0 ? start * x.strides()[axis] : 0);
  }
};

Tensor place(const Tensor& x, const Range& range, const Shape& shape);

/// y = x[range]
struct Slice {
  static constexpr std::string_view name = "slice";
  Range range;
  Tensor view(Inputs in) const { return range.of(in[0]); }
  detail::LoopRole loop() const {
    detail::LoopRole role;
    if (range.step == 1) {
      role.kind = detail::LoopRole::Kind::columns;
      role.columns = {range.axis, range.start, range.count};
    }
    return role;
  }
  Tensor over_time(Inputs in, uint32_t) const {
    return apply(Slice{{range.axis + 1, range.start, range.step, range.count}}, in[0]);
  }
  void vjp(Backward& b) const {
    if (b.recorded()) {
      b.set(0, place(b.grad(), range, b.input_shape(0)));
    } else {
      const Tensor part = range.of(b.zeroed_accumulator(0));
      detail::copy_values(part + b.grad(), part);
    }
  }
};

/// y = 0 but for y[range] = x
struct Place {
  static constexpr std::string_view name = "place";
  Range range;
  Shape whole;
  TensorSpec shape(Inputs in) const { return {whole, in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const {
    detail::copy_values(zeros({}, {.dtype = out.dtype()}), out);
    detail::copy_values(in[0], range.of(out));
  }
  void vjp(Backward& b) const { b.set(0, apply(Slice{range}, b.grad())); }
};

Tensor place(const Tensor& x, const Range& range, const Shape& shape) {
  return apply(Place{range, shape}, x);
}

/// y = the inputs behind one another along an axis
struct Cat {
  static constexpr std::string_view name = "cat";
  size_t axis;

  TensorSpec shape(Inputs in) const {
    Shape result = in[0].shape();
    for (size_t i = 1; i < in.size(); ++i) {
      Shape expected = result, got = in[i].shape();
      check(in[i].dtype() == in[0].dtype(), "[cat] tensors of one dtype expected, got {} and {}", in[0],
            in[i]);
      check(got.rank() == result.rank(), "[cat] tensors of one rank expected, got {} and {}", in[0], in[i]);
      expected[axis] = got[axis];
      check(got == expected, "[cat] along axis {}, shapes {} and {} differ in another axis", axis,
            in[0].shape(), got);
      result[axis] += got[axis];
    }
    return {result, in[0].dtype()};
  }
  Tensor over_time(Inputs in, uint32_t stacked) const {
    int64_t steps = 0;
    for (size_t i = 0; i < in.size(); ++i)
      if (stacked >> i & 1U) steps = in[i].shape()[0];
    std::vector<Tensor> parts;
    for (size_t i = 0; i < in.size(); ++i) {
      Shape shape = in[i].shape();
      shape.insert(0, steps);
      parts.push_back(stacked >> i & 1U ? in[i] : broadcast_to(in[i], shape));
    }
    return apply(Cat{axis + 1}, std::span<const Tensor>(parts));
  }
  void forward(Inputs in, Tensor& out) const {
    int64_t start = 0;
    for (size_t i = 0; i < in.size(); ++i) {
      const int64_t count = in[i].shape()[axis];
      detail::copy_values(in[i], Range{axis, start, 1, count}.of(out));
      start += count;
    }
  }
  void vjp(Backward& b) const {
    const Tensor gradient = b.grad();
    int64_t start = 0;
    for (size_t i = 0; i < b.input_count(); ++i) {
      const int64_t count = b.input_shape(i)[axis];
      if (b.needs(i)) b.set(i, apply(Slice{{axis, start, 1, count}}, gradient));
      start += count;
    }
  }
};

/// y[..., i, ...] = x_i
struct Stack {
  static constexpr std::string_view name = "stack";
  size_t axis;
  TensorSpec shape(Inputs in) const {
    for (size_t i = 1; i < in.size(); ++i)
      check(in[i].shape() == in[0].shape() && in[i].dtype() == in[0].dtype(),
            "[stack] tensors of one shape and dtype expected, got {} and {}", in[0], in[i]);
    Shape result = in[0].shape();
    result.insert(axis, static_cast<int64_t>(in.size()));
    return {result, in[0].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {
    for (size_t i = 0; i < in.size(); ++i) detail::copy_values(in[i], part(out, i));
  }
  void vjp(Backward& b) const {
    const Tensor g = b.grad();
    if (!b.recorded()) {
      for (size_t i = 0; i < b.input_count(); ++i)
        if (b.needs(i)) b.set(i, part(g, i));
      return;
    }
    const std::vector<Tensor> parts = unbind(g, static_cast<int64_t>(axis));
    for (size_t i = 0; i < parts.size(); ++i)
      if (b.needs(i)) b.set(i, parts[i]);
  }
  Tensor part(const Tensor& whole, size_t i) const {
    Shape shape = whole.shape(), strides = whole.strides();
    const int64_t offset = static_cast<int64_t>(i) * strides[axis];
    shape.erase(axis);
    strides.erase(axis);
    return detail::view(whole, shape, strides, offset);
  }
};

/// y_i = x[..., i, ...]
struct Unbind {
  static constexpr std::string_view name = "unbind";
  size_t axis;
  std::vector<Tensor> one_by_one(Inputs in) const {
    std::vector<Tensor> parts;
    for (int64_t i = 0; i < in[0].shape()[axis]; ++i)
      parts.push_back(select(in[0], static_cast<int64_t>(axis), i));
    return parts;
  }
  std::vector<Tensor> run(Inputs in) const {
    std::vector<Tensor> parts;
    const auto count = static_cast<size_t>(in[0].shape()[axis]);
    parts.reserve(count);
    for (size_t i = 0; i < count; ++i) parts.push_back(Stack{axis}.part(in[0], i));
    return parts;
  }
  void vjp(Backward& b) const {
    detail::Scratch<Tensor> parts;
    parts.reserve(b.output_count());
    for (size_t i = 0; i < b.output_count(); ++i) parts.push_back(b.grad(i));
    b.set(0, stack(parts, static_cast<int64_t>(axis)));
  }
};

/// y_i = consecutive parts of x along an axis
struct Split {
  static constexpr std::string_view name = "split";
  size_t axis;
  detail::Scratch<int64_t> lengths;
  std::vector<Tensor> one_by_one(Inputs in) const {
    std::vector<Tensor> parts;
    int64_t start = 0;
    for (int64_t length : lengths) {
      parts.push_back(apply(Slice{{axis, start, 1, length}}, in[0]));
      start += length;
    }
    return parts;
  }
  std::vector<Tensor> run(Inputs in) const {
    std::vector<Tensor> parts;
    parts.reserve(lengths.size());
    int64_t start = 0;
    for (int64_t length : lengths) {
      parts.push_back(Range{axis, start, 1, length}.of(in[0]));
      start += length;
    }
    return parts;
  }
  void vjp(Backward& b) const {
    detail::Scratch<Tensor> parts;
    parts.reserve(b.output_count());
    for (size_t i = 0; i < b.output_count(); ++i) parts.push_back(b.grad(i));
    b.set(0, cat(parts, static_cast<int64_t>(axis)));
  }
};

int64_t clipped(int64_t index, int64_t extent) {
  return std::clamp<int64_t>(index < 0 ? index + extent : index, 0, extent);
}

}  // namespace

Tensor slice(const Tensor& x, int64_t axis, const SliceOptions& range) {
  const size_t at = detail::normalize_axis("slice", axis, x.rank());
  check(range.step >= 1, "[slice] expected a step of at least 1, got {}; flip() turns an axis round",
        range.step);
  const int64_t extent = x.shape()[at];
  const int64_t start = clipped(range.start, extent);
  const int64_t stop = clipped(range.stop, extent);
  const int64_t count = stop > start ? (stop - start - 1) / range.step + 1 : 0;
  return apply(Slice{{at, start, range.step, count}}, x);
}

Tensor narrow(const Tensor& x, int64_t axis, int64_t start, int64_t length) {
  const size_t at = detail::normalize_axis("narrow", axis, x.rank());
  const int64_t extent = x.shape()[at];
  check(start >= 0 && length >= 0 && start <= extent - length,
        "[narrow] start {} and length {} do not lie within axis {} of {}", start, length, at, x);
  return apply(Slice{{at, start, 1, length}}, x);
}

Tensor select(const Tensor& x, int64_t axis, int64_t index) {
  const size_t at = detail::normalize_axis("select", axis, x.rank());
  const int64_t extent = x.shape()[at];
  check(index >= -extent && index < extent, "[select] index {} is out of range for axis {} of {}", index, at,
        x);
  return squeeze(narrow(x, axis, index < 0 ? index + extent : index, 1), static_cast<int64_t>(at));
}

Tensor cat(std::span<const Tensor> tensors, int64_t axis) {
  check(!tensors.empty(), "[cat] at least one tensor expected, got none");
  return apply(Cat{detail::normalize_axis("cat", axis, tensors[0].rank())}, tensors);
}
Tensor cat(std::initializer_list<Tensor> tensors, int64_t axis) {
  return cat(std::span(tensors.begin(), tensors.size()), axis);
}

Tensor stack(std::span<const Tensor> tensors, int64_t axis) {
  check(!tensors.empty(), "[stack] at least one tensor expected, got none");
  return apply(Stack{detail::normalize_axis("stack", axis, tensors[0].rank() + 1)}, tensors);
}
Tensor stack(std::initializer_list<Tensor> tensors, int64_t axis) {
  return stack(std::span(tensors.begin(), tensors.size()), axis);
}

namespace {

std::vector<Tensor> split_at(const Tensor& x, detail::Scratch<int64_t> lengths, int64_t axis) {
  const size_t at = detail::normalize_axis("split", axis, x.rank());
  int64_t sum = 0;
  for (int64_t length : lengths) {
    check(length >= 0, "[split] expected lengths of at least 0, got {}", length);
    check(!__builtin_add_overflow(sum, length, &sum),
          "[split] the lengths add up to more than axis {} of {} has", at, x);
  }
  check(sum == x.shape()[at], "[split] the lengths add up to {}, axis {} of {} has {}", sum, at, x,
        x.shape()[at]);
  return apply(Split{at, std::move(lengths)}, x);
}

}  // namespace

std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& lengths, int64_t axis) {
  return split_at(x, {lengths.begin(), lengths.end()}, axis);
}

std::vector<Tensor> split(const Tensor& x, int64_t length, int64_t axis) {
  check(length >= 1, "[split] expected a length of at least 1, got {}", length);
  const int64_t extent = x.shape()[detail::normalize_axis("split", axis, x.rank())];
  detail::Scratch<int64_t> lengths;
  lengths.reserve(static_cast<size_t>(extent / length + 1));
  for (int64_t start = 0; start < extent; start += length)
    lengths.push_back(std::min(length, extent - start));
  if (lengths.empty()) lengths.push_back(0);
  return split_at(x, std::move(lengths), axis);
}

std::vector<Tensor> chunk(const Tensor& x, int64_t parts, int64_t axis) {
  check(parts >= 1, "[chunk] expected at least 1 part, got {}", parts);
  const int64_t extent = x.shape()[detail::normalize_axis("chunk", axis, x.rank())];
  return split(x, std::max<int64_t>(1, extent / parts + (extent % parts != 0)), axis);
}

std::vector<Tensor> tensor_split(const Tensor& x, int64_t sections, int64_t axis) {
  check(sections >= 1, "[tensor_split] expected at least 1 section, got {}", sections);
  const int64_t extent = x.shape()[detail::normalize_axis("tensor_split", axis, x.rank())];
  std::vector<int64_t> lengths(static_cast<size_t>(sections), extent / sections);
  for (int64_t i = 0; i < extent % sections; ++i) ++lengths[static_cast<size_t>(i)];
  return split(x, lengths, axis);
}

std::vector<Tensor> tensor_split(const Tensor& x, const std::vector<int64_t>& indices, int64_t axis) {
  detail::normalize_axis("tensor_split", axis, x.rank());
  std::vector<Tensor> parts;
  int64_t start = 0;
  for (int64_t index : indices) {
    parts.push_back(slice(x, axis, {.start = start, .stop = index}));
    start = index;
  }
  parts.push_back(slice(x, axis, {.start = start}));
  return parts;
}

std::vector<Tensor> unbind(const Tensor& x, int64_t axis) {
  return apply(Unbind{detail::normalize_axis("unbind", axis, x.rank())}, x);
}

}  // namespace reel
