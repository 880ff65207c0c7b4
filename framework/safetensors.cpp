#include "framework/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <bitset>
#include <boost/iostreams/device/mapped_file.hpp>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <span>

#include "framework/atomic_file.h"

// The format: the length of the header (8 bytes, little-endian), the header (JSON, padded with spaces), the
// data. Functions here that read say what is wrong with the file; load_safetensors puts the path before it.

namespace reel {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

static_assert(std::endian::native == std::endian::little,
              "the data is mapped as it is, and it is little-endian");

constexpr size_t length_bytes = 8;
constexpr size_t header_alignment = 8;
constexpr uint64_t most_header_bytes = 100'000'000;  // as the reference implementation has it
constexpr uint64_t most_bytes = std::numeric_limits<int64_t>::max();
constexpr std::string_view metadata_key = "__metadata__";

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

/// The entry of one tensor in the header.
struct Entry {
  static constexpr std::array<std::string_view, 3> fields = {"dtype", "shape", "data_offsets"};
  static constexpr std::array<std::string_view, 3> field_kinds = {"a string", "an array", "an array"};

  std::string name;
  DType dtype{};
  Shape shape;
  uint64_t begin = 0;  // in the data section
  uint64_t end = 0;
  std::bitset<fields.size()> seen;
};

struct Header {
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
};

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

/// A name, made text for a message only when there is one.
struct Quoted {
  std::string_view name;
};
std::string text(Quoted quoted) { return '"' + shown(quoted.name) + '"'; }

/// Builds the header from the events of the JSON parser. All that may stand at a place is decided there, so
/// that a file that is deep, long-winded or wrong is left at once.
class HeaderReader {
 public:
  Header header;

  bool start_object(size_t) {
    if (place_ == Place::outside) return enter(Place::header);
    if (place_ != Place::header) unexpected("an object");
    if (name_ == metadata_key) return enter(Place::metadata);
    header.entries.emplace_back().name = name_;
    return enter(Place::tensor);
  }

  bool key(std::string& key) {
    if (place_ == Place::header) {
      check<FileError>(!metadata_seen_ || key != metadata_key, "the header has two entries \"__metadata__\"");
      metadata_seen_ = metadata_seen_ || key == metadata_key;
      name_ = std::move(key);
    } else if (place_ == Place::metadata) {
      key_ = std::move(key);
    } else {
      auto& seen = header.entries.back().seen;
      field_ = std::find(Entry::fields.begin(), Entry::fields.end(), key) - Entry::fields.begin();
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
        check<FileError>(seen[i], "tensor {} has no {}", Quoted{name_}, Entry::fields[i]);
    }
    return enter(place_ == Place::header ? Place::outside : Place::header);
  }

  bool start_array(size_t) {
    if (place_ != Place::tensor || Entry::field_kinds[field_] != "an array") unexpected("an array");
    count_ = 0;
    return enter(Entry::fields[field_] == "shape" ? Place::shape : Place::offsets);
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
    } else if (place_ == Place::tensor && Entry::fields[field_] == "dtype") {
      header.entries.back().dtype = known_dtype(value);
    } else {
      unexpected("a string");
    }
    return true;
  }

  bool number_unsigned(uint64_t value) {
    const bool in_array = place_ == Place::shape || place_ == Place::offsets;
    if (!in_array || value > most_bytes) unexpected(std::to_string(value));
    Entry& entry = header.entries.back();
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
    detail::fail<FileError>("the header is not valid JSON at its byte {}: {}",
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
    detail::fail<FileError>("tensor {} has dtype {}, which Reel does not have (it has {})",
                            {text(Quoted{name_}), shown(wanted), names});
  }

  [[noreturn]] void unexpected(std::string_view what) const {
    using detail::fail;
    const std::string found(what);
    if (place_ == Place::outside) fail<FileError>("the header is {}, expected an object", {found});
    if (place_ == Place::header && name_ == metadata_key)
      fail<FileError>("__metadata__ is {}, expected an object", {found});
    if (place_ == Place::metadata)
      fail<FileError>("__metadata__ has {} under {}, expected a string", {found, text(Quoted{key_})});
    if (place_ == Place::header)
      fail<FileError>("tensor {} is {}, expected an object", {text(Quoted{name_}), found});
    const std::string field(Entry::fields[field_]);
    if (place_ == Place::tensor)
      fail<FileError>("{} of tensor {} is {}, expected {}",
                      {field, text(Quoted{name_}), found, std::string(Entry::field_kinds[field_])});
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
  check<FileError>(file.size() >= length_bytes, "the file has {} bytes, too few for the length of a header",
                   file.size());
  uint64_t length = 0;
  std::memcpy(&length, file.data(), length_bytes);
  check<FileError>(length > 0, "the header has length 0");
  check<FileError>(length <= most_header_bytes,
                   "a header of {} bytes is announced, more than the {} that are allowed", length,
                   most_header_bytes);
  check<FileError>(length <= file.size() - length_bytes,
                   "a header of {} bytes is announced, but only {} follow", length,
                   file.size() - length_bytes);
  return length;
}

/// The parser would skip a byte order mark, and would take a zero byte for the end.
Header parse_header(std::span<const char> text) {
  check<FileError>(text[0] == '{', "the header does not begin with a brace");
  const auto zero = std::find(text.begin(), text.end(), '\0');
  check<FileError>(zero == text.end(), "the header has a zero byte at {}", zero - text.begin());
  HeaderReader reader;
  json::sax_parse(text.data(), text.data() + text.size(), &reader);
  return std::move(reader.header);
}

/// Bytes of the tensor's values. Extents of 0 do not excuse the others: the strides have to exist as well.
uint64_t byte_size(const Entry& entry) {
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

void check_names(const std::vector<Entry>& entries) {
  std::vector<std::string_view> names;
  names.reserve(entries.size());
  for (const Entry& entry : entries) names.emplace_back(entry.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) throw FileError("two tensors are called " + text(Quoted{*twice}));
}

/// Each tensor must have the bytes that its shape needs, and together they must fill the data section, once.
void check_layout(const std::vector<Entry>& entries, uint64_t data_bytes) {
  std::vector<const Entry*> by_place;
  by_place.reserve(entries.size());
  for (const Entry& entry : entries) {
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
  std::sort(by_place.begin(), by_place.end(), [](const Entry* a, const Entry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  uint64_t covered = 0;
  for (const Entry* entry : by_place) {
    check<FileError>(entry->begin >= covered, "the data of tensor {} overlaps that of another",
                     Quoted{entry->name});
    check<FileError>(entry->begin == covered, "{} bytes before the data of tensor {} belong to no tensor",
                     entry->begin - covered, Quoted{entry->name});
    covered = entry->end;
  }
  check<FileError>(covered == data_bytes, "{} bytes at the end belong to no tensor", data_bytes - covered);
}

/// The file in memory; in-place changes stay private to this mapping.
std::shared_ptr<boost::iostreams::mapped_file> map_file(const fs::path& path) {
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  check<FileError>(!failure, "cannot open the file: {}", failure.message());
  check<FileError>(fs::is_regular_file(status), "not a regular file");
  check<FileError>(fs::file_size(path, failure) > 0, "the file is empty");  // which cannot be mapped
  try {
    return std::make_shared<boost::iostreams::mapped_file>(path.string(),
                                                           boost::iostreams::mapped_file::priv);
  } catch (const std::exception& error) {
    throw FileError(error.what());
  }
}

Tensor make_tensor(const Entry& entry, std::span<char> data, const std::shared_ptr<void>& owner) {
  const std::span<char> values = data.subspan(entry.begin, entry.end - entry.begin);
  if (entry.dtype == DType::boolean)
    check<FileError>(
        std::all_of(values.begin(), values.end(), [](char value) { return value == 0 || value == 1; }),
        "tensor {} of dtype BOOL has a byte that is neither 0 nor 1", Quoted{entry.name});
  const bool aligned = reinterpret_cast<uintptr_t>(values.data()) % item_size(entry.dtype) == 0;
  if (aligned && !values.empty()) return from_blob(values.data(), entry.shape, entry.dtype, owner);
  Tensor result = empty(entry.shape, {.dtype = entry.dtype});
  if (!values.empty()) std::memcpy(result.raw_bytes(), values.data(), values.size());
  return result;
}

/// How many letters have to be put in, left out or replaced to make `b` of `a`.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string nearest_names(const NamedTensors& tensors, std::string_view wanted) {
  constexpr size_t most_names = 3;
  constexpr size_t longest = 1000;  // beyond it, names are not worth comparing
  std::vector<std::pair<size_t, size_t>> order;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::string_view name = tensors[i].first;
    const bool too_long = name.size() > longest || wanted.size() > longest;
    order.emplace_back(too_long ? std::string_view::npos : edit_distance(wanted, name), i);
  }
  std::sort(order.begin(), order.end());
  std::string names;
  for (size_t i = 0; i < std::min(order.size(), most_names); ++i)
    names += (i == 0 ? "" : ", ") + text(Quoted{tensors[order[i].second].first});
  return names;
}

auto find(const NamedTensors& tensors, std::string_view name) {
  return std::find_if(tensors.begin(), tensors.end(),
                      [&](const auto& tensor) { return tensor.first == name; });
}

/// `value` as JSON writes it; throws if it is not UTF-8.
std::string json_text(const json& value, std::string_view what) {
  try {
    return value.dump();
  } catch (const json::exception&) {
    throw Error(detail::format("[save_safetensors] {} is not UTF-8", {std::string(what)}));
  }
}

void check_tensors(const NamedTensors& tensors) {
  std::set<std::string_view> names;
  for (const auto& [name, tensor] : tensors) {
    check(!name.empty(), "[save_safetensors] a tensor has the empty name");
    check(name != metadata_key, "[save_safetensors] the name {} is reserved", name);
    check(names.insert(name).second, "[save_safetensors] two tensors are called {}", name);
    check(tensor.defined(), "[save_safetensors] the tensor {} is undefined", name);
  }
}

std::string make_header(const NamedTensors& tensors, const std::map<std::string, std::string>& metadata) {
  std::string header = "{";
  if (!metadata.empty())
    header += detail::format(R"("__metadata__":{},)", {json_text(metadata, "the metadata")});
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const uint64_t end = offset + static_cast<uint64_t>(tensor.numel()) * item_size(tensor.dtype());
    header += detail::format(
        R"({}:{"dtype":"{}","shape":{},"data_offsets":[{},{}]},)",
        {json_text(name, "the name " + text(Quoted{name})), std::string(file_name(tensor.dtype())),
         json(std::vector(tensor.shape().begin(), tensor.shape().end())).dump(), std::to_string(offset),
         std::to_string(end)});
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

}  // namespace

bool SafetensorsFile::contains(std::string_view name) const { return find(tensors, name) != tensors.end(); }

const Tensor& SafetensorsFile::at(std::string_view name) const {
  const auto found = find(tensors, name);
  if (found != tensors.end()) return found->second;
  check<FileError>(!tensors.empty(), "{}: no tensor {}; the file has no tensors", path.string(),
                   Quoted{name});
  detail::fail<FileError>(
      "{}: no tensor {}; of the {} names in the file, the nearest: {}",
      {path.string(), text(Quoted{name}), std::to_string(tensors.size()), nearest_names(tensors, name)});
}

SafetensorsFile load_safetensors(const fs::path& path) {
  try {
    const auto mapping = map_file(path);
    const std::span<char> file(mapping->data(), mapping->size());
    const size_t length = header_length(file);
    const std::span<char> data = file.subspan(length_bytes + length);
    Header header = parse_header(file.subspan(length_bytes, length));
    check_names(header.entries);
    check_layout(header.entries, data.size());

    SafetensorsFile result;
    result.tensors.reserve(header.entries.size());
    for (Entry& entry : header.entries) {
      Tensor tensor = make_tensor(entry, data, mapping);
      result.tensors.emplace_back(std::move(entry.name), std::move(tensor));
    }
    result.metadata = std::move(header.metadata);
    result.path = path;
    return result;
  } catch (const FileError& error) {
    throw FileError(path.string() + ": " + error.what());
  }
}

void save_safetensors(const fs::path& path, const NamedTensors& tensors,
                      const std::map<std::string, std::string>& metadata) {
  check_tensors(tensors);
  const std::string header = make_header(tensors, metadata);
  const uint64_t length = header.size();
  detail::write_atomically(path, [&](detail::FileWriter& writer) {
    writer.write(&length, length_bytes);
    writer.write(header);
    for (const auto& [name, tensor] : tensors) {
      const Tensor values = detail::contiguous_values(tensor);
      writer.write(values.raw_bytes(), static_cast<size_t>(values.numel()) * item_size(values.dtype()));
    }
  });
}

}  // namespace reel
