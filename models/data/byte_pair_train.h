// How byte-pair encoding learns its merges. Internal.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace reel::detail {

constexpr int64_t byte_codes = 256;
/// No merge makes a symbol longer, so that a file of merges cannot ask for more.
constexpr int64_t most_symbol_bytes = 65535;

constexpr uint64_t pair_key(int64_t left, int64_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint64_t>(right);
}

std::vector<std::pair<int64_t, int64_t>> learn_merges(std::string_view text, int64_t merges,
                                                      int64_t min_count);

}  // namespace reel::detail
