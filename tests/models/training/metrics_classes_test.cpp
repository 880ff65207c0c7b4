#include "models/training/metrics_classes.h"

#include <cmath>
#include <limits>

#include "framework/error.h"
#include "tests/catch.h"

namespace reel {
namespace {

using Numbers = std::vector<double>;

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

Tensor classes(const std::vector<int64_t>& values) { return from_vector(values); }

// What the values of scikit-learn below were computed for; the class 4 never occurs.
const std::vector<int64_t> target = {0, 1, 2, 2, 1, 0, 3, 2, 1, 0, 3, 3};
const std::vector<int64_t> prediction = {0, 2, 2, 2, 1, 0, 1, 0, 1, 0, 3, 1};

ConfusionMatrix example(double zero_division = 0) {
  ConfusionMatrix matrix(5, {.zero_division = zero_division});
  // In two batches.
  const auto part = [](const std::vector<int64_t>& all, size_t begin, size_t end) {
    return classes({all.begin() + static_cast<int64_t>(begin), all.begin() + static_cast<int64_t>(end)});
  };
  matrix.update(part(prediction, 0, 5), part(target, 0, 5));
  matrix.update(part(prediction, 5, 12), part(target, 5, 12));
  return matrix;
}

void check_close(const Numbers& values, const Numbers& expected) {
  REQUIRE(values.size() == expected.size());
  for (size_t i = 0; i < values.size(); ++i)
    CHECK(
        (std::isnan(expected[i]) ? std::isnan(values[i]) : values[i] == Approx(expected[i]).epsilon(1e-14)));
}

Tensor scores() {
  return tensor({{.1, .2, .7}, {.5, .3, .2}, {.2, .45, .35}, {.6, .3, .1}, {.05, .15, .8}},
                {.dtype = DType::float64});
}

}  // namespace

TEST_CASE("accuracy counts the targets among the highest scores", "[metrics]") {
  // The ranks of the targets, from 1: 1, 2, 3, 1, 2.
  const Tensor targets = classes({2, 1, 0, 0, 1});
  for (const auto& [k, right] : {std::pair{1, 2}, {2, 4}, {3, 5}}) {
    Accuracy accuracy({.top_k = k});
    accuracy.update(scores(), targets);
    CHECK(accuracy.value() == right / 5.0);
  }
  Accuracy accuracy;
  CHECK(std::isnan(accuracy.value()));
  accuracy.update(classes({1, 2, 3}), classes({1, 2, 4}));
  accuracy.update(scores(), targets);
  CHECK(accuracy.value() == 4 / 8.0);  // 2 of 3 and 2 of 5
  accuracy.reset();
  CHECK(std::isnan(accuracy.value()));
}

TEST_CASE("of equal scores the lower class comes first, and nan is never right", "[metrics]") {
  const Tensor equal = tensor({{1, 1, 0}, {1, 1, 0}});
  Accuracy accuracy;
  accuracy.update(equal, classes({0, 1}));
  CHECK(accuracy.value() == 0.5);
  ConfusionMatrix matrix(3);
  matrix.update(equal, classes({0, 1}));
  CHECK(matrix.accuracy() == 0.5);
  accuracy.reset();
  accuracy.update(tensor({{nan, 1}, {nan, 1}}), classes({0, 1}));
  CHECK(accuracy.value() == 0);
}

TEST_CASE("padding does not count", "[metrics]") {
  const Tensor mask = sequence_mask(classes({2, 0, 1}), 2);
  CHECK(mask.shape() == Shape{2, 3});
  CHECK(mask.to_vector<bool>() == std::vector<bool>{true, false, true, true, false, false});
  CHECK(sequence_mask(classes({2, 0, 1}), 2, true).to_vector<bool>() ==
        std::vector<bool>{true, true, false, false, true, false});
  const Tensor predicted = from_vector(std::vector<int64_t>{1, 9, 0, 1, 9, 9}, {2, 3});
  const Tensor wanted = from_vector(std::vector<int64_t>{1, 7, 1, 1, 7, 7}, {2, 3});
  Accuracy accuracy;
  accuracy.update(predicted, wanted, mask);
  CHECK(accuracy.value() == 2 / 3.0);
  ConfusionMatrix matrix(2);
  matrix.update(predicted, wanted, mask);
  CHECK(matrix.value().to_vector<int64_t>() == std::vector<int64_t>{0, 0, 1, 2});

  Accuracy ignoring({.ignore_index = 7});
  ignoring.update(predicted, wanted);
  CHECK(ignoring.value() == 2 / 3.0);
  Accuracy by_default;
  by_default.update(classes({1, 2}), classes({1, -100}));
  CHECK(by_default.value() == 1);
}

// The expected values: scikit-learn 1.9.1, confusion_matrix and precision_recall_fscore_support with all five labels.
TEST_CASE("precision, recall and F1 are those of scikit-learn", "[metrics]") {
  const ConfusionMatrix matrix = example();
  CHECK(matrix.value().to_vector<int64_t>() ==
        std::vector<int64_t>{3, 0, 0, 0, 0, 0, 2, 1, 0, 0, 1, 0, 2, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0});
  CHECK(matrix.support() == Numbers{3, 3, 3, 3, 0});
  CHECK(matrix.accuracy() == Approx(0.6666666666666666));
  check_close(matrix.precision(), {0.75, 0.5, 0.6666666666666666, 1.0, 0.0});
  check_close(matrix.recall(), {1.0, 0.6666666666666666, 0.6666666666666666, 0.3333333333333333, 0.0});
  check_close(matrix.f1(), {0.8571428571428571, 0.5714285714285714, 0.6666666666666666, 0.5, 0.0});
  const auto averages = [](const ConfusionMatrix& m, Average average) {
    return Numbers{m.precision(average), m.recall(average), m.f1(average)};
  };
  check_close(averages(matrix, Average::macro), {0.5833333333333333, 0.5333333333333333, 0.519047619047619});
  check_close(averages(matrix, Average::micro), {0.6666666666666666, 0.6666666666666666, 0.6666666666666666});
  check_close(averages(matrix, Average::weighted),
              {0.7291666666666666, 0.6666666666666666, 0.6488095238095238});

  const ConfusionMatrix one = example(1);
  check_close(one.f1(), {0.8571428571428571, 0.5714285714285714, 0.6666666666666666, 0.5, 1.0});
  check_close(averages(one, Average::macro), {0.7833333333333333, 0.7333333333333333, 0.7190476190476189});

  const ConfusionMatrix left_out = example(nan);
  check_close(left_out.precision(), {0.75, 0.5, 0.6666666666666666, 1.0, nan});
  check_close(averages(left_out, Average::macro),
              {0.7291666666666666, 0.6666666666666666, 0.6488095238095237});
  check_close(averages(left_out, Average::weighted),
              {0.7291666666666666, 0.6666666666666666, 0.6488095238095238});
}

TEST_CASE("metrics go on from their state", "[metrics]") {
  ConfusionMatrix all(5), first(5);
  first.update(classes({1, 2}), classes({1, 3}));
  all.update(classes({1, 2, 0, 4}), classes({1, 3, 0, 1}));
  ConfusionMatrix second(5);
  second.restore(first.state());
  second.update(classes({0, 4}), classes({0, 1}));
  CHECK(second.state() == all.state());
  CHECK_THROWS_WITH(second.restore({1, 2}),
                    contains_text("[confusion_matrix] expected a state of 25 numbers, got 2"));
  CHECK(second.state() == all.state());
}

TEST_CASE("misuse of metrics of classes is refused and counts nothing", "[metrics]") {
  Accuracy accuracy;
  ConfusionMatrix matrix(2);
  const auto both_refuse = [&](const Tensor& p, const Tensor& t, const Tensor& mask, const char* part) {
    CHECK_THROWS_WITH(accuracy.update(p, t, mask), contains_text(part) && contains_text("[accuracy]"));
    CHECK_THROWS_WITH(matrix.update(p, t, mask), contains_text(part) && contains_text("[confusion_matrix]"));
  };
  both_refuse(classes({1, 0}), classes({1}), {}, "expected predicted classes int64 [1], got int64 [2]");
  both_refuse(zeros({2, 2}), zeros({2}), {}, "expected targets int64, got float32 [2]");
  both_refuse(zeros({3, 2}), classes({1, 0}), {},
              "shape [2] with classes as a last axis, got float32 [3, 2]");
  both_refuse(zeros({2, 2}), classes({0, 2}), {}, "the target 2 is none of 2 classes");
  both_refuse(zeros({2, 2}), classes({0, 1}), zeros({2}),
              "expected a mask bool or uint8 [2], got float32 [2]");
  CHECK_THROWS_WITH(matrix.update(classes({0, 2}), classes({0, 1})),
                    contains_text("the prediction 2 is none of 2"));
  CHECK_THROWS_WITH(matrix.update(zeros({1, 3}), classes({0})), contains_text("scores of 2 classes"));
  CHECK(accuracy.state() == Numbers{0, 0});
  CHECK(matrix.state() == Numbers{0, 0, 0, 0});
  CHECK_THROWS_WITH(Accuracy({.top_k = 0}), contains_text("top_k must be at least 1, got 0"));
  Accuracy top({.top_k = 3});
  CHECK_THROWS_WITH(top.update(classes({0}), classes({0})), contains_text("top_k of 3 needs scores"));
  CHECK_THROWS_WITH(top.update(zeros({1, 2}), classes({0})), contains_text("top_k of 3 among 2 classes"));
  CHECK_THROWS_WITH(ConfusionMatrix(0), contains_text("classes, got 0"));
  CHECK_THROWS_WITH(sequence_mask(classes({3}), 2), contains_text("from 0 to 2, got 3"));
}

}  // namespace reel
