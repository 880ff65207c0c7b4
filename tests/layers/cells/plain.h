// Equations of cells written out for one row in double, without tensors' ops: the second way of computing a step.
#pragma once

#include <cmath>
#include <valarray>
#include <vector>

#include "framework/random.h"
#include "layers/cell.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel::plain {

using Row = std::valarray<double>;
using Rows = std::vector<Row>;

inline Row row(const Tensor& x) {
  const std::vector<double> values = numbers(x);
  return {values.data(), values.size()};
}

/// w x + b, b undefined or not.
inline Row affine(const Tensor& w, const Row& x, const Tensor& b = {}) {
  const std::vector<double> weights = numbers(w);
  const auto count = static_cast<size_t>(w.shape()[0]);
  REQUIRE(weights.size() == count * x.size());
  Row result(0.0, count);
  for (size_t m = 0; m < count; ++m)
    for (size_t k = 0; k < x.size(); ++k) result[m] += weights[m * x.size() + k] * x[k];
  if (b.defined()) result += row(b);
  return result;
}

/// The k-th of the parts of `count` elements.
inline Row part(const Row& x, size_t k, size_t count) { return x[std::slice(k * count, count, 1)]; }
inline Row joined(const Row& a, const Row& b) {
  Row result(a.size() + b.size());
  result[std::slice(0, a.size(), 1)] = a;
  result[std::slice(a.size(), b.size(), 1)] = b;
  return result;
}
inline Row sigm(const Row& x) { return 1.0 / (1.0 + std::exp(-x)); }
inline Row tanh(const Row& x) { return std::tanh(x); }
inline Row relu(const Row& x) {
  return x.apply([](double v) { return v > 0 ? v : 0; });
}
inline Row within(const Row& x, double bound) {
  Row result = x;
  for (double& v : result) v = std::fmin(std::fmax(v, -bound), bound);
  return result;
}

/// One step on three rows of width `width`, from random states, is what `equations(x, states)` gives for each row: the
/// output, then the states.
template <class C, class F> void follows(C cell, int64_t width, int64_t hidden, const F& equations) {
  cell.to(DType::float64);
  Random random(11);
  constexpr int64_t rows = 3;
  const Tensor x = randn({rows, width}, {.dtype = DType::float64}, random);
  std::vector<Tensor> state = detail::tensors_of(initial_state(cell, rows, hidden, DType::float64));
  for (Tensor& tensor : state) tensor = randn(tensor.shape(), {.dtype = DType::float64}, random);
  std::vector<Tensor> results = state;
  Tensor output;
  detail::step_function(cell).step(&cell, x, results, output);
  results.insert(results.begin(), output);
  for (int64_t n = 0; n < rows; ++n) {
    Rows states;
    for (const Tensor& tensor : state) states.push_back(row(select(tensor, 0, n)));
    const Rows expected = equations(std::as_const(cell), row(select(x, 0, n)), states);
    REQUIRE(expected.size() == results.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      const Row got = row(select(results[i], 0, n));
      REQUIRE(got.size() == expected[i].size());
      CAPTURE(n, i);
      for (size_t k = 0; k < got.size(); ++k)
        CHECK(got[k] == Approx(expected[i][k]).epsilon(1e-13).margin(1e-14));
    }
  }
}

}  // namespace reel::plain
