#include "ops/convolution.h"

#include "framework/random.h"
#include "ops/convolution_kernel.h"
#include "ops/slicing.h"
#include "tests/ops/network_fixtures.h"

namespace reel {
namespace {

Tensor convolved(const FixtureCase& c, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const auto axes = c.options["axes"].get<size_t>();
  const int64_t groups = c.options.value("groups", int64_t{1});
  if (c.options["transposed"].get<bool>()) {
    const ConvTransposeOptions options{.stride = c.per_axis("stride", 1),
                                       .padding = c.per_axis("padding", 0),
                                       .output_padding = c.per_axis("output_padding", 0),
                                       .dilation = c.per_axis("dilation", 1),
                                       .groups = groups};
    return (axes == 1   ? conv_transpose1d
            : axes == 2 ? conv_transpose2d
                        : conv_transpose3d)(x, weight, bias, options);
  }
  const bool same = c.options.contains("padding") && c.options["padding"].is_string();
  const ConvOptions options{.stride = c.per_axis("stride", 1),
                            .padding = same ? PerAxis(0) : c.per_axis("padding", 0),
                            .dilation = c.per_axis("dilation", 1),
                            .groups = groups,
                            .same = same};
  return (axes == 1 ? conv1d : axes == 2 ? conv2d : conv3d)(x, weight, bias, options);
}

/// Values and gradients of f, float32 against float64.
template <class F> double float32_error(const std::vector<Tensor>& inputs, F&& f) {
  const auto run = [&](DType dtype) {
    std::vector<Tensor> x;
    for (const Tensor& input : inputs) x.push_back(cast(input, dtype));
    Tape tape;
    for (const Tensor& leaf : x) tape.watch(leaf);
    const Tensor y = f(x);
    Random random(7);
    const Tensor w = cast(randn(y.shape(), {.dtype = DType::float64}, random), dtype);
    std::vector<Tensor> results = tape.gradient(sum(y * w), x);
    results.push_back(y);
    return results;
  };
  const auto narrow_results = run(DType::float32), wide_results = run(DType::float64);
  double error = 0;
  for (size_t i = 0; i < wide_results.size(); ++i) {
    const auto a = numbers(narrow_results[i]), b = numbers(wide_results[i]);
    double largest = 0;
    for (double value : b) largest = std::max(largest, std::abs(value));
    for (size_t k = 0; k < b.size(); ++k) error = std::max(error, std::abs(a[k] - b[k]) / largest);
  }
  return error;
}

}  // namespace

TEST_CASE("convolutions are PyTorch's, values and gradients", "[convolution]") {
  const SafetensorsFile file = load_reference("networks/conv");
  for (const FixtureCase& c : fixture_cases(file))
    for (DType dtype : {DType::float64, DType::float32}) {
      std::vector<std::string> names{"x", "weight"};
      if (c.has("bias")) names.emplace_back("bias");
      check_case(c, names, dtype, dtype == DType::float64 ? 1e-12 : 2e-5, [&](const std::vector<Tensor>& x) {
        return convolved(c, x[0], x[1], x.size() > 2 ? x[2] : Tensor());
      });
    }
}

TEST_CASE("float32 convolutions agree with float64 ones on sizes that fill vectors", "[convolution]") {
  Random random(1);
  const auto draw = [&](const Shape& shape) { return randn(shape, {.dtype = DType::float64}, random); };
  using List = std::vector<Tensor>;
  CHECK(float32_error({draw({3, 16, 40}), draw({32, 16, 5}), draw({32})}, [](const List& x) {
          return conv1d(x[0], x[1], x[2], {.stride = 2, .padding = 2});
        }) < 2e-6);
  CHECK(float32_error({draw({2, 32, 9, 10}), draw({48, 16, 3, 3}), draw({48})}, [](const List& x) {
          return conv2d(x[0], x[1], x[2], {.padding = 1, .groups = 2});
        }) < 2e-6);
  CHECK(float32_error({draw({2, 3, 17, 17}), draw({20, 3, 5, 5}), draw({20})}, [](const List& x) {
          return conv2d(x[0], x[1], x[2], {.stride = 2, .padding = 1, .padding_end = 3, .dilation = 2});
        }) < 2e-6);
  CHECK(float32_error({draw({2, 32, 8, 8}), draw({32, 1, 3, 3}), draw({32})}, [](const List& x) {
          return conv2d(x[0], x[1], x[2], {.padding = 1, .groups = 32});
        }) < 2e-6);
  CHECK(float32_error({draw({1, 8, 4, 6, 5}), draw({16, 8, 3, 3, 3}), draw({16})},
                      [](const List& x) { return conv3d(x[0], x[1], x[2], {.padding = 1}); }) < 2e-6);
  CHECK(float32_error({draw({2, 32, 5, 6}), draw({32, 16, 4, 4}), draw({16})}, [](const List& x) {
          return conv_transpose2d(x[0], x[1], x[2], {.stride = 2, .padding = 1, .output_padding = 1});
        }) < 2e-6);
}

TEST_CASE("products over unfolded windows give what oneDNN gives", "[convolution]") {
  Random random(2);
  const Tensor x = randn({2, 6, 9, 8}, {}, random), w = randn({4, 3, 3, 2}, {}, random);
  const detail::ConvGeometry geometry{.input = {9, 8},
                                      .kernel = {3, 2},
                                      .output = {5, 4},
                                      .stride = {2, 2},
                                      .dilation = {1, 1},
                                      .padding = {1, 0},
                                      .groups = 2};
  const Tensor y = conv2d(x, w, {}, {.stride = 2, .padding = {1, 0}, .groups = 2});
  REQUIRE(y.shape() == Shape{2, 4, 5, 4});
  for (const auto kind : {detail::ConvKind::output, detail::ConvKind::input, detail::ConvKind::weight}) {
    const Tensor& shaped = kind == detail::ConvKind::output ? y : kind == detail::ConvKind::input ? x : w;
    const Tensor fast = zeros_like(shaped), plain = zeros_like(shaped);
    const auto with = [&](const Tensor& result, auto f) {
      f(kind == detail::ConvKind::input ? result : x, kind == detail::ConvKind::weight ? result : w,
        kind == detail::ConvKind::output ? result : y);
    };
    with(fast, [&](const Tensor& a, const Tensor& b, const Tensor& c) {
      detail::convolve(kind, geometry, a, b, c, {});
    });
    with(plain, [&](const Tensor& a, const Tensor& b, const Tensor& c) {
      detail::convolve_unfolded(kind, geometry, a, b, c);
    });
    CHECK(difference(fast, plain, 1e-3, 1e-5) == "");
  }
}

TEST_CASE("a convolution by hand", "[convolution]") {
  for (DType dtype : {DType::float64, DType::float32}) {
    const TensorOptions options{.dtype = dtype};
    const Tensor x = reshape(tensor({1, 2, 4, 8}, options), {1, 1, 4});
    const Tensor w = reshape(tensor({1, 10}, options), {1, 1, 2});
    const auto row = [&](std::initializer_list<detail::Number> values) {
      const Tensor flat = tensor(values, options);
      return reshape(flat, {1, 1, flat.numel()});
    };
    // Not turned round: y[i] = x[i] + 10 x[i + 1].
    CHECK(difference(conv1d(x, w), row({21, 42, 84})) == "");
    CHECK(difference(conv1d(x, w, {}, {.same = true}), row({21, 42, 84, 8})) == "");
    CHECK(difference(conv1d(x, w, {}, {.padding = 1, .padding_end = 0}), row({10, 21, 42, 84})) == "");
    CHECK(difference(conv_transpose1d(x, w), row({1, 12, 24, 48, 80})) == "");
    CHECK(difference(conv1d(x, w, tensor({0.5}, options), {.stride = 2}), row({21.5, 84.5})) == "");
  }
}

TEST_CASE("convolutions of no examples", "[convolution]") {
  for (DType dtype : {DType::float64, DType::float32}) {
    const TensorOptions options{.dtype = dtype};
    const Tensor x = zeros({0, 3, 8, 8}, options), w = ones({4, 3, 3, 3}, options), b = ones({4}, options);
    Tape tape;
    for (const Tensor& leaf : {x, w, b}) tape.watch(leaf);
    const Tensor y = conv2d(x, w, b, {.padding = 1});
    CHECK(y.shape() == Shape{0, 4, 8, 8});
    const auto gradients = tape.gradient(sum(y), {x, w, b});
    CHECK(difference(gradients[1], zeros_like(w)) == "");
    CHECK(difference(gradients[2], zeros_like(b)) == "");
  }
}

}  // namespace reel
