#include "models/data/tokenizer.h"

#include <array>

#include "models/data/json_text.h"
#include "models/data/vocabulary_json.h"

namespace reel {
namespace {

constexpr std::string_view character_format = "reel.tokenizer.character";
constexpr std::string_view word_format = "reel.tokenizer.word";
constexpr int64_t newest_version = 1;

constexpr std::array<std::string_view, 3> invalid_names = {"keep", "replace", "error"};  // by InvalidUtf8

InvalidUtf8 invalid_from_json(const nlohmann::json& object, const std::string& name) {
  const std::string found = detail::json_string(object, "invalid", name);
  for (size_t i = 0; i < invalid_names.size(); ++i)
    if (found == invalid_names[i]) return static_cast<InvalidUtf8>(i);
  throw FileError(name + ": invalid must be keep, replace or error");
}

}  // namespace

CharacterTokenizer::CharacterTokenizer(Vocabulary vocabulary, InvalidUtf8 invalid)
    : vocabulary_(std::move(vocabulary)), invalid_(invalid) {}

CharacterTokenizer CharacterTokenizer::train(std::string_view text, const VocabularyOptions& options,
                                             InvalidUtf8 invalid) {
  SymbolCounts counts;
  for (std::string_view character : characters(text, invalid)) counts.add(character);
  return CharacterTokenizer(Vocabulary(counts, options), invalid);
}

std::vector<int64_t> CharacterTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  return vocabulary_.encode(characters(text, invalid_), options);
}

std::string CharacterTokenizer::decode(std::span<const int64_t> codes, bool special) const {
  std::string text;
  for (int64_t code : codes)
    if (const std::string& character = vocabulary_.symbol(code);
        special || !vocabulary_.is_special(code) || code == vocabulary_.unk())
      text += character;
  return text;
}

std::string CharacterTokenizer::to_json() const {
  return nlohmann::json{{"format", character_format},
                        {"version", newest_version},
                        {"invalid", invalid_names[static_cast<size_t>(invalid_)]},
                        {"vocabulary", detail::vocabulary_to_json(vocabulary_)}}
      .dump();
}

CharacterTokenizer CharacterTokenizer::from_json(std::string_view text, const std::string& name) {
  const nlohmann::json object = detail::parse_json(text, name);
  detail::check_format(object, character_format, newest_version, name);
  detail::check_keys(object, {"format", "version", "invalid", "vocabulary"}, name);
  return CharacterTokenizer(detail::vocabulary_from_json(object["vocabulary"], name),
                            invalid_from_json(object, name));
}

void CharacterTokenizer::save(const std::string& path) const { detail::write_json_file(path, to_json()); }

CharacterTokenizer CharacterTokenizer::load(const std::string& path) {
  return from_json(detail::read_json_file(path), path);
}

WordTokenizer::WordTokenizer(Vocabulary vocabulary, const WordOptions& splitting)
    : vocabulary_(std::move(vocabulary)), splitting_(splitting) {}

WordTokenizer WordTokenizer::train(std::string_view text, const VocabularyOptions& options,
                                   const WordOptions& splitting) {
  return WordTokenizer(Vocabulary(SymbolCounts(words(text, splitting)), options), splitting);
}

std::vector<int64_t> WordTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  return vocabulary_.encode(words(text, splitting_), options);
}

std::string WordTokenizer::decode(std::span<const int64_t> codes, bool special) const {
  std::string text;
  for (const std::string& word : vocabulary_.decode(codes, special)) {
    if (!text.empty()) text += ' ';
    text += word;
  }
  return text;
}

std::string WordTokenizer::to_json() const {
  return nlohmann::json{{"format", word_format},
                        {"version", newest_version},
                        {"invalid", invalid_names[static_cast<size_t>(splitting_.invalid)]},
                        {"lower_case", splitting_.lower_case},
                        {"punctuation", splitting_.punctuation},
                        {"vocabulary", detail::vocabulary_to_json(vocabulary_)}}
      .dump();
}

WordTokenizer WordTokenizer::from_json(std::string_view text, const std::string& name) {
  const nlohmann::json object = detail::parse_json(text, name);
  detail::check_format(object, word_format, newest_version, name);
  detail::check_keys(object, {"format", "version", "invalid", "lower_case", "punctuation", "vocabulary"},
                     name);
  return WordTokenizer(detail::vocabulary_from_json(object["vocabulary"], name),
                       {.lower_case = detail::json_boolean(object, "lower_case", name),
                        .punctuation = detail::json_boolean(object, "punctuation", name),
                        .invalid = invalid_from_json(object, name)});
}

void WordTokenizer::save(const std::string& path) const { detail::write_json_file(path, to_json()); }

WordTokenizer WordTokenizer::load(const std::string& path) {
  return from_json(detail::read_json_file(path), path);
}

}  // namespace reel
