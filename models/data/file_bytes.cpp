#include "models/data/file_bytes.h"

#include <boost/iostreams/device/array.hpp>
#include <boost/iostreams/device/mapped_file.hpp>
#include <boost/iostreams/filter/gzip.hpp>
#include <boost/iostreams/filtering_streambuf.hpp>
#include <filesystem>
#include <limits>

namespace reel::detail {

namespace fs = std::filesystem;
namespace io = boost::iostreams;

FileBytes map_file(const std::string& path) {
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  check<FileError>(!failure, "{}: cannot open the file: {}", path, failure.message());
  check<FileError>(fs::is_regular_file(status), "{}: not a regular file", path);
  const uintmax_t size = fs::file_size(path, failure);
  check<FileError>(!failure, "{}: cannot open the file: {}", path, failure.message());
  if (size == 0) return {};  // which cannot be mapped
  try {
    auto mapping = std::make_shared<io::mapped_file>(path, io::mapped_file::priv);
    return {std::span(reinterpret_cast<std::byte*>(mapping->data()), mapping->size()), mapping};
  } catch (const std::exception& error) {
    throw FileError(path + ": " + error.what());
  }
}

FileBytes map_file_unpacked(const std::string& path) {
  FileBytes file = map_file(path);
  if (!is_gzip(file.bytes)) return file;
  auto unpacked = std::make_shared<std::string>(naming(path, [&] { return unpack_gzip(file.bytes); }));
  return {std::as_writable_bytes(std::span(unpacked->data(), unpacked->size())), unpacked};
}

bool is_gzip(Bytes bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1F} && bytes[1] == std::byte{0x8B};
}

uint64_t most_inflated(uint64_t bytes) {
  constexpr uint64_t ratio = 1032;
  return bytes > std::numeric_limits<uint64_t>::max() / ratio - 1 ? std::numeric_limits<uint64_t>::max()
                                                                  : (bytes + 1) * ratio;
}

std::string unpack_gzip(Bytes bytes) {
  constexpr size_t piece = 1 << 16;
  std::string unpacked;
  try {
    io::filtering_streambuf<io::input> buffer;
    buffer.push(io::gzip_decompressor());
    buffer.push(io::array_source(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    std::string part(piece, '\0');
    for (std::streamsize count; (count = buffer.sgetn(part.data(), piece)) > 0;)
      unpacked.append(part, 0, static_cast<size_t>(count));
  } catch (const std::ios_base::failure& error) {
    throw FileError(std::string("the gzip data is damaged or cut off: ") + error.what());
  }
  return unpacked;
}

}  // namespace reel::detail
