#include "models/data/number_format.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace reel::detail {
namespace {

static_assert(std::endian::native == std::endian::little);

template <class T> T read(const std::byte* from, bool big_endian) {
  std::array<std::byte, sizeof(T)> bytes;
  std::memcpy(bytes.data(), from, sizeof(T));
  if (big_endian) std::reverse(bytes.begin(), bytes.end());
  return std::bit_cast<T>(bytes);
}

/// IEEE binary16: 1 bit of sign, 5 of exponent, 10 of fraction.
float from_half(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int fraction = bits & 1023;
  float value;
  if (exponent == 31)
    value = fraction ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
  else if (exponent == 0)
    value = std::ldexp(static_cast<float>(fraction), -24);
  else
    value = std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
  return bits >> 15 ? -value : value;
}

/// Each number of type From, through f, to a tensor of To.
template <class From, class To, class F>
Tensor converted(std::span<const std::byte> data, const Shape& shape, bool big_endian, F f) {
  Tensor result = empty(shape, {.dtype = dtype_of<To>()});
  To* out = result.raw<To>();
  for (size_t i = 0; i < data.size() / sizeof(From); ++i)
    out[i] = f(read<From>(data.data() + i * sizeof(From), big_endian));
  return result;
}

template <class From> Tensor to_int64(std::span<const std::byte> data, const Shape& shape, bool big_endian) {
  return converted<From, int64_t>(data, shape, big_endian, [](From value) {
    check<FileError>(std::in_range<int64_t>(value), "the number {} is beyond int64", value);
    return static_cast<int64_t>(value);
  });
}

Tensor convert_numbers(std::span<const std::byte> data, const Shape& shape, const NumberFormat& format) {
  const bool big = format.big_endian;
  if (format.kind == 'f') return converted<uint16_t, float>(data, shape, big, from_half);
  const bool sign = format.kind == 'i';
  switch (format.size) {
    case 1:
      return to_int64<int8_t>(data, shape, big);
    case 2:
      return sign ? to_int64<int16_t>(data, shape, big) : to_int64<uint16_t>(data, shape, big);
    case 4:
      return sign ? to_int64<int32_t>(data, shape, big) : to_int64<uint32_t>(data, shape, big);
    default:
      return to_int64<uint64_t>(data, shape, big);
  }
}

bool known(const NumberFormat& format) {
  const uint64_t size = format.size;
  if (format.kind == 'b') return size == 1;
  if (format.kind == 'f') return size == 2 || size == 4 || size == 8;
  return (format.kind == 'i' || format.kind == 'u') && (size == 1 || size == 2 || size == 4 || size == 8);
}

}  // namespace

std::string text(const NumberFormat& format) {
  if (format.kind == 'b') return "bool";
  const std::string bits = std::to_string(8 * format.size);
  return (format.kind == 'f' ? "float" : format.kind == 'i' ? "int" : "uint") + bits;
}

std::optional<DType> same_dtype(const NumberFormat& format) {
  for (DType dtype : {DType::float32, DType::float64, DType::int64, DType::uint8})
    if (name(dtype) == text(format)) return dtype;
  if (format.kind == 'b') return DType::boolean;
  return std::nullopt;
}

Shape checked_shape(std::span<const uint64_t> extents, const NumberFormat& format, uint64_t bytes) {
  check<FileError>(known(format), "numbers of the kind '{}' with {} bytes are not known",
                   std::string(1, format.kind), format.size);
  check<FileError>(extents.size() <= Shape::max_rank, "an array of {} axes; tensors have at most {}",
                   extents.size(), Shape::max_rank);
  // Extents may be huge where another one is 0: strides must not overflow either, of the widest type.
  constexpr uint64_t widest = 8, most = std::numeric_limits<int64_t>::max() / 2;
  uint64_t count = 1, product = widest;
  Shape shape;
  for (uint64_t extent : extents) {
    const bool fits =
        !__builtin_mul_overflow(product, std::max<uint64_t>(extent, 1), &product) && product <= most;
    check<FileError>(fits, "an extent of {} makes the array too large", extent);
    count *= extent;
    shape.push_back(static_cast<int64_t>(extent));
  }
  check<FileError>(count * format.size == bytes,
                   "{} numbers of {}, shape {}, take {} bytes, but there are {}", count, format, shape,
                   count * format.size, bytes);
  return shape;
}

Tensor decode_numbers(std::span<std::byte> data, const std::shared_ptr<void>& owner, const Shape& shape,
                      const NumberFormat& format, bool convert) {
  const std::optional<DType> dtype = same_dtype(format);
  check<FileError>(dtype || convert,
                   "the numbers are {}, which no tensor has; the option convert makes them {}", format,
                   format.kind == 'f' ? "float32" : "int64");
  if (!dtype) return convert_numbers(data, shape, format);
  if (*dtype == DType::boolean)
    check<FileError>(
        std::all_of(data.begin(), data.end(), [](std::byte byte) { return byte <= std::byte{1}; }),
        "a byte of an array of bool is neither 0 nor 1");
  const size_t item = item_size(*dtype);
  const bool swap = format.big_endian && item > 1;
  if (owner && !swap && !data.empty() && reinterpret_cast<uintptr_t>(data.data()) % item == 0)
    return from_blob(data.data(), shape, *dtype, owner);
  Tensor result = empty(shape, {.dtype = *dtype});
  if (data.empty()) return result;
  auto* out = static_cast<std::byte*>(result.raw_bytes());
  std::memcpy(out, data.data(), data.size());
  if (swap)
    for (size_t at = 0; at < data.size(); at += item) std::reverse(out + at, out + at + item);
  return result;
}

}  // namespace reel::detail
