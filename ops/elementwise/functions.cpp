#include "ops/elementwise/functions.h"

#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/elementwise/own_loops.h"
#include "ops/elementwise/symbolic.h"
#include "ops/math.h"
#include "ops/rounding.h"

namespace reel::detail {
namespace {

/// What a function is on a number, on a tensor, and as loops.
struct Meaning {
  double (*number)(double);
  Tensor (*tensor)(const Tensor&);
  const FormulaKernels& (*kernels)();
};
struct BinaryMeaning {
  double (*number)(double, double);
  Tensor (*tensor)(const Tensor&, const Tensor&);
  const FormulaKernels& (*kernels)();
};

template <class F> Meaning meaning(double (*number)(double), Tensor (*tensor)(const Tensor&)) {
  static_assert(std::is_empty_v<F>);
  return {number, tensor, kernels_of<F>};
}
template <class F>
BinaryMeaning meaning(double (*number)(double, double), Tensor (*tensor)(const Tensor&, const Tensor&)) {
  static_assert(std::is_empty_v<F>);
  return {number, tensor, kernels_of<F>};
}

// clang-format off
Meaning meaning_of(Function function) {
  switch (function) {
    case Function::exp: return meaning<Exp>(std::exp, reel::exp);
    case Function::expm1: return meaning<Expm1>(std::expm1, reel::expm1);
    case Function::log: return meaning<Log>(std::log, reel::log);
    case Function::log1p: return meaning<Log1p>(std::log1p, reel::log1p);
    case Function::log2: return meaning<Log2>(std::log2, reel::log2);
    case Function::log10: return meaning<Log10>(std::log10, reel::log10);
    case Function::sqrt: return meaning<Sqrt>(std::sqrt, reel::sqrt);
    case Function::abs: return meaning<Abs>(std::abs, reel::abs);
    case Function::sin: return meaning<Sin>(std::sin, reel::sin);
    case Function::cos: return meaning<Cos>(std::cos, reel::cos);
    case Function::tan: return meaning<Tan>(std::tan, reel::tan);
    case Function::asin: return meaning<Asin>(std::asin, reel::asin);
    case Function::acos: return meaning<Acos>(std::acos, reel::acos);
    case Function::atan: return meaning<Atan>(std::atan, reel::atan);
    case Function::sinh: return meaning<Sinh>(std::sinh, reel::sinh);
    case Function::cosh: return meaning<Cosh>(std::cosh, reel::cosh);
    case Function::tanh: return meaning<Tanh>(std::tanh, reel::tanh);
    case Function::asinh: return meaning<Asinh>(std::asinh, reel::asinh);
    case Function::acosh: return meaning<Acosh>(std::acosh, reel::acosh);
    case Function::atanh: return meaning<Atanh>(std::atanh, reel::atanh);
    case Function::erf: return meaning<Erf>(std::erf, reel::erf);
    case Function::erfc: return meaning<Erfc>(std::erfc, reel::erfc);
    case Function::floor: return meaning<Floor>(std::floor, reel::floor);
    case Function::ceil: return meaning<Ceil>(std::ceil, reel::ceil);
    case Function::trunc: return meaning<Trunc>(std::trunc, reel::trunc);
    case Function::nearbyint: return meaning<Round>(std::nearbyint, reel::round);
  }
  fail("unknown function {}", {std::to_string(static_cast<int>(function))});
}

BinaryMeaning meaning_of(BinaryFunction function) {
  switch (function) {
    case BinaryFunction::pow: return meaning<Pow>(std::pow, reel::pow);
    case BinaryFunction::atan2: return meaning<Atan2>(std::atan2, reel::atan2);
    case BinaryFunction::hypot: return meaning<Hypot>(std::hypot, reel::hypot);
    case BinaryFunction::fmod: return meaning<Fmod>(std::fmod, reel::fmod);
  }
  fail("unknown function {}", {std::to_string(static_cast<int>(function))});
}
// clang-format on

Tensor as_tensor(const Symbolic& x, DType dtype) {
  return x.is_constant() ? scalar(x.constant(), {.dtype = dtype}) : x.tensor();
}

}  // namespace

TileKernel function_kernel(Function function, DType dtype) {
  return meaning_of(function).kernels().value(dtype);
}
TileKernel function_kernel(BinaryFunction function, DType dtype) {
  return meaning_of(function).kernels().value(dtype);
}

Symbolic Symbolic::call(Function function, const Symbolic& x) {
  const Meaning meaning = meaning_of(function);
  return x.is_constant() ? Symbolic(meaning.number(x.constant())) : Symbolic(meaning.tensor(x.tensor()));
}

Symbolic Symbolic::call(BinaryFunction function, const Symbolic& a, const Symbolic& b) {
  const BinaryMeaning meaning = meaning_of(function);
  if (a.is_constant() && b.is_constant()) return Symbolic(meaning.number(a.constant(), b.constant()));
  if (function == BinaryFunction::pow && b.is_constant())
    return Symbolic(reel::pow(a.tensor(), b.constant()));
  const DType dtype = a.is_constant() ? b.dtype() : a.dtype();
  return Symbolic(meaning.tensor(as_tensor(a, dtype), as_tensor(b, dtype)));
}

}  // namespace reel::detail
