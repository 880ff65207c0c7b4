// The element types of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include <reel/framework/error.h>

namespace reel {

/// Element type of a tensor. Nothing converts between them silently: ops on mixed types throw, `cast`
/// converts.
enum class DType : uint8_t { float32, float64, int64, uint8, boolean };

/// Bytes of one element.
constexpr size_t item_size(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return 4;
    case DType::float64:
    case DType::int64:
      return 8;
    case DType::uint8:
    case DType::boolean:
      return 1;
  }
  return 0;
}

constexpr bool is_floating(DType dtype) { return dtype == DType::float32 || dtype == DType::float64; }

/// "float32", "float64", "int64", "uint8" or "bool".
constexpr std::string_view name(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "float32";
    case DType::float64:
      return "float64";
    case DType::int64:
      return "int64";
    case DType::uint8:
      return "uint8";
    case DType::boolean:
      return "bool";
  }
  return "?";
}

namespace detail {

template <class T> constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>)
    return DType::float32;
  else if constexpr (std::is_same_v<T, double>)
    return DType::float64;
  else if constexpr (std::is_same_v<T, int64_t>)
    return DType::int64;
  else if constexpr (std::is_same_v<T, uint8_t>)
    return DType::uint8;
  else if constexpr (std::is_same_v<T, bool>)
    return DType::boolean;
  else
    static_assert(sizeof(T) == 0, "reel has no tensor element type for this C++ type");
}

/// Calls `f` with a zero of the C++ type that belongs to `dtype`.
template <class F> decltype(auto) dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32:
      return f(float{});
    case DType::float64:
      return f(double{});
    case DType::int64:
      return f(int64_t{});
    case DType::uint8:
      return f(uint8_t{});
    case DType::boolean:
      return f(bool{});
  }
  fail("unknown dtype {}", {std::to_string(static_cast<int>(dtype))});
}

/// The same for the floating types only; `op` names the caller in the error.
template <class F> decltype(auto) dispatch_floating(std::string_view op, DType dtype, F&& f) {
  if (dtype == DType::float32) return f(float{});
  check(dtype == DType::float64, "[{}] expected a floating dtype, got {}", op, dtype);
  return f(double{});
}

}  // namespace detail
}  // namespace reel
