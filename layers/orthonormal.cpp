#include "layers/orthonormal.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "framework/parallel.h"

namespace reel::detail {
namespace {

// Rows that are worked on together: 32 of 1024 elements are 256 KB, which second-level caches hold.
constexpr int64_t panel = 32;

double dot(const double* a, const double* b, int64_t n) {
  constexpr int64_t lanes = 8;  // sums side by side, which the compiler turns into vectors
  double sums[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int64_t k = 0; k < lanes; ++k) sums[k] += a[i + k] * b[i + k];
  double total = 0;
  for (; i < n; ++i) total += a[i] * b[i];
  for (double sum : sums) total += sum;
  return total;
}

/// x -= v * scale * (v . x): the reflection that v stands for.
void reflect(const double* v, double scale, double* x, int64_t n) {
  const double factor = scale * dot(v, x, n);
  for (int64_t i = 0; i < n; ++i) x[i] -= factor * v[i];
}

/// Makes the reflection that turns v into a multiple of the first unit vector, in its place; returns its scale. `sign`
/// becomes that of the multiple.
double make_reflection(double* v, int64_t n, double& sign) {
  const double length = std::sqrt(dot(v, v, n));
  const double multiple = v[0] > 0 ? -length : length;
  sign = multiple < 0 ? -1 : 1;
  v[0] -= multiple;
  const double square = dot(v, v, n);
  return square > 0 ? 2 / square : 0;
}

}  // namespace

// QR by Householder's reflections, of a normal matrix that lies here transposed: column j of it is a row. Reflection j
// leaves R_jj, whose sign Q's column takes over: without this the distribution is not even. Reflections are applied
// `panel` at a time: what they read stays in cache, and threads meet seldom.
Tensor orthonormal_rows(int64_t count, int64_t width, Random& random) {
  Tensor drawn = randn({count, width}, {.dtype = DType::float64}, random);
  Tensor result = zeros({count, width}, {.dtype = DType::float64});
  std::vector<double> scale(static_cast<size_t>(count)), sign(static_cast<size_t>(count));
  auto* a = drawn.raw<double>();
  auto* q = result.raw<double>();
  const auto reflect_row = [&](int64_t j, double* row) {
    reflect(a + j * width + j, scale[static_cast<size_t>(j)], row + j, width - j);
  };
  for (int64_t first = 0; first < count; first += panel) {
    const int64_t end = std::min(count, first + panel);
    for (int64_t j = first; j < end; ++j) {
      scale[static_cast<size_t>(j)] =
          make_reflection(a + j * width + j, width - j, sign[static_cast<size_t>(j)]);
      for (int64_t row = j + 1; row < end; ++row) reflect_row(j, a + row * width);
    }
    parallel_for(count - end, panel, [&](int64_t from, int64_t to) {
      for (int64_t row = end + from; row < end + to; ++row)
        for (int64_t j = first; j < end; ++j) reflect_row(j, a + row * width);
    });
  }
  parallel_for((count + panel - 1) / panel, 1, [&](int64_t from, int64_t to) {
    for (int64_t part = from; part < to; ++part) {
      const int64_t first = part * panel, end = std::min(count, first + panel);
      for (int64_t row = first; row < end; ++row) q[row * width + row] = sign[static_cast<size_t>(row)];
      for (int64_t j = end - 1; j >= 0; --j)
        for (int64_t row = std::max(first, j); row < end; ++row) reflect_row(j, q + row * width);
    }
  });
  return result;
}

}  // namespace reel::detail
