#include "framework/loop_tiles.h"

#include <algorithm>
#include <cstring>

namespace reel::detail {
namespace {

template <class T> void copy_tile(const void*, const void* const* in, void* out, int64_t n) {
  std::memmove(out, in[0], static_cast<size_t>(n) * sizeof(T));
}

template <class T> void add_tile(const void*, const void* const* in, void* out, int64_t n) {
  const T* a = static_cast<const T*>(in[0]);
  const T* b = static_cast<const T*>(in[1]);
  T* to = static_cast<T*>(out);
  for (int64_t i = 0; i < n; ++i) to[i] = a[i] + b[i];
}

}  // namespace

const ElementwiseRole& copy_role() {
  static constexpr FormulaKernels kernels{copy_tile<float>, copy_tile<double>, nullptr, {}, {}};
  static const ElementwiseRole role{1, &kernels, nullptr, true, {SlopeRole{true, 1, 0}}};
  return role;
}

TileKernel add_kernel(DType dtype) { return dtype == DType::float32 ? add_tile<float> : add_tile<double>; }

void run_pass(const TilePass& pass, const BufferPlace* buffers, int64_t first, int64_t end, int64_t t,
              int64_t item, std::byte* scratch) {
  const int64_t tile_bytes = loop_tile * item;
  const auto address = [&](const Access& access, int64_t row, int64_t column) -> std::byte* {
    if (access.scratch) return scratch + access.buffer * tile_bytes;
    const BufferPlace& place = buffers[access.buffer];
    return locate(place, access, t, item) + row * place.row_bytes + column * item;
  };
  for (int64_t row = first; row < end; ++row) {
    for (int64_t column = 0; column < pass.width; column += loop_tile) {
      const int64_t count = std::min(loop_tile, pass.width - column);
      for (const TileOp& op : pass.ops) {
        const void* in[2 * max_arity];
        for (uint32_t k = 0; k < op.count; ++k) in[k] = address(op.in[k], row, column);
        op.kernel(op.formula, in, address(op.out, row, column), count);
      }
    }
  }
}

}  // namespace reel::detail
