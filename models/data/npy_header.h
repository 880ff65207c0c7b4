// The header of a .npy array: read from bytes and written as bytes. Internal.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <reel/framework/tensor.h>
#include <reel/models/data/file_bytes.h>
#include <reel/models/data/number_format.h>

namespace reel::detail {

struct NpyHeader {
  NumberFormat format;
  bool fortran_order = false;
  std::vector<uint64_t> shape;
  size_t data = 0;  // where the numbers begin
};

/// Throws FileError, without a path. Nothing in it has been held against the size of the data.
NpyHeader parse_npy_header(Bytes file);
/// For a row-major array; aligned to 64 bytes.
std::string make_npy_header(DType dtype, const Shape& shape);

}  // namespace reel::detail
