#include "ops/normalization.h"

#include <cmath>

#include "framework/random.h"
#include "tests/ops/network_fixtures.h"

namespace reel {

TEST_CASE("layer, group and instance normalisation are PyTorch's", "[normalization]") {
  const SafetensorsFile file = load_reference("networks/norm");
  for (const FixtureCase& c : fixture_cases(file))
    for (DType dtype : {DType::float64, DType::float32})
      check_case(c, {"x", "weight", "bias"}, dtype, dtype == DType::float64 ? 1e-12 : 2e-5,
                 [&](const std::vector<Tensor>& x) {
                   const double eps = c.options.value("eps", 1e-5);
                   if (c.options["kind"] == "layer") return layer_norm(x[0], x[1].shape(), x[1], x[2], eps);
                   if (c.options["kind"] == "group")
                     return group_norm(x[0], c.options["groups"].get<int64_t>(), x[1], x[2], eps);
                   return instance_norm(x[0], x[1], x[2], eps);
                 });
}

TEST_CASE("batch normalisation is PyTorch's over two steps of training and one of use", "[normalization]") {
  const SafetensorsFile file = load_reference("networks/batch_norm");
  for (const FixtureCase& c : fixture_cases(file))
    for (DType dtype : {DType::float64, DType::float32}) {
      const double tolerance = dtype == DType::float64 ? 1e-12 : 2e-5;
      const Tensor weight = cast(c.at("weight"), dtype), bias = cast(c.at("bias"), dtype);
      const Tensor mean = zeros(weight.shape(), {.dtype = dtype}),
                   variance = ones(weight.shape(), {.dtype = dtype});
      for (const char* step : {"step0", "step1", "eval"}) {
        INFO(c.name << " " << step << " " << detail::text(dtype));
        const auto at = [&](const std::string& key) { return c.at(step + ("." + key)); };
        const Tensor x = cast(at("x"), dtype);
        Tape tape;
        for (const Tensor& leaf : {x, weight, bias}) tape.watch(leaf);
        const Tensor y = batch_norm(x, mean, variance, weight, bias,
                                    {.training = step != std::string("eval"),
                                     .momentum = c.options.value("momentum", 0.1),
                                     .eps = c.options.value("eps", 1e-5)});
        CHECK(difference_in_value(y, at("value"), tolerance, tolerance) == "");
        CHECK(difference_in_value(mean, at("running_mean"), tolerance, tolerance) == "");
        CHECK(difference_in_value(variance, at("running_var"), tolerance, tolerance) == "");
        const auto gradients = tape.gradient(sum(y * cast(at("w"), dtype)), {x, weight, bias});
        CHECK(difference_in_value(gradients[0], at("grad.x"), tolerance, tolerance) == "");
        CHECK(difference_in_value(gradients[1], at("grad.weight"), tolerance, tolerance) == "");
        CHECK(difference_in_value(gradients[2], at("grad.bias"), tolerance, tolerance) == "");
      }
    }
}

TEST_CASE("the gradient in one pass is the gradient by its formula", "[normalization]") {
  // A pass that is recorded goes by public ops, one that is not by a loop of its own.
  Random random(4);
  const TensorOptions options{.dtype = DType::float64};
  const Tensor x = randn({5, 6, 7}, options, random), weight = randn({6}, options, random),
               bias = randn({6}, options, random), wide = randn({6, 7}, options, random),
               w = randn({5, 6, 7}, options, random);
  const auto agree = [&](auto f, const Tensor& scale, const Tensor& shift) {
    std::vector<Tensor> results[2];
    for (const bool recorded : {false, true}) {
      Tape tape;
      for (const Tensor& leaf : {x, scale, shift}) tape.watch(leaf);
      results[recorded] =
          tape.gradient(sum(f(scale, shift) * w), {x, scale, shift}, {.create_graph = recorded});
    }
    for (size_t i = 0; i < 3; ++i) CHECK(difference(results[0][i], results[1][i], 1e-12) == "");
  };
  agree([&](auto& a, auto& b) { return layer_norm(x, {6, 7}, a, b); }, wide, wide + 1);
  agree([&](auto& a, auto& b) { return rms_norm(x, {6, 7}, a) + b; }, wide, wide + 1);
  agree([&](auto& a, auto& b) { return group_norm(x, 3, a, b); }, weight, bias);
  agree([&](auto& a, auto& b) { return instance_norm(x, a, b); }, weight, bias);
  agree([&](auto& a, auto& b) { return batch_norm(x, {}, {}, a, b, {.training = true}); }, weight, bias);
}

TEST_CASE("rms_norm is the paper's formula", "[normalization]") {
  // Zhang and Sennrich, equation 4: a / RMS(a) * g. Of 3 and 4 it is sqrt(25 / 2).
  for (DType dtype : {DType::float64, DType::float32}) {
    const TensorOptions options{.dtype = dtype};
    const Tensor y = rms_norm(tensor({3, 4}, options), {2}, tensor({2, 1}, options));
    const double rms = std::sqrt(12.5);
    CHECK(difference(y, tensor({6 / rms, 4 / rms}, options), 1e-6) == "");
    CHECK(difference(rms_norm(zeros({2, 3}, options), {3}), zeros({2, 3}, options)) == "");
  }
}

TEST_CASE("normalisation keeps its digits far from zero", "[normalization]") {
  // In float32, 4096 numbers around 1e4: a sum of squares would lose all of the variance.
  Random random(5);
  const Tensor noise = randn({4, 4096}, {.dtype = DType::float64}, random);
  const Tensor x = cast(noise + 1e4, DType::float32);
  const Tensor expected = layer_norm(cast(x, DType::float64), {4096});
  CHECK(difference_in_value(layer_norm(x, {4096}), expected, 1e-3) == "");
}

TEST_CASE("running statistics stay as they are outside of training", "[normalization]") {
  const Tensor mean = zeros({2}), variance = ones({2});
  batch_norm(randn({4, 2, 3}), mean, variance);
  CHECK(mean.version() == 0);
  CHECK(variance.version() == 0);
}

}  // namespace reel
