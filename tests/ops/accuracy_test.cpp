// exp, log, tanh and sigmoid in float32, over every exponent of both signs, against the C library in float64: at most
// two units in the last place, denormal results included, on every instruction set that this machine has.
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/activation.h"
#include "tests/catch.h"

namespace reel {
namespace {

/// 1024 floats of each binade, both signs; denormals; the special values.
std::vector<float> all_binades() {
  std::vector<float> x;
  for (uint32_t bits = 0; bits < 0x7f800000U; bits += (1U << 13) - 1)
    for (uint32_t sign : {0U, 0x80000000U}) x.push_back(std::bit_cast<float>(bits | sign));
  for (uint32_t bits : {0U, 1U, 2U, 0x7fffffU, 0x800000U, 0x7f7fffffU, 0x7f800000U, 0x7fc00000U})
    for (uint32_t sign : {0U, 0x80000000U}) x.push_back(std::bit_cast<float>(bits | sign));
  for (float edge :
       {87.0F, 88.0F, 88.72283F, 88.722839F, 103.0F, 103.97F, 104.0F, 9.01F, 9.5F, 0.6F, 0.35F, 1.0F})
    for (float sign : {1.0F, -1.0F}) x.push_back(sign * edge);
  return x;
}

/// The distance of neighbouring floats at `value`.
double unit_in_last_place(double value) {
  int exponent = 0;
  std::frexp(value, &exponent);
  return std::ldexp(1.0, std::max(exponent - 24, -149));
}

/// Largest error in units of the last place; a result of the wrong kind (nan, infinity, sign of zero) counts as 1e9.
template <class F> double largest_error(detail::TileKernel kernel, double (*exact)(double), float& worst) {
  const std::vector<float> x = all_binades();
  std::vector<float> y(x.size());
  const void* in[] = {x.data()};
  kernel("", in, y.data(), static_cast<int64_t>(x.size()));
  double largest = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double wanted = exact(static_cast<double>(x[i]));
    double error = 0;
    if (std::isnan(wanted))
      error = std::isnan(y[i]) ? 0 : 1e9;
    else if (std::isinf(static_cast<float>(wanted)) || wanted == 0)
      error = y[i] == static_cast<float>(wanted) && std::signbit(y[i]) == std::signbit(wanted) ? 0 : 1e9;
    else
      error = std::abs(static_cast<double>(y[i]) - wanted) / unit_in_last_place(wanted);
    if (!(error <= largest)) {
      largest = error;
      worst = x[i];
    }
  }
  return largest;
}

template <class F> void check_function(double (*exact)(double)) {
  const auto check_kernel = [&](detail::TileKernel kernel, const char* isa) {
    float worst = 0;
    const double error = largest_error<F>(kernel, exact, worst);
    INFO(F::name << " for " << isa << ": " << error << " ulp at " << worst);
    CHECK(error <= 2);
  };
  check_kernel(detail::compiled<F, detail::isa_baseline>().value32, "the baseline");
#if defined(__x86_64__)
  if (detail::machine_isa() >= detail::isa_avx2)
    check_kernel(detail::compiled<F, detail::isa_avx2>().value32, "avx2");
  if (detail::machine_isa() >= detail::isa_avx512)
    check_kernel(detail::compiled<F, detail::isa_avx512>().value32, "avx512");
#endif
}

}  // namespace

TEST_CASE("exp, log, tanh and sigmoid are within two units of the last place over all float32",
          "[accuracy]") {
  check_function<Exp>([](double x) { return std::exp(x); });
  check_function<Log>([](double x) { return std::log(x); });
  check_function<Tanh>([](double x) { return std::tanh(x); });
  check_function<Sigmoid>(
      [](double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); });
}

}  // namespace reel
