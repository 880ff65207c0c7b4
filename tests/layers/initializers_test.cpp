#include "layers/initializers.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "framework/distributions.h"
#include "framework/parallel.h"
#include "framework/tape.h"
#include "layers/basic.h"
#include "layers/cells.h"
#include "layers/linear.h"
#include "ops/arithmetic.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/framework/misuse.h"
#include "tests/reference.h"

namespace reel {
namespace {

const TensorOptions wide{.dtype = DType::float64};

double largest(const Tensor& x) {
  double result = 0;
  for (double value : numbers(x)) result = std::max(result, std::abs(value));
  return result;
}

double deviation(const Tensor& x) {
  double sum = 0;
  for (double value : numbers(x)) sum += value * value;
  return std::sqrt(sum / static_cast<double>(x.numel()));
}

/// Draws of the stated deviation: uniform ones within their bound, of both kinds near the deviation.
void check_drawn(const Tensor& x, double expected, bool uniform) {
  // The square's mean has relative deviation sqrt((kurtosis - 1) / n), kurtosis 1.8 or 3: five of half of that.
  const double spread = std::sqrt((uniform ? 0.8 : 2.0) / static_cast<double>(x.numel()));
  CHECK(std::abs(deviation(x) / expected - 1) < 2.5 * spread);
  const double bound = std::sqrt(3.0) * expected;
  if (uniform) {
    CHECK(largest(x) <= bound * (1 + 1e-6));
    CHECK(largest(x) > 0.99 * bound);
  } else {
    CHECK(largest(x) > bound * 1.2);
  }
}

}  // namespace

TEST_CASE("fans and gains are PyTorch's", "[initializers]") {
  const Fans matrix = fans(zeros({5, 3})), kernel = fans(zeros({8, 4, 3, 2}));
  CHECK((matrix.in == 3 && matrix.out == 5));
  CHECK((kernel.in == 24 && kernel.out == 48));
  CHECK(calculate_gain(GainFor::linear) == 1);
  CHECK(calculate_gain(GainFor::sigmoid) == 1);
  CHECK(calculate_gain(GainFor::tanh) == 5.0 / 3);
  CHECK(calculate_gain(GainFor::relu) == std::sqrt(2.0));
  CHECK(calculate_gain(GainFor::leaky_relu, 0.2) == std::sqrt(2 / 1.04));
  CHECK(calculate_gain(GainFor::leaky_relu) == std::sqrt(2 / (1 + 0.0001)));
  CHECK(calculate_gain(GainFor::selu) == 0.75);
}

TEST_CASE("variances that the papers ask for", "[initializers]") {
  Random random(1);
  for (DType dtype : {DType::float32, DType::float64}) {
    const auto weight = [&] { return empty({60, 20, 5, 4}, {.dtype = dtype}); };  // fans 400 and 1200
    check_drawn(xavier_uniform_(weight(), 1.5, random), 1.5 * std::sqrt(2.0 / 1600), true);
    check_drawn(xavier_normal_(weight(), 1.5, random), 1.5 * std::sqrt(2.0 / 1600), false);
    check_drawn(kaiming_uniform_(weight(), {}, random), std::sqrt(2.0 / 400), true);
    check_drawn(kaiming_normal_(weight(), {.mode = FanMode::out, .nonlinearity = GainFor::tanh}, random),
                5.0 / 3 / std::sqrt(1200.0), false);
    check_drawn(kaiming_normal_(weight(), {.slope = 1}, random), 1 / std::sqrt(400.0), false);
    check_drawn(uniform_fan_in_(weight(), random), 1 / std::sqrt(3.0 * 400), true);
    check_drawn(normal_(weight(), 0, 0.02, random), 0.02, false);
    check_drawn(uniform_(weight(), -3, 3, random), std::sqrt(3.0), true);
    CHECK(largest(truncated_normal_(weight(), 0, 1, -0.5, 0.25, random)) <= 0.5);
  }
}

TEST_CASE("constants and the identity", "[initializers]") {
  Tensor x = ones({2, 3});
  CHECK(difference(constant_(x, 4), full({2, 3}, 4)) == "");
  CHECK(difference(x, full({2, 3}, 4)) == "");  // in place
  CHECK(difference(zeros_(x), zeros({2, 3})) == "");
  CHECK(difference(identity_(x), tensor({{1, 0, 0}, {0, 1, 0}})) == "");
  CHECK(difference(identity_(ones({3, 2})), tensor({{1, 0}, {0, 1}, {0, 0}})) == "");
}

TEST_CASE("orthogonal weights have orthonormal rows or columns", "[initializers]") {
  Random random(2);
  for (const Shape& shape : {Shape{70, 70}, Shape{33, 40}, Shape{7, 30}, Shape{30, 7}, Shape{1, 5},
                             Shape{5, 1}, Shape{6, 2, 3, 3}, Shape{20, 2, 3}, Shape{1, 1}}) {
    for (DType dtype : {DType::float32, DType::float64}) {
      const Tensor weight = orthogonal_(empty(shape, {.dtype = dtype}), {.gain = 2}, random);
      const Tensor matrix = reshape(cast(weight, DType::float64), {shape[0], -1}) / 2;
      const bool tall = matrix.shape()[0] > matrix.shape()[1];
      const Tensor gram = matmul(matrix, matrix, {.transpose_a = tall, .transpose_b = !tall});
      INFO(shape.str());
      CHECK(difference(gram, eye(gram.shape()[0], wide), dtype == DType::float64 ? 1e-14 : 1e-6) == "");
    }
  }
  const Tensor gates = orthogonal_(empty({4 * 16, 16}, wide), {.blocks = 4}, random);
  for (const Tensor& gate : chunk(gates, 4, 0))
    CHECK(difference(matmul(gate, gate, {.transpose_b = true}), eye(16, wide), 1e-14) == "");
  CHECK(orthogonal_(empty({0, 3}), {}, random).numel() == 0);
}

TEST_CASE("orthogonal weights are evenly distributed", "[initializers]") {
  // Of a rotation of the plane drawn evenly, or a reflection, every entry is the cosine of an even angle: mean 0,
  // variance 1/2; the determinant is 1 as often as -1. Without the signs of R the first row would point one way.
  Random random(3);
  constexpr int n = 4000;
  double determinant = 0;
  std::array<double, 4> sums{};
  for (int i = 0; i < n; ++i) {
    const auto q = numbers(orthogonal_(empty({2, 2}, wide), {}, random));
    determinant += q[0] * q[3] - q[1] * q[2];
    for (size_t k = 0; k < 4; ++k) sums.at(k) += q[k];
  }
  CHECK(std::abs(determinant) < 5 * std::sqrt(n));
  for (double sum : sums) CHECK(std::abs(sum) < 5 * std::sqrt(n / 2.0));
}

TEST_CASE("orthogonal weights are the same bits on any number of threads", "[initializers]") {
  const auto draw = [](int threads) {
    set_num_threads(threads);
    Random random(4);
    return orthogonal_(empty({150, 200}), {}, random);
  };
  const int before = num_threads();
  const Tensor single = draw(1), shared = draw(2);
  set_num_threads(before);
  CHECK(difference(shared, single) == "");
}

TEST_CASE("sparse weights have their share of zeros in each column", "[initializers]") {
  Random random(5);
  const auto values = numbers(sparse_(empty({10, 200}), 0.25, 0.5, random));
  double squares = 0;
  std::set<size_t> rows;
  for (size_t j = 0; j < 200; ++j) {
    int zeros_here = 0;
    for (size_t i = 0; i < 10; ++i) {
      const double value = values[i * 200 + j];
      if (value == 0) rows.insert(i);
      zeros_here += value == 0;
      squares += value * value;
    }
    CHECK(zeros_here == 3);  // a quarter of 10, rounded up
  }
  CHECK(rows.size() == 10);
  CHECK(std::abs(squares / 1400 / 0.25 - 1) < 5 * std::sqrt(2.0 / 1400));
}

TEST_CASE("layers begin with the values that their initialisers draw", "[initializers]") {
  // What uniform() gives for the same stream, as before there were initialisers.
  manual_seed(9);
  const Linear linear(6, 4);
  const LSTMCell cell(3, 5);
  const Embedding table(7, 2);
  Random random(9);
  const double bound = 1 / std::sqrt(6.0), recurrent = 1 / std::sqrt(5.0);
  CHECK(difference(linear.weight, uniform({4, 6}, -bound, bound, {}, random)) == "");
  CHECK(difference(linear.bias, uniform({4}, -bound, bound, {}, random)) == "");
  CHECK(difference(cell.weight_ih, uniform({20, 3}, -recurrent, recurrent, {}, random)) == "");
  CHECK(difference(cell.weight_hh, uniform({20, 5}, -recurrent, recurrent, {}, random)) == "");
  CHECK(difference(cell.bias_ih, uniform({20}, -recurrent, recurrent, {}, random)) == "");
  CHECK(difference(cell.bias_hh, uniform({20}, -recurrent, recurrent, {}, random)) == "");
  CHECK(difference(table.weight, randn({7, 2}, {}, random)) == "");
}

TEST_CASE("initialisers write into parameters and their parts", "[initializers]") {
  LSTMCell cell(3, 4);
  const Tensor before = clone(cell.weight_hh);
  xavier_uniform_(cell.weight_ih);
  CHECK(cell.weight_ih.requires_grad());
  constant_(narrow(cell.bias_ih, 0, 4, 4), 1);  // the forget gate
  CHECK(difference(narrow(cell.bias_ih, 0, 4, 4), ones({4})) == "");
  orthogonal_(cell.weight_hh, {.blocks = 4});
  CHECK(difference(cell.weight_hh, before) != "");
  Tensor t = zeros({3, 2}, wide);
  identity_(transpose(t));
  CHECK(difference(t, tensor({{1, 0}, {0, 1}, {0, 0}}, wide)) == "");
}

TEST_CASE("initialisers refuse what they do not fit", "[initializers][misuse]") {
  Random random(1);
  const Tensor vector = zeros({3}), whole = zeros({2, 2}, {.dtype = DType::int64}), cube = zeros({2, 2, 2});
  const Tensor weight = zeros({6, 4});
  refused({vector}, {"[fans]", "two axes", "float32 [3]"}, [&] { fans(vector); });
  refused({vector}, {"[xavier_uniform_]", "two axes", "[3]"}, [&] { xavier_uniform_(vector, 1, random); });
  refused({vector}, {"[xavier_normal_]", "two axes", "[3]"}, [&] { xavier_normal_(vector, 1, random); });
  refused({vector}, {"[kaiming_uniform_]", "two axes", "[3]"}, [&] { kaiming_uniform_(vector, {}, random); });
  refused({vector}, {"[kaiming_normal_]", "two axes", "[3]"}, [&] { kaiming_normal_(vector, {}, random); });
  refused({vector}, {"[uniform_fan_in_]", "two axes", "[3]"}, [&] { uniform_fan_in_(vector, random); });
  refused({vector}, {"[orthogonal_]", "two axes", "[3]"}, [&] { orthogonal_(vector, {}, random); });
  refused({weight}, {"[orthogonal_]", "[6, 4]", "4 blocks"},
          [&] { orthogonal_(weight, {.blocks = 4}, random); });
  refused({cube}, {"[sparse_]", "matrix", "[2, 2, 2]"}, [&] { sparse_(cube, 0.5, 1, random); });
  refused({weight}, {"[sparse_]", "[0, 1]", "1.5"}, [&] { sparse_(weight, 1.5, 1, random); });
  refused({cube}, {"[identity_]", "matrix", "[2, 2, 2]"}, [&] { identity_(cube); });
  refused({whole}, {"[uniform_]", "floating", "int64"}, [&] { uniform_(whole, 0, 1, random); });
  refused({whole}, {"[normal_]", "floating", "int64"}, [&] { normal_(whole, 0, 1, random); });
  refused({whole}, {"[truncated_normal_]", "floating"},
          [&] { truncated_normal_(whole, 0, 1, -2, 2, random); });
  refused({weight}, {"[xavier_uniform_]", "gain", "-1"}, [&] { xavier_uniform_(weight, -1, random); });
  Tensor parameter = ones({2, 2});
  parameter.requires_grad_();
  Tape tape;
  const Tensor product = parameter * 2;
  refused({product}, {"[normal_]", "recorded", "[2, 2]"}, [&] { normal_(product, 0, 1, random); });
  CHECK(random.position() == 0);
}

}  // namespace reel
