// The windows of a pooling, and the loops over them, on raw tensors off the tape. Internal.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel::detail {

/// One window along one axis: elements begin, begin + step, ... below end. `count` is what it contributes to
/// the divisor of an average.
struct PoolRange {
  int64_t begin, end, step, count;
};

/// What the windows of a pooling follow from.
struct PoolGeometry {
  Shape input = {}, output = {};                                // one to three spatial axes
  Shape kernel = {}, stride = {}, padding = {}, dilation = {};  // empty where adaptive
  bool count_padding = true;
  int64_t divisor = 0;  // of averages, in the place of the counts where not 0

  bool adaptive() const { return kernel.empty(); }
  std::vector<PoolRange> ranges(size_t axis) const;
};

/// x [rows, input...] -> the largest element of each window and its flat place, [rows, output...].
void pool_max(const PoolGeometry& geometry, const Tensor& x, const Tensor& out, const Tensor& indices);
/// x [rows, input...] -> averages [rows, output...].
void pool_average(const PoolGeometry& geometry, const Tensor& x, const Tensor& out);
/// The transpose of pool_average: y [rows, output...] -> [rows, input...].
void spread_average(const PoolGeometry& geometry, const Tensor& y, const Tensor& out);

}  // namespace reel::detail
