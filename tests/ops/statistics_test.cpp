#include "ops/statistics.h"

#include <cmath>

#include "framework/random.h"
#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {

TEST_CASE("var and stddev are PyTorch's for every correction", "[statistics]") {
  const SafetensorsFile file = load_reference("ops/variance");
  const auto compare = [&](const std::string& name, const Tensor& x, const auto& f) {
    INFO(name);
    Tape tape;
    tape.watch(x);
    const Tensor value = f(x);
    CHECK(difference(value, file.at(name + ".value"), 1e-14, 1e-14) == "");
    CHECK(difference(tape.gradient(sum(value * file.at(name + ".w")), {x})[0], file.at(name + ".grad"),
                     1e-14) == "");
  };
  for (const auto& [suffix, axes] : {std::pair{"1", Axes(1)}, {"02", Axes{0, 2}}, {"all", Axes{0, 1, 2}}}) {
    for (const int64_t correction : {0, 1, 2}) {
      const std::string rest = std::string(".axis") + suffix + ".correction" + std::to_string(correction);
      compare("var" + rest, file.at("x"),
              [&, &a = axes](const Tensor& x) { return var(x, a, {.correction = correction}); });
      compare("std" + rest, file.at("x"),
              [&, &a = axes](const Tensor& x) { return stddev(x, a, {.correction = correction}); });
    }
  }
  compare("flat.std", file.at("flat.x"), [](const Tensor& x) { return stddev(x, 1); });
}

TEST_CASE("over too few elements a variance is nan", "[statistics]") {
  CHECK(std::isnan(var(tensor({3})).item()));
  CHECK(std::isnan(stddev(zeros({0})).item()));
  CHECK(std::isnan(var(zeros({2, 0}), 1, {.correction = 0}).to_vector<float>()[1]));
  CHECK(var(tensor({3}), 0, {.correction = 0}).item() == 0);
  CHECK(var(zeros({0, 2}), 1).shape() == Shape{0});
  CHECK(var(tensor({1, 3}), 0, {.correction = 2}).item() == INFINITY);
  CHECK(var(tensor({{1, 3}, {2, 6}}), 1, {.keepdim = true}).shape() == Shape{2, 1});
}

TEST_CASE("a float32 variance far from zero is that of float64", "[statistics]") {
  // Beside a mean of 10000 a sum of squares would lose all digits of a variance of 1e-2.
  Random random(1);
  const Tensor x = uniform({50, 300}, 9999.8, 10000.2, {}, random);
  const auto values = numbers(x);
  double mean_of_all = 0, squares = 0;
  for (double value : values) mean_of_all += value / static_cast<double>(values.size());
  for (double value : values) squares += (value - mean_of_all) * (value - mean_of_all);
  const double expected = squares / static_cast<double>(values.size() - 1);
  CHECK(var(x).item() == Approx(expected).epsilon(1e-6));
  CHECK(stddev(transpose(x)).item() == Approx(std::sqrt(expected)).epsilon(1e-6));
}

TEST_CASE("a variance over any axes and layout is that of the axes moved to the end", "[statistics]") {
  Random random(2);
  for (DType dtype : {DType::float32, DType::float64}) {
    const double rounding = dtype == DType::float32 ? 1e-6 : 1e-14;
    const Tensor x = uniform({3, 4, 2, 5}, -2, 2, {.dtype = dtype}, random);
    CHECK(difference(var(x, {0, 2}), var(reshape(permute(x, {1, 3, 0, 2}), {4, 5, 6}), 2), rounding) == "");
    CHECK(difference(var(x, {1, 2}), var(reshape(permute(x, {0, 3, 1, 2}), {3, 5, 8}), 2), rounding) == "");
    CHECK(difference(var(x, 0), var(permute(x, {1, 2, 3, 0}), 3), rounding) == "");
    CHECK(difference(var(permute(x, {3, 1, 0, 2}), {1, 3}), transpose(var(x, {1, 2})), rounding) == "");
    CHECK(difference(var(slice(x, 3, {.step = 2}), -1), var(clone(slice(x, 3, {.step = 2})), -1), 0) == "");
  }
}

}  // namespace reel
