// Elementwise ops and reductions over tensors of many shapes and layouts, large enough for several tiles, against the
// same ops on contiguous copies, and sums against float64.
#include <algorithm>
#include <numeric>
#include <vector>

#include <reel/reel.h>

#include "tests/catch.h"

namespace reel {
namespace {

/// A tensor of `shape` whose memory lies in the order of `axes`, with gaps where `step` is above 1.
Tensor laid_out(const Shape& shape, const std::vector<int64_t>& axes, int64_t step, DType dtype) {
  Shape memory;
  for (int64_t axis : axes) memory.push_back(shape[static_cast<size_t>(axis)]);
  memory[memory.rank() - 1] *= step;
  Tensor x = slice(uniform(memory, -1, 1, {.dtype = dtype}), -1, {.step = step});
  std::vector<int64_t> back(axes.size());
  for (size_t i = 0; i < axes.size(); ++i) back[static_cast<size_t>(axes[i])] = static_cast<int64_t>(i);
  Shape shape_of_view, strides;
  for (int64_t axis : back) {
    shape_of_view.push_back(x.shape()[static_cast<size_t>(axis)]);
    strides.push_back(x.strides()[static_cast<size_t>(axis)]);
  }
  return detail::view(x, shape_of_view, strides);
}

/// Element by element, without any of the code under test.
Tensor packed(const Tensor& x) {
  Tensor result = empty(x.shape(), {.dtype = x.dtype()});
  detail::dispatch_floating("packed", x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = result.mutable_data<T>();
    for (int64_t i = 0; i < x.numel(); ++i) {
      int64_t rest = i, offset = 0;
      for (size_t axis = x.rank(); axis-- > 0;) {
        offset += rest % x.shape()[axis] * x.strides()[axis];
        rest /= x.shape()[axis];
      }
      to[i] = x.raw<T>()[offset];
    }
  });
  return result;
}

template <class F> void for_layouts(F&& f) {
  const Shape shapes[] = {{70, 130},     {1100, 5}, {5, 1100}, {3, 70, 33}, {17, 3, 40},
                          {40, 2, 9, 6}, {2049},    {300, 4},  {1, 77, 1}};
  for (const Shape& shape : shapes) {
    std::vector<int64_t> axes(shape.rank());
    std::iota(axes.begin(), axes.end(), 0);
    do {
      for (int64_t step : {1, 2}) f(shape, axes, step);
    } while (std::next_permutation(axes.begin(), axes.end()));
  }
}

template <class T> bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.to_vector<T>() == b.to_vector<T>();
}

template <class T> void check_elementwise(DType dtype) {
  for_layouts([&](const Shape& shape, const std::vector<int64_t>& axes, int64_t step) {
    const Tensor x = laid_out(shape, axes, step, dtype);
    const Tensor p = packed(x);
    const Tensor other = uniform(shape, -1, 1, {.dtype = dtype});
    std::vector<int64_t> reversed(axes.rbegin(), axes.rend());
    const Tensor turned = laid_out(shape, reversed, step, dtype);
    INFO(x << "");
    CHECK(same<T>(detail::contiguous_values(x), p));
    CHECK(same<T>(x * other, p * other));
    CHECK(same<T>(x - turned, p - packed(turned)));
    for (size_t axis = 0; axis < shape.rank(); ++axis) {  // broadcast along one axis, and along all but one
      Shape one = shape, only;
      for (size_t i = 0; i < shape.rank(); ++i) only.push_back(1);
      one[axis] = 1;
      only[axis] = shape[axis];
      for (const Shape& smaller : {one, only}) {
        const Tensor part = uniform(smaller, -1, 1, {.dtype = dtype});
        CHECK(same<T>(x * part, p * packed(broadcast_to(part, shape))));
      }
    }
  });
}

}  // namespace

TEST_CASE("elementwise ops do not care how their operands lie in memory", "[memory_layout]") {
  check_elementwise<float>(DType::float32);
  check_elementwise<double>(DType::float64);
}

TEST_CASE("reductions over any axes of any layout", "[memory_layout]") {
  for_layouts([&](const Shape& shape, const std::vector<int64_t>& axes, int64_t step) {
    const Tensor x = laid_out(shape, axes, step, DType::float32);
    const Tensor p = packed(x);
    for (uint32_t mask = 1; mask < 1U << shape.rank(); ++mask) {
      Shape kept;
      std::vector<int64_t> over;
      for (size_t i = 0; i < shape.rank(); ++i)
        if (mask >> i & 1U)
          over.push_back(static_cast<int64_t>(i));
        else
          kept.push_back(shape[i]);
      std::vector<double> sums(static_cast<size_t>(kept.numel()), 0);
      std::vector<double> magnitudes(sums.size(), 0);
      std::vector<float> largest(sums.size(), -2);
      const float* from = p.data<float>();
      for (int64_t i = 0; i < p.numel(); ++i) {
        int64_t rest = i, at = 0, size = 1;
        for (size_t axis = shape.rank(); axis-- > 0;) {
          const int64_t index = rest % shape[axis];
          rest /= shape[axis];
          if (mask >> axis & 1U) continue;
          at += index * size;
          size *= shape[axis];
        }
        sums[static_cast<size_t>(at)] += static_cast<double>(from[i]);
        magnitudes[static_cast<size_t>(at)] += std::abs(static_cast<double>(from[i]));
        largest[static_cast<size_t>(at)] = std::max(largest[static_cast<size_t>(at)], from[i]);
      }
      const Axes reduced{Shape(std::span<const int64_t>(over))};
      INFO(x.shape().str() << " strides " << x.strides().str() << " mask " << mask);
      CHECK(max(x, reduced).to_vector<float>() == largest);
      const std::vector<float> got = sum(x, reduced).to_vector<float>();
      double error = 0;
      REQUIRE(got.size() == sums.size());
      for (size_t i = 0; i < got.size(); ++i)
        error = std::max(error, std::abs(static_cast<double>(got[i]) - sums[i]) / magnitudes[i]);
      CHECK(error <= 2e-7);
    }
  });
}

TEST_CASE("a long sum and a long maximum are exact to rounding, and a nan wins", "[memory_layout]") {
  Tensor x = uniform({300000}, 0, 1);
  double exact = 0;
  for (float value : x.to_vector<float>()) exact += static_cast<double>(value);
  CHECK(sum(x).item() == Approx(exact).epsilon(1e-6));
  x.mutable_data<float>()[123457] = 7;
  CHECK(max(x).item() == 7);
  x.mutable_data<float>()[299999] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(max(x).item()));
  const Tensor tall = reshape(x, {100000, 3});
  CHECK(std::isnan(max(tall, 0).to_vector<float>()[2]));
  CHECK(max(tall, 0).to_vector<float>()[1] <= 7);
}

}  // namespace reel
