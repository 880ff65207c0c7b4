// Time series cut into windows of history and horizon, and split by time so that nothing of the future is learnt from.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

/// Rows [begin, end) of a series.
struct Period {
  int64_t begin = 0;
  int64_t end = -1;  ///< -1: the end of the series.
};

struct PeriodShares {
  double validation = 0.1;  ///< Of the rows.
  double test = 0.1;        ///< Of the rows, the last ones.
};
struct Periods {
  Period training, validation, test;  ///< In the order of time, without gaps; those of share 0 are empty.
};
/// Splits `rows` points in time: the last ones for the test, those before for validation (each rounded down to whole
/// rows), the rest for training. Fit a Normalizer to narrow(series, 0, 0, training.end) alone.
Periods split_by_time(int64_t rows, const PeriodShares& shares = {});

struct SeriesWindowsOptions {
  int64_t history = 24;               ///< Rows of the input.
  int64_t horizon = 1;                ///< Rows of the target.
  int64_t gap = 0;                    ///< Rows between the two.
  int64_t stride = 1;                 ///< Rows from one window to the next.
  std::vector<int64_t> inputs = {};   ///< Columns of the input; none: all.
  std::vector<int64_t> targets = {};  ///< Columns of the target; none: all.
  /// Where target rows may lie: windows of the training period have no target in a later one.
  Period period = {};
  /// Whether inputs may begin before the period, where the past is known already; false keeps whole windows inside.
  bool reach_back = true;
  bool batch_first = false;  ///< Batches are [N, T, C] instead of [T, N, C].
};

/// The windows of a series [S, C], in the order of time: `history` rows of the input columns, and after a gap `horizon`
/// rows of the target columns. Rows at the end that do not fill a window are not used. The series is shared, not copied.
class SeriesWindows {
 public:
  /// Throws where there is no window, and on a column that is none.
  explicit SeriesWindows(const Tensor& series, const SeriesWindowsOptions& options = {});

  int64_t size() const { return size_; }
  int64_t start(int64_t index) const;  ///< First row of the input of window `index`.
  struct Window {
    Tensor input, target;  ///< [history, inputs], [horizon, targets]; batches have an axis for the windows.
  };
  Window operator[](int64_t index) const;
  /// The windows of these indices, in this order: input [history, N, inputs], target [horizon, N, targets].
  Window batch(std::span<const int64_t> indices) const;

 private:
  Tensor part(int64_t row, int64_t rows, const std::vector<int64_t>& columns) const;

  Tensor series_;
  SeriesWindowsOptions options_;
  int64_t first_ = 0;
  int64_t size_ = 0;
};

}  // namespace reel
