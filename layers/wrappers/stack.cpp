#include "layers/wrappers/stack.h"

namespace reel::detail {

std::vector<int64_t> stack_sizes(std::vector<int64_t> given, size_t count, int64_t hidden) {
  if (given.empty()) given.assign(count, hidden);
  check(given.size() == count, "[Stack] a hidden size for each of {} cells expected, got {}", count,
        given.size());
  for (int64_t size : given) check(size >= 1, "[Stack] hidden sizes of at least 1 expected, got {}", size);
  check(given.back() == hidden,
        "[Stack] the last cell has the layer's hidden size, {}, and {} was given for it", hidden,
        given.back());
  return given;
}

}  // namespace reel::detail
