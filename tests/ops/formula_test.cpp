// The scalar formulas of elementwise ops: each stated slope against dual numbers, and the compiled loops, on
// every instruction set that this machine has, against the formula itself in a wider type.
#include "ops/elementwise/formula.h"

#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "framework/gradcheck.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/math.h"
#include "ops/rounding.h"
#include "tests/catch.h"
#include "tests/ops/dual.h"

namespace reel {
namespace {

using detail::arity;
using detail::Dual;

/// A formula with several values of its attributes, if it has some.
template <class F> std::vector<F> examples() {
  if constexpr (requires(F f) { f.s; }) {
    std::vector<F> result;
    for (double s : {-2.5, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0}) result.push_back(F{s});
    return result;
  } else if constexpr (requires(F f) { f.low; }) {
    return {F{-1.2, 2.1}};
  } else if constexpr (requires(F f) { f.nan; }) {
    return {F{0.5, 7, -7}};
  } else {
    return {F{}};
  }
}

/// Calls g with every formula of the list.
template <class... F, class G> void for_each_formula(FormulaList<F...>, G&& g) {
  const auto each = [&]<class One>(std::type_identity<One>) {
    for (const One& f : examples<One>()) g(f);
  };
  (each(std::type_identity<F>()), ...);
}

template <class G> void for_each_formula(G&& g) {
  for_each_formula(ArithmeticFormulas{}, g);
  for_each_formula(ActivationFormulas{}, g);
  for_each_formula(MathFormulas{}, g);
  for_each_formula(RoundingFormulas{}, g);
}

const std::vector<double> grid = {-30, -8.5, -3.1, -2, -1, -0.7, -0.05, 0.05, 0.3, 1, 1.5, 2.25, 3.7, 9, 30};

/// The slope to argument K as the formula states it, and as dual numbers give it.
template <size_t K, class F> bool slopes_agree(const F& f, std::array<double, arity<F> + 1> x) {
  std::array<Dual, arity<F>> arguments;
  for (size_t i = 0; i < arity<F>; ++i) arguments[i] = Dual(x[i], i == K ? 1 : 0);
  const Dual exact = detail::formula_value(f, arguments.data());
  x[arity<F>] = exact.value;
  if (!std::isfinite(exact.value) || !std::isfinite(exact.derivative)) return true;  // outside of its domain
  const double stated = detail::formula_slope<K>(f, x.data());
  INFO(F::name << " at " << x[0] << ", " << x[1] << ": slope " << K << " is " << stated << ", exactly "
               << exact.derivative);
  // Where y saturates, 1 - y * y knows its own last bit only: hence the absolute part.
  const bool agree = std::abs(stated - exact.derivative) <= 1e-12 * std::abs(exact.derivative) + 1e-15;
  CHECK(agree);
  return agree;
}

double ulp_of(double value, bool is_float) {
  const double magnitude = std::abs(value);
  if (is_float) {
    const auto narrow = static_cast<float>(magnitude);
    return static_cast<double>(std::nextafter(narrow, std::numeric_limits<float>::infinity())) -
           static_cast<double>(narrow);
  }
  return std::nextafter(magnitude, std::numeric_limits<double>::infinity()) - magnitude;
}

/// Arguments over all exponents of T, both signs, several mantissas.
template <class T> std::vector<T> sweep() {
  std::vector<T> values;
  for (int e = std::numeric_limits<T>::min_exponent; e < std::numeric_limits<T>::max_exponent; ++e) {
    const bool dense = e > -30 && e < 12;  // where functions have their curves
    const int mantissas = dense ? 400 : 4;
    for (int m = 0; m < mantissas; ++m) {
      const T x = std::ldexp(
          T(1) + static_cast<T>(m) / static_cast<T>(mantissas) + T(0.37) / static_cast<T>(mantissas), e);
      values.push_back(x);
      values.push_back(-x);
    }
  }
  return values;
}

/// Largest error of a formula's loop in units of the last place, where the true value lies well within the
/// normal numbers of T (silu underflows a little early, where exp(-x) overflows).
template <class T, class Wide, class F>
double largest_ulp_error(const F& f, detail::TileKernel kernel, T& worst) {
  static_assert(arity<F> == 1);
  const std::vector<T> x = sweep<T>();
  std::vector<T> y(x.size());
  const void* in[] = {x.data()};
  kernel(&f, in, y.data(), static_cast<int64_t>(x.size()));
  double largest = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const Wide exact = f.value(static_cast<Wide>(x[i]));
    const Wide magnitude = std::abs(exact);
    if (!(magnitude >= 1024 * std::numeric_limits<T>::min() && magnitude < std::numeric_limits<T>::max() / 2))
      continue;
    const double error = std::abs(static_cast<double>(static_cast<Wide>(y[i]) - exact)) /
                         ulp_of(static_cast<double>(exact), std::is_same_v<T, float>);
    if (!(error <= largest)) {
      largest = error;
      worst = x[i];
    }
  }
  return largest;
}

struct Errors {
  double f32 = 0, f64 = 0;
  float at32 = 0;
  double at64 = 0;
};

template <class F> Errors errors_of(const F& f, const detail::FormulaKernels& kernels) {
  Errors result;
  result.f32 = largest_ulp_error<float, double>(f, kernels.value32, result.at32);
  result.f64 = largest_ulp_error<double, long double>(f, kernels.value64, result.at64);
  return result;
}

/// Calls g(isa, kernels) for every instruction set that this machine runs, and for the loops that a formula from
/// outside of the library gets.
template <class F, class G> void for_each_isa(const G& g) {
  g("own", detail::own_kernels<F>());
  g("baseline", detail::compiled<F, detail::isa_baseline>());
#if defined(__x86_64__)
  if (detail::machine_isa() >= detail::isa_avx2) g("avx2", detail::compiled<F, detail::isa_avx2>());
  if (detail::machine_isa() >= detail::isa_avx512) g("avx512", detail::compiled<F, detail::isa_avx512>());
#endif
}

}  // namespace

TEST_CASE("every slope is the derivative of its formula", "[formula]") {
  int formulas = 0;
  for_each_formula([&]<class F>(const F& f) {
    ++formulas;
    static_assert(detail::has_slope<F>);
    for (double a : grid) {
      if constexpr (arity<F> == 1) {
        slopes_agree<0>(f, {a});
      } else {
        for (double b : grid) {
          if (a == b) continue;  // the kink of maximum and minimum, a jump of remainder
          if constexpr (arity<F> == 2) {
            slopes_agree<0>(f, {a, b});
            slopes_agree<1>(f, {a, b});
          } else {
            slopes_agree<0>(f, {a, b, 0.3});
            slopes_agree<1>(f, {a, b, 0.3});
            slopes_agree<2>(f, {a, b, 0.7});
          }
        }
      }
    }
  });
  CHECK(formulas > 90);
}

TEST_CASE("what a slope is said to read is what it reads", "[formula]") {
  // From the calculus: exp' is its result, log' needs the argument, add' nothing.
  const auto reads = [](const auto& f, auto k) {
    std::array<detail::Probe, 4> x;
    for (size_t i = 0; i < x.size(); ++i) x[i] = detail::Probe::argument(i);
    return detail::formula_slope<decltype(k)::value>(f, x.data());
  };
  const std::integral_constant<size_t, 0> first;
  const std::integral_constant<size_t, 1> second;
  CHECK(reads(Exp{}, first).arguments() == 0b10);
  CHECK(reads(Tanh{}, first).arguments() == 0b10);
  CHECK(reads(Log{}, first).arguments() == 0b01);
  CHECK(reads(Mul{}, first).arguments() == 0b010);
  CHECK(reads(Mul{}, second).arguments() == 0b001);
  CHECK(reads(Add{}, first).is_constant());
  CHECK(reads(Sub{}, second).constant() == -1);
  CHECK(reads(MulScalar{2.5}, first).constant() == 2.5);
  CHECK(reads(Sign{}, first).constant() == 0);
}

TEST_CASE("loops agree with their formulas to a few units in the last place", "[formula]") {
  struct Bound {
    double f32, f64;
  };
  constexpr Bound usual{2.5, 2.5};
  const std::map<std::string, Bound> bounds = {
      {"asinh", {4, 2.5}},
      {"erf", {4, 4}},
      {"erfc", {7, 7}},
      {"mish", {6, 6}},
      // Tails that go like exp(u(x)): a last place of u counts |u| times.
      {"celu", {60, 450}},
      {"gelu", {200, 900}},
      {"gelu_tanh", {200, 900}},
  };
  for_each_formula([&]<class F>(const F& f) {
    if constexpr (arity<F> == 1) {
      for_each_isa<F>([&](const char* isa, const detail::FormulaKernels& kernels) {
        const Errors errors = errors_of(f, kernels);
        const auto found = bounds.find(std::string(F::name));
        const Bound bound = found == bounds.end() ? usual : found->second;
        INFO(F::name << ", " << isa << ": float32 " << errors.f32 << " at " << errors.at32 << ", float64 "
                     << errors.f64 << " at " << errors.at64);
        CHECK(errors.f32 <= bound.f32);
        CHECK(errors.f64 <= bound.f64);
      });
    }
  });
}

TEST_CASE("errors of the loops in figures", "[.ulps]") {
  std::printf("%-16s %-9s %10s %14s %10s %14s\n", "formula", "isa", "float32", "at", "float64", "at");
  for_each_formula([&]<class F>(const F& f) {
    if constexpr (arity<F> == 1) {
      for_each_isa<F>([&](const char* isa, const detail::FormulaKernels& kernels) {
        const Errors e = errors_of(f, kernels);
        std::printf("%-16s %-9s %10.3g %14.6g %10.3g %14.6g\n", std::string(F::name).c_str(), isa, e.f32,
                    static_cast<double>(e.at32), e.f64, e.at64);
      });
    }
  });
}

TEST_CASE("second derivatives of softplus and silu are finite at both ends", "[formula]") {
  const TensorOptions wide{.dtype = DType::float64};
  for (double x : {-1000.0, -800.0, -100.0, -1.0, 0.0, 1.0, 100.0, 1000.0}) {
    const Tensor at = full({1}, x, wide);
    const auto both = [](const std::vector<Tensor>& v) {
      return std::vector<Tensor>{softplus(v[0]), silu(v[0])};
    };
    INFO(x);
    CHECK(gradcheck(both, {at}, {.step = 1e-5, .absolute = 1e-6}).message == "");
    CHECK(gradgradcheck(both, {at}, {.step = 1e-5, .absolute = 1e-6}).message == "");
  }
}

}  // namespace reel
