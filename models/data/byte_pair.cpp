#include "models/data/byte_pair.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <unordered_map>

#include "framework/error.h"
#include "models/data/byte_pair_train.h"
#include "models/data/json_text.h"

namespace reel {
namespace detail {

struct BytePairTable {
  std::vector<std::pair<int64_t, int64_t>> merges;
  std::vector<std::string> special;
  std::unordered_map<uint64_t, int32_t> ranks;  // by pair_key

  int64_t special_begin() const { return byte_codes + static_cast<int64_t>(merges.size()); }
  int64_t size() const { return special_begin() + static_cast<int64_t>(special.size()); }

  void rank() {
    ranks.reserve(merges.size());
    for (size_t i = 0; i < merges.size(); ++i)
      ranks.emplace(pair_key(merges[i].first, merges[i].second), static_cast<int32_t>(i));
  }

  /// Appends the bytes of a code that is not special.
  void append(int64_t code, std::string& text, std::vector<int64_t>& open) const {
    open.assign(1, code);
    while (!open.empty()) {
      const int64_t next = open.back();
      open.pop_back();
      if (next < byte_codes) {
        text += static_cast<char>(next);
      } else {
        const auto& [left, right] = merges[static_cast<size_t>(next - byte_codes)];
        open.push_back(right);
        open.push_back(left);
      }
    }
  }
};

}  // namespace detail

namespace {

enum class Kind : uint8_t { space, letter, digit, sign };

Kind kind_of(unsigned char byte) {
  if (byte <= ' ' || byte == 0x7F) return Kind::space;
  if (byte >= 0x80 || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z')) return Kind::letter;
  return byte >= '0' && byte <= '9' ? Kind::digit : Kind::sign;
}

/// Joins the symbols of one piece: always the pair of lowest rank, the leftmost of its occurrences first.
class PieceEncoder {
 public:
  explicit PieceEncoder(const detail::BytePairTable& table) : table_(table) {}

  void encode(std::string_view piece, std::vector<int64_t>& codes) {
    places_.clear();
    const auto size = static_cast<int64_t>(piece.size());
    for (int64_t i = 0; i < size; ++i)
      places_.push_back(
          {static_cast<unsigned char>(piece[static_cast<size_t>(i)]), i - 1, i + 1 < size ? i + 1 : -1});
    for (int64_t i = 0; i + 1 < size; ++i) propose(i);
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      const int64_t right = at(best.place).after;
      if (at(best.place).symbol != best.left || right < 0 || at(right).symbol != best.right) continue;
      const int64_t after = at(right).after;
      at(best.place).symbol = detail::byte_codes + best.rank;
      at(best.place).after = after;
      at(right).symbol = -1;
      if (after >= 0) at(after).before = best.place;
      propose(best.place);
      if (at(best.place).before >= 0) propose(at(best.place).before);
    }
    for (const Place& place : places_)
      if (place.symbol >= 0) codes.push_back(place.symbol);
  }

 private:
  struct Place {
    int64_t symbol;  // -1: joined to one before it
    int64_t before, after;
  };
  struct Candidate {
    int32_t rank;
    int64_t place, left, right;
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : place > other.place;
    }
  };

  Place& at(int64_t place) { return places_[static_cast<size_t>(place)]; }

  void propose(int64_t place) {
    const int64_t right = at(place).after;
    if (right < 0) return;
    const auto found = table_.ranks.find(detail::pair_key(at(place).symbol, at(right).symbol));
    if (found != table_.ranks.end()) queue_.push({found->second, place, at(place).symbol, at(right).symbol});
  }

  const detail::BytePairTable& table_;
  std::vector<Place> places_;
  std::priority_queue<Candidate> queue_;
};

constexpr size_t longest_remembered = 64;  // words come again, long pieces hardly

void check_special(std::vector<std::string> special) {
  std::sort(special.begin(), special.end());
  check(special.empty() || !special[0].empty(), "[byte_pair] a special symbol has no name");
  const auto twice = std::adjacent_find(special.begin(), special.end());
  check(twice == special.end(), "[byte_pair] the special symbol \"{}\" is named twice",
        twice == special.end() ? std::string() : *twice);
}

}  // namespace

std::vector<std::string_view> byte_pair_pieces(std::string_view text) {
  const auto kind = [&](size_t i) { return kind_of(static_cast<unsigned char>(text[i])); };
  const auto letter = [&](size_t i) { return i < text.size() && kind(i) == Kind::letter; };
  std::vector<std::string_view> pieces;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin;
    while (end < text.size() && kind(end) == Kind::space) ++end;
    // The last space goes with what follows.
    const bool taken = end > begin && end < text.size() && text[end - 1] == ' ';
    if (end - begin > (taken ? 1 : 0)) {
      if (taken) --end;
    } else {
      const Kind first = kind(end);
      while (end < text.size() &&
             (kind(end) == first || (first == Kind::letter && text[end] == '\'' && letter(end + 1))))
        ++end;
    }
    pieces.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return pieces;
}

BytePairTokenizer::BytePairTokenizer() : table_(std::make_shared<detail::BytePairTable>()) {}

BytePairTokenizer BytePairTokenizer::train(std::string_view text, const BytePairOptions& options) {
  constexpr int64_t most = std::numeric_limits<int32_t>::max() - detail::byte_codes;
  check(options.merges >= 0 && options.merges <= most, "[byte_pair] merges must be from 0 to {}, got {}",
        most, options.merges);
  check(options.min_count >= 1, "[byte_pair] min_count must be at least 1, got {}", options.min_count);
  check_special(options.special);
  auto table = std::make_shared<detail::BytePairTable>();
  table->merges = detail::learn_merges(text, options.merges, options.min_count);
  table->special = options.special;
  table->rank();
  return BytePairTokenizer(std::move(table));
}

int64_t BytePairTokenizer::size() const { return table_->size(); }
const std::vector<std::pair<int64_t, int64_t>>& BytePairTokenizer::merges() const { return table_->merges; }

std::string BytePairTokenizer::symbol(int64_t code) const { return decode({&code, 1}, true); }

int64_t BytePairTokenizer::special(std::string_view name) const {
  const auto found = std::find(table_->special.begin(), table_->special.end(), name);
  check(found != table_->special.end(), "[byte_pair] there is no special symbol \"{}\"", name);
  return table_->special_begin() + (found - table_->special.begin());
}

std::vector<int64_t> BytePairTokenizer::encode(std::string_view text) const {
  struct Part {
    size_t begin, length;  // in `codes`
  };
  std::unordered_map<std::string_view, Part> known;
  PieceEncoder encoder(*table_);
  std::vector<int64_t> codes;
  for (std::string_view piece : byte_pair_pieces(text)) {
    const auto found = piece.size() <= longest_remembered ? known.find(piece) : known.end();
    const size_t begin = codes.size();
    if (found == known.end()) {
      encoder.encode(piece, codes);
      if (piece.size() <= longest_remembered) known.emplace(piece, Part{begin, codes.size() - begin});
    } else {
      const Part part = found->second;
      for (size_t i = 0; i < part.length; ++i) codes.push_back(int64_t{codes[part.begin + i]});
    }
  }
  return codes;
}

std::string BytePairTokenizer::decode(std::span<const int64_t> codes, bool special) const {
  std::string text;
  std::vector<int64_t> open;
  const int64_t special_begin = table_->special_begin();
  for (int64_t code : codes) {
    check(code >= 0 && code < size(), "[byte_pair] {} is no code of a vocabulary of {}", code, size());
    if (code < special_begin)
      table_->append(code, text, open);
    else if (special)
      text += table_->special[static_cast<size_t>(code - special_begin)];
  }
  return text;
}

namespace {
constexpr std::string_view format_name = "reel.tokenizer.byte_pair";
constexpr int64_t newest_version = 1;
}  // namespace

// {"format", "version", "merges": [[left, right], ...], "special": [string or bytes, ...]}
std::string BytePairTokenizer::to_json() const {
  nlohmann::json special = nlohmann::json::array();
  for (const std::string& name : table_->special) special.push_back(detail::bytes_to_json(name));
  return nlohmann::json{
      {"format", format_name}, {"version", newest_version}, {"merges", table_->merges}, {"special", special}}
      .dump();
}

BytePairTokenizer BytePairTokenizer::from_json(std::string_view text, const std::string& name) {
  const nlohmann::json object = detail::parse_json(text, name);
  detail::check_format(object, format_name, newest_version, name);
  detail::check_keys(object, {"format", "version", "merges", "special"}, name);
  auto table = std::make_shared<detail::BytePairTable>();
  std::vector<int64_t> lengths(detail::byte_codes, 1);
  for (const nlohmann::json& merge : detail::json_array(object, "merges", name)) {
    const size_t index = table->merges.size();
    check<FileError>(merge.is_array() && merge.size() == 2 && merge[0].is_number_unsigned() &&
                         merge[1].is_number_unsigned(),
                     "{}: merge {} is no pair of codes", name, index);
    const auto left = merge[0].get<uint64_t>();
    const auto right = merge[1].get<uint64_t>();
    check<FileError>(std::max(left, right) < lengths.size(), "{}: merge {} joins codes that do not yet exist",
                     name, index);
    const int64_t length = lengths[left] + lengths[right];
    check<FileError>(length <= detail::most_symbol_bytes, "{}: merge {} makes a symbol of more than {} bytes",
                     name, index, detail::most_symbol_bytes);
    lengths.push_back(length);
    table->merges.emplace_back(left, right);
  }
  table->rank();
  check<FileError>(table->ranks.size() == table->merges.size(), "{}: a merge comes twice", name);
  for (const nlohmann::json& symbol : detail::json_array(object, "special", name))
    table->special.push_back(detail::bytes_from_json(symbol, name));
  try {
    check_special(table->special);
  } catch (const Error& error) {
    throw FileError(name + ": " + error.what());
  }
  return BytePairTokenizer(std::move(table));
}

void BytePairTokenizer::save(const std::string& path) const { detail::write_json_file(path, to_json()); }

BytePairTokenizer BytePairTokenizer::load(const std::string& path) {
  return from_json(detail::read_json_file(path), path);
}

}  // namespace reel
