#include "framework/gradcheck.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "framework/random.h"
#include "framework/recording.h"
#include "framework/tape.h"

namespace reel {
namespace {

/// A copy on its own memory with the same order of axes and gaps; what was repeated (stride 0) gets a place
/// for each element, as each is changed by itself.
Tensor copy_with_layout(const Tensor& tensor) {
  Shape strides = tensor.strides();
  int64_t reach = 1;
  for (size_t i = 0; i < tensor.rank(); ++i)
    reach += std::max<int64_t>(0, tensor.shape()[i] - 1) * strides[i];
  for (size_t i = 0; i < tensor.rank(); ++i) {
    if (strides[i] != 0) continue;
    strides[i] = reach;
    reach *= std::max<int64_t>(1, tensor.shape()[i]);
  }
  const Tensor memory = empty({reach}, {.dtype = tensor.dtype()});
  Tensor copy = detail::view(memory, tensor.shape(), strides);
  detail::copy_values(tensor, copy);
  return copy;
}

double weighted_sum(const std::vector<Tensor>& outputs, const std::vector<Tensor>& weights) {
  double sum = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const auto values = outputs[i].to_vector<double>();
    const auto factors = weights[i].to_vector<double>();
    for (size_t k = 0; k < values.size(); ++k) sum += values[k] * factors[k];
  }
  return sum;
}

std::vector<Tensor> analytic_gradients(const TensorFunction& f, const std::vector<Tensor>& inputs,
                                       uint64_t seed, std::vector<Tensor>& weights) {
  Tape tape;
  for (const Tensor& input : inputs) tape.watch(input);
  const std::vector<Tensor> outputs = f(inputs);
  Random random(seed);
  std::vector<Tensor> sums;
  sums.reserve(inputs.size());
  for (const Tensor& input : inputs) sums.push_back(zeros_like(input));
  for (const Tensor& output : outputs) {
    weights.push_back(uniform(output.shape(), 0.5, 1.5, {.dtype = DType::float64}, random));
    if (detail::current_recording()->slot_of(output, "gradcheck", 0) < 0)
      continue;  // a constant: no gradient
    const auto parts = tape.gradient(output, inputs, {.gradient = weights.back(), .retain_graph = true});
    for (size_t i = 0; i < sums.size(); ++i) sums[i] = detail::accumulate(sums[i], parts[i]);
  }
  return sums;
}

/// Index on each axis of the `flat`-th element, and its place in memory.
int64_t place_of(const Tensor& tensor, int64_t flat, Shape& index) {
  index = tensor.shape();
  int64_t offset = 0;
  for (size_t axis = tensor.rank(); axis-- > 0;) {
    index[axis] = flat % tensor.shape()[axis];
    flat /= tensor.shape()[axis];
    offset += index[axis] * tensor.strides()[axis];
  }
  return offset;
}

}  // namespace

GradcheckResult gradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& options) {
  std::vector<Tensor> points;
  for (const Tensor& input : inputs) {
    check(input.dtype() == DType::float64, "[gradcheck] expected float64 inputs, got {}", input);
    points.push_back(copy_with_layout(input));
  }
  std::vector<Tensor> weights;
  const std::vector<Tensor> gradients = analytic_gradients(f, points, options.seed, weights);

  GradcheckResult result;
  for (size_t i = 0; i < points.size(); ++i) {
    const auto got = gradients[i].to_vector<double>();
    for (int64_t k = 0; k < points[i].numel(); ++k) {
      Shape index;
      double& x = points[i].raw<double>()[place_of(points[i], k, index)];
      const double centre = x;
      const double h = options.step * std::max(1.0, std::abs(centre));
      x = centre + h;
      const double above = weighted_sum(f(points), weights);
      const double upper = x;
      x = centre - h;
      const double below = weighted_sum(f(points), weights);
      const double expected = (above - below) / (upper - x);
      x = centre;
      const double error = std::abs(got[static_cast<size_t>(k)] - expected);
      const double relative = error / std::max(1.0, std::abs(expected));
      // Written so that a nan fails.
      result.largest_error = relative <= result.largest_error ? result.largest_error : relative;
      if (!(error <= options.absolute + options.relative * std::abs(expected)) && result.passed) {
        result.passed = false;
        result.input = i;
        result.element = index;
        result.gradient = got[static_cast<size_t>(k)];
        result.by_differences = expected;
        result.message = detail::format("input {} {}, element {}: gradient {}, by differences {}",
                                        {detail::text(i), detail::text(points[i]), index.str(),
                                         detail::text(got[static_cast<size_t>(k)]), detail::text(expected)});
      }
    }
  }
  return result;
}

GradcheckResult gradgradcheck(const TensorFunction& f, const std::vector<Tensor>& inputs,
                              const GradcheckOptions& options) {
  std::vector<Tensor> all = inputs;
  {
    Random random(options.seed + 1);
    for (const Tensor& output : f(inputs))
      all.push_back(uniform(output.shape(), 0.5, 1.5, {.dtype = DType::float64}, random));
  }
  const size_t count = inputs.size();
  const TensorFunction gradients = [&](const std::vector<Tensor>& arguments) {
    const std::vector<Tensor> xs(arguments.begin(), arguments.begin() + static_cast<int64_t>(count));
    Tape tape;
    for (const Tensor& x : xs) tape.watch(x);
    const std::vector<Tensor> outputs = f(xs);
    std::vector<Tensor> result;
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (detail::current_recording()->slot_of(outputs[i], "gradgradcheck", 0) < 0) continue;  // a constant
      for (Tensor& gradient :
           tape.gradient(outputs[i], xs, {.gradient = arguments[count + i], .create_graph = true}))
        result.push_back(std::move(gradient));
    }
    return result;
  };
  return gradcheck(gradients, all, options);
}

}  // namespace reel
