#include "ops/cumulative.h"

#include <cmath>

#include "framework/random.h"
#include "ops/activation.h"
#include "ops/aggregate.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

/// f of the first 1, 2, 3, ... elements along an axis, one after the other.
template <class F> Tensor prefixes(const Tensor& x, int64_t axis, F&& f) {
  std::vector<Tensor> results;
  for (int64_t n = 1; n <= x.size(axis); ++n) results.push_back(f(narrow(x, axis, 0, n)));
  return cat(results, axis);
}

}  // namespace

TEST_CASE("running results are the reductions of all beginnings", "[cumulative]") {
  Random random(1);
  for (DType dtype : {DType::float32, DType::float64}) {
    const double rounding = dtype == DType::float32 ? 2e-6 : 1e-14;
    const Tensor x = uniform({3, 7, 2}, -2, 2, {.dtype = dtype}, random);
    for (const Tensor& view : {x, permute(x, {2, 0, 1}), slice(x, 1, {.step = 2})}) {
      for (int64_t axis : {0, 1, 2}) {
        const auto same = [&](const Tensor& got, const auto& reduce) {
          CHECK(difference(got, prefixes(view, axis, reduce), rounding, rounding) == "");
        };
        same(cumsum(view, axis), [&](const Tensor& part) { return sum(part, axis, true); });
        same(cumprod(view, axis), [&](const Tensor& part) { return prod(part, axis, true); });
        same(logcumsumexp(view, axis), [&](const Tensor& part) { return logsumexp(part, axis, true); });
        same(cummax(view, axis).values, [&](const Tensor& part) { return max(part, axis, true); });
        same(cummin(view, axis).values, [&](const Tensor& part) { return min(part, axis, true); });
      }
    }
  }
}

TEST_CASE("a float32 running sum is accumulated in float64", "[cumulative]") {
  // In float32, 0.1 added a million times is off by one percent.
  const Tensor sums = cumsum(full({1000000}, 0.1), 0);
  CHECK(narrow(sums, 0, 999999, 1).item() == Approx(1000000 * static_cast<double>(0.1F)).epsilon(1e-6));
}

TEST_CASE("logcumsumexp is safe for large and small elements", "[cumulative]") {
  const Tensor y = logcumsumexp(tensor({1000, 1000, -1000, 1001}, {.dtype = DType::float64}), 0);
  const auto values = numbers(y);
  CHECK(values[0] == 1000);
  CHECK(values[1] == Approx(1000 + std::log(2)).epsilon(1e-15));
  CHECK(values[2] == values[1]);
  CHECK(values[3] == Approx(1001 + std::log1p(2 * std::exp(-1))).epsilon(1e-15));
}

TEST_CASE("linear_recurrence is the loop that its formula says", "[cumulative]") {
  Random random(2);
  const TensorOptions wide{.dtype = DType::float64};
  const Tensor a = uniform({4, 1, 3}, -1, 1, wide, random), b = uniform({4, 2, 3}, -1, 1, wide, random);
  std::vector<Tensor> steps;
  for (int64_t t = 0; t < 4; ++t)
    steps.push_back(t == 0 ? select(b, 0, 0) : select(a, 0, t) * steps.back() + select(b, 0, t));
  CHECK(difference(linear_recurrence(a, b, 0), stack(steps, 0), 1e-15) == "");
  const auto swapped = [](const Tensor& x) { return transpose(x, 0, 2); };
  CHECK(difference(linear_recurrence(swapped(a), swapped(b), -1), swapped(stack(steps, 0)), 1e-15) == "");
  // What the first factor is does not matter, were it infinite.
  CHECK(linear_recurrence(tensor({INFINITY, 2}), tensor({0, 3}), 0).to_vector<float>() ==
        std::vector<float>{0, 3});
}

TEST_CASE("running results of nothing", "[cumulative]") {
  const Tensor x = zeros({2, 0, 3});
  for (int64_t axis : {0, 1, 2}) {
    CHECK(cumsum(x, axis).shape() == x.shape());
    CHECK(cumprod(x, axis).shape() == x.shape());
    CHECK(logcumsumexp(x, axis).shape() == x.shape());
    CHECK(cummax(x, axis).values.shape() == x.shape());
  }
}

}  // namespace reel
