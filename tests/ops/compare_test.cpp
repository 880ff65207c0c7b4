#include "ops/compare.h"

#include <cmath>

#include "framework/tape.h"
#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {
using Bools = std::vector<bool>;
}

TEST_CASE("comparisons of every dtype", "[compare]") {
  for (DType dtype : {DType::float32, DType::float64, DType::int64, DType::uint8}) {
    const Tensor a = tensor({1, 2, 3}, {.dtype = dtype}), b = tensor({2, 2, 2}, {.dtype = dtype});
    INFO(detail::text(dtype));
    CHECK(equal(a, b).to_vector<bool>() == Bools{false, true, false});
    CHECK(not_equal(a, b).to_vector<bool>() == Bools{true, false, true});
    CHECK(less(a, b).to_vector<bool>() == Bools{true, false, false});
    CHECK(less_equal(a, b).to_vector<bool>() == Bools{true, true, false});
    CHECK(greater(a, b).to_vector<bool>() == Bools{false, false, true});
    CHECK(greater_equal(a, b).to_vector<bool>() == Bools{false, true, true});
    CHECK(equal(a, 2).to_vector<bool>() == Bools{false, true, false});
    CHECK(not_equal(a, 2).to_vector<bool>() == Bools{true, false, true});
    CHECK(less(a, 2).to_vector<bool>() == Bools{true, false, false});
    CHECK(less_equal(a, 2).to_vector<bool>() == Bools{true, true, false});
    CHECK(greater(a, 2).to_vector<bool>() == Bools{false, false, true});
    CHECK(greater_equal(a, 2).to_vector<bool>() == Bools{false, true, true});
  }
}

TEST_CASE("a nan is unequal to everything and neither less nor greater", "[compare]") {
  const Tensor x = full({33}, NAN);
  for (const Tensor& yes : {not_equal(x, x), not_equal(x, 1)})
    CHECK(yes.to_vector<bool>() == Bools(33, true));
  for (const Tensor& no : {equal(x, x), less(x, 1), greater(x, 1), less_equal(x, x), greater_equal(x, x)})
    CHECK(no.to_vector<bool>() == Bools(33, false));
}

TEST_CASE("comparisons broadcast, over any strides", "[compare]") {
  const Tensor a = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(less(a, tensor({2, 2, 9})).to_vector<bool>() == Bools{true, false, true, false, false, true});
  CHECK(greater(transpose(a), tensor({1, 4})).to_vector<bool>() ==
        Bools{false, false, true, true, true, true});
  CHECK(less(a, unsqueeze(tensor({2, 6}), 1)).to_vector<bool>() ==
        Bools{true, false, false, true, true, false});
  CHECK(equal(zeros({0, 3}), ones({3})).shape() == Shape{0, 3});
}

TEST_CASE("logic of bool tensors", "[compare]") {
  const Tensor a = from_vector<bool>({false, false, true, true}),
               b = from_vector<bool>({false, true, false, true});
  CHECK(logical_and(a, b).to_vector<bool>() == Bools{false, false, false, true});
  CHECK(logical_or(a, b).to_vector<bool>() == Bools{false, true, true, true});
  CHECK(logical_not(a).to_vector<bool>() == Bools{true, true, false, false});
  CHECK(equal(a, b).to_vector<bool>() == Bools{true, false, false, true});
}

TEST_CASE("where chooses elements, of any dtype, all three broadcast", "[compare]") {
  const Tensor condition = from_vector<bool>({true, false});
  for (DType dtype : {DType::float32, DType::float64, DType::int64, DType::uint8, DType::boolean}) {
    const TensorOptions options{.dtype = dtype};
    CHECK(difference(where(condition, tensor({1, 1}, options), tensor({0, 0}, options)),
                     tensor({1, 0}, options)) == "");
  }
  CHECK(difference(where(condition, scalar(5), unsqueeze(tensor({1, 2}), 1)), tensor({{5, 1}, {5, 2}})) ==
        "");
  CHECK(difference(where(unsqueeze(condition, 1), tensor({1, 2}), scalar(0)), tensor({{1, 2}, {0, 0}})) ==
        "");
  CHECK(difference(masked_fill(tensor({{1, 2}, {3, 4}}), condition, -INFINITY),
                   tensor({{-INFINITY, 2}, {-INFINITY, 4}})) == "");
}

TEST_CASE("what where did not choose gets no gradient, be it nan", "[compare]") {
  const Tensor condition = from_vector<bool>({true, false});
  const Tensor a = tensor({1, NAN}), b = tensor({INFINITY, 2});
  Tape tape;
  tape.watch(a);
  tape.watch(b);
  const auto gradients = tape.gradient(where(condition, a, b), {a, b}, {.gradient = tensor({3, 4})});
  CHECK(difference(gradients[0], tensor({3, 0})) == "");
  CHECK(difference(gradients[1], tensor({0, 4})) == "");
}

}  // namespace reel
