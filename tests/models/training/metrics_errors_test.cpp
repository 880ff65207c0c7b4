#include "models/training/metrics_errors.h"

#include <cmath>
#include <limits>

#include "framework/error.h"
#include "tests/catch.h"

namespace reel {
namespace {

Tensor numbers(const std::vector<double>& values) { return from_vector(values); }

template <class Metric>
double value_of(Metric metric, const std::vector<double>& prediction, const std::vector<double>& target) {
  metric.update(numbers(prediction), numbers(target));
  return metric.value();
}

}  // namespace

// scikit-learn 1.9.1: mean_absolute_error, root_mean_squared_error, mean_absolute_percentage_error.
TEST_CASE("errors of regression are those of scikit-learn", "[metrics]") {
  const std::vector<double> target = {3, -0.5, 2, 7}, prediction = {2.5, 0.0, 2, 8};
  CHECK(value_of(MeanAbsoluteError(), prediction, target) == 0.5);
  CHECK(value_of(RootMeanSquareError(), prediction, target) == Approx(0.6123724356957945).epsilon(1e-14));
  CHECK(value_of(MeanAbsolutePercentageError(), prediction, target) ==
        Approx(0.3273809523809524).epsilon(1e-14));
  CHECK(value_of(MeanAbsolutePercentageError(), {1e-16, 3}, {0, 2}) ==
        Approx(0.4751799813685248).epsilon(1e-14));
}

TEST_CASE("sMAPE by hand", "[metrics]") {
  // 2 10 / 210, 2 10 / 190, 2 for opposite signs, 0 for two zeros.
  CHECK(value_of(SymmetricMeanAbsolutePercentageError(), {110, 90, -1, 0}, {100, 100, 1, 0}) ==
        Approx((20 / 210.0 + 20 / 190.0 + 2 + 0) / 4));
}

TEST_CASE("MASE measures by the naive forecast of the training series", "[metrics]") {
  const Tensor training = numbers({1, 3, 2, 6, 4});
  // |2|, |1|, |4|, |2| for one step: 9/4. For a season of 2: |1|, |3|, |2|: 2.
  CHECK(value_of(MeanAbsoluteScaledError(training), {5, 9}, {4, 7}) == Approx(1.5 / 2.25));
  CHECK(value_of(MeanAbsoluteScaledError(training, 2), {5, 9}, {4, 7}) == Approx(1.5 / 2));
  // The naive forecast of the training series itself has a MASE of 1.
  CHECK(value_of(MeanAbsoluteScaledError(training), {1, 3, 2, 6}, {3, 2, 6, 4}) == Approx(1));
  // Columns are measured by their own scales: 1 and 10.
  MeanAbsoluteScaledError columns(tensor({{0, 0}, {1, 10}, {0, 20}}));
  columns.update(tensor({{3, 50}}), tensor({{1, 20}}));
  CHECK(columns.value() == Approx((2 / 1.0 + 30 / 10.0) / 2));
}

TEST_CASE("errors add up over batches and leave padding out", "[metrics]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  RootMeanSquareError rmse;
  CHECK(std::isnan(rmse.value()));
  rmse.update(tensor({{1, 2}, {3, 4}}), tensor({{1, 0}, {0, 0}}),
              from_vector(std::vector<uint8_t>{1, 1, 0, 0}, {2, 2}));
  rmse.update(numbers({1, nan}), numbers({0, 0}), from_vector(std::vector<uint8_t>{1, 0}));
  CHECK(rmse.value() == Approx(std::sqrt(5 / 3.0)));
  RootMeanSquareError resumed;
  resumed.restore(rmse.state());
  CHECK(resumed.value() == rmse.value());
}

TEST_CASE("misuse of errors of regression is refused and counts nothing", "[metrics]") {
  MeanAbsoluteError mae;
  CHECK_THROWS_WITH(
      mae.update(zeros({2}), zeros({2, 1})),
      contains_text("[mean_absolute_error] predictions float32 [2] and targets float32 [2, 1]"));
  CHECK_THROWS_WITH(mae.update(zeros({2}, {.dtype = DType::int64}), zeros({2})),
                    contains_text("got int64 [2]"));
  CHECK_THROWS_WITH(mae.update(zeros({2}), zeros({2}), zeros({2})), contains_text("expected a mask"));
  CHECK(mae.state() == std::vector<double>{0, 0});
  CHECK_THROWS_WITH(MeanAbsoluteScaledError(ones({5})),
                    contains_text("column 0") && contains_text("has the error 0"));
  CHECK_THROWS_WITH(MeanAbsoluteScaledError(ones({5}), 5), contains_text("a season of 5 needs a longer"));
  CHECK_THROWS_WITH(MeanAbsoluteScaledError(numbers({1, 2}), 0), contains_text("a season of 0"));
  MeanAbsoluteScaledError mase(tensor({{0, 0}, {1, 10}}));
  CHECK_THROWS_WITH(mase.update(zeros({2, 3}), zeros({2, 3})), contains_text("targets [..., 2]"));
}

}  // namespace reel
