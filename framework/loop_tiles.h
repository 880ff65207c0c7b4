// Running tile ops, and the two loops that the planner itself needs. Internal.
#pragma once

#include <reel/framework/loop_plan.h>

namespace reel::detail {

/// y = x, for values that only change place.
const ElementwiseRole& copy_role();
/// y = a + b
TileKernel add_kernel(DType dtype);

/// Where a buffer of a plan lies for one thread: its first row in step 0, and how far from there others are.
struct BufferPlace {
  std::byte* base = nullptr;
  int64_t step_bytes = 0;
  int64_t row_bytes = 0;
  int64_t shift_bytes[2] = {0, 0};  ///< By Access::shift.
};

/// Address of an operand's first row in step t.
inline std::byte* locate(const BufferPlace& place, const Access& access, int64_t t, int64_t item) {
  return place.base + t * place.step_bytes + place.shift_bytes[access.shift] + access.column * item;
}

/// Runs `pass` on `rows` rows in step `t`.
void run_pass(const TilePass& pass, const BufferPlace* buffers, int64_t rows, int64_t t, int64_t item,
              std::byte* scratch);

/// Elements of a tile: eight of them stay within L1 in float32.
inline constexpr int64_t loop_tile = 512;

}  // namespace reel::detail
