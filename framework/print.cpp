// Printing tensors as NumPy does; the layout comes from xtensor.
#include <ostream>
#include <sstream>

#include <xtensor/xadapt.hpp>
#include <xtensor/xio.hpp>

#include "framework/tensor.h"

namespace reel {
namespace {

template <class T> void print_values(std::ostream& stream, const Tensor& tensor) {
  // xtensor prints bool and bytes as characters would be; wider integers read as numbers.
  using Printed = std::conditional_t<std::is_same_v<T, bool> || std::is_same_v<T, uint8_t>, int, T>;
  std::vector<Printed> values;
  values.reserve(static_cast<size_t>(tensor.numel()));
  for (T value : tensor.to_vector<T>()) values.push_back(static_cast<Printed>(value));
  const std::vector<size_t> shape(tensor.shape().begin(), tensor.shape().end());
  std::ostringstream text;
  text << xt::adapt(values, shape);
  for (char letter : text.str()) stream << (letter == '{' ? '[' : letter == '}' ? ']' : letter);
}

}  // namespace

std::ostream& operator<<(std::ostream& stream, const Tensor& tensor) { return stream << tensor.str(); }

std::string Tensor::str() const {
  if (!defined()) return "undefined";
  std::ostringstream stream;
  if (rank() == 0 && is_floating(dtype()))
    stream << item();
  else if (rank() == 0)
    stream << item<int64_t>();
  else if (numel() == 0)
    stream << "[]";
  else
    detail::dispatch(dtype(), [&](auto zero) { print_values<decltype(zero)>(stream, *this); });
  stream << "\n" << detail::text(*this);
  return stream.str();
}

}  // namespace reel
