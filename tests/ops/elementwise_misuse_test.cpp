// Misuse of mathematics, rounding, clamping and the further activations.
#include "framework/tape.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/math.h"
#include "ops/rounding.h"
#include "tests/framework/misuse.h"

namespace reel {
namespace {

using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(const Tensor&, const Tensor&);
const TensorOptions wide{.dtype = DType::float64};

const std::pair<const char*, Unary> floating[] = {{"[log2]", log2},
                                                  {"[log10]", log10},
                                                  {"[sin]", sin},
                                                  {"[cos]", cos},
                                                  {"[tan]", tan},
                                                  {"[asin]", asin},
                                                  {"[acos]", acos},
                                                  {"[atan]", atan},
                                                  {"[sinh]", sinh},
                                                  {"[cosh]", cosh},
                                                  {"[asinh]", asinh},
                                                  {"[acosh]", acosh},
                                                  {"[atanh]", atanh},
                                                  {"[erf]", erf},
                                                  {"[erfc]", erfc},
                                                  {"[mish]", mish},
                                                  {"[selu]", selu},
                                                  {"[log_sigmoid]", log_sigmoid},
                                                  {"[softsign]", softsign},
                                                  {"[hardswish]", hardswish},
                                                  {"[hardsigmoid]", hardsigmoid}};
const std::pair<const char*, Binary> pairs[] = {{"[atan2]", atan2},         {"[hypot]", hypot},
                                                {"[logaddexp]", logaddexp}, {"[fmod]", fmod},
                                                {"[remainder]", remainder}, {"[floor_divide]", floor_divide},
                                                {"[clamp_min]", clamp_min}, {"[clamp_max]", clamp_max}};

}  // namespace

TEST_CASE("mathematics on wrong dtypes and shapes", "[misuse]") {
  const Tensor n = arange(1, 3), yes = from_vector<bool>({true, false}), a = ones({2, 3}), b = ones({2}),
               d = ones({2}, wide), none;
  for (const auto& [name, f] : floating) {
    refused({n}, {name, "float32 or float64", "int64 [2]"}, [&, f = f] { f(n); });
    refused({}, {"undefined"}, [&, f = f] { f(none); });
  }
  for (const auto& [name, f] : pairs) {
    refused({a, b}, {name, "[2, 3]", "[2]"}, [&, f = f] { f(a, b); });
    refused({b, d}, {name, "float32 [2]", "float64 [2]", "cast"}, [&, f = f] { f(b, d); });
    refused({yes}, {name, "expected", "bool [2]"}, [&, f = f] { f(yes, yes); });
    refused({b}, {"undefined"}, [&, f = f] { f(b, none); });
  }
  refused({yes}, {"[floor]", "int64", "bool [2]"}, [&] { floor(yes); });
  refused({a, b}, {"[lerp]", "[2, 3]", "[2]"}, [&] { lerp(a, a, b); });
  refused({n}, {"[lerp_scalar]", "int64"}, [&] { lerp(n, n, 0.5); });
  refused({n}, {"[pow_of_scalar]", "int64"}, [&] { pow(2.0, n); });
  refused({n}, {"[nan_to_num]", "int64"}, [&] { nan_to_num(n); });
  refused({b}, {"[logical_xor]", "bool", "float32 [2]"}, [&] { logical_xor(b, b); });
}

TEST_CASE("dividing integers by 0, and by fractions", "[misuse]") {
  const Tensor n = arange(1, 3), zero = from_vector<int64_t>({1, 0});
  refused({n, zero}, {"[fmod]", "0", "int64 [2]"}, [&] { fmod(n, zero); });
  refused({n, zero}, {"[remainder]", "0", "int64 [2]"}, [&] { remainder(n, zero); });
  refused({n, zero}, {"[floor_divide]", "0", "int64 [2]"}, [&] { floor_divide(n, zero); });
  refused({n}, {"[remainder]", "0"}, [&] { remainder(n, 0); });
  refused({n}, {"[remainder]", "2.5", "int64"}, [&] { remainder(n, 2.5); });
  refused({n}, {"[floor_divide]", "2.5", "int64"}, [&] { floor_divide(2.5, n); });
}

TEST_CASE("bounds and options that are none", "[misuse]") {
  const Tensor x = ones({2, 3}), n = arange(2), none;
  refused({x}, {"[clamp]", "bound", "undefined"}, [&] { clamp(x, none, none); });
  refused({x}, {"[clamp]", "nan"}, [&] { clamp(x, NAN, 1); });
  refused({n}, {"[clamp_min]", "0.5", "int64"}, [&] { clamp(n, {.min = 0.5}); });
  refused({n}, {"[clamp_max]", "0.5", "int64"}, [&] { clamp_max(n, 0.5); });
  refused({x}, {"[clamp_min]", "[2, 3]", "[2]"}, [&] { clamp(x, ones({2}), none); });
  refused({x}, {"[celu]", "alpha", "0", "float32 [2, 3]"}, [&] { celu(x, 0); });
  refused({x}, {"[hardtanh]", "min < max", "2", "1", "float32 [2, 3]"}, [&] { hardtanh(x, 2, 1); });
  refused({n}, {"[where]", "0.5", "int64"}, [&] { where(equal(n, 0), n, 0.5); });
  refused({n}, {"[less]", "0.5", "int64"}, [&] { less(0.5, n); });
}

}  // namespace reel
