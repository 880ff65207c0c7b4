// UTF-8 taken apart: code points and words. What they are numbered with is the business of tokenizers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace reel {

/// What becomes of bytes that are not UTF-8.
enum class InvalidUtf8 : uint8_t {
  keep,  ///< Each such byte is a character of its own, so that nothing is lost.
  replace,  ///< U+FFFD for each longest beginning of a sequence, as the Unicode Standard (3.9, table 3-8) recommends.
  error,  ///< An Error that names the place.
};

/// One code point of a text and the bytes that it takes.
struct CodePoint {
  uint32_t value;  ///< U+FFFD where the bytes are not UTF-8.
  uint32_t bytes;  ///< At least 1.
  bool valid;
};
/// The code point that begins at byte `at` < text.size(). Surrogates, overlong forms and what lies beyond U+10FFFF
/// are not valid; `bytes` is then the length of the longest beginning of a sequence.
CodePoint code_point_at(std::string_view text, size_t at);

bool is_utf8(std::string_view text);

/// The characters (code points) of a text: views of it, and of a constant for U+FFFD.
std::vector<std::string_view> characters(std::string_view text, InvalidUtf8 invalid = InvalidUtf8::keep);

struct WordOptions {
  bool lower_case = false;  ///< A-Z and the capitals of Latin-1 (À to Þ) become small; no other letters do.
  bool punctuation = true;  ///< Signs are words too; false leaves them out.
  InvalidUtf8 invalid = InvalidUtf8::keep;
};
/// The words of a text. A word is a longest run of letters, digits, combining marks and underscores; an apostrophe
/// (' or U+2019) between two of them belongs to it, and so does a point or comma between two ASCII digits. Chinese
/// ideographs and Hiragana are words of one character. Spaces (Unicode's White_Space) and control characters separate;
/// every other code point, and each byte kept that is not UTF-8, is a sign. Beyond ASCII, signs are told from letters by
/// Unicode's blocks, and not by each code point's own category.
std::vector<std::string> words(std::string_view text, const WordOptions& options = {});

}  // namespace reel
