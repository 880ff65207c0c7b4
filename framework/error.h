// What goes wrong and how it is said. Every misuse of the library ends in a reel::Error; the library itself
// neither prints nor aborts.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>

namespace reel {

enum class DType : uint8_t;
class Shape;
class Tensor;

/// Thrown for every misuse and every failure. The message names the op, what was expected, what came, and the
/// shapes.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A file that cannot be read, written or trusted. The message begins with the path.
class FileError : public Error {
 public:
  using Error::Error;
};

namespace detail {

inline std::string text(std::string_view value) { return std::string(value); }
inline std::string text(const char* value) { return value; }
inline std::string text(bool value) { return value ? "true" : "false"; }
std::string text(double value);
std::string text(DType dtype);           // "float32"
std::string text(const Shape& shape);    // "[2, 3]"
std::string text(const Tensor& tensor);  // "float32 [2, 3]"
template <std::integral T> std::string text(T value) { return std::to_string(value); }

/// `message` with each {} replaced by the next of `args`.
std::string format(std::string_view message, std::initializer_list<std::string> args);

template <class E = Error>
[[noreturn]] void fail(std::string_view message, std::initializer_list<std::string> args) {
  throw E(format(message, args));
}

}  // namespace detail

/// Throws an Error with `message`, its {} filled by `args`, unless `condition` holds. The arguments become
/// text only in the case of failure.
template <class E = Error, class... Args>
void check(bool condition, std::string_view message, const Args&... args) {
  if (!condition) [[unlikely]] {
    using detail::text;
    detail::fail<E>(message, {text(args)...});
  }
}

}  // namespace reel
