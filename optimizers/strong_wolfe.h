// A search along a line for a point that fulfils the strong Wolfe conditions. Internal, not part of reel.h.
#pragma once

#include <cstdint>
#include <vector>

namespace reel::detail {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b);
double largest_size(const Vector& x);

/// A point of the line: how far along it, the loss and its slope there, the gradient.
struct LinePoint {
  double at = 0, loss = 0, slope = 0;
  Vector gradient;
};

/// The loss at a distance along the line; fills in loss and gradient.
struct LineFunction {
  virtual ~LineFunction() = default;
  virtual LinePoint evaluate(double at) = 0;
};

struct LineResult {
  LinePoint point;
  int64_t evaluations = 0;
};

/// From `start`, where the slope is negative; `direction` is the line's. Nocedal and Wright, "Numerical optimization",
/// 2006, algorithms 3.5 (bracketing) and 3.6 (zoom) with c1 = 1e-4, c2 = 0.9, by cubic interpolation (equation 3.59).
LineResult strong_wolfe(LineFunction& function, const Vector& direction, const LinePoint& start, double first,
                        double tolerance_change);

}  // namespace reel::detail
