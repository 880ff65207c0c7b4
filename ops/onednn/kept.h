// A bounded store of things that are costly to make, by the numbers that they were made for. Internal to this
// folder.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <vector>

namespace reel::detail {

/// What a primitive was made for: its kind and every number that it depends on.
using PrimitiveKey = std::vector<int64_t>;

/// At most `most` values, the least recently used going first.
template <class T> class Kept {
 public:
  explicit Kept(size_t most) : most_(most) {}

  /// The value under `key`, which `make(key)` gives the first time.
  template <class F> const T& get(const PrimitiveKey& key, F&& make) {
    const auto found = index_.find(key);
    if (found != index_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return entries_.front().value;
    }
    entries_.push_front({key, make(key)});
    index_[key] = entries_.begin();
    if (entries_.size() > most_) {
      index_.erase(entries_.back().key);
      entries_.pop_back();
    }
    return entries_.front().value;
  }

 private:
  struct Entry {
    PrimitiveKey key;
    T value;
  };
  size_t most_;
  std::list<Entry> entries_;  // most recently used first
  std::map<PrimitiveKey, typename std::list<Entry>::iterator> index_;
};

}  // namespace reel::detail
