// Running tile ops, and the two loops that the planner itself needs. Internal.
#pragma once

#include <reel/framework/loop_plan.h>

namespace reel::detail {

/// y = x, for values that only change place.
const ElementwiseRole& copy_role();
/// y = a + b
TileKernel add_kernel(DType dtype);

/// Where a buffer of a plan lies for one thread: its first row, and how far from there others are.
struct BufferPlace {
  std::byte* base = nullptr;
  int64_t row_bytes = 0;
  int64_t step_bytes = 0;            ///< From step to step, where there are no
  const int64_t* offsets = nullptr;  ///< rows before each step.
  int64_t ahead[2] = {0, 0};         ///< Steps ahead, by Access::shift.
  int64_t half_bytes[2] = {0, 0};    ///< Of two halves that are exchanged, by Access::shift.
};

/// Address of an operand's first row in step t.
inline std::byte* locate(const BufferPlace& place, const Access& access, int64_t t, int64_t item) {
  const int64_t at = t + place.ahead[access.shift];
  const int64_t bytes = place.offsets ? place.offsets[at] * place.row_bytes : at * place.step_bytes;
  return place.base + bytes + place.half_bytes[access.shift] + access.column * item;
}

/// Runs `pass` on the rows [first, end) in step `t`.
void run_pass(const TilePass& pass, const BufferPlace* buffers, int64_t first, int64_t end, int64_t t,
              int64_t item, std::byte* scratch);

/// Elements of a tile: eight of them stay within L1 in float32.
inline constexpr int64_t loop_tile = 512;

}  // namespace reel::detail
