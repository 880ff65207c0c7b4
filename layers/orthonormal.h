// Random orthonormal vectors. Internal to initializers.cpp.
#pragma once

#include <reel/framework/random.h>

namespace reel::detail {

/// float64 [count, width]: orthonormal rows, evenly distributed; count <= width.
Tensor orthonormal_rows(int64_t count, int64_t width, Random& random);

}  // namespace reel::detail
