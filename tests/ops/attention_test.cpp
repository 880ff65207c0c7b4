#include "ops/attention.h"

#include <cmath>

#include "framework/random.h"
#include "ops/matmul.h"
#include "tests/ops/network_fixtures.h"

namespace reel {

TEST_CASE("attention is PyTorch's formula, with masks of both kinds", "[attention]") {
  const SafetensorsFile file = load_reference("networks/attention");
  for (const FixtureCase& c : fixture_cases(file))
    for (DType dtype : {DType::float64, DType::float32}) {
      std::vector<std::string> names{"q", "k", "v"};
      const bool added = c.has("mask") && c.at("mask").dtype() != DType::boolean;
      if (added) names.emplace_back("mask");
      check_case(c, names, dtype, dtype == DType::float64 ? 1e-13 : 1e-5, [&](const std::vector<Tensor>& x) {
        AttentionOptions options{.causal = c.options.value("causal", false),
                                 .scale = c.options.value("scale", 0.0)};
        if (c.has("mask")) options.mask = added ? x[3] : c.at("mask");
        return scaled_dot_product_attention(x[0], x[1], x[2], options);
      });
    }
}

TEST_CASE("a query that may attend to nothing gets zeros, and gives no nan to any gradient", "[attention]") {
  for (DType dtype : {DType::float32, DType::float64}) {
    const TensorOptions options{.dtype = dtype};
    const Tensor q = rand({2, 3}, options), k = rand({4, 3}, options), v = rand({4, 2}, options);
    const Tensor allowed = reshape(from_vector<bool>({false, true}), {2, 1});
    const Tensor added = reshape(tensor({-INFINITY, 0}, options), {2, 1});
    for (const Tensor& mask : {allowed, added}) {
      Tape tape;
      for (const Tensor& leaf : {q, k, v}) tape.watch(leaf);
      const Tensor y = scaled_dot_product_attention(q, k, v, {.mask = mask});
      const auto values = numbers(y);
      CHECK(values[0] == 0);
      CHECK(values[1] == 0);
      CHECK(values[2] > 0);
      for (const Tensor& gradient : tape.gradient(sum(y), {q, k, v}))
        for (double value : numbers(gradient)) CHECK(std::isfinite(value));
    }
  }
}

TEST_CASE("dropout of attention weights keeps the expectation", "[attention]") {
  Random random(9);
  const Tensor q = zeros({1, 1}), k = zeros({2000, 1}), v = ones({2000, 1});
  const double kept = scaled_dot_product_attention(q, k, v, {.dropout_p = 0.25, .random = &random}).item();
  CHECK(kept != 1);
  CHECK(std::abs(kept - 1) < 0.1);
}

TEST_CASE("attention over no queries and no keys", "[attention]") {
  CHECK(scaled_dot_product_attention(ones({2, 0, 3}), ones({2, 4, 3}), ones({2, 4, 5})).shape() ==
        Shape{2, 0, 5});
  CHECK(difference(scaled_dot_product_attention(ones({2, 3}), ones({0, 3}), ones({0, 4})), zeros({2, 4})) ==
        "");
}

}  // namespace reel
