#include "optimizers/strong_wolfe.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace reel::detail {
namespace {

constexpr double c1 = 1e-4, c2 = 0.9;
constexpr int64_t most_trials = 25;

/// The minimiser of the cubic through two points with their slopes, kept within [least, most]; the middle where the
/// cubic has none.
double cubic_minimum(const LinePoint& x, const LinePoint& y, double least, double most) {
  const bool in_order = x.at <= y.at;
  const LinePoint& a = in_order ? x : y;
  const LinePoint& b = in_order ? y : x;
  const double mean = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.at - b.at);
  const double square = mean * mean - a.slope * b.slope;
  if (!(square >= 0)) return (least + most) / 2;
  const double root = std::sqrt(square);
  const double minimum = b.at - (b.at - a.at) * ((b.slope + root - mean) / (b.slope - a.slope + 2 * root));
  return std::min(std::max(minimum, least), most);
}

/// Keeps trials away from the bracket's ends where they make too little progress.
class Progress {
 public:
  double moved_in(double trial, double least, double most) {
    const double margin = 0.1 * (most - least);
    if (std::min(most - trial, trial - least) >= margin) {
      insufficient_ = false;
    } else if (insufficient_ || trial >= most || trial <= least) {
      insufficient_ = false;
      return std::abs(trial - most) < std::abs(trial - least) ? most - margin : least + margin;
    } else {
      insufficient_ = true;
    }
    return trial;
  }

 private:
  bool insufficient_ = false;
};

}  // namespace

double dot(const Vector& a, const Vector& b) {
  double sums[4] = {};
  size_t i = 0;
  for (; i + 4 <= a.size(); i += 4)
    for (size_t k = 0; k < 4; ++k) sums[k] += a[i + k] * b[i + k];
  for (; i < a.size(); ++i) sums[0] += a[i] * b[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

double largest_size(const Vector& x) {
  double most = 0;
  for (double value : x) most = std::abs(value) > most || std::isnan(value) ? std::abs(value) : most;
  return most;
}

LineResult strong_wolfe(LineFunction& function, const Vector& direction, const LinePoint& start, double first,
                        double tolerance_change) {
  LineResult result;
  const auto evaluate = [&](double at) {
    ++result.evaluations;
    LinePoint point = function.evaluate(at);
    point.slope = dot(point.gradient, direction);
    return point;
  };
  const auto rises = [&](const LinePoint& point) {  // too little decrease
    return point.loss > start.loss + c1 * point.at * start.slope;
  };
  const auto is_flat = [&](const LinePoint& point) { return std::abs(point.slope) <= -c2 * start.slope; };

  // Forward, until a minimum lies between two points.
  LinePoint before = start, point = evaluate(first);
  int64_t trials = 0;
  bool bracketed = false;
  while (trials < most_trials) {
    if (rises(point) || (trials > 1 && point.loss >= before.loss)) {
      bracketed = true;
      break;
    }
    if (is_flat(point)) {
      result.point = std::move(point);
      return result;
    }
    if (point.slope >= 0) {
      bracketed = true;
      break;
    }
    const double next = cubic_minimum(before, point, point.at + 0.01 * (point.at - before.at), 10 * point.at);
    before = std::move(point);
    point = evaluate(next);
    ++trials;
  }
  LinePoint low = bracketed ? std::move(before) : start, high = std::move(point);
  if (!(low.loss <= high.loss)) std::swap(low, high);

  // The bracket is made smaller; `low` is the best point so far.
  const double size = largest_size(direction);
  Progress progress;
  while (trials < most_trials && !(std::abs(high.at - low.at) * size < tolerance_change)) {
    const double least = std::min(low.at, high.at), most = std::max(low.at, high.at);
    point = evaluate(progress.moved_in(cubic_minimum(low, high, least, most), least, most));
    ++trials;
    if (rises(point) || point.loss >= low.loss) {
      high = std::move(point);
      if (!(low.loss <= high.loss)) std::swap(low, high);
      continue;
    }
    const bool done = is_flat(point);
    if (!done && point.slope * (high.at - low.at) >= 0) high = std::move(low);
    low = std::move(point);
    if (done) break;
  }
  result.point = std::move(low);
  return result;
}

}  // namespace reel::detail
