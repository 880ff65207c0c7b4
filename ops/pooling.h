// Pooling over one, two and three spatial axes: the largest element or the average of each window. Edges are
// PyTorch's. float32 and float64; x is [N, C, spatial...] or [C, spatial...].
#pragma once

#include <reel/framework/tensor.h>
#include <reel/ops/per_axis.h>

namespace reel {

struct MaxPoolOptions {
  PerAxis stride = {};     ///< The kernel's extents unless given: windows side by side.
  PerAxis padding = 0;     ///< Before and behind each axis, never chosen; at most half of the kernel.
  PerAxis dilation = 1;    ///< Distance of a window's elements.
  bool ceil_mode = false;  ///< The number of windows is rounded up; the last ones may reach beyond the end.
};

/// The largest elements, and where they were found.
struct MaxPoolResult {
  Tensor values;
  Tensor indices;  ///< int64: position in the row-major spatial axes of x; the first of equal ones.
};

/// The largest element of each window of extents `kernel`; a nan wins. Of L elements along an axis come
/// floor((L + 2 padding - dilation * (kernel - 1) - 1) / stride) + 1 windows, at least 1; with ceil_mode
/// rounded up, except for a window that would begin behind the input and its padding in front.
Tensor max_pool1d(const Tensor& x, const PerAxis& kernel, const MaxPoolOptions& options = {});
Tensor max_pool2d(const Tensor& x, const PerAxis& kernel, const MaxPoolOptions& options = {});
Tensor max_pool3d(const Tensor& x, const PerAxis& kernel, const MaxPoolOptions& options = {});
/// The same with the indices.
MaxPoolResult max_pool1d_with_indices(const Tensor& x, const PerAxis& kernel,
                                      const MaxPoolOptions& options = {});
MaxPoolResult max_pool2d_with_indices(const Tensor& x, const PerAxis& kernel,
                                      const MaxPoolOptions& options = {});
MaxPoolResult max_pool3d_with_indices(const Tensor& x, const PerAxis& kernel,
                                      const MaxPoolOptions& options = {});

struct AvgPoolOptions {
  PerAxis stride = {};            ///< The kernel's extents unless given.
  PerAxis padding = 0;            ///< Zeros before and behind each axis; at most half of the kernel.
  bool ceil_mode = false;         ///< As of MaxPoolOptions.
  bool count_include_pad = true;  ///< Padding counts in the number that the sum is divided by.
  int64_t divisor_override = 0;   ///< Where not 0, what the sum is divided by instead.
};

/// The average of each window of extents `kernel`. The number of windows is that of max pooling. What a
/// window of ceil_mode reaches beyond the padding never counts.
Tensor avg_pool1d(const Tensor& x, const PerAxis& kernel, const AvgPoolOptions& options = {});
Tensor avg_pool2d(const Tensor& x, const PerAxis& kernel, const AvgPoolOptions& options = {});
Tensor avg_pool3d(const Tensor& x, const PerAxis& kernel, const AvgPoolOptions& options = {});

/// The average of `size` windows along each axis that cover it: window i of n over L elements is
/// [floor(i L / n), ceil((i + 1) L / n)). A size of 1 averages over everything.
Tensor adaptive_avg_pool1d(const Tensor& x, const PerAxis& size);
Tensor adaptive_avg_pool2d(const Tensor& x, const PerAxis& size);
Tensor adaptive_avg_pool3d(const Tensor& x, const PerAxis& size);

/// The largest element of each of the same windows.
Tensor adaptive_max_pool1d(const Tensor& x, const PerAxis& size);
Tensor adaptive_max_pool2d(const Tensor& x, const PerAxis& size);
Tensor adaptive_max_pool3d(const Tensor& x, const PerAxis& size);
MaxPoolResult adaptive_max_pool1d_with_indices(const Tensor& x, const PerAxis& size);
MaxPoolResult adaptive_max_pool2d_with_indices(const Tensor& x, const PerAxis& size);
MaxPoolResult adaptive_max_pool3d_with_indices(const Tensor& x, const PerAxis& size);

}  // namespace reel
