#include "models/data/time_series.h"

#include <algorithm>

#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel {

Periods split_by_time(int64_t rows, const PeriodShares& shares) {
  check(rows >= 0, "[split_by_time] expected a number of rows, got {}", rows);
  check(shares.validation >= 0 && shares.test >= 0 && shares.validation + shares.test < 1,
        "[split_by_time] expected shares of at least 0 whose sum is below 1, got {} and {}",
        shares.validation, shares.test);
  const auto part = [&](double share) { return static_cast<int64_t>(static_cast<double>(rows) * share); };
  const int64_t test = rows - part(shares.test);
  const int64_t validation = test - part(shares.validation);
  return {{0, validation}, {validation, test}, {test, rows}};
}

SeriesWindows::SeriesWindows(const Tensor& series, const SeriesWindowsOptions& options) : options_(options) {
  check(series.rank() == 2, "[series_windows] expected a series [S, C], got {}", series);
  const auto& o = options;
  check(o.history >= 1 && o.horizon >= 1 && o.stride >= 1 && o.gap >= 0,
        "[series_windows] expected history, horizon and stride of at least 1 and a gap of at least 0, got "
        "{}, {}, "
        "{} and {}",
        o.history, o.horizon, o.stride, o.gap);
  const int64_t rows = series.size(0);
  const int64_t columns = series.size(1);
  for (const auto* list : {&o.inputs, &o.targets})
    for (int64_t column : *list)
      check(column >= 0 && column < columns, "[series_windows] there is no column {} in a series {}", column,
            series);
  const int64_t end = o.period.end == -1 ? rows : o.period.end;
  check(o.period.begin >= 0 && o.period.begin <= end && end <= rows,
        "[series_windows] the period from {} to {} does not lie in a series of {} rows", o.period.begin, end,
        rows);
  // Before anything is added up that could overflow.
  check(std::max({o.history, o.horizon, o.gap}) <= rows,
        "[series_windows] history {}, gap {} and horizon {} do not fit into {} rows", o.history, o.gap,
        o.horizon, rows);
  const int64_t lead = o.history + o.gap;
  first_ = o.reach_back ? std::max<int64_t>(0, o.period.begin - lead) : o.period.begin;
  const int64_t room = end - o.horizon - lead - first_;
  check(room >= 0,
        "[series_windows] history {}, gap {} and horizon {} do not fit into the rows from {} to {}",
        o.history, o.gap, o.horizon, first_, end);
  size_ = room / o.stride + 1;
  series_ = series;
}

int64_t SeriesWindows::start(int64_t index) const {
  check(index >= 0 && index < size_, "[series_windows] there is no window {} of {}", index, size_);
  return first_ + index * options_.stride;
}

Tensor SeriesWindows::part(int64_t row, int64_t rows, const std::vector<int64_t>& columns) const {
  const Tensor all = narrow(series_, 0, row, rows);
  if (columns.empty()) return all;
  std::vector<Tensor> chosen;
  for (int64_t column : columns) chosen.push_back(narrow(all, 1, column, 1));
  return cat(chosen, 1);
}

SeriesWindows::Window SeriesWindows::operator[](int64_t index) const {
  const int64_t row = start(index);
  return {part(row, options_.history, options_.inputs),
          part(row + options_.history + options_.gap, options_.horizon, options_.targets)};
}

SeriesWindows::Window SeriesWindows::batch(std::span<const int64_t> indices) const {
  check(!indices.empty(), "[series_windows] a batch needs at least one window");
  std::vector<Tensor> inputs, targets;
  for (int64_t index : indices) {
    Window window = (*this)[index];
    inputs.push_back(std::move(window.input));
    targets.push_back(std::move(window.target));
  }
  const int64_t axis = options_.batch_first ? 0 : 1;
  return {stack(inputs, axis), stack(targets, axis)};
}

}  // namespace reel
