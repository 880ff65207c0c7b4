// Symbols (words, characters, anything that is a string) as numbers. How a text becomes symbols is the business of
// tokenizers.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reel {

namespace detail {
struct CountTable;
struct VocabularyTable;
}  // namespace detail

/// How often each symbol has occurred. Symbols are any bytes.
class SymbolCounts {
 public:
  SymbolCounts();
  explicit SymbolCounts(const std::vector<std::string>& symbols);
  ~SymbolCounts();
  SymbolCounts(SymbolCounts&& other) noexcept;
  SymbolCounts& operator=(SymbolCounts&& other) noexcept;

  void add(std::string_view symbol, int64_t times = 1);
  void add(const std::vector<std::string>& symbols);
  int64_t operator[](std::string_view symbol) const;  ///< 0 for what has not occurred.
  int64_t size() const;                               ///< Different symbols.
  const detail::CountTable& table() const { return *table_; }

 private:
  std::unique_ptr<detail::CountTable> table_;
};

struct VocabularyOptions {
  int64_t min_count = 1;  ///< Symbols that occur less often are left out.
  int64_t max_size = 0;   ///< Of the whole vocabulary, special symbols included; 0: no limit.
  // Names of special symbols; empty: there is none. Without `unk` an unknown symbol is an error.
  std::string pad = {}, unk = {}, bos = {}, eos = {};
  std::vector<std::string> others = {};  ///< Further special symbols.
};

struct EncodeOptions {
  bool bos = false;  ///< Begin with the symbol for the beginning, which the vocabulary must have.
  bool eos = false;  ///< The same at the end.
};

/// The symbols that are kept, numbered from 0: first the special symbols in the order pad, unk, bos, eos, others;
/// then the rest, the frequent ones first, those of one count in the order of their bytes. A symbol of the data with
/// the name of a special one is that special one. Never changes, so that copies share their table. A vocabulary made
/// without counts is empty, and every use of it but size() and assignment throws.
class Vocabulary {
 public:
  Vocabulary() = default;
  explicit Vocabulary(const SymbolCounts& counts, const VocabularyOptions& options = {});

  int64_t size() const;
  const std::string& symbol(int64_t code) const;  ///< Throws on what is no code.
  int64_t count(int64_t code) const;              ///< In the data; of unk, that of all symbols left out.
  bool contains(std::string_view symbol) const;   ///< Special symbols too.
  int64_t code(std::string_view symbol) const;    ///< unk's if unknown; throws where there is no unk.
  bool is_special(int64_t code) const;            ///< Throws on what is no code.
  int64_t special() const;  ///< Number of special symbols, which have the codes below it.
  int64_t pad() const, unk() const, bos() const, eos() const;  ///< -1 where there is none.

  std::vector<int64_t> encode(std::span<const std::string> symbols, const EncodeOptions& options = {}) const;
  std::vector<int64_t> encode(std::span<const std::string_view> symbols,
                              const EncodeOptions& options = {}) const;
  /// The symbols; without pad, bos, eos and the other special symbols (but not unk) unless `special` is true.
  std::vector<std::string> decode(std::span<const int64_t> codes, bool special = false) const;

  std::string to_json() const;
  /// Throws FileError for anything but the text of to_json(); `name` is what the message begins with.
  static Vocabulary from_json(std::string_view text, const std::string& name = "vocabulary");
  void save(const std::string& path) const;  ///< Whole or not at all. Throws FileError.
  static Vocabulary load(const std::string& path);

  const detail::VocabularyTable& table() const;  // internal

 private:
  explicit Vocabulary(std::shared_ptr<const detail::VocabularyTable> table) : table_(std::move(table)) {}
  friend struct detail::VocabularyTable;
  std::shared_ptr<const detail::VocabularyTable> table_;
};

}  // namespace reel
