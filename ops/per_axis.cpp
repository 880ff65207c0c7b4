#include "ops/per_axis.h"

namespace reel {

Shape PerAxis::expand(std::string_view op, std::string_view what, size_t axes, int64_t least) const {
  constexpr int64_t most = int64_t{1} << 30;  // so that no sum or product of two overflows
  check(values_.size() == 1 || values_.size() == axes,
        "[{}] expected one number or {} as {}, one for each spatial axis, got {}", op, axes, what, values_);
  for (int64_t value : values_)
    check(value >= least && value <= most, "[{}] expected {} in [{}, {}], got {}", op, what, least, most,
          values_);
  Shape result;
  for (size_t i = 0; i < axes; ++i) result.push_back(values_[values_.size() == 1 ? 0 : i]);
  return result;
}

}  // namespace reel
