#include "tests/reference.h"

#include <cmath>

namespace reel {
namespace {

std::string at_element(int64_t flat, double got, double expected) {
  return "element " + std::to_string(flat) + ": got " + detail::text(got) + ", expected " +
         detail::text(expected);
}

}  // namespace

std::string source_folder() { return REEL_SOURCE_DIR; }

SafetensorsFile load_reference(const std::string& name) {
  return load_safetensors(source_folder() + "/tests/fixtures/" + name + ".safetensors");
}

std::vector<double> numbers(const Tensor& tensor) {
  std::vector<double> result;
  result.reserve(static_cast<size_t>(tensor.numel()));
  detail::dispatch(tensor.dtype(), [&](auto zero) {
    for (auto value : tensor.to_vector<decltype(zero)>()) result.push_back(static_cast<double>(value));
  });
  return result;
}

std::string difference_in_value(const Tensor& got, const Tensor& expected, double absolute, double relative) {
  if (!(got.shape() == expected.shape()))
    return "got shape " + got.shape().str() + ", expected " + expected.shape().str();
  const auto left = numbers(got), right = numbers(expected);
  std::string first;
  int64_t others = -1;
  for (size_t i = 0; i < left.size(); ++i) {
    const double a = left[i], b = right[i];
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    if (std::isfinite(a) && std::isfinite(b) && std::abs(a - b) <= absolute + relative * std::abs(b))
      continue;
    if (++others == 0) first = at_element(static_cast<int64_t>(i), a, b);
  }
  return others > 0 ? first + ", and " + std::to_string(others) + " more" : first;
}

std::string difference(const Tensor& got, const Tensor& expected, double absolute, double relative) {
  if (got.dtype() != expected.dtype())
    return "got dtype " + detail::text(got.dtype()) + ", expected " + detail::text(expected.dtype());
  return difference_in_value(got, expected, absolute, relative);
}

void for_each_index(const Shape& shape, const std::function<void(const Shape&)>& f) {
  const int64_t count = shape.numel();
  for (int64_t flat = 0; flat < count; ++flat) {
    Shape index = shape;
    int64_t rest = flat;
    for (size_t axis = shape.rank(); axis-- > 0;) {
      index[axis] = rest % shape[axis];
      rest /= shape[axis];
    }
    f(index);
  }
}

double element(const Tensor& tensor, const Shape& index) {
  int64_t offset = 0;
  for (size_t axis = 0; axis < index.rank(); ++axis) offset += index[axis] * tensor.strides()[axis];
  return detail::dispatch(
      tensor.dtype(), [&](auto zero) { return static_cast<double>(tensor.raw<decltype(zero)>()[offset]); });
}

Tensor build(const Shape& shape, DType dtype, const std::function<double(const Shape&)>& f) {
  std::vector<double> values;
  for_each_index(shape, [&](const Shape& index) { values.push_back(f(index)); });
  return detail::cast_values(from_vector(values, shape), dtype);
}

}  // namespace reel
