#include "models/data/unicode.h"

#include <algorithm>
#include <array>

#include "framework/error.h"

namespace reel {
namespace {

constexpr uint32_t replacement = 0xFFFD;
constexpr std::string_view replacement_bytes = "\xEF\xBF\xBD";

struct Range {
  uint32_t first, last;
};

template <size_t N> bool within(const std::array<Range, N>& ranges, uint32_t value) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), value,
                                      [](uint32_t v, const Range& range) { return v < range.first; });
  return after != ranges.begin() && value <= (after - 1)->last;
}

// White_Space, and control characters.
constexpr std::array<Range, 11> spaces = {{{0x00, 0x20},
                                           {0x7F, 0xA0},
                                           {0x1680, 0x1680},
                                           {0x2000, 0x200B},
                                           {0x200E, 0x200F},
                                           {0x2028, 0x2029},
                                           {0x202A, 0x202F},
                                           {0x205F, 0x2064},
                                           {0x2066, 0x206F},
                                           {0x3000, 0x3000},
                                           {0xFEFF, 0xFEFF}}};

// Blocks of punctuation and symbols, and the signs of Latin-1.
constexpr std::array<Range, 36> signs = {
    {{0x21, 0x2F},      {0x3A, 0x40},     {0x5B, 0x5E},     {0x60, 0x60},     {0x7B, 0x7E},
     {0xA1, 0xA9},      {0xAB, 0xB4},     {0xB6, 0xB9},     {0xBB, 0xBF},     {0xD7, 0xD7},
     {0xF7, 0xF7},      {0x37E, 0x37E},   {0x387, 0x387},   {0x55A, 0x55F},   {0x589, 0x58A},
     {0x5BE, 0x5BE},    {0x5F3, 0x5F4},   {0x609, 0x60D},   {0x61B, 0x61F},   {0x66A, 0x66D},
     {0x6D4, 0x6D4},    {0x964, 0x965},   {0x2010, 0x205E}, {0x20A0, 0x20CF}, {0x2190, 0x2BFF},
     {0x3001, 0x3004},  {0x3008, 0x3020}, {0xFE10, 0xFE1F}, {0xFE30, 0xFE6F}, {0xFF01, 0xFF0F},
     {0xFF1A, 0xFF20},  {0xFF3B, 0xFF40}, {0xFF5B, 0xFF65}, {0xFFE0, 0xFFEE}, {replacement, replacement},
     {0x1F000, 0x1FAFF}}};

constexpr std::array<Range, 5> words_of_one = {
    {{0x3041, 0x309F}, {0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0xF900, 0xFAFF}, {0x20000, 0x3FFFF}}};

enum class Kind : uint8_t { space, sign, letter, alone };

Kind kind_of(uint32_t value) {
  if (within(spaces, value)) return Kind::space;
  if (within(signs, value)) return Kind::sign;
  return within(words_of_one, value) ? Kind::alone : Kind::letter;
}

bool is_digit(uint32_t value) { return value >= '0' && value <= '9'; }

struct Piece {
  std::string_view bytes;
  uint32_t value;
  Kind kind;
};

Piece piece_of(std::string_view bytes) {
  const CodePoint point = code_point_at(bytes, 0);
  return {bytes, point.value, point.valid ? kind_of(point.value) : Kind::sign};
}

void append_lowered(std::string& word, const Piece& piece) {
  if (piece.value >= 'A' && piece.value <= 'Z')
    word += static_cast<char>(piece.value + 32);
  else if (piece.value >= 0xC0 && piece.value <= 0xDE && piece.value != 0xD7)
    (word += '\xC3') += static_cast<char>(0x80 + (piece.value - 0xC0 + 32));
  else
    word += piece.bytes;
}

}  // namespace

CodePoint code_point_at(std::string_view text, size_t at) {
  check(at < text.size(), "[code_point_at] byte {} is outside of a text of {} bytes", at, text.size());
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : uint32_t{0};
  };
  const uint32_t first = byte(at);
  if (first < 0x80) return {first, 1, true};
  if (first < 0xC2 || first > 0xF4) return {replacement, 1, false};
  const uint32_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  // The second byte's range excludes overlong forms, surrogates and what lies beyond U+10FFFF (table 3-7).
  const uint32_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const uint32_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  uint32_t value = first & (0x7F >> length);
  for (uint32_t i = 1; i < length; ++i) {
    const uint32_t next = byte(at + i);
    if (next < (i == 1 ? low : 0x80) || next > (i == 1 ? high : 0xBF)) return {replacement, i, false};
    value = value << 6 | (next & 0x3F);
  }
  return {value, length, true};
}

bool is_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    if (!point.valid) return false;
    at += point.bytes;
  }
  return true;
}

std::vector<std::string_view> characters(std::string_view text, InvalidUtf8 invalid) {
  std::vector<std::string_view> result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    if (point.valid) {
      result.push_back(text.substr(at, point.bytes));
    } else if (invalid == InvalidUtf8::replace) {
      result.push_back(replacement_bytes);
    } else {
      check(invalid == InvalidUtf8::keep, "[characters] the text is not UTF-8 at its byte {}", at);
      for (uint32_t i = 0; i < point.bytes; ++i) result.push_back(text.substr(at + i, 1));
    }
    at += point.bytes;
  }
  return result;
}

std::vector<std::string> words(std::string_view text, const WordOptions& options) {
  const std::vector<std::string_view> all = characters(text, options.invalid);
  std::vector<std::string> result;
  bool open = false;  // the last word may grow
  const Piece edge{{}, 0, Kind::space};
  Piece before = edge;
  Piece next = all.empty() ? edge : piece_of(all[0]);
  for (size_t i = 0; i < all.size(); ++i) {
    Piece piece = next;
    const Piece after = next = i + 1 < all.size() ? piece_of(all[i + 1]) : edge;
    if (open && after.kind == Kind::letter && before.kind == Kind::letter) {
      const bool apostrophe = piece.value == '\'' || piece.value == 0x2019;
      const bool in_number =
          (piece.value == '.' || piece.value == ',') && is_digit(before.value) && is_digit(after.value);
      if (apostrophe || in_number) piece.kind = Kind::letter;
    }
    if (piece.kind == Kind::letter || piece.kind == Kind::alone ||
        (piece.kind == Kind::sign && options.punctuation)) {
      if (!open || piece.kind != Kind::letter) result.emplace_back();
      if (options.lower_case)
        append_lowered(result.back(), piece);
      else
        result.back() += piece.bytes;
    }
    open = piece.kind == Kind::letter;
    before = piece;
  }
  return result;
}

}  // namespace reel
