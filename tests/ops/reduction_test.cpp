#include "ops/reduction.h"

#include <cmath>
#include <limits>

#include "framework/parallel.h"
#include "framework/random.h"
#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

bool has(const Shape& axes, size_t axis) {
  return std::find(axes.begin(), axes.end(), static_cast<int64_t>(axis)) != axes.end();
}

/// Folds x over `axes`, element by element, from `start`.
template <class Fold>
Tensor naive(const Tensor& x, const Shape& axes, bool keepdim, double start, const Fold& fold) {
  Shape kept, reduced;
  for (size_t i = 0; i < x.rank(); ++i) {
    if (!has(axes, i))
      kept.push_back(x.shape()[i]);
    else if (keepdim)
      kept.push_back(1);
    if (has(axes, i)) reduced.push_back(x.shape()[i]);
  }
  return build(kept, DType::float64, [&](const Shape& at) {
    double result = start;
    for_each_index(reduced, [&](const Shape& inside) {
      Shape index = x.shape();
      size_t outer = 0, inner = 0;
      for (size_t i = 0; i < x.rank(); ++i) {
        if (has(axes, i)) {
          index[i] = inside[inner++];
          outer += keepdim;
        } else {
          index[i] = at[outer++];
        }
      }
      result = fold(result, element(x, index));
    });
    return result;
  });
}

const std::vector<Shape> axis_lists = {{},     {0},    {1},    {2},       {3},       {0, 1},
                                       {0, 2}, {1, 3}, {2, 3}, {0, 1, 2}, {1, 2, 3}, {0, 1, 2, 3}};

void compare(const Tensor& x) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  const double rounding = x.dtype() == DType::float32 ? 1e-5 : 1e-13;  // of sums of up to 700 values below 2
  for (const Shape& axes : axis_lists) {
    int64_t count = 1;
    for (int64_t axis : axes) count *= x.shape()[static_cast<size_t>(axis)];
    for (bool keepdim : {false, true}) {
      INFO(x.shape().str() << " strides " << x.strides().str() << " over " << axes.str() << ", "
                           << detail::text(x.dtype()));
      const Tensor total = naive(x, axes, keepdim, 0, [](double a, double b) { return a + b; });
      CHECK(difference_in_value(sum(x, Axes(axes), keepdim), total, rounding, rounding) == "");
      CHECK(difference_in_value(mean(x, Axes(axes), keepdim), total / static_cast<double>(count), rounding,
                                rounding) == "");
      CHECK(difference_in_value(
                max(x, Axes(axes), keepdim),
                naive(x, axes, keepdim, -inf, [](double a, double b) { return std::max(a, b); })) == "");
      CHECK(difference_in_value(
                min(x, Axes(axes), keepdim),
                naive(x, axes, keepdim, inf, [](double a, double b) { return std::min(a, b); })) == "");
    }
  }
}

}  // namespace

TEST_CASE("reductions over any axes of any layout are those of a loop over indices", "[reduction]") {
  Random random(1);
  for (DType dtype : {DType::float32, DType::float64}) {
    for (const Shape& shape :
         {Shape{2, 3, 4, 5}, Shape{1, 3, 1, 2}, Shape{2, 1, 35, 10}, Shape{3, 1, 1, 17}}) {
      const Tensor x = uniform(shape, -2, 2, {.dtype = dtype}, random);
      compare(x);
      compare(permute(x, {3, 1, 0, 2}));
      compare(slice(slice(uniform({4, 3, 8, 5}, -2, 2, {.dtype = dtype}, random), 0, {.step = 2}), 2,
                    {.start = 1, .step = 2}));
      compare(broadcast_to(uniform({3, 1, 2}, -2, 2, {.dtype = dtype}, random), {2, 3, 4, 2}));
    }
  }
}

TEST_CASE("without axes everything is reduced, a negative axis counts from the end", "[reduction]") {
  const Tensor x = tensor({{1, 2, 6}, {4, 5, 0}});
  CHECK(sum(x).item() == 18);
  CHECK(mean(x).item() == 3);
  CHECK(max(x).item() == 6);
  CHECK(min(x).item() == 0);
  CHECK(sum(x).shape() == Shape{});
  CHECK(difference(sum(x, -1), tensor({9, 9})) == "");
  CHECK(difference(max(x, {-2}), tensor({4, 5, 6})) == "");
  CHECK(sum(x, {-1, 0}, true).shape() == Shape{1, 1});
  CHECK(sum(scalar(3)).item() == 3);
  CHECK(max(scalar(3)).item() == 3);
}

TEST_CASE("long float32 sums are accurate to 1e-6", "[reduction]") {
  // All positive, so that the relative error is that of the adding.
  Random random(2);
  const Tensor x = uniform({1 << 20, 4}, 0.5, 1.5, {}, random);
  std::vector<double> columns(4, 0.0);
  const auto values = x.to_vector<float>();
  for (size_t i = 0; i < values.size(); ++i) columns[i % 4] += static_cast<double>(values[i]);
  const double total = columns[0] + columns[1] + columns[2] + columns[3];
  const auto error = [](double got, double expected) { return std::abs(got - expected) / expected; };
  CHECK(error(sum(x).item(), total) < 1e-6);
  CHECK(error(mean(x).item(), total / static_cast<double>(x.numel())) < 1e-6);
  CHECK(error(sum(transpose(x)).item(), total) < 1e-6);
  for (int64_t j = 0; j < 4; ++j) {
    const double expected = columns[static_cast<size_t>(j)];
    CHECK(error(select(sum(x, 0), 0, j).item(), expected) < 1e-6);
    CHECK(error(select(sum(clone(transpose(x)), 1), 0, j).item(), expected) < 1e-6);
  }
}

TEST_CASE("sums are the same bits on any number of threads", "[reduction]") {
  Random random(3);
  const int before = num_threads();
  const Tensor x = randn({700, 900}, {}, random);
  set_num_threads(1);
  const Tensor all = sum(x), rows = sum(x, 1), columns = sum(x, 0);
  set_num_threads(2);
  CHECK(difference(sum(x), all) == "");
  CHECK(difference(sum(x, 1), rows) == "");
  CHECK(difference(sum(x, 0), columns) == "");
  set_num_threads(before);
}

TEST_CASE("over no elements a sum is 0, a mean nan, and an extreme is refused", "[reduction]") {
  const Tensor x = zeros({2, 0, 3});
  CHECK(difference(sum(x, 1), zeros({2, 3})) == "");
  CHECK(sum(x).item() == 0);
  CHECK(std::isnan(mean(x).item()));
  CHECK(sum(x, 0).shape() == Shape{0, 3});
  CHECK(max(x, 0).shape() == Shape{0, 3});  // nothing to choose for
  CHECK_THROWS_AS(max(x, 1), Error);
  CHECK_THROWS_AS(min(x), Error);
  CHECK_THROWS_AS(argmax(x, 1), Error);
}

TEST_CASE("a nan wins every choice, wherever it stands", "[reduction]") {
  for (DType dtype : {DType::float32, DType::float64}) {
    for (int64_t length : {1, 2, 3, 7, 16, 33, 700}) {
      for (int64_t place : {int64_t{0}, length / 2, length - 1}) {
        const Tensor row = build(
            {length}, dtype, [&](const Shape& i) { return i[0] == place ? nan : static_cast<double>(i[0]); });
        INFO("nan at " << place << " of " << length << " " << detail::text(dtype));
        CHECK(std::isnan(max(row).item()));
        CHECK(std::isnan(min(row).item()));
        CHECK(std::isnan(max(clone(unsqueeze(row, 1)), 0).item()));
        CHECK(std::isnan(sum(row).item()));
        CHECK(argmax(row).item<int64_t>() == place);
      }
    }
  }
}

TEST_CASE("equal extremes share the gradient evenly", "[reduction]") {
  const Tensor x = tensor({{3, 1, 3}, {2, 2, 2}}, {.dtype = DType::float64});
  Tape tape;
  tape.watch(x);
  const Tensor gradient =
      tape.gradient(max(x, 1), {x}, {.gradient = tensor({1, 6}, {.dtype = DType::float64})})[0];
  CHECK(difference(gradient, tensor({{0.5, 0, 0.5}, {2, 2, 2}}, {.dtype = DType::float64}), 1e-15) == "");
}

TEST_CASE("argmax is the first of equal largest ones, for every dtype and layout", "[reduction]") {
  const Tensor x = tensor({{1, 5, 5}, {7, 7, 2}});
  for (DType dtype : {DType::float32, DType::float64, DType::int64, DType::uint8}) {
    const Tensor y = cast(x, dtype);
    CHECK(argmax(y).to_vector<int64_t>() == std::vector<int64_t>{1, 0});
    CHECK(argmax(y, 0).to_vector<int64_t>() == std::vector<int64_t>{1, 1, 0});
    CHECK(argmax(transpose(y), 0).to_vector<int64_t>() == std::vector<int64_t>{1, 0});
    CHECK(argmax(y, 1, true).shape() == Shape{2, 1});
  }
  CHECK(argmax(tensor({-1, -3})).item<int64_t>() == 0);
}

TEST_CASE("sum_to undoes broadcasting", "[reduction]") {
  const Tensor x = build({2, 3, 4}, DType::float64,
                         [](const Shape& i) { return static_cast<double>(100 * i[0] + 10 * i[1] + i[2]); });
  const auto add = [](double a, double b) { return a + b; };
  CHECK(difference(sum_to(x, {4}), naive(x, {0, 1}, false, 0, add)) == "");
  CHECK(difference(sum_to(x, {3, 1}), reshape(naive(x, {0, 2}, false, 0, add), {3, 1})) == "");
  CHECK(difference(sum_to(x, {2, 1, 4}), naive(x, {1}, true, 0, add)) == "");
  CHECK(sum_to(x, {}).item() == sum(x).item());
  CHECK(difference(sum_to(zeros({0, 3}), {3}), zeros({3})) == "");
}

}  // namespace reel
