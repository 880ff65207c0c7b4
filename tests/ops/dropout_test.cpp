#include "ops/dropout.h"

#include <cmath>

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {

TEST_CASE("dropout zeroes with probability p and scales the rest, so that the mean stays", "[dropout]") {
  for (double p : {0.1, 0.5, 0.9}) {
    Random random(1);
    constexpr int64_t n = 100000;
    const Tensor y = dropout(ones({n}), p, random);
    int64_t zeros = 0;
    bool scaled = true;
    for (double value : numbers(y)) {
      zeros += value == 0;
      scaled &= value == 0 || std::abs(value - 1 / (1 - p)) < 1e-5;
    }
    CHECK(scaled);
    const double deviation =
        std::sqrt(p * (1 - p) / n);  // of the share of zeros; five of them are passed once in 2e6
    CHECK(std::abs(static_cast<double>(zeros) / n - p) < 5 * deviation);
    CHECK(std::abs(mean(y).item() - 1) < 5 * deviation / (1 - p));
  }
}

TEST_CASE("dropout at the ends of its range", "[dropout]") {
  Random random(1);
  const Tensor x = tensor({1, -2, 3});
  CHECK(difference(dropout(x, 0, random), x) == "");
  CHECK(difference(dropout(x, 1, random), zeros({3})) == "");
  CHECK(random.position() == 0);  // nothing to draw
  CHECK(dropout(zeros({0, 2}), 0.5, random).shape() == Shape{0, 2});
}

TEST_CASE("the same seed drops the same elements, the next call others", "[dropout]") {
  Random first(7), second(7), other(8);
  const Tensor x = ones({64});
  const Tensor a = dropout(x, 0.5, first);
  CHECK(difference(dropout(x, 0.5, second), a) == "");
  CHECK(difference(dropout(x, 0.5, second), a) != "");
  CHECK(difference(dropout(x, 0.5, other), a) != "");
  manual_seed(7);
  CHECK(difference(dropout(x, 0.5), a) == "");
}

TEST_CASE("the gradient of dropout has the mask of the forward pass", "[dropout]") {
  Random random(3);
  const Tensor x = full({50}, 2);
  Tape tape;
  tape.watch(x);
  const Tensor y = dropout(x, 0.4, random);
  CHECK(difference(tape.gradient(y, {x}, {.gradient = ones({50})})[0] * 2, y, 1e-6) == "");
}

}  // namespace reel
