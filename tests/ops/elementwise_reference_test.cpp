// Elementwise ops beside PyTorch's: at the edges of the number range, at kinks and bounds, with mixed signs.
#include <cmath>
#include <functional>
#include <map>
#include <string>

#include "framework/tape.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/math.h"
#include "ops/rounding.h"
#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

using Unary = std::function<Tensor(const Tensor&)>;
using Binary = Tensor (*)(const Tensor&, const Tensor&);
using List = std::vector<Tensor>;

const std::map<std::string, Unary> unary = {
    {"log2", log2},
    {"log10", log10},
    {"tan", tan},
    {"asin", asin},
    {"acos", acos},
    {"atan", atan},
    {"sinh", sinh},
    {"cosh", cosh},
    {"asinh", asinh},
    {"acosh", acosh},
    {"atanh", atanh},
    {"erfc", erfc},
    {"floor", floor},
    {"ceil", ceil},
    {"round", round},
    {"trunc", trunc},
    {"log_sigmoid", log_sigmoid},
    {"leaky_relu", [](const Tensor& x) { return leaky_relu(x); }},
    {"elu", [](const Tensor& x) { return elu(x); }},
    {"selu", selu},
    {"celu", [](const Tensor& x) { return celu(x); }},
    {"gelu", [](const Tensor& x) { return gelu(x); }},
    {"gelu_tanh", [](const Tensor& x) { return gelu(x, GeluForm::tanh); }},
    {"mish", mish},
    {"hardtanh", [](const Tensor& x) { return hardtanh(x); }},
    {"hardsigmoid", hardsigmoid},
    {"hardswish", hardswish},
    {"softsign", softsign},
    {"tanhshrink", tanhshrink},
};

const std::map<std::string, Binary> binary = {{"add", operator+ },
                                               {"sub", operator- },
                                                {"mul", operator* },
                                                 {
                                                     "div",
                                                     operator/ },
                                                     {"pow", pow},
                                                     {"maximum", maximum},
                                                     {"minimum", minimum},
                                                     {"atan2", atan2},
                                                     {"fmod", fmod},
                                                     {"remainder", remainder},
                                                     {"floor_divide", floor_divide},
                                                     {"hypot", hypot},
                                                     {"logaddexp", logaddexp},
                                                     {"clamp_min", clamp_min},
                                                     {"clamp_max", clamp_max},
                                                };

/// The value of f, then the gradients of its sum.
List value_and_gradients(const std::function<Tensor(const List&)>& f, const List& x) {
  Tape tape;
  for (const Tensor& each : x) tape.watch(each);
  const Tensor y = f(x);
  List result = tape.gradient(y, x, {.gradient = ones_like(y)});
  result.insert(result.begin(), y);
  return result;
}

List value_and_gradient(const Unary& f, const Tensor& x) {
  return value_and_gradients([&](const List& v) { return f(v[0]); }, {x});
}

/// `theirs`, but ours at the elements that `doubtful` names: where PyTorch's number is wrong.
Tensor corrected(const Tensor& theirs, const Tensor& ours, const std::function<bool(size_t)>& doubtful) {
  std::vector<double> values = numbers(theirs);
  const std::vector<double> own = numbers(ours);
  for (size_t i = 0; i < values.size(); ++i)
    if (doubtful(i)) values[i] = own[i];
  return detail::cast_values(from_vector(values, theirs.shape()), theirs.dtype());
}

using Where = bool (*)(double);

/// Where PyTorch's values are wrong, by function.
const std::map<std::string, Where> doubtful_values = {
    // exp(x) - 1 in one piece is 0
    {"elu", [](double x) { return std::abs(x) < 1e-20; }},
    {"selu", [](double x) { return std::abs(x) < 1e-20; }},
    {"celu", [](double x) { return std::abs(x) < 1e-20; }},
    // 1.1e308, which is taken for infinite
    {"sinh", [](double x) { return std::abs(x) == 710; }},
    {"cosh", [](double x) { return std::abs(x) == 710; }},
};

/// The same for gradients.
const std::map<std::string, Where> doubtful_gradients = {
    // A slope where there is no value; and 0 where its square overflows.
    {"acosh", [](double x) { return x < 1 || x > 1e19; }},
    {"sinh", [](double x) { return std::abs(x) == 710; }},
    {"cosh", [](double x) { return std::abs(x) == 710; }},
    // 1.5 from its vector loop, as here, and 1 from the scalar loop of the rest
    {"hardswish", [](double x) { return x == 3; }},
    // nan where its cube overflows
    {"gelu_tanh", [](double x) { return std::abs(x) > 30; }},
    // The difference of two large numbers, or of infinities.
    {"softsign", [](double x) { return std::abs(x) > 50; }},
};

bool is_in(const std::map<std::string, Where>& map, const std::string& name, double x) {
  const auto found = map.find(name);
  return found != map.end() && found->second(x);
}

}  // namespace

TEST_CASE("further functions of one argument are PyTorch's, to the edges of the range", "[elementwise]") {
  const SafetensorsFile file = load_reference("elementwise/unary_extreme");
  for (const std::string dtype : {"f32", "f64"}) {
    const Tensor& x = file.at(dtype + ".x");
    const double relative = dtype == "f32" ? 0x1p-19 : 0x1p-47;
    const double absolute = dtype == "f32" ? 2e-37 : 4e-306;
    for (const auto& [name, f] : unary) {
      INFO(dtype << " " << name);
      const std::string prefix = dtype + "." + name;
      const List got = value_and_gradient(f, x);
      const std::vector<double> at = numbers(x);
      const Tensor value = corrected(file.at(prefix + ".value"), got[0],
                                     [&, n = name](size_t i) { return is_in(doubtful_values, n, at[i]); });
      const Tensor grad = corrected(file.at(prefix + ".grad"), got[1],
                                    [&, n = name](size_t i) { return is_in(doubtful_gradients, n, at[i]); });
      // PyTorch's gelu is a difference below 0, its sixth one of float32.
      const double rounding = name.starts_with("gelu") ? (dtype == "f32" ? 1e-6 : 1e-15) : absolute;
      const double precision = name == "hardsigmoid" ? 1e-7 : relative;
      CHECK(difference(got[0], value, rounding, relative) == "");
      CHECK(difference(got[1], grad, rounding, std::max(relative, precision)) == "");
    }
  }
}

TEST_CASE("further functions of two arguments are PyTorch's, for all pairs of special values",
          "[elementwise]") {
  const SafetensorsFile file = load_reference("elementwise/binary_extreme");
  for (const std::string dtype : {"f32", "f64"}) {
    const Tensor &a = file.at(dtype + ".a"), &b = file.at(dtype + ".b");
    const double relative = dtype == "f32" ? 1e-6 : 1e-14;
    for (const auto& [name, f] : binary) {
      INFO(dtype << " " << name << ", element 9 i + j of the pairs of special values i and j");
      const std::string prefix = dtype + "." + name;
      const List got = value_and_gradients([f = f](const List& v) { return f(v[0], v[1]); }, {a, b});
      CHECK(difference(got[0], file.at(prefix + ".value"), 0, relative) == "");
      if (name == "floor_divide") continue;
      const std::vector<double> left = numbers(a), right = numbers(b), values = numbers(got[0]);
      // Between zeros, between infinities, and where there is no value to have a slope.
      const auto doubtful = [&, n = name](size_t i) {
        const double x = left[i], y = right[i];
        if (n == "atan2" || n == "hypot") return x == 0 && y == 0;
        if (n == "logaddexp") return std::isinf(x) && x == y;
        return n == "fmod" && std::isnan(values[i]);
      };
      for (size_t k : {1, 2}) {
        const Tensor& theirs = file.at(prefix + (k == 1 ? ".grad.a" : ".grad.b"));
        CHECK(difference(got[k], corrected(theirs, got[k], doubtful), 0, relative) == "");
      }
    }
  }
}

TEST_CASE("activations and their options are PyTorch's, at kinks too", "[elementwise]") {
  const SafetensorsFile file = load_reference("elementwise/activations");
  std::map<std::string, Unary> cases(unary);
  cases["leaky_relu0.2"] = [](const Tensor& x) { return leaky_relu(x, 0.2); };
  cases["elu1.5"] = [](const Tensor& x) { return elu(x, 1.5); };
  cases["celu0.7"] = [](const Tensor& x) { return celu(x, 0.7); };
  cases["hardtanh-0.5_2"] = [](const Tensor& x) { return hardtanh(x, -0.5, 2); };
  int compared = 0;
  for (const auto& [name, f] : cases) {
    if (!file.contains(name + ".value")) continue;
    INFO(name);
    ++compared;
    const List got = value_and_gradient(f, file.at("x"));
    CHECK(difference(got[0], file.at(name + ".value"), 1e-15, 1e-13) == "");
    // PyTorch has 1 / alpha and 1 / 6 in float32.
    const double precision = name == "celu0.7" ? 1e-6 : name == "hardsigmoid" ? 1e-7 : 1e-13;
    CHECK(difference(got[1], file.at(name + ".grad"), 1e-15, precision) == "");
  }
  CHECK(compared == 17);
}

TEST_CASE("clamp is PyTorch's, at the bounds too", "[elementwise]") {
  const SafetensorsFile file = load_reference("elementwise/clamp");
  const Tensor &x = file.at("x"), &min = file.at("min"), &max = file.at("max");
  const List both = value_and_gradients([](const List& v) { return clamp(v[0], v[1], v[2]); }, {x, min, max});
  CHECK(difference(both[0], file.at("both.value")) == "");
  CHECK(difference(both[1], file.at("both.grad.x")) == "");
  CHECK(difference(both[2], file.at("both.grad.min")) == "");
  CHECK(difference(both[3], file.at("both.grad.max")) == "");
  const List low = value_and_gradients([](const List& v) { return clamp(v[0], v[1], Tensor()); }, {x, min});
  CHECK(difference(low[0], file.at("min.value")) == "");
  CHECK(difference(low[1], file.at("min.grad.x")) == "");
  CHECK(difference(low[2], file.at("min.grad.min")) == "");
  const List high = value_and_gradients([](const List& v) { return clamp(v[0], Tensor(), v[1]); }, {x, max});
  CHECK(difference(high[0], file.at("max.value")) == "");
  CHECK(difference(high[1], file.at("max.grad.x")) == "");
  CHECK(difference(high[2], file.at("max.grad.max")) == "");
  const std::map<std::string, ClampOptions> scalars = {{"scalar1_2", {.min = 1, .max = 2}},
                                                       {"scalar1_nan", {.min = 1}},
                                                       {"scalarnan_2", {.max = 2}},
                                                       {"scalar2_1", {.min = 2, .max = 1}}};
  for (const auto& [name, bounds] : scalars) {
    INFO(name);
    const List got = value_and_gradient([&](const Tensor& v) { return clamp(v, bounds); }, x);
    CHECK(difference(got[0], file.at(name + ".value")) == "");
    CHECK(difference(got[1], file.at(name + ".grad")) == "");
  }
}

TEST_CASE("fmod has the sign of the dividend, remainder that of the divisor, as PyTorch's", "[elementwise]") {
  const SafetensorsFile file = load_reference("elementwise/division");
  const Tensor &a = file.at("a"), &b = file.at("b"), &ia = file.at("ia"), &ib = file.at("ib");
  for (const std::string name : {"fmod", "remainder", "floor_divide"}) {
    INFO(name);
    const Binary f = binary.at(name);
    const List got = value_and_gradients([&](const List& v) { return f(v[0], v[1]); }, {a, b});
    CHECK(difference(got[0], file.at(name + ".value")) == "");
    CHECK(difference(f(ia, ib), file.at(name + ".int")) == "");
    if (name == "floor_divide") continue;
    CHECK(difference(got[1], file.at(name + ".grad.a")) == "");
    // PyTorch's slope of fmod to b is off by one where a / b is rounded to a whole number; what holds is
    // value = a + slope b.
    const Tensor along = a + got[2] * b;
    CHECK(difference(along, file.at(name + ".value"), 4e-6, 1e-13) == "");
    if (name == "remainder") CHECK(difference(got[2], file.at(name + ".grad.b")) == "");
  }
  CHECK(difference(fmod(a, 2.5), file.at("by_scalar.fmod")) == "");
  CHECK(difference(remainder(a, 2.5), file.at("by_scalar.remainder")) == "");
  CHECK(difference(floor_divide(a, 2.5), file.at("by_scalar.floor_divide")) == "");
  CHECK(difference(remainder(2.5, b), file.at("of_scalar.remainder")) == "");
}

TEST_CASE("lerp, powers of a scalar and nan_to_num are PyTorch's", "[elementwise]") {
  const SafetensorsFile lerps = load_reference("elementwise/lerp");
  const Tensor &a = lerps.at("a"), &b = lerps.at("b"), &w = lerps.at("w");
  const List got = value_and_gradients([](const List& v) { return lerp(v[0], v[1], v[2]); }, {a, b, w});
  CHECK(difference(got[0], lerps.at("tensor.value"), 0, 1e-15) == "");
  CHECK(difference(got[1], lerps.at("tensor.grad.a"), 0, 1e-15) == "");
  CHECK(difference(got[2], lerps.at("tensor.grad.b"), 0, 1e-15) == "");
  CHECK(difference(got[3], lerps.at("tensor.grad.w"), 0, 1e-15) == "");
  for (const auto& [name, s] : std::map<std::string, double>{{"scalar0.25", 0.25}, {"scalar0.75", 0.75}}) {
    const List scalars = value_and_gradients([s = s](const List& v) { return lerp(v[0], v[1], s); }, {a, b});
    CHECK(difference(scalars[0], lerps.at(name + ".value"), 0, 1e-15) == "");
    CHECK(difference(scalars[1], lerps.at(name + ".grad.a"), 0, 1e-15) == "");
    CHECK(difference(scalars[2], lerps.at(name + ".grad.b"), 0, 1e-15) == "");
  }
  const SafetensorsFile powers = load_reference("elementwise/power_of_scalar");
  for (const auto& [name, s] : std::map<std::string, double>{
           {"base0", 0}, {"base0.5", 0.5}, {"base1", 1}, {"base2", 2}, {"base-2", -2}}) {
    INFO(name);
    const List power = value_and_gradient([s = s](const Tensor& v) { return pow(s, v); }, powers.at("x"));
    CHECK(difference(power[0], powers.at(name + ".value"), 0, 1e-15) == "");
    CHECK(difference(power[1], powers.at(name + ".grad"), 0, 1e-15) == "");
  }
  const SafetensorsFile cleaned = load_reference("elementwise/nan_to_num");
  const List usual = value_and_gradient([](const Tensor& v) { return nan_to_num(v); }, cleaned.at("x"));
  CHECK(difference(usual[0], cleaned.at("default.value")) == "");
  CHECK(difference(usual[1], cleaned.at("default.grad")) == "");
  const List given = value_and_gradient(
      [](const Tensor& v) { return nan_to_num(v, {.nan = 1, .posinf = 2, .neginf = -3}); }, cleaned.at("x"));
  CHECK(difference(given[0], cleaned.at("given.value")) == "");
  CHECK(difference(given[1], cleaned.at("given.grad")) == "");
  CHECK(difference(nan_to_num(cleaned.at("f32.x")), cleaned.at("f32.default.value")) == "");
}

}  // namespace reel
