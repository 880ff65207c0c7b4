// Numbers as files hold them, of any width and byte order, and as tensors. Internal.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include <reel/framework/tensor.h>

namespace reel::detail {

struct NumberFormat {
  char kind = 'u';    // 'f' floating, 'i' signed, 'u' unsigned, 'b' bool
  uint64_t size = 1;  // bytes
  bool big_endian = false;
};

/// "float16", "int32", ...
std::string text(const NumberFormat& format);
/// The dtype with the same values; none where Reel has none.
std::optional<DType> same_dtype(const NumberFormat& format);

/// Extents of a file; throws FileError, without a path, unless there are `bytes` bytes for exactly so many
/// numbers, and a tensor can have so many axes.
Shape checked_shape(std::span<const uint64_t> extents, const NumberFormat& format, uint64_t bytes);

/// A tensor of the numbers in `data`, row-major. Shares the memory, which `owner` keeps alive, if it is as a
/// tensor's; without an owner it always copies. Formats that Reel has no dtype for become float32 (float16)
/// or int64 if `convert` is set, else they throw FileError, as do a bool that is neither 0 nor 1 and a number
/// beyond int64.
Tensor decode_numbers(std::span<std::byte> data, const std::shared_ptr<void>& owner, const Shape& shape,
                      const NumberFormat& format, bool convert);

}  // namespace reel::detail
