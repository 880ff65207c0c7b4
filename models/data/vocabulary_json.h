// A vocabulary within a JSON file, for the tokenizers that hold one. Internal; includes nlohmann-json.
#pragma once

#include <nlohmann/json.hpp>
#include <unordered_map>

#include <reel/models/data/vocabulary.h>

namespace reel::detail {

struct VocabularyTable {
  std::vector<std::string> symbols;
  std::vector<int64_t> counts;
  std::unordered_map<std::string_view, int64_t> codes;  // views of `symbols`
  int64_t special = 0;
  int64_t pad = -1, unk = -1, bos = -1, eos = -1;

  /// Fills `codes`; returns a symbol that comes twice, or nullptr.
  const std::string* number();
  static Vocabulary wrap(std::shared_ptr<const VocabularyTable> table) {
    return Vocabulary(std::move(table));
  }
};

nlohmann::json vocabulary_to_json(const Vocabulary& vocabulary);
Vocabulary vocabulary_from_json(const nlohmann::json& object, const std::string& name);

}  // namespace reel::detail
