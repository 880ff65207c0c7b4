#include "models/data/idx.h"

#include <vector>

#include "models/data/file_bytes.h"
#include "models/data/number_format.h"

// The format: two bytes of 0, the type, the number of axes, each extent in 4 bytes, the numbers; all
// big-endian.

namespace reel {
namespace {

using detail::NumberFormat;

NumberFormat format_of(std::byte type) {
  switch (std::to_integer<int>(type)) {
    case 0x08:
      return {.kind = 'u', .size = 1, .big_endian = true};
    case 0x09:
      return {.kind = 'i', .size = 1, .big_endian = true};
    case 0x0B:
      return {.kind = 'i', .size = 2, .big_endian = true};
    case 0x0C:
      return {.kind = 'i', .size = 4, .big_endian = true};
    case 0x0D:
      return {.kind = 'f', .size = 4, .big_endian = true};
    case 0x0E:
      return {.kind = 'f', .size = 8, .big_endian = true};
    default:
      detail::fail<FileError>("the type {} is none of IDX", {std::to_string(std::to_integer<int>(type))});
  }
}

Tensor decode(std::span<std::byte> file, const std::shared_ptr<void>& owner, IdxOptions options) {
  constexpr size_t magic_bytes = 4, extent_bytes = 4;
  check<FileError>(file.size() >= magic_bytes && file[0] == std::byte{0} && file[1] == std::byte{0},
                   "not an IDX file: it does not begin with two bytes of 0, a type and the number of axes");
  const NumberFormat format = format_of(file[2]);
  const auto axes = std::to_integer<size_t>(file[3]);
  const size_t header = magic_bytes + axes * extent_bytes;
  check<FileError>(header <= file.size(), "cut off within the header: {} axes, {} bytes", axes, file.size());
  std::vector<uint64_t> extents;
  for (size_t at = magic_bytes; at < header; at += extent_bytes) {
    uint64_t extent = 0;
    for (size_t i = 0; i < extent_bytes; ++i) extent = extent << 8 | std::to_integer<uint64_t>(file[at + i]);
    extents.push_back(extent);
  }
  const std::span<std::byte> data = file.subspan(header);
  return decode_numbers(data, owner, checked_shape(extents, format, data.size()), format, options.convert);
}

}  // namespace

Tensor load_idx(const std::string& path, IdxOptions options) {
  const detail::FileBytes file = detail::map_file_unpacked(path);
  return detail::naming(path, [&] { return decode(file.bytes, file.owner, options); });
}

Tensor parse_idx(std::span<const std::byte> bytes, IdxOptions options, std::string_view name) {
  return detail::naming(name, [&] {
    std::string unpacked;
    if (detail::is_gzip(bytes)) {
      unpacked = detail::unpack_gzip(bytes);
      bytes = detail::as_bytes(unpacked);
    }
    // Without an owner the data is only read.
    return decode({const_cast<std::byte*>(bytes.data()), bytes.size()}, nullptr, options);
  });
}

}  // namespace reel
