// Variance, standard deviation, median and quantiles.
#pragma once

#include <reel/framework/tensor.h>
#include <reel/ops/axes.h>

namespace reel {

struct VarianceOptions {
  int64_t correction =
      1;  ///< The sum of squares is divided by n - correction: 1 for samples, 0 for the whole.
  bool keepdim = false;
};

/// sum((x - mean(x))^2) / (n - correction), in two passes; the divisor is at least 0, so that one element gives nan,
/// as does none.
Tensor var(const Tensor& x);
Tensor var(const Tensor& x, const Axes& axes, const VarianceOptions& options = {});
/// sqrt(var(x)): PyTorch's and NumPy's `std`, which under `using namespace reel` could not be told from the
/// namespace. The gradient where all elements are equal is 0.
Tensor stddev(const Tensor& x);
Tensor stddev(const Tensor& x, const Axes& axes, const VarianceOptions& options = {});

/// The middle element, the lower one of two; nan where there is one. Throws over no elements. The gradient goes to the
/// element chosen.
Tensor median(const Tensor& x);
Tensor median(const Tensor& x, int64_t axis, bool keepdim = false);
/// What a fraction q in [0, 1] of the elements does not exceed, between two elements by linear interpolation; nan
/// where there is one. Throws over no elements. Floating dtypes.
Tensor quantile(const Tensor& x, double q);
Tensor quantile(const Tensor& x, double q, int64_t axis, bool keepdim = false);

}  // namespace reel
