#include "framework/safetensors_header.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

namespace reel::detail {
namespace {

using nlohmann::json;

constexpr size_t header_alignment = 8;
constexpr uint64_t most_header_bytes = 100'000'000;  // as the reference implementation has it
constexpr uint64_t most_bytes = std::numeric_limits<int64_t>::max();

struct DTypeName {
  DType dtype;
  std::string_view name;
};
constexpr std::array<DTypeName, 5> dtype_names = {{{DType::float32, "F32"},
                                                   {DType::float64, "F64"},
                                                   {DType::int64, "I64"},
                                                   {DType::uint8, "U8"},
                                                   {DType::boolean, "BOOL"}}};

std::string_view file_name(DType dtype) {
  for (const DTypeName& entry : dtype_names)
    if (entry.dtype == dtype) return entry.name;
  return "?";
}

/// Text of a file as messages show it: of bounded length, without control characters.
std::string shown(std::string_view text) {
  constexpr size_t longest = 100;
  size_t length = std::min(text.size(), longest);
  if (length < text.size())
    while (length > 0 && (text[length] & 0xC0) == 0x80) --length;  // not within a UTF-8 sequence
  std::string result(text.substr(0, length));
  std::replace_if(
      result.begin(), result.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  return length < text.size() ? result + "..." : result;
}

}  // namespace

std::string text(Quoted quoted) { return '"' + shown(quoted.name) + '"'; }

namespace {

/// Builds the header from the events of the JSON parser. All that may stand at a place is decided there, so
/// that a file that is deep, long-winded or wrong is left at once.
class HeaderReader {
 public:
  SafetensorsHeader header;

  bool start_object(size_t) {
    if (place_ == Place::outside) return enter(Place::header);
    if (place_ != Place::header) unexpected("an object");
    if (name_ == safetensors_metadata_key) return enter(Place::metadata);
    header.entries.emplace_back().name = name_;
    return enter(Place::tensor);
  }

  bool key(std::string& key) {
    if (place_ == Place::header) {
      check<FileError>(!metadata_seen_ || key != safetensors_metadata_key,
                       "the header has two entries \"__metadata__\"");
      metadata_seen_ = metadata_seen_ || key == safetensors_metadata_key;
      name_ = std::move(key);
    } else if (place_ == Place::metadata) {
      key_ = std::move(key);
    } else {
      auto& seen = header.entries.back().seen;
      field_ = std::find(SafetensorsEntry::fields.begin(), SafetensorsEntry::fields.end(), key) -
               SafetensorsEntry::fields.begin();
      check<FileError>(field_ < seen.size(), "tensor {} has the unknown key {}", Quoted{name_}, Quoted{key});
      check<FileError>(!seen[field_], "tensor {} has {} twice", Quoted{name_}, key);
      seen[field_] = true;
    }
    return true;
  }

  bool end_object() {
    if (place_ == Place::tensor) {
      const auto& seen = header.entries.back().seen;
      for (size_t i = 0; i < seen.size(); ++i)
        check<FileError>(seen[i], "tensor {} has no {}", Quoted{name_}, SafetensorsEntry::fields[i]);
    }
    return enter(place_ == Place::header ? Place::outside : Place::header);
  }

  bool start_array(size_t) {
    if (place_ != Place::tensor || SafetensorsEntry::field_kinds[field_] != "an array")
      unexpected("an array");
    count_ = 0;
    return enter(SafetensorsEntry::fields[field_] == "shape" ? Place::shape : Place::offsets);
  }

  bool end_array() {
    check<FileError>(place_ != Place::offsets || count_ == 2,
                     "data_offsets of tensor {} has {} numbers, expected 2", Quoted{name_}, count_);
    return enter(Place::tensor);
  }

  bool string(std::string& value) {
    if (place_ == Place::metadata) {
      check<FileError>(header.metadata.emplace(key_, std::move(value)).second,
                       "__metadata__ has the key {} twice", Quoted{key_});
    } else if (place_ == Place::tensor && SafetensorsEntry::fields[field_] == "dtype") {
      header.entries.back().dtype = known_dtype(value);
    } else {
      unexpected("a string");
    }
    return true;
  }

  bool number_unsigned(uint64_t value) {
    const bool in_array = place_ == Place::shape || place_ == Place::offsets;
    if (!in_array || value > most_bytes) unexpected(std::to_string(value));
    SafetensorsEntry& entry = header.entries.back();
    if (place_ == Place::shape) {
      check<FileError>(count_ < Shape::max_rank, "tensor {} has more than {} axes", Quoted{name_},
                       Shape::max_rank);
      entry.shape.push_back(static_cast<int64_t>(value));
    } else {
      (count_ == 0 ? entry.begin : entry.end) = value;
    }
    ++count_;
    return true;
  }

  bool number_integer(int64_t value) { unexpected(std::to_string(value)); }
  bool number_float(double, const std::string& digits) { unexpected(shown(digits)); }
  bool boolean(bool) { unexpected("a boolean"); }
  bool null() { unexpected("null"); }
  bool binary(json::binary_t&) { unexpected("binary data"); }

  bool parse_error(size_t position, const std::string&, const json::exception& error) {
    std::string_view message = error.what();
    const size_t separator = message.find(": ");  // after the exception's number and its own count of lines
    if (separator != std::string_view::npos) message.remove_prefix(separator + 2);
    fail<FileError>("the header is not valid JSON at its byte {}: {}",
                    {std::to_string(position), shown(message)});
  }

 private:
  enum class Place { outside, header, metadata, tensor, shape, offsets };

  bool enter(Place place) {
    place_ = place;
    return true;
  }

  DType known_dtype(std::string_view wanted) const {
    std::string names;
    for (const auto& [dtype, name] : dtype_names) {
      if (name == wanted) return dtype;
      names += (names.empty() ? "" : ", ") + std::string(name);
    }
    fail<FileError>("tensor {} has dtype {}, which Reel does not have (it has {})",
                    {text(Quoted{name_}), shown(wanted), names});
  }

  [[noreturn]] void unexpected(std::string_view what) const {
    const std::string found(what);
    if (place_ == Place::outside) fail<FileError>("the header is {}, expected an object", {found});
    if (place_ == Place::header && name_ == safetensors_metadata_key)
      fail<FileError>("__metadata__ is {}, expected an object", {found});
    if (place_ == Place::metadata)
      fail<FileError>("__metadata__ has {} under {}, expected a string", {found, text(Quoted{key_})});
    if (place_ == Place::header)
      fail<FileError>("tensor {} is {}, expected an object", {text(Quoted{name_}), found});
    const std::string field(SafetensorsEntry::fields[field_]);
    if (place_ == Place::tensor)
      fail<FileError>(
          "{} of tensor {} is {}, expected {}",
          {field, text(Quoted{name_}), found, std::string(SafetensorsEntry::field_kinds[field_])});
    fail<FileError>("{} of tensor {} holds {}, expected integers from 0 to 2^63 - 1",
                    {field, text(Quoted{name_}), found});
  }

  Place place_ = Place::outside;
  bool metadata_seen_ = false;
  std::string name_;  // of the tensor, or __metadata__
  std::string key_;   // in the metadata
  size_t field_ = 0;  // of the tensor
  size_t count_ = 0;  // of numbers in the array so far
};

/// The length that the file gives for its header.
size_t header_length(std::span<const char> file) {
  check<FileError>(file.size() >= safetensors_length_bytes,
                   "the file has {} bytes, too few for the length of a header", file.size());
  uint64_t length = 0;
  std::memcpy(&length, file.data(), safetensors_length_bytes);
  check<FileError>(length > 0, "the header has length 0");
  check<FileError>(length <= most_header_bytes,
                   "a header of {} bytes is announced, more than the {} that are allowed", length,
                   most_header_bytes);
  check<FileError>(length <= file.size() - safetensors_length_bytes,
                   "a header of {} bytes is announced, but only {} follow", length,
                   file.size() - safetensors_length_bytes);
  return length;
}

/// The parser would skip a byte order mark, and would take a zero byte for the end.
SafetensorsHeader parse_header(std::span<const char> text) {
  check<FileError>(text[0] == '{', "the header does not begin with a brace");
  const auto zero = std::find(text.begin(), text.end(), '\0');
  check<FileError>(zero == text.end(), "the header has a zero byte at {}", zero - text.begin());
  HeaderReader reader;
  json::sax_parse(text.data(), text.data() + text.size(), &reader);
  return std::move(reader.header);
}

/// Bytes of the tensor's values. Extents of 0 do not excuse the others: the strides have to exist as well.
uint64_t byte_size(const SafetensorsEntry& entry) {
  uint64_t bytes = item_size(entry.dtype);
  bool has_empty_axis = false;
  for (int64_t extent : entry.shape) {
    has_empty_axis |= extent == 0;
    const auto factor = static_cast<uint64_t>(std::max<int64_t>(extent, 1));
    check<FileError>(factor <= most_bytes / bytes, "tensor {} has shape {}, which does not fit any memory",
                     Quoted{entry.name}, entry.shape);
    bytes *= factor;
  }
  return has_empty_axis ? 0 : bytes;
}

void check_names(const std::vector<SafetensorsEntry>& entries) {
  std::vector<std::string_view> names;
  names.reserve(entries.size());
  for (const SafetensorsEntry& entry : entries) names.emplace_back(entry.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) throw FileError("two tensors are called " + text(Quoted{*twice}));
}

/// Each tensor must have the bytes that its shape needs, and together they must fill the data section, once.
void check_layout(const std::vector<SafetensorsEntry>& entries, uint64_t data_bytes) {
  std::vector<const SafetensorsEntry*> by_place;
  by_place.reserve(entries.size());
  for (const SafetensorsEntry& entry : entries) {
    const std::string_view dtype = file_name(entry.dtype);
    const uint64_t bytes = byte_size(entry);
    check<FileError>(entry.begin <= entry.end, "tensor {} has data_offsets [{}, {}], which run backwards",
                     Quoted{entry.name}, entry.begin, entry.end);
    check<FileError>(entry.end <= data_bytes,
                     "tensor {} has data_offsets [{}, {}], but there are only {} bytes of data",
                     Quoted{entry.name}, entry.begin, entry.end, data_bytes);
    check<FileError>(entry.end - entry.begin == bytes,
                     "tensor {} has data_offsets [{}, {}], but {} {} takes {} bytes", Quoted{entry.name},
                     entry.begin, entry.end, dtype, entry.shape, bytes);
    by_place.push_back(&entry);
  }
  std::sort(by_place.begin(), by_place.end(), [](const SafetensorsEntry* a, const SafetensorsEntry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  uint64_t covered = 0;
  for (const SafetensorsEntry* entry : by_place) {
    check<FileError>(entry->begin >= covered, "the data of tensor {} overlaps that of another",
                     Quoted{entry->name});
    check<FileError>(entry->begin == covered, "{} bytes before the data of tensor {} belong to no tensor",
                     entry->begin - covered, Quoted{entry->name});
    covered = entry->end;
  }
  check<FileError>(covered == data_bytes, "{} bytes at the end belong to no tensor", data_bytes - covered);
}

/// `value` as JSON writes it; throws if it is not UTF-8.
std::string json_text(const json& value, std::string_view what) {
  try {
    return value.dump();
  } catch (const json::exception&) {
    throw Error(format("[save_safetensors] {} is not UTF-8", {std::string(what)}));
  }
}

}  // namespace

ParsedSafetensors parse_safetensors(std::span<const char> file) {
  const size_t length = header_length(file);
  const size_t data = safetensors_length_bytes + length;
  ParsedSafetensors parsed{parse_header(file.subspan(safetensors_length_bytes, length)), data};
  check_names(parsed.header.entries);
  check_layout(parsed.header.entries, file.size() - data);
  return parsed;
}

std::string make_safetensors_header(const NamedTensors& tensors,
                                    const std::map<std::string, std::string>& metadata) {
  std::string header = "{";
  if (!metadata.empty()) header += format(R"("__metadata__":{},)", {json_text(metadata, "the metadata")});
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const uint64_t end = offset + static_cast<uint64_t>(tensor.numel()) * item_size(tensor.dtype());
    header +=
        format(R"({}:{"dtype":"{}","shape":{},"data_offsets":[{},{}]},)",
               {json_text(name, "the name " + text(Quoted{name})), std::string(file_name(tensor.dtype())),
                json(std::vector(tensor.shape().begin(), tensor.shape().end())).dump(),
                std::to_string(offset), std::to_string(end)});
    offset = end;
  }
  if (header.back() == ',') header.pop_back();
  header += '}';
  header.resize((header.size() + header_alignment - 1) / header_alignment * header_alignment, ' ');
  check(header.size() <= most_header_bytes,
        "[save_safetensors] names and metadata take {} bytes, more than the {} that are allowed",
        header.size(), most_header_bytes);
  return header;
}

}  // namespace reel::detail
