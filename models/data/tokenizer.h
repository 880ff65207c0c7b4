// Texts as sequences of characters or words. Byte-pair encoding is in byte_pair.h.
#pragma once

#include <reel/models/data/unicode.h>
#include <reel/models/data/vocabulary.h>

namespace reel {

/// One code for each character (Unicode code point). With InvalidUtf8::keep, the default, and a vocabulary that holds
/// the characters of a text, decode(encode(text)) == text for any bytes.
class CharacterTokenizer {
 public:
  CharacterTokenizer() = default;
  explicit CharacterTokenizer(Vocabulary vocabulary, InvalidUtf8 invalid = InvalidUtf8::keep);
  /// With the vocabulary of a training text.
  static CharacterTokenizer train(std::string_view text, const VocabularyOptions& options = {},
                                  InvalidUtf8 invalid = InvalidUtf8::keep);

  const Vocabulary& vocabulary() const { return vocabulary_; }
  int64_t size() const { return vocabulary_.size(); }
  std::vector<int64_t> encode(std::string_view text, const EncodeOptions& options = {}) const;
  /// Special symbols but unk are left out unless `special` is true.
  std::string decode(std::span<const int64_t> codes, bool special = false) const;

  std::string to_json() const;
  /// Throws FileError for anything but the text of to_json(); `name` is what the message begins with.
  static CharacterTokenizer from_json(std::string_view text, const std::string& name = "tokenizer");
  void save(const std::string& path) const;  ///< Whole or not at all. Throws FileError.
  static CharacterTokenizer load(const std::string& path);

 private:
  Vocabulary vocabulary_;
  InvalidUtf8 invalid_ = InvalidUtf8::keep;
};

/// One code for each word, as words() splits.
class WordTokenizer {
 public:
  WordTokenizer() = default;
  explicit WordTokenizer(Vocabulary vocabulary, const WordOptions& splitting = {});
  /// With the vocabulary of a training text.
  static WordTokenizer train(std::string_view text, const VocabularyOptions& options = {},
                             const WordOptions& splitting = {});

  const Vocabulary& vocabulary() const { return vocabulary_; }
  const WordOptions& splitting() const { return splitting_; }
  int64_t size() const { return vocabulary_.size(); }
  std::vector<int64_t> encode(std::string_view text, const EncodeOptions& options = {}) const;
  /// The words with one space between: what was between them in a text is lost. Special symbols but unk are left out
  /// unless `special` is true.
  std::string decode(std::span<const int64_t> codes, bool special = false) const;

  std::string to_json() const;
  /// Throws FileError for anything but the text of to_json(); `name` is what the message begins with.
  static WordTokenizer from_json(std::string_view text, const std::string& name = "tokenizer");
  void save(const std::string& path) const;  ///< Whole or not at all. Throws FileError.
  static WordTokenizer load(const std::string& path);

 private:
  Vocabulary vocabulary_;
  WordOptions splitting_;
};

}  // namespace reel
