#include "ops/pooling.h"

#include <cmath>

#include "tests/ops/network_fixtures.h"

namespace reel {
namespace {

MaxPoolResult largest(const FixtureCase& c, const Tensor& x) {
  const auto axes = c.options["axes"].get<size_t>();
  if (c.options["kind"] == "adaptive_max")
    return (axes == 1   ? adaptive_max_pool1d_with_indices
            : axes == 2 ? adaptive_max_pool2d_with_indices
                        : adaptive_max_pool3d_with_indices)(x, c.per_axis("output_size", 0));
  MaxPoolOptions options{.padding = c.per_axis("padding", 0),
                         .dilation = c.per_axis("dilation", 1),
                         .ceil_mode = c.options.value("ceil_mode", false)};
  if (c.options.contains("stride")) options.stride = c.per_axis("stride", 0);
  return (axes == 1   ? max_pool1d_with_indices
          : axes == 2 ? max_pool2d_with_indices
                      : max_pool3d_with_indices)(x, c.per_axis("kernel_size", 0), options);
}

Tensor average(const FixtureCase& c, const Tensor& x) {
  const auto axes = c.options["axes"].get<size_t>();
  if (c.options["kind"] == "adaptive_avg")
    return (axes == 1   ? adaptive_avg_pool1d
            : axes == 2 ? adaptive_avg_pool2d
                        : adaptive_avg_pool3d)(x, c.per_axis("output_size", 0));
  AvgPoolOptions options{.padding = c.per_axis("padding", 0),
                         .ceil_mode = c.options.value("ceil_mode", false),
                         .count_include_pad = c.options.value("count_include_pad", true),
                         .divisor_override = c.options.value("divisor_override", int64_t{0})};
  if (c.options.contains("stride")) options.stride = c.per_axis("stride", 0);
  return (axes == 1   ? avg_pool1d
          : axes == 2 ? avg_pool2d
                      : avg_pool3d)(x, c.per_axis("kernel_size", 0), options);
}

}  // namespace

TEST_CASE("poolings are PyTorch's at every edge, values, indices and gradients", "[pooling]") {
  const SafetensorsFile file = load_reference("networks/pool");
  for (const FixtureCase& c : fixture_cases(file))
    for (DType dtype : {DType::float64, DType::float32}) {
      const double tolerance = dtype == DType::float64 ? 1e-14 : 1e-6;
      const bool is_max = c.has("indices");
      check_case(c, {"x"}, dtype, tolerance, [&](const std::vector<Tensor>& x) {
        return is_max ? largest(c, x[0]).values : average(c, x[0]);
      });
      if (is_max) {
        INFO(c.name);
        CHECK(difference(largest(c, cast(c.at("x"), dtype)).indices, c.at("indices")) == "");
      }
    }
}

TEST_CASE("max pooling lets a nan win and survives windows of nothing but minus infinity", "[pooling]") {
  for (DType dtype : {DType::float32, DType::float64}) {
    const Tensor x = reshape(tensor({1, NAN, 3, -INFINITY, -INFINITY, 2, 4, 4}, {.dtype = dtype}), {1, 8});
    const MaxPoolResult result = max_pool1d_with_indices(x, 2, {.stride = 1});
    const auto values = numbers(result.values);
    CHECK(std::isnan(values[0]));
    CHECK(std::isnan(values[1]));
    CHECK(std::vector<double>(values.begin() + 2, values.end()) ==
          std::vector<double>{3, -INFINITY, 2, 4, 4});
    CHECK(result.indices.to_vector<int64_t>() == std::vector<int64_t>{1, 1, 2, 3, 5, 6, 6});
  }
}

TEST_CASE("a dilated window that ceil_mode puts between two elements is empty", "[pooling]") {
  const Tensor x = full({1, 1, 1}, 5);
  const MaxPoolResult result =
      max_pool1d_with_indices(x, 2, {.stride = 4, .padding = 1, .dilation = 3, .ceil_mode = true});
  CHECK(numbers(result.values) == std::vector<double>{-INFINITY});
  CHECK(result.indices.to_vector<int64_t>() == std::vector<int64_t>{0});
}

TEST_CASE("global average pooling is the mean", "[pooling]") {
  const Tensor x = reshape(arange(0, 24, 1, {.dtype = DType::float64}), {2, 3, 2, 2});
  CHECK(difference(adaptive_avg_pool2d(x, 1), mean(x, {2, 3}, true)) == "");
}

}  // namespace reel
