// Byte-pair encoding: a tokenizer that learns from a text which sequences of bytes to join.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reel {

namespace detail {
struct BytePairTable;
}

struct BytePairOptions {
  int64_t merges = 1000;                  ///< Learnt at most; the codes are 256 + merges + special.size().
  int64_t min_count = 2;                  ///< Pairs that occur less often are not joined.
  std::vector<std::string> special = {};  ///< Names of special symbols, which no text encodes to.
};

/// The pieces of a text that byte-pair encoding never joins beyond; together they are the text. A piece is a run of
/// letters (A-Z, a-z, every byte of a code point beyond ASCII, an apostrophe between two of them), of digits, of
/// other visible signs, each with one space before it if there is one; or a run of ASCII spaces and control characters,
/// without the space that the next piece has taken.
std::vector<std::string_view> byte_pair_pieces(std::string_view text);

/// Byte-pair encoding (Sennrich, Haddow, Birch 2016, "Neural machine translation of rare words with subword units",
/// algorithm 1) on bytes instead of characters: codes 0 to 255 are the bytes, 256 + i is what merge i joins, and the
/// special symbols follow. Any text encodes, and decode(encode(text)) == text for any bytes. Of pairs that are equally
/// frequent the one with the smaller codes (left, then right) is joined, so that the same text gives the same merges
/// everywhere. Never changes; copies share their table.
class BytePairTokenizer {
 public:
  /// No merges: one code for each byte.
  BytePairTokenizer();
  static BytePairTokenizer train(std::string_view text, const BytePairOptions& options = {});

  int64_t size() const;  ///< Of the vocabulary.
  const std::vector<std::pair<int64_t, int64_t>>& merges() const;
  /// The bytes of a code; the name of a special symbol.
  std::string symbol(int64_t code) const;
  /// The code of a special symbol. Throws where there is none of this name.
  int64_t special(std::string_view name) const;

  std::vector<int64_t> encode(std::string_view text) const;
  /// Special symbols are left out unless `special` is true.
  std::string decode(std::span<const int64_t> codes, bool special = false) const;

  std::string to_json() const;
  /// Throws FileError for anything but the text of to_json(); `name` is what the message begins with.
  static BytePairTokenizer from_json(std::string_view text, const std::string& name = "tokenizer");
  void save(const std::string& path) const;  ///< Whole or not at all. Throws FileError.
  static BytePairTokenizer load(const std::string& path);

 private:
  explicit BytePairTokenizer(std::shared_ptr<const detail::BytePairTable> table) : table_(std::move(table)) {}
  std::shared_ptr<const detail::BytePairTable> table_;
};

}  // namespace reel
