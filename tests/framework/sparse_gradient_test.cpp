// Gradients that are kept as rows.
#include <cmath>

#include "framework/random.h"
#include "framework/tape.h"
#include "layers/basic.h"
#include "ops/arithmetic.h"
#include "ops/indexing.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

Tensor ints(const std::vector<int64_t>& values) { return from_vector(values); }

/// The gradient that two uses of a table leave, and how the table says it.
struct Left {
  Tensor gradient;
  bool sparse;
};

template <class F> Left backward(const Tensor& table, const F& loss) {
  Tensor leaf = clone(table).requires_grad_();
  Tape tape;
  tape.backward(loss(leaf));
  const bool sparse = leaf.sparse_grad().defined();
  return {leaf.grad(), sparse};
}

}  // namespace

TEST_CASE("an embedding's sparse gradient is its dense one", "[tape][sparse]") {
  const Tensor table = randn({7, 3}, {.dtype = DType::float64}),
               w = randn({2, 4, 3}, {.dtype = DType::float64});
  const Tensor indices = reshape(ints({5, 1, 5, 0, 1, 1, 6, 5}), {2, 4});
  const auto loss = [&](bool sparse) {
    return [&, sparse](const Tensor& t) { return sum(square(embedding(t, indices, sparse)) * w); };
  };
  const Left dense = backward(table, loss(false)), sparse = backward(table, loss(true));
  CHECK_FALSE(dense.sparse);
  CHECK(sparse.sparse);
  CHECK(difference(sparse.gradient, dense.gradient, 1e-14) == "");
}

TEST_CASE("a sparse gradient holds each row once, in ascending order, summed", "[tape][sparse]") {
  Tensor table = zeros({5, 2}).requires_grad_();
  const auto backward_twice = [&] {
    Tape tape;
    const Tensor a = embedding(table, ints({3, 1, 3}), true), b = embedding(table, ints({1}), true);
    tape.backward(sum(a) + 10 * sum(b));
  };
  backward_twice();
  SparseGradient gradient = table.sparse_grad();
  CHECK(difference(gradient.rows, ints({1, 3})) == "");
  CHECK(difference(gradient.values, tensor({{11, 11}, {2, 2}})) == "");
  backward_twice();  // adds up
  CHECK(difference(table.sparse_grad().values, tensor({{22, 22}, {4, 4}})) == "");
  CHECK(difference(table.grad(), tensor({{0, 0}, {22, 22}, {0, 0}, {4, 4}, {0, 0}})) == "");
  CHECK_FALSE(table.sparse_grad().defined());  // dense since grad() was asked for
  backward_twice();
  CHECK(difference(table.grad(), tensor({{0, 0}, {33, 33}, {0, 0}, {6, 6}, {0, 0}})) == "");
  table.set_sparse_grad(ints({4, 0, 4}), tensor({{1, 2}, {3, 4}, {5, 6}}));
  CHECK(difference(table.sparse_grad().values, tensor({{3, 4}, {6, 8}})) == "");
  table.zero_grad();
  CHECK_FALSE(table.sparse_grad().defined());
  CHECK_FALSE(table.grad().defined());
}

TEST_CASE("where rows cannot be kept alone the gradient is dense", "[tape][sparse]") {
  const Tensor table = randn({4, 3}, {.dtype = DType::float64});
  const Tensor indices = ints({2, 0, 2}), x = randn({2, 3}, {.dtype = DType::float64});
  const auto check_against_dense = [&](const auto& loss) {
    const Left dense = backward(table, [&](const Tensor& t) { return loss(t, false); });
    const Left sparse = backward(table, [&](const Tensor& t) { return loss(t, true); });
    CHECK_FALSE(sparse.sparse);
    CHECK(difference(sparse.gradient, dense.gradient, 1e-14) == "");
  };
  // Shared with an output layer, as tied weights are, in either order.
  check_against_dense([&](const Tensor& t, bool s) {
    return sum(square(embedding(t, indices, s))) + sum(square(matmul(x, transpose(t, 0, 1))));
  });
  // Made from a leaf.
  check_against_dense([&](const Tensor& t, bool s) { return sum(square(embedding(t * 2, indices, s))); });
  // Asked for as a value, recorded, or with a hook.
  Tensor leaf = clone(table).requires_grad_();
  Tape tape;
  const Tensor y = sum(square(embedding(leaf, indices, true)));
  const Tensor gradient = tape.gradient(y, {leaf}, {.create_graph = true})[0];
  CHECK(gradient.shape() == leaf.shape());
  CHECK(difference(tape.gradient(sum(gradient * gradient), {leaf}, {.retain_graph = true})[0],
                   gradient * scatter_rows(full({3, 3}, 4, {.dtype = DType::float64}), indices, 4),
                   1e-12) == "");
  tape.hook(leaf, [](const Tensor& g) { return g * 3; });
  tape.backward(y);
  CHECK_FALSE(leaf.sparse_grad().defined());
  CHECK(difference(leaf.grad(), gradient * 3, 1e-14) == "");
}

TEST_CASE("a sparse gradient after a dense one is added to it", "[tape][sparse]") {
  Tensor table = zeros({3, 1}).requires_grad_();
  const Tensor given = tensor({{1}, {2}, {3}});
  table.set_grad(given);
  Tape tape;
  tape.backward(sum(embedding(table, ints({2}), true)));
  CHECK(difference(table.grad(), tensor({{1}, {2}, {4}})) == "");
  CHECK(difference(given, tensor({{1}, {2}, {3}})) == "");
}

TEST_CASE("the Embedding layer's option", "[tape][sparse]") {
  Embedding layer(6, 2, {.sparse = true});
  {
    Tape tape;
    tape.backward(sum(layer(ints({4, 4}))));
  }
  CHECK(layer.weight.sparse_grad().rows.numel() == 1);
  const Embedding copy = layer;
  CHECK(copy.named_parameters().size() == 1);
}

TEST_CASE("sparse gradients that do not fit are refused", "[tape][sparse]") {
  Tensor table = zeros({3, 2});
  CHECK_THROWS_WITH(table.set_sparse_grad(ints({3}), zeros({1, 2})),
                    contains_text("row 3") && contains_text("[0, 3)"));
  CHECK_THROWS_WITH(table.set_sparse_grad(ints({-1}), zeros({1, 2})), contains_text("row -1"));
  CHECK_THROWS_WITH(table.set_sparse_grad(ints({1}), zeros({2, 2})), contains_text("[1, 2]"));
  CHECK_THROWS_WITH(table.set_sparse_grad(ints({1}), zeros({1, 2}, {.dtype = DType::float64})),
                    contains_text("float64"));
  CHECK_THROWS_WITH(table.set_sparse_grad(tensor({1}), zeros({1, 2})), contains_text("int64"));
  CHECK_THROWS_AS(Tensor().set_sparse_grad(ints({1}), zeros({1, 2})), Error);
  CHECK_FALSE(table.sparse_grad().defined());
  table.set_sparse_grad(ints({}), zeros({0, 2}));
  CHECK(difference(table.grad(), zeros({3, 2})) == "");
}

}  // namespace reel
