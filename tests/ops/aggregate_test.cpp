#include "ops/aggregate.h"

#include <cmath>
#include <limits>
#include <map>

#include "framework/random.h"
#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/cumulative.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "ops/statistics.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

using Function = std::function<Tensor(const Tensor&)>;

/// Value, gradient and, where it is there, second gradient of f at x against the case `name` of a file; nan
/// gradients of PyTorch's may be 0 where `zero_for_nan` says so.
void compare_case(const SafetensorsFile& file, const std::string& name, const Tensor& x, const Function& f,
                  bool zero_for_nan = false) {
  INFO(name);
  Tape tape;
  tape.watch(x);
  const Tensor value = f(x);
  CHECK(difference(value, file.at(name + ".value"), 1e-14, 1e-14) == "");
  if (!file.contains(name + ".grad")) return;
  const Tensor gradient = tape.gradient(sum(value * file.at(name + ".w")), {x}, {.create_graph = true})[0];
  Tensor expected = file.at(name + ".grad");
  if (zero_for_nan)
    for (int64_t i = 0; i < expected.numel(); ++i) {
      double& g = expected.mutable_data<double>()[i];
      if (std::isnan(g) && numbers(gradient)[static_cast<size_t>(i)] == 0) g = 0;
    }
  CHECK(difference(gradient, expected, 1e-13, 1e-13) == "");
  if (!file.contains(name + ".grad2")) return;
  const Tensor second = tape.gradient(sum(gradient * file.at("v")), {x})[0];
  CHECK(difference(second, file.at(name + ".grad2"), 1e-13, 1e-13) == "");
}

const std::vector<std::pair<std::string, Function>> extreme_functions = {
    {"sum", [](const Tensor& x) { return sum(x, 1); }},
    {"mean", [](const Tensor& x) { return mean(x, 1); }},
    {"amax", [](const Tensor& x) { return amax(x, 1); }},
    {"amin", [](const Tensor& x) { return amin(x, 1); }},
    {"prod", [](const Tensor& x) { return prod(x, 1); }},
    {"var", [](const Tensor& x) { return var(x, 1); }},
    {"std", [](const Tensor& x) { return stddev(x, 1); }},
    {"logsumexp", [](const Tensor& x) { return logsumexp(x, 1); }},
    {"cumsum", [](const Tensor& x) { return cumsum(x, 1); }},
    {"cumprod", [](const Tensor& x) { return cumprod(x, 1); }},
    {"norm0", [](const Tensor& x) { return norm(x, 0, 1); }},
    {"norm1", [](const Tensor& x) { return norm(x, 1, 1); }},
    {"norm2", [](const Tensor& x) { return norm(x, 2, 1); }},
    {"norm3", [](const Tensor& x) { return norm(x, 3, 1); }},
    {"norminf", [](const Tensor& x) { return norm(x, inf, 1); }},
    {"norm-inf", [](const Tensor& x) { return norm(x, -inf, 1); }},
};

}  // namespace

TEST_CASE("prod and cumprod with zeros are PyTorch's, to the second derivative", "[aggregate]") {
  const SafetensorsFile file = load_reference("ops/products");
  compare_case(file, "prod", file.at("x"), [](const Tensor& x) { return prod(x, 1); });
  compare_case(file, "cumprod", file.at("x"), [](const Tensor& x) { return cumprod(x, 1); });
}

TEST_CASE("norms of every order are PyTorch's, with gradient 0 at 0", "[aggregate]") {
  const SafetensorsFile file = load_reference("ops/norm");
  for (const auto& [name, p] : {std::pair{"p-inf", -inf},
                                {"p-1", -1.0},
                                {"p0", 0.0},
                                {"p0.5", 0.5},
                                {"p1", 1.0},
                                {"p1.5", 1.5},
                                {"p2", 2.0},
                                {"p3", 3.0},
                                {"pinf", inf}})
    compare_case(file, name, file.at("x"), [p = p](const Tensor& x) { return norm(x, p, 1); });
}

TEST_CASE("logsumexp and logcumsumexp with infinities are PyTorch's, but for a gradient of 0 at -inf",
          "[aggregate]") {
  const SafetensorsFile file = load_reference("ops/logsumexp");
  for (const auto& [prefix, factor] : {std::pair{"", 1.0}, {"big.", 300.0}}) {
    const Tensor x = file.at("x") * factor;
    compare_case(
        file, std::string(prefix) + "logsumexp", x, [](const Tensor& t) { return logsumexp(t, 1); }, true);
    compare_case(
        file, std::string(prefix) + "logcumsumexp", x, [](const Tensor& t) { return logcumsumexp(t, 1); },
        true);
  }
}

TEST_CASE("logsumexp over nothing, and where everything is -inf, is -inf with gradient 0", "[aggregate]") {
  CHECK(logsumexp(zeros({0})).item() == -inf);
  CHECK(difference(logsumexp(zeros({2, 0}), 1), full({2}, -inf)) == "");
  const Tensor x = full({2, 3}, -inf);
  Tape tape;
  tape.watch(x);
  const Tensor y = logsumexp(x, 1);
  CHECK(difference(y, full({2}, -inf)) == "");
  CHECK(difference(tape.gradient(sum(y), {x})[0], zeros({2, 3})) == "");
}

TEST_CASE("reductions of infinities, nans, huge and tiny numbers are PyTorch's", "[aggregate]") {
  // Rows of which PyTorch's gradient is not the derivative, but:
  const std::map<std::string, std::vector<int64_t>> left_out = {
      {"logsumexp", {6, 8}},  // 1 for each of equal ones beside which log(2) is lost
      {"cumprod",
       {0, 1, 2, 3, 4, 6, 7, 8, 9}},  // quotients of infinities, nans, and what overflowed or underflowed
      {"norminf", {3, 4}},            // 0 where the norm is nan
      {"norm-inf", {3, 4}},           // likewise
  };
  const SafetensorsFile file = load_reference("ops/reductions_extreme");
  for (const auto& [prefix, tolerance] : {std::pair{"f32.", 1e-6}, {"f64.", 1e-13}}) {
    const Tensor x = file.at(std::string(prefix) + "x");
    for (const auto& [name, f] : extreme_functions) {
      INFO(prefix << name);
      Tape tape;
      tape.watch(x);
      const Tensor value = f(x);
      CHECK(difference(value, file.at(prefix + name + ".value"), 0, tolerance) == "");
      if (!file.contains(prefix + name + ".grad")) continue;
      Tensor gradient = tape.gradient(sum(value), {x})[0], expected = file.at(prefix + name + ".grad");
      if (const auto rows = left_out.find(name); rows != left_out.end())
        for (int64_t row : rows->second)
          for (Tensor* t : {&gradient, &expected}) select(*t, 0, row).fill_(0);
      // Of a deviation the gradient is at most 1, and rounded at that size.
      CHECK(difference(gradient, expected, name == "std" ? tolerance : 0, tolerance) == "");
    }
    CHECK(difference(argmax(x, 1), file.at(std::string(prefix) + "argmax.value")) == "");
    CHECK(difference(argmin(x, 1), file.at(std::string(prefix) + "argmin.value")) == "");
    CHECK(difference(all(x, 1), file.at(std::string(prefix) + "all.value")) == "");
    CHECK(difference(any(x, 1), file.at(std::string(prefix) + "any.value")) == "");
    CHECK(difference(count_nonzero(x, 1), file.at(std::string(prefix) + "count_nonzero.value")) == "");
  }
}

TEST_CASE("reductions of integers and conditions are PyTorch's", "[aggregate]") {
  const SafetensorsFile file = load_reference("ops/integer_reductions");
  for (const std::string prefix : {"x.", "b."}) {
    const Tensor x = file.at(prefix.substr(0, 1));
    INFO(prefix);
    CHECK(difference(sum(x, 1), file.at(prefix + "sum")) == "");
    CHECK(difference(prod(x, 1), file.at(prefix + "prod")) == "");
    CHECK(difference(amax(x, 1), file.at(prefix + "amax")) == "");
    CHECK(difference(amin(x, 1), file.at(prefix + "amin")) == "");
    CHECK(difference(cumsum(x, 1), file.at(prefix + "cumsum")) == "");
    CHECK(difference(cumprod(x, 1), file.at(prefix + "cumprod")) == "");
    CHECK(difference(all(x, 1), file.at(prefix + "all")) == "");
    CHECK(difference(any(x, 1), file.at(prefix + "any")) == "");
    CHECK(difference(count_nonzero(x, 1), file.at(prefix + "count_nonzero")) == "");
    // The same in another layout, and over both axes at once.
    CHECK(difference(sum(transpose(x), 0), file.at(prefix + "sum")) == "");
    CHECK(difference(amax(transpose(clone(transpose(x))), -1, true),
                     unsqueeze(file.at(prefix + "amax"), 1)) == "");
    CHECK(sum(x).item<int64_t>() == sum(sum(x, 0)).item<int64_t>());
  }
}

TEST_CASE("over nothing a product is 1, all true, any false, and nothing is counted", "[aggregate]") {
  const Tensor x = zeros({2, 0, 3});
  CHECK(difference(prod(x, 1), ones({2, 3})) == "");
  CHECK(prod(x).item() == 1);
  CHECK(prod(x, 0, true).shape() == Shape{1, 0, 3});
  CHECK(all(x).item<int64_t>() == 1);
  CHECK(any(x).item<int64_t>() == 0);
  CHECK(all(x, 1).shape() == Shape{2, 3});
  CHECK(count_nonzero(x).item<int64_t>() == 0);
  CHECK(sum(zeros({0}, {.dtype = DType::int64})).item<int64_t>() == 0);
  CHECK(norm(x).item() == 0);
  CHECK(difference(norm(x, 3, 1), zeros({2, 3})) == "");
  CHECK(norm(x, inf, 0).shape() == Shape{0, 3});
}

TEST_CASE("integer sums and products wrap around", "[aggregate]") {
  const Tensor x = from_vector<int64_t>({INT64_MAX, 1});
  CHECK(sum(x).item<int64_t>() == INT64_MIN);
  CHECK(prod(x + x).item<int64_t>() == -4);
  CHECK(numbers(cumsum(x, 0))[1] == static_cast<double>(INT64_MIN));
}

TEST_CASE("a norm is that of the definition, over any axes", "[aggregate]") {
  Random random(1);
  const Tensor x = uniform({3, 4, 5}, -2, 2, {.dtype = DType::float64}, random);
  for (const double p : {0.5, 1.0, 1.5, 2.0, 3.0, 7.0}) {
    double total = 0;
    for (double value : numbers(x)) total += std::pow(std::abs(value), p);
    CHECK(norm(x, p).item() == Approx(std::pow(total, 1 / p)).epsilon(1e-13));
    CHECK(difference(norm(permute(x, {2, 0, 1}), p, {0, 1}),
                     norm(reshape(permute(x, {1, 0, 2}), {4, 15}), p, 1), 1e-13) == "");
  }
}

}  // namespace reel
