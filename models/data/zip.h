// Zip archives in memory: what stands in one, entry by entry, and making one. The library that does it
// (libzip) stays in zip.cpp. Internal.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel::detail {

/// False for names that lead out of a folder, or mean different places on different systems: absolute ones,
/// those with "..", backslashes, colons after the first letter, or control characters.
bool stays_inside(std::string_view name);
/// A name of a file as messages show it: in quotes, of bounded length, without control characters.
std::string shown_name(std::string_view name);

/// Reads an archive; the bytes must outlive it. Throws FileError, without a path.
class ZipReader {
 public:
  struct Entry {
    std::string name;
    uint64_t size;    // unpacked
    uint64_t packed;  // in the archive
  };

  /// Refuses, before anything is unpacked, an archive with a name that is given twice or does not stay
  /// inside, and one whose entries claim more than can be unpacked from their bytes, or more bytes than the
  /// archive has.
  explicit ZipReader(std::span<const std::byte> archive);
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;
  ~ZipReader();

  const std::vector<Entry>& entries() const { return entries_; }
  /// An entry unpacked, its checksum compared: uint8 [size].
  Tensor read(size_t entry);

 private:
  struct Archive;
  std::unique_ptr<Archive> archive_;
  std::vector<Entry> entries_;
};

/// Makes an archive. The same entries give the same bytes: all are of 1 January 1980.
class ZipWriter {
 public:
  explicit ZipWriter(bool compress);
  ZipWriter(const ZipWriter&) = delete;
  ZipWriter& operator=(const ZipWriter&) = delete;
  ~ZipWriter();

  /// Throws Error for a name that is not UTF-8.
  void add(const std::string& name, std::string content);
  std::string finish();

 private:
  struct Archive;
  std::unique_ptr<Archive> archive_;
};

}  // namespace reel::detail
