// One number for each spatial axis, as convolutions and poolings take them: .stride = 2, .padding = {1, 0}.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include <reel/framework/shape.h>

namespace reel {

/// A number for every spatial axis alike (2, {2}), or one for each ({2, 1}). Default-constructed: not given.
class PerAxis {
 public:
  PerAxis() = default;
  template <std::integral T>
  PerAxis(T every) : values_{static_cast<int64_t>(every)} {}  // NOLINT(google-explicit-constructor): a number
  PerAxis(std::initializer_list<int64_t> values) : values_(values) {}
  explicit PerAxis(const Shape& values) : values_(values) {}

  bool given() const { return !values_.empty(); }
  const Shape& values() const { return values_; }
  /// One number for each of `axes` axes. Throws, naming `op` and `what` it is, on another count, and on
  /// numbers outside [least, 2^30].
  Shape expand(std::string_view op, std::string_view what, size_t axes, int64_t least) const;

 private:
  Shape values_;
};

}  // namespace reel
