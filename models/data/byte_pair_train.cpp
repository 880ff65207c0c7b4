#include "models/data/byte_pair_train.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <string>
#include <unordered_map>

#include "framework/error.h"
#include "models/data/byte_pair.h"

namespace reel::detail {
namespace {

constexpr int32_t none = -1;

/// All different pieces of the text, one after the other, as lists of symbols linked both ways; and for each pair of
/// neighbours how often it occurs in the text and where it has been seen. Counts are kept up to date; places that are
/// no longer true are found out when they are visited.
class Learner {
 public:
  Learner(std::string_view text, int64_t min_count) : min_count_(min_count) {
    std::unordered_map<std::string_view, int64_t> pieces;
    for (std::string_view piece : byte_pair_pieces(text)) ++pieces[piece];
    std::vector<std::pair<std::string_view, int64_t>> ordered(pieces.begin(), pieces.end());
    std::sort(ordered.begin(), ordered.end());
    size_t total = 0;
    for (const auto& [piece, count] : ordered) total += piece.size();
    check(total <= static_cast<size_t>(std::numeric_limits<int32_t>::max()),
          "[byte_pair] the different pieces of the text have {} bytes, more than {}", total,
          std::numeric_limits<int32_t>::max());
    places_.reserve(total);
    for (const auto& [piece, count] : ordered) {
      const auto first = static_cast<int32_t>(places_.size());
      const auto last = first + static_cast<int32_t>(piece.size()) - 1;
      for (int32_t at = first; at <= last; ++at)
        places_.push_back({static_cast<unsigned char>(piece[static_cast<size_t>(at - first)]),
                           at > first ? at - 1 : none, at < last ? at + 1 : none, count});
      for (int32_t at = first; at < last; ++at) see(at, at + 1);
    }
    lengths_.assign(byte_codes, 1);
    announce();
  }

  /// Joins the most frequent pair everywhere; false where there is none to be joined.
  bool join(std::pair<int64_t, int64_t>& merge) {
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      const int64_t count = pairs_.at(best.key).count;
      if (count < min_count_) continue;
      if (count != best.count) {  // it has become rarer since
        queue_.push({count, best.key});
        continue;
      }
      merge = {static_cast<int64_t>(best.key >> 32), static_cast<int64_t>(best.key & 0xFFFFFFFF)};
      const int32_t length = length_of(merge.first) + length_of(merge.second);
      if (length > most_symbol_bytes) continue;
      const auto joined = static_cast<int32_t>(lengths_.size());
      lengths_.push_back(length);
      replace(best.key, joined);
      announce();
      return true;
    }
    return false;
  }

 private:
  struct Place {
    int32_t symbol;  // none: joined to one before it
    int32_t before, after;
    int64_t count;  // of the piece in the text
  };
  struct Pair {
    int64_t count = 0;
    std::vector<int32_t> places;  // of its left symbol
  };
  struct Candidate {
    int64_t count;
    uint64_t key;
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : key > other.key;
    }
  };

  Place& at(int32_t place) { return places_[static_cast<size_t>(place)]; }
  int32_t length_of(int64_t symbol) const { return lengths_[static_cast<size_t>(symbol)]; }
  uint64_t key_at(int32_t left, int32_t right) { return pair_key(at(left).symbol, at(right).symbol); }

  void see(int32_t left, int32_t right) {
    const uint64_t key = key_at(left, right);
    Pair& pair = pairs_[key];
    if (pair.count == 0 && pair.places.empty()) fresh_.push_back(key);
    pair.count += at(left).count;
    pair.places.push_back(left);
  }

  void forget(int32_t left, int32_t right) { pairs_[key_at(left, right)].count -= at(left).count; }

  void replace(uint64_t key, int32_t joined) {
    std::vector<int32_t> places = std::move(pairs_[key].places);
    std::sort(places.begin(), places.end());  // from the left, for pairs of the same symbol twice
    for (int32_t place : places) {
      const int32_t right = at(place).after;
      if (at(place).symbol == none || right == none || key_at(place, right) != key) continue;
      const int32_t before = at(place).before;
      const int32_t after = at(right).after;
      if (before != none) forget(before, place);
      if (after != none) forget(right, after);
      at(place).symbol = joined;
      at(place).after = after;
      at(right).symbol = none;
      if (before != none) see(before, place);
      if (after != none) {
        at(after).before = place;
        see(place, after);
      }
    }
    pairs_.erase(key);
  }

  /// Pairs only become rarer once their symbols exist; those that are new are announced once, with all their
  /// occurrences.
  void announce() {
    for (uint64_t key : fresh_)
      if (const auto found = pairs_.find(key); found != pairs_.end() && found->second.count >= min_count_)
        queue_.push({found->second.count, key});
    fresh_.clear();
  }

  int64_t min_count_;
  std::vector<Place> places_;
  std::vector<int32_t> lengths_;  // in bytes, by symbol
  std::unordered_map<uint64_t, Pair> pairs_;
  std::vector<uint64_t> fresh_;
  std::priority_queue<Candidate> queue_;
};

}  // namespace

std::vector<std::pair<int64_t, int64_t>> learn_merges(std::string_view text, int64_t merges,
                                                      int64_t min_count) {
  Learner learner(text, min_count);
  std::vector<std::pair<int64_t, int64_t>> result;
  for (std::pair<int64_t, int64_t> merge;
       static_cast<int64_t>(result.size()) < merges && learner.join(merge);)
    result.push_back(merge);
  return result;
}

}  // namespace reel::detail
