#include "ops/rounding.h"

#include <cmath>
#include <limits>

#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/math.h"
#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {
using Ints = std::vector<int64_t>;
using Bools = std::vector<bool>;
constexpr int64_t least = std::numeric_limits<int64_t>::min();
}  // namespace

TEST_CASE("halves are rounded to even numbers, large numbers stay", "[rounding]") {
  for (DType dtype : {DType::float32, DType::float64}) {
    const TensorOptions options{.dtype = dtype};
    const Tensor x = tensor({0.5, 1.5, 2.5, -0.5, -1.5, 2.4, -2.6, 16777216, 1e30, -INFINITY}, options);
    CHECK(difference(round(x), tensor({0, 2, 2, 0, -2, 2, -3, 16777216, 1e30, -INFINITY}, options)) == "");
    CHECK(difference(floor(x), tensor({0, 1, 2, -1, -2, 2, -3, 16777216, 1e30, -INFINITY}, options)) == "");
    CHECK(difference(ceil(x), tensor({1, 2, 3, 0, -1, 3, -2, 16777216, 1e30, -INFINITY}, options)) == "");
    CHECK(difference(trunc(x), tensor({0, 1, 2, 0, -1, 2, -2, 16777216, 1e30, -INFINITY}, options)) == "");
  }
}

TEST_CASE("quotient and remainder belong together", "[rounding]") {
  // a = b floor_divide(a, b) + remainder(a, b), exactly for integers.
  const Tensor a = from_vector<int64_t>({-7, 7, -7, 7, 0, (int64_t{1} << 62) + 1, least + 1, least});
  const Tensor b = from_vector<int64_t>({3, 3, -3, -3, 5, 10, -1, 2});
  CHECK(difference(b * floor_divide(a, b) + remainder(a, b), a) == "");
  CHECK(remainder(a, b).to_vector<int64_t>() == Ints{2, 1, -1, -2, 0, 5, 0, 0});
  CHECK(fmod(a, b).to_vector<int64_t>() == Ints{-1, 1, -1, 1, 0, 5, 0, 0});
  CHECK(remainder(scalar(-0x1p63, {.dtype = DType::int64}), -1).item<int64_t>() == 0);  // no trap
  CHECK(floor_divide(scalar(-0x1p63, {.dtype = DType::int64}), -1).item<int64_t>() == least);
  CHECK(remainder(a, 3).to_vector<int64_t>()[0] == 2);
  CHECK(remainder(7, from_vector<int64_t>({-3})).to_vector<int64_t>() == Ints{-2});
  CHECK(floor_divide(-7, from_vector<int64_t>({2})).to_vector<int64_t>() == Ints{-4});
  CHECK(fmod(-7, tensor({2.5})).item() == -2);
  // 1 / 0.1 is rounded up to 10; the tenth 0.1 does not fit.
  CHECK(floor_divide(scalar(1, {.dtype = DType::float64}), 0.1).item() == 9);
}

TEST_CASE("int64 where it makes sense", "[rounding]") {
  const int64_t big = int64_t{1} << 60;
  const Tensor a = from_vector<int64_t>({big + 1, -7, 0}), b = from_vector<int64_t>({big, 2, -5});
  CHECK(abs(a).to_vector<int64_t>() == Ints{big + 1, 7, 0});
  CHECK(sign(a).to_vector<int64_t>() == Ints{1, -1, 0});
  CHECK(square(b).to_vector<int64_t>()[2] == 25);
  CHECK(maximum(a, b).to_vector<int64_t>() == Ints{big + 1, 2, 0});
  CHECK(minimum(a, b).to_vector<int64_t>() == Ints{big, -7, -5});
  CHECK(clamp(a, -2, 3).to_vector<int64_t>() == Ints{3, -2, 0});
  CHECK(clamp(a, {.min = -2}).to_vector<int64_t>() == Ints{big + 1, -2, 0});
  CHECK(clamp(a, {.max = -1}).to_vector<int64_t>() == Ints{-1, -7, -1});
  CHECK(clamp(a, b, Tensor()).to_vector<int64_t>() == Ints{big + 1, 2, 0});
  for (const Tensor& same : {floor(a), ceil(a), round(a), trunc(a), clamp(a, {})})
    CHECK(same.to_vector<int64_t>() == a.to_vector<int64_t>());
}

TEST_CASE("bounds broadcast, and a nan bound wins", "[rounding]") {
  CHECK(difference(clamp(tensor({{1, 5}, {-3, 2}}), tensor({0, 3}), scalar(4)), tensor({{1, 4}, {0, 3}})) ==
        "");
  CHECK(std::isnan(clamp_min(scalar(1), scalar(NAN)).item()));
  CHECK(std::isnan(clamp_max(scalar(NAN), scalar(1)).item()));
  CHECK(clamp(zeros({0, 3}), 0, 1).shape() == Shape{0, 3});
}

TEST_CASE("scalars on the left of comparisons, scalars in where, tests for nan", "[compare]") {
  const Tensor x = tensor({1, 2, 3});
  CHECK(less(2, x).to_vector<bool>() == Bools{false, false, true});
  CHECK(less_equal(2, x).to_vector<bool>() == Bools{false, true, true});
  CHECK(greater(2, x).to_vector<bool>() == Bools{true, false, false});
  CHECK(greater_equal(2, x).to_vector<bool>() == Bools{true, true, false});
  CHECK(equal(2, x).to_vector<bool>() == Bools{false, true, false});
  CHECK(not_equal(2, x).to_vector<bool>() == Bools{true, false, true});
  CHECK(difference(where(less(x, 2), 7, x), tensor({7, 2, 3})) == "");
  CHECK(difference(where(less(x, 2), x, 7), tensor({1, 7, 7})) == "");
  const Tensor yes = less(x, 3), odd = not_equal(x, 2);
  CHECK(logical_xor(yes, odd).to_vector<bool>() == Bools{false, true, true});
  for (DType dtype : {DType::float32, DType::float64}) {
    const Tensor y = tensor({1, NAN, INFINITY, -INFINITY}, {.dtype = dtype});
    CHECK(isnan(y).to_vector<bool>() == Bools{false, true, false, false});
    CHECK(isinf(y).to_vector<bool>() == Bools{false, false, true, true});
    CHECK(isfinite(y).to_vector<bool>() == Bools{true, false, false, false});
  }
  CHECK(isnan(arange(2)).to_vector<bool>() == Bools{false, false});
  CHECK(isinf(arange(2)).to_vector<bool>() == Bools{false, false});
  CHECK(isfinite(arange(2)).to_vector<bool>() == Bools{true, true});
}

}  // namespace reel
