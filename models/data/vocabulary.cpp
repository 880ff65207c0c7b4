#include "models/data/vocabulary.h"

#include <algorithm>
#include <unordered_map>

#include "framework/error.h"
#include "models/data/json_text.h"
#include "models/data/vocabulary_json.h"

namespace reel {
namespace detail {

/// Lets a view be looked up among strings.
struct Hash {
  using is_transparent = void;
  size_t operator()(std::string_view symbol) const { return std::hash<std::string_view>{}(symbol); }
};

struct CountTable {
  std::unordered_map<std::string, int64_t, Hash, std::equal_to<>> counts;
};

const std::string* VocabularyTable::number() {
  codes.reserve(symbols.size());
  for (const std::string& symbol : symbols)
    if (!codes.emplace(symbol, static_cast<int64_t>(codes.size())).second) return &symbol;
  return nullptr;
}

}  // namespace detail

SymbolCounts::SymbolCounts() : table_(std::make_unique<detail::CountTable>()) {}
SymbolCounts::SymbolCounts(const std::vector<std::string>& symbols) : SymbolCounts() { add(symbols); }
SymbolCounts::~SymbolCounts() = default;
SymbolCounts::SymbolCounts(SymbolCounts&&) noexcept = default;
SymbolCounts& SymbolCounts::operator=(SymbolCounts&&) noexcept = default;

void SymbolCounts::add(std::string_view symbol, int64_t times) {
  check(times >= 0, "[symbol_counts] a symbol cannot occur {} times", times);
  if (times == 0) return;
  const auto found = table_->counts.find(symbol);
  if (found != table_->counts.end())
    found->second += times;
  else
    table_->counts.emplace(symbol, times);
}

void SymbolCounts::add(const std::vector<std::string>& symbols) {
  for (const std::string& symbol : symbols) add(symbol);
}

int64_t SymbolCounts::operator[](std::string_view symbol) const {
  const auto found = table_->counts.find(symbol);
  return found == table_->counts.end() ? 0 : found->second;
}

int64_t SymbolCounts::size() const { return static_cast<int64_t>(table_->counts.size()); }

Vocabulary::Vocabulary(const SymbolCounts& counts, const VocabularyOptions& options) {
  check(options.min_count >= 1, "[vocabulary] min_count must be at least 1, got {}", options.min_count);
  check(options.max_size >= 0, "[vocabulary] max_size must be at least 0, got {}", options.max_size);
  auto table = std::make_shared<detail::VocabularyTable>();
  const auto add_special = [&](const std::string& symbol) -> int64_t {
    if (symbol.empty()) return -1;
    table->symbols.push_back(symbol);
    return table->special++;
  };
  table->pad = add_special(options.pad);
  table->unk = add_special(options.unk);
  table->bos = add_special(options.bos);
  table->eos = add_special(options.eos);
  for (const std::string& symbol : options.others) {
    check(!symbol.empty(), "[vocabulary] a special symbol of `others` has no name");
    add_special(symbol);
  }
  check(options.max_size == 0 || table->special <= options.max_size,
        "[vocabulary] {} special symbols do not fit into a max_size of {}", table->special, options.max_size);

  struct Entry {
    std::string_view symbol;
    int64_t count;
  };
  std::vector<Entry> entries;
  int64_t left_out = 0;
  for (const auto& [symbol, count] : counts.table().counts) {
    if (std::find(table->symbols.begin(), table->symbols.end(), symbol) != table->symbols.end()) continue;
    if (count >= options.min_count)
      entries.push_back({symbol, count});
    else
      left_out += count;
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.count != b.count ? a.count > b.count : a.symbol < b.symbol;
  });
  for (const std::string& symbol : table->symbols) table->counts.push_back(counts[symbol]);
  for (const Entry& entry : entries) {
    if (options.max_size > 0 && static_cast<int64_t>(table->symbols.size()) == options.max_size) {
      left_out += entry.count;
    } else {
      table->symbols.emplace_back(entry.symbol);
      table->counts.push_back(entry.count);
    }
  }
  if (table->unk >= 0) table->counts[static_cast<size_t>(table->unk)] += left_out;
  const std::string* twice = table->number();
  check(twice == nullptr, "[vocabulary] the special symbol \"{}\" is named twice",
        twice != nullptr ? *twice : std::string());
  table_ = std::move(table);
}

const detail::VocabularyTable& Vocabulary::table() const {
  check(table_ != nullptr, "[vocabulary] this vocabulary was made without counts");
  return *table_;
}

namespace {

size_t checked(int64_t code, const detail::VocabularyTable& table) {
  check(code >= 0 && static_cast<size_t>(code) < table.symbols.size(),
        "[vocabulary] {} is no code of a vocabulary of {} symbols", code, table.symbols.size());
  return static_cast<size_t>(code);
}

std::string shown(std::string_view symbol) {
  return std::string(symbol.substr(0, 100)) + (symbol.size() > 100 ? "..." : "");
}

template <class Symbol>
std::vector<int64_t> encode_with(const Vocabulary& vocabulary, std::span<const Symbol> symbols,
                                 const EncodeOptions& options) {
  check(!options.bos || vocabulary.bos() >= 0, "[vocabulary] there is no special symbol bos");
  check(!options.eos || vocabulary.eos() >= 0, "[vocabulary] there is no special symbol eos");
  std::vector<int64_t> codes;
  codes.reserve(symbols.size() + 2);
  if (options.bos) codes.push_back(vocabulary.bos());
  for (const Symbol& symbol : symbols) codes.push_back(vocabulary.code(symbol));
  if (options.eos) codes.push_back(vocabulary.eos());
  return codes;
}

}  // namespace

int64_t Vocabulary::size() const { return table_ ? static_cast<int64_t>(table_->symbols.size()) : 0; }
const std::string& Vocabulary::symbol(int64_t code) const { return table().symbols[checked(code, table())]; }
int64_t Vocabulary::count(int64_t code) const { return table().counts[checked(code, table())]; }
bool Vocabulary::contains(std::string_view symbol) const { return table().codes.contains(symbol); }
bool Vocabulary::is_special(int64_t code) const {
  checked(code, table());
  return code < table().special;
}
int64_t Vocabulary::special() const { return table().special; }
int64_t Vocabulary::pad() const { return table().pad; }
int64_t Vocabulary::unk() const { return table().unk; }
int64_t Vocabulary::bos() const { return table().bos; }
int64_t Vocabulary::eos() const { return table().eos; }

int64_t Vocabulary::code(std::string_view symbol) const {
  const auto found = table().codes.find(symbol);
  if (found != table().codes.end()) return found->second;
  check(table().unk >= 0, "[vocabulary] \"{}\" is not in the vocabulary, which has no special symbol unk",
        shown(symbol));
  return table().unk;
}

std::vector<int64_t> Vocabulary::encode(std::span<const std::string> symbols,
                                        const EncodeOptions& options) const {
  return encode_with(*this, symbols, options);
}

std::vector<int64_t> Vocabulary::encode(std::span<const std::string_view> symbols,
                                        const EncodeOptions& options) const {
  return encode_with(*this, symbols, options);
}

std::vector<std::string> Vocabulary::decode(std::span<const int64_t> codes, bool special) const {
  std::vector<std::string> symbols;
  symbols.reserve(codes.size());
  for (int64_t code : codes)
    if (const std::string& name = symbol(code); special || !is_special(code) || code == unk())
      symbols.push_back(name);
  return symbols;
}

namespace {
constexpr std::string_view format_name = "reel.vocabulary";
constexpr int64_t newest_version = 1;
}  // namespace

// {"format", "version", "special": number, "pad", "unk", "bos", "eos": code or -1, "symbols": [string or bytes],
// "counts": [number]}
nlohmann::json detail::vocabulary_to_json(const Vocabulary& vocabulary) {
  const VocabularyTable& table = vocabulary.table();
  nlohmann::json symbols = nlohmann::json::array();
  for (const std::string& symbol : table.symbols) symbols.push_back(bytes_to_json(symbol));
  return {{"format", format_name}, {"version", newest_version}, {"special", table.special},
          {"pad", table.pad},      {"unk", table.unk},          {"bos", table.bos},
          {"eos", table.eos},      {"symbols", symbols},        {"counts", table.counts}};
}

Vocabulary detail::vocabulary_from_json(const nlohmann::json& object, const std::string& name) {
  check_format(object, format_name, newest_version, name);
  check_keys(object, {"format", "version", "special", "pad", "unk", "bos", "eos", "symbols", "counts"}, name);
  auto table = std::make_shared<VocabularyTable>();
  for (const nlohmann::json& symbol : json_array(object, "symbols", name))
    table->symbols.push_back(bytes_from_json(symbol, name));
  for (const nlohmann::json& count : json_array(object, "counts", name)) {
    check<FileError>(count.is_number_unsigned() && count.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX),
                     "{}: a count is no number from 0 to {}", name, INT64_MAX);
    table->counts.push_back(count.get<int64_t>());
  }
  const auto size = static_cast<int64_t>(table->symbols.size());
  check<FileError>(table->counts.size() == table->symbols.size(), "{}: has {} symbols, but {} counts", name,
                   size, table->counts.size());
  check<FileError>(table->number() == nullptr, "{}: a symbol comes twice", name);
  table->special = json_integer(object, "special", 0, size, name);
  int64_t next = 0;  // they come first, in this order
  for (auto [key, place] :
       {std::pair{"pad", &VocabularyTable::pad}, std::pair{"unk", &VocabularyTable::unk},
        std::pair{"bos", &VocabularyTable::bos}, std::pair{"eos", &VocabularyTable::eos}}) {
    const int64_t code = json_integer(object, key, -1, table->special - 1, name);
    check<FileError>(code == -1 || code == next, "{}: {} must be -1 or {}, got {}", name, key, next, code);
    if (code >= 0) ++next;
    table.get()->*place = code;
  }
  return VocabularyTable::wrap(std::move(table));
}

std::string Vocabulary::to_json() const { return detail::vocabulary_to_json(*this).dump(); }

Vocabulary Vocabulary::from_json(std::string_view text, const std::string& name) {
  return detail::vocabulary_from_json(detail::parse_json(text, name), name);
}

void Vocabulary::save(const std::string& path) const { detail::write_json_file(path, to_json()); }

Vocabulary Vocabulary::load(const std::string& path) { return from_json(detail::read_json_file(path), path); }

}  // namespace reel
