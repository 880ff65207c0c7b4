// What tests compare with, and how: the fixtures made by PyTorch, and differences of tensors said in words.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "framework/safetensors.h"
#include "framework/tensor.h"

namespace reel {

/// The folder that the project's sources lie in.
std::string source_folder();

/// A file of tests/fixtures, by its name without ending: "ops/softmax".
SafetensorsFile load_reference(const std::string& name);

/// All elements as doubles, in row-major order, whatever the dtype.
std::vector<double> numbers(const Tensor& tensor);

/// Empty where shape and dtype agree and |got - expected| <= absolute + relative * |expected| everywhere (nan
/// agrees with nan, an infinity with itself); else tells where they part.
std::string difference(const Tensor& got, const Tensor& expected, double absolute = 0, double relative = 0);

/// The same for the values alone: a float32 result may be compared with a float64 reference.
std::string difference_in_value(const Tensor& got, const Tensor& expected, double absolute = 0,
                                double relative = 0);

/// Calls f with the index of every element of `shape`, in row-major order.
void for_each_index(const Shape& shape, const std::function<void(const Shape&)>& f);

/// The element at `index`, read through the tensor's strides, of any dtype.
double element(const Tensor& tensor, const Shape& index);

/// A float64 or float32 tensor whose elements are f(index).
Tensor build(const Shape& shape, DType dtype, const std::function<double(const Shape&)>& f);

}  // namespace reel
