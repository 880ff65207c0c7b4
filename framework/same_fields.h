// Whether two values of one plain struct agree field by field, for structs that define no comparison.
#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>

#include <reel/framework/shape.h>

namespace reel::detail {

struct AnyField {
  template <class T> operator T() const;  // NOLINT(google-explicit-constructor): stands for any initialiser
};

/// Number of fields of an aggregate.
template <class T, class... Fields> consteval size_t field_count() {
  if constexpr (requires { T{Fields{}..., AnyField{}}; })
    return field_count<T, Fields..., AnyField>();
  else
    return sizeof...(Fields);
}

inline constexpr size_t max_fields = 6;

/// f(fields of a and b in pairs), for up to max_fields.
template <class T, class F> constexpr bool all_fields(const T& a, const T& b, F f) {
  constexpr size_t count = field_count<T>();
  if constexpr (count == 1) {
    const auto& [a0] = a;
    const auto& [b0] = b;
    return f(a0, b0);
  } else if constexpr (count == 2) {
    const auto& [a0, a1] = a;
    const auto& [b0, b1] = b;
    return f(a0, b0) && f(a1, b1);
  } else if constexpr (count == 3) {
    const auto& [a0, a1, a2] = a;
    const auto& [b0, b1, b2] = b;
    return f(a0, b0) && f(a1, b1) && f(a2, b2);
  } else if constexpr (count == 4) {
    const auto& [a0, a1, a2, a3] = a;
    const auto& [b0, b1, b2, b3] = b;
    return f(a0, b0) && f(a1, b1) && f(a2, b2) && f(a3, b3);
  } else if constexpr (count == 5) {
    const auto& [a0, a1, a2, a3, a4] = a;
    const auto& [b0, b1, b2, b3, b4] = b;
    return f(a0, b0) && f(a1, b1) && f(a2, b2) && f(a3, b3) && f(a4, b4);
  } else {
    const auto& [a0, a1, a2, a3, a4, a5] = a;
    const auto& [b0, b1, b2, b3, b4, b5] = b;
    return f(a0, b0) && f(a1, b1) && f(a2, b2) && f(a3, b3) && f(a4, b4) && f(a5, b5);
  }
}

/// Types whose own comparison is asked; a container's would fail to compile where its elements have none.
template <class T>
concept Comparable = (std::is_trivially_copyable_v<T> || std::same_as<T, Shape>)&&requires(const T& a) {
  { a == a } -> std::convertible_to<bool>;
};

/// Whether same_fields() can tell for T; fields that cannot be compared never agree.
template <class T>
inline constexpr bool has_same_fields = [] {
  if constexpr (std::is_empty_v<T> || Comparable<T>)
    return true;
  else if constexpr (std::is_aggregate_v<T>)
    return field_count<T>() >= 1 && field_count<T>() <= max_fields;
  else
    return false;
}();

template <class T> bool same_fields(const T& a, const T& b) {
  if constexpr (std::is_empty_v<T>)
    return true;
  else if constexpr (Comparable<T>)
    return a == b;
  else if constexpr (has_same_fields<T>)
    return all_fields(a, b, [](const auto& x, const auto& y) { return same_fields(x, y); });
  else
    return false;
}

}  // namespace reel::detail
