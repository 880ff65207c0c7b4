// What a computation gives, once and twice differentiated, for comparing two ways of doing it. In float64.
#pragma once

#include <vector>

#include "framework/random.h"
#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {

struct Outcome {
  std::vector<Tensor> values, gradients, second;
};

/// Values of `run`, gradients of a lopsided loss with respect to `leaves`, and gradients of the squares of these; zeros
/// for a leaf that nothing reads.
template <class F> Outcome differentiate(const std::vector<Tensor>& leaves, const F& run) {
  constexpr TensorOptions in_double{.dtype = DType::float64};
  Outcome result;
  Tape tape;
  for (const Tensor& leaf : leaves)
    if (!leaf.requires_grad()) tape.watch(leaf);
  const auto with_all_leaves = [&](Tensor loss) {
    for (const Tensor& leaf : leaves) loss = loss + sum(zeros_like(leaf) * leaf);
    return loss;
  };
  result.values = run();
  Random random(9);
  Tensor loss = scalar(0, in_double);
  for (const Tensor& y : result.values) loss = loss + sum(y * randn(y.shape(), in_double, random));
  result.gradients = tape.gradient(with_all_leaves(loss), leaves, {.create_graph = true});
  Tensor penalty = scalar(0, in_double);
  for (const Tensor& g : result.gradients) penalty = penalty + sum(g * g);
  result.second = tape.gradient(with_all_leaves(penalty), leaves);
  return result;
}

/// Agreement to `tolerance` in values, ten times that in gradients and a hundred times in second gradients.
inline void check_same(const Outcome& a, const Outcome& b, double tolerance = 1e-13) {
  REQUIRE(a.values.size() == b.values.size());
  for (size_t i = 0; i < a.values.size(); ++i) {
    CAPTURE(i);
    CHECK(difference(a.values[i], b.values[i], tolerance, 10 * tolerance) == "");
  }
  for (size_t i = 0; i < a.gradients.size(); ++i) {
    CAPTURE(i);
    CHECK(difference(a.gradients[i], b.gradients[i], 10 * tolerance, 100 * tolerance) == "");
    CHECK(difference(a.second[i], b.second[i], 100 * tolerance, 1000 * tolerance) == "");
  }
}

}  // namespace reel
