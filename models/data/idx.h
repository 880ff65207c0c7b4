// Files of the IDX format, which MNIST and its kin come in.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <reel/framework/tensor.h>

namespace reel {

struct IdxOptions {
  bool convert = false;  ///< Takes int8, int16 and int32 too, as int64.
};

/// The array in an IDX file, which may be packed by gzip: uint8, float32 or float64. Throws FileError for a
/// file that is damaged, or whose numbers are of another type; nothing is allocated after what its header
/// says before that agrees with the file's size.
Tensor load_idx(const std::string& path, IdxOptions options = {});
/// The same from memory; `name` is what errors begin with.
Tensor parse_idx(std::span<const std::byte> bytes, IdxOptions options = {},
                 std::string_view name = "IDX data");

}  // namespace reel
