#include "models/data/time_series.h"

#include "framework/error.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

/// Row t is [t, 100 + t].
Tensor series(int64_t rows) {
  std::vector<float> values;
  for (int64_t t = 0; t < rows; ++t) {
    values.push_back(static_cast<float>(t));
    values.push_back(static_cast<float>(100 + t));
  }
  return from_vector(values, {rows, 2});
}

std::vector<float> values(const Tensor& x) { return x.to_vector<float>(); }

}  // namespace

TEST_CASE("a series is split by time", "[time_series]") {
  const Periods periods = split_by_time(105, {.validation = 0.2, .test = 0.1});
  CHECK(periods.training.begin == 0);
  CHECK(periods.training.end == 74);
  CHECK(periods.validation.begin == 74);
  CHECK(periods.validation.end == 95);
  CHECK(periods.test.begin == 95);
  CHECK(periods.test.end == 105);
}

TEST_CASE("windows hold history and horizon", "[time_series]") {
  const SeriesWindows windows(
      series(12), {.history = 3, .horizon = 2, .gap = 1, .stride = 2, .inputs = {1, 0}, .targets = {0}});
  REQUIRE(windows.size() == 4);  // from rows 0, 2, 4 and 6, which ends with the series
  CHECK(windows.start(3) == 6);
  CHECK(values(windows[1].input) == std::vector<float>{102, 2, 103, 3, 104, 4});
  CHECK(values(windows[1].target) == std::vector<float>{6, 7});
  const int64_t indices[] = {3, 0};
  const auto batch = windows.batch(indices);
  CHECK(batch.input.shape() == Shape{3, 2, 2});
  CHECK(batch.target.shape() == Shape{2, 2, 1});
  CHECK(values(batch.target) == std::vector<float>{10, 4, 11, 5});
  const SeriesWindows first(series(12), {.history = 3, .batch_first = true});
  CHECK(first.batch(indices).input.shape() == Shape{2, 3, 2});
  CHECK(first.size() == 9);
}

TEST_CASE("no period's targets are seen by an earlier one", "[time_series]") {
  const Tensor all = series(50);
  const Periods periods = split_by_time(50, {.validation = 0.2, .test = 0.2});
  const auto make = [&](Period period, bool reach_back) {
    return SeriesWindows(all,
                         {.history = 4, .horizon = 3, .gap = 1, .period = period, .reach_back = reach_back});
  };
  const auto last_row = [](const SeriesWindows& windows) { return windows.start(windows.size() - 1) + 7; };
  const SeriesWindows training = make(periods.training, true);
  CHECK(training.start(0) == 0);
  CHECK(last_row(training) == 29);
  const SeriesWindows validation = make(periods.validation, true);
  CHECK(validation.start(0) + 5 == 30);  // the first target row; the history is known by then
  CHECK(last_row(validation) == 39);
  CHECK(validation.size() == 8);
  CHECK(make(periods.validation, false).start(0) == 30);
  CHECK(make(periods.validation, false).size() == 3);
  CHECK(last_row(make(periods.test, true)) == 49);
}

TEST_CASE("misuse of time series is refused", "[time_series]") {
  const auto refused = [](const SeriesWindowsOptions& options, const char* part) {
    CHECK_THROWS_WITH(SeriesWindows(series(12), options), contains_text(part));
  };
  refused({.history = 12}, "history 12, gap 0 and horizon 1 do not fit into the rows from 0 to 12");
  refused({.history = INT64_MAX}, "do not fit into 12 rows");
  refused({.history = 0}, "history, horizon and stride of at least 1");
  refused({.history = 2, .gap = -1}, "gap of at least 0");
  refused({.history = 2, .targets = {2}}, "no column 2 in a series float32 [12, 2]");
  refused({.history = 2, .period = {.begin = 5, .end = 13}}, "the period from 5 to 13");
  CHECK_THROWS_WITH(SeriesWindows(zeros({12})), contains_text("expected a series [S, C], got float32 [12]"));
  const SeriesWindows windows(series(12), {.history = 2});
  CHECK_THROWS_WITH(windows[10], contains_text("no window 10 of 10"));
  CHECK_THROWS_WITH(windows.batch({}), contains_text("at least one window"));
  CHECK_THROWS_WITH(split_by_time(10, {.validation = 0.5, .test = 0.5}), contains_text("sum is below 1"));
}

}  // namespace reel
