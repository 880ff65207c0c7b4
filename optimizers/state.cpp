#include "optimizers/state.h"

namespace reel::detail {

StateReader::StateReader(std::string who, const State& state) : who_(std::move(who)) {
  for (const auto& [key, tensor] : state)
    check(given_.emplace(key, tensor).second, "[{}] the state has {} twice", who_, key);
}

Tensor StateReader::take(const std::string& key, const Shape& shape, DType dtype) {
  const auto found = given_.find(key);
  check(found != given_.end(), "[{}] the state lacks {}", who_, key);
  check(found->second.shape() == shape && found->second.dtype() == dtype,
        "[{}] the state's {} should be {} {}, got {}", who_, key, dtype, shape, found->second);
  Tensor value = found->second;
  given_.erase(found);
  return value;
}

int64_t StateReader::take_count(const std::string& key, int64_t least) {
  const auto count = take(key, {}, DType::int64).item<int64_t>();
  check(count >= least, "[{}] the state's {} is {}", who_, key, count);
  return count;
}

void StateReader::finish() const {
  check(given_.empty(), "[{}] the state has {}, which belongs to nothing here", who_,
        given_.empty() ? "" : given_.begin()->first);
}

}  // namespace reel::detail
