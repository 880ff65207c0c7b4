// The header of a safetensors file: read from text and written as text. Internal; the format stands in
// safetensors.cpp.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <reel/framework/safetensors.h>

namespace reel::detail {

constexpr size_t safetensors_length_bytes = 8;
constexpr std::string_view safetensors_metadata_key = "__metadata__";

/// The entry of one tensor in the header.
struct SafetensorsEntry {
  static constexpr std::array<std::string_view, 3> fields = {"dtype", "shape", "data_offsets"};
  static constexpr std::array<std::string_view, 3> field_kinds = {"a string", "an array", "an array"};

  std::string name;
  DType dtype{};
  Shape shape;
  uint64_t begin = 0;  // in the data section
  uint64_t end = 0;
  std::bitset<fields.size()> seen;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
};

/// A name of a file as messages show it: of bounded length, without control characters. Made text only when
/// there is a message.
struct Quoted {
  std::string_view name;
};
std::string text(Quoted quoted);

/// The header of a whole file, whose data section begins at `data`. Everything that the header says of names,
/// shapes and places has been checked against the file's size. Throws FileError, without the path.
struct ParsedSafetensors {
  SafetensorsHeader header;
  size_t data;
};
ParsedSafetensors parse_safetensors(std::span<const char> file);

/// The header for `tensors`, padded. Throws Error for a name or metadata that is not UTF-8.
std::string make_safetensors_header(const NamedTensors& tensors,
                                    const std::map<std::string, std::string>& metadata);

}  // namespace reel::detail
