#include "models/data/npy_header.h"

#include <algorithm>
#include <array>
#include <charconv>

// The format: "\x93NUMPY", version in two bytes, the header's length (2 bytes little-endian; 4 from version 2
// on), the header, which is a dictionary as Python writes it, padded by spaces and a newline, and the
// numbers.
//   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }

namespace reel::detail {
namespace {

constexpr std::string_view magic = "\x93NUMPY";
constexpr size_t most_header_bytes = 1 << 16;  // NumPy itself reads no more than 10000
constexpr size_t alignment = 64;

/// Reads that dictionary, and no other Python.
class DictionaryReader {
 public:
  explicit DictionaryReader(std::string_view text) : text_(text) {}

  NpyHeader read() {
    NpyHeader header;
    expect('{');
    while (!take('}')) {
      const std::string_view key = string();
      expect(':');
      const auto field = std::find(fields.begin(), fields.end(), key) - fields.begin();
      check<FileError>(field < static_cast<int64_t>(fields.size()), "the header has an unknown key");
      check<FileError>(!seen_[static_cast<size_t>(field)], "the header has {} twice", key);
      seen_[static_cast<size_t>(field)] = true;
      if (key == "descr")
        header.format = format();
      else if (key == "fortran_order")
        header.fortran_order = boolean();
      else
        header.shape = tuple();
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_spaces();
    check<FileError>(at_ == text_.size(), "the header goes on after its dictionary");
    for (size_t i = 0; i < fields.size(); ++i) check<FileError>(seen_[i], "the header has no {}", fields[i]);
    return header;
  }

 private:
  static constexpr std::array<std::string_view, 3> fields = {"descr", "fortran_order", "shape"};

  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool take(char wanted) {
    skip_spaces();
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  void expect(char wanted) {
    check<FileError>(
        take(wanted),
        "the header is no dictionary of descr, fortran_order and shape: '{}' is missing at byte {}",
        std::string(1, wanted), at_);
  }
  std::string_view string() {
    skip_spaces();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    check<FileError>(quote == '\'' || quote == '"', "the header has no string at byte {}", at_);
    const size_t end = text_.find(quote, at_ + 1);
    check<FileError>(end != std::string_view::npos, "the header has a string without an end");
    const std::string_view content = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return content;
  }
  bool boolean() {
    skip_spaces();
    for (const std::string_view word : {"True", "False"})
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return word == "True";
      }
    detail::fail<FileError>("the header's fortran_order is neither True nor False", {});
  }
  uint64_t number() {
    skip_spaces();
    uint64_t value = 0;
    const auto [end, failure] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    check<FileError>(failure == std::errc(),
                     "the header's shape has no number at byte {}, or one that is too large", at_);
    at_ = static_cast<size_t>(end - text_.data());
    take('L');  // Python 2 wrote long integers so
    return value;
  }
  std::vector<uint64_t> tuple() {
    std::vector<uint64_t> values;
    expect('(');
    while (!take(')')) {
      values.push_back(number());
      if (take(',')) continue;
      expect(')');
      break;
    }
    return values;
  }
  NumberFormat format() {
    skip_spaces();
    check<FileError>(at_ == text_.size() || text_[at_] != '[', "an array of structures, not of numbers");
    const std::string_view descr = string();
    const std::string_view orders = "<>|=";
    const bool well_formed =
        descr.size() >= 3 && descr.size() <= 5 && orders.find(descr[0]) != std::string_view::npos;
    NumberFormat format{.kind = '?', .size = 0, .big_endian = well_formed && descr[0] == '>'};
    const char* end = descr.data() + descr.size();
    const bool sized = well_formed && std::from_chars(descr.data() + 2, end, format.size).ptr == end;
    const bool kind = sized && std::string_view("fiub").find(descr[1]) != std::string_view::npos;
    check<FileError>(kind, "an array of the type '{}', which is none of numbers or bool", shown(descr));
    format.kind = descr[1];
    return format;
  }
  static std::string shown(std::string_view name) {
    constexpr size_t longest = 20;
    std::string result(name.substr(0, longest));
    std::replace_if(
        result.begin(), result.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7F; }, '?');
    return result;
  }

  std::string_view text_;
  size_t at_ = 0;
  std::array<bool, fields.size()> seen_{};
};

std::string_view descr_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "<f4";
    case DType::float64:
      return "<f8";
    case DType::int64:
      return "<i8";
    case DType::uint8:
      return "|u1";
    case DType::boolean:
      return "|b1";
  }
  return "?";
}

}  // namespace

NpyHeader parse_npy_header(Bytes file) {
  const std::string_view bytes = as_text(file);
  check<FileError>(bytes.size() >= magic.size() + 4 && bytes.starts_with(magic),
                   "not a .npy file: it does not begin with \\x93NUMPY, a version and a length");
  const int version = bytes[magic.size()];
  check<FileError>(version >= 1 && version <= 3, "the version {} of the .npy format is not known", version);
  const size_t length_bytes = version == 1 ? 2 : 4;
  const size_t begin = magic.size() + 2 + length_bytes;
  check<FileError>(bytes.size() >= begin, "cut off within the header");
  size_t length = 0;
  for (size_t i = length_bytes; i > 0; --i)
    length = length << 8 | static_cast<unsigned char>(bytes[begin - length_bytes + i - 1]);
  check<FileError>(length <= most_header_bytes, "a header of {} bytes; {} is the most", length,
                   most_header_bytes);
  check<FileError>(length <= bytes.size() - begin, "cut off within the header");
  NpyHeader header = DictionaryReader(bytes.substr(begin, length)).read();
  header.data = begin + length;
  return header;
}

std::string make_npy_header(DType dtype, const Shape& shape) {
  std::string extents;
  for (int64_t extent : shape) extents += std::to_string(extent) + (shape.rank() == 1 ? "," : ", ");
  if (shape.rank() > 1) extents.resize(extents.size() - 2);
  std::string dictionary = format("{'descr': '{}', 'fortran_order': False, 'shape': ({}), }",
                                  {std::string(descr_of(dtype)), extents});
  const size_t begin = magic.size() + 4;
  const size_t whole = (begin + dictionary.size() + 1 + alignment - 1) / alignment * alignment;
  dictionary.resize(whole - begin - 1, ' ');
  dictionary += '\n';
  std::string header(magic);
  header += '\1';
  header += '\0';
  header += static_cast<char>(dictionary.size() & 255);
  header += static_cast<char>(dictionary.size() >> 8);
  return header + dictionary;
}

}  // namespace reel::detail
