#include "layers/orthonormal.h"

#include <cmath>
#include <numeric>
#include <vector>

#include "framework/parallel.h"

namespace reel::detail {
namespace {

// Products of vectors that one thread computes at a time: a few tens of us.
constexpr int64_t elements_per_task = 1 << 15;

/// x -= v * scale * (v . x): the reflection that v stands for.
void reflect(const double* v, double scale, double* x, int64_t n) {
  const double factor = scale * std::inner_product(v, v + n, x, 0.0);
  for (int64_t i = 0; i < n; ++i) x[i] -= factor * v[i];
}

}  // namespace

// QR by Householder's reflections, of a normal matrix that lies here transposed: column j of it is a row. Reflection j
// leaves R_jj, whose sign Q's column takes over: without this the distribution is not even.
Tensor orthonormal_rows(int64_t count, int64_t width, Random& random) {
  Tensor drawn = randn({count, width}, {.dtype = DType::float64}, random);
  auto* a = drawn.raw<double>();
  std::vector<double> scale(static_cast<size_t>(count)), sign(static_cast<size_t>(count));
  const int64_t grain = std::max<int64_t>(1, elements_per_task / std::max<int64_t>(1, width));
  for (int64_t j = 0; j < count; ++j) {
    double* v = a + j * width + j;
    const int64_t n = width - j;
    const double length = std::sqrt(std::inner_product(v, v + n, v, 0.0));
    const double diagonal = v[0] > 0 ? -length : length;
    sign[static_cast<size_t>(j)] = diagonal < 0 ? -1 : 1;
    v[0] -= diagonal;
    const double square = std::inner_product(v, v + n, v, 0.0);
    scale[static_cast<size_t>(j)] = square > 0 ? 2 / square : 0;
    parallel_for(count - j - 1, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        reflect(v, scale[static_cast<size_t>(j)], a + (j + 1 + i) * width + j, n);
    });
  }
  Tensor result = zeros({count, width}, {.dtype = DType::float64});
  auto* q = result.raw<double>();
  parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      q[row * width + row] = sign[static_cast<size_t>(row)];
      for (int64_t j = row; j >= 0; --j)
        reflect(a + j * width + j, scale[static_cast<size_t>(j)], q + row * width + j, width - j);
    }
  });
  return result;
}

}  // namespace reel::detail
