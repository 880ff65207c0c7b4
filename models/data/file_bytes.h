// The bytes of a file, for those who read formats. Internal.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <reel/framework/error.h>

namespace reel::detail {

using Bytes = std::span<const std::byte>;

/// A file in memory. The pages are read as they are used; writing to them does not reach the file.
struct FileBytes {
  std::span<std::byte> bytes;
  std::shared_ptr<void> owner;  // of the bytes
};

/// Maps a regular file; throws FileError naming the path.
FileBytes map_file(const std::string& path);
/// The same, unpacked if it is gzip, which shows by its first bytes.
FileBytes map_file_unpacked(const std::string& path);

inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes as_bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

bool is_gzip(Bytes bytes);
/// What gzip data unpacks to; memory grows with what has come out. Throws FileError, without a path, for data
/// that is damaged or cut off.
std::string unpack_gzip(Bytes bytes);
/// The most that so many bytes of deflate data can unpack to (a run of 258 for a code of two bits, and the
/// first block).
uint64_t most_inflated(uint64_t bytes);

/// Calls f; puts `name` and a colon before the text of a FileError that comes out.
template <class F> auto naming(std::string_view name, F&& f) {
  try {
    return f();
  } catch (const FileError& error) {
    throw FileError(std::string(name) + ": " + error.what());
  }
}

}  // namespace reel::detail
