#include "ops/indexing.h"

#include "framework/parallel.h"
#include "framework/random.h"
#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {

TEST_CASE("embedding reads rows in the shape of the indices", "[indexing]") {
  const Tensor table = tensor({{0, 1}, {10, 11}, {20, 21}});
  CHECK(difference(embedding(table, from_vector<int64_t>({2, 0, 2})), tensor({{20, 21}, {0, 1}, {20, 21}})) ==
        "");
  CHECK(difference(embedding(table, from_vector<int64_t>({1}, {})), tensor({10, 11})) == "");
  CHECK(embedding(table, from_vector<int64_t>({2, 0, 1, 1, 0, 2}, {3, 2})).shape() == Shape{3, 2, 2});
  CHECK(embedding(table, from_vector<int64_t>({}, {0, 4})).shape() == Shape{0, 4, 2});
  CHECK(difference(embedding(tensor({5, 6, 7}), from_vector<int64_t>({2, 1})), tensor({7, 6})) == "");
  const Tensor indices = from_vector<int64_t>({0, 2, 1, 1, 2, 0}, {2, 3});
  CHECK(difference(embedding(transpose(tensor({{0, 10, 20}, {1, 11, 21}})), transpose(indices)),
                   embedding(table, clone(transpose(indices)))) == "");
  CHECK(embedding(zeros({3, 0}), indices).shape() == Shape{2, 3, 0});
}

TEST_CASE("the gradient of embedding adds up the rows that were read", "[indexing]") {
  const Tensor table = zeros({4, 2});
  const Tensor indices = from_vector<int64_t>({2, 0, 2});
  const Tensor upper = tensor({{1, 2}, {10, 20}, {100, 200}});
  for (bool create_graph : {false, true}) {
    Tape tape;
    tape.watch(table);
    const Tensor gradient = tape.gradient(embedding(table, indices), {table},
                                          {.gradient = upper, .create_graph = create_graph})[0];
    CHECK(difference(gradient, tensor({{10, 20}, {0, 0}, {101, 202}, {0, 0}})) == "");
  }
  CHECK(difference(scatter_rows(upper, indices, 4), tensor({{10, 20}, {0, 0}, {101, 202}, {0, 0}})) == "");
}

TEST_CASE("scatter_rows is the transpose of embedding, the same bits on any number of threads",
          "[indexing]") {
  Random random(1);
  const Tensor indices = randint(0, 50, {40, 30}, random);
  const Tensor x = randn({40, 30, 90}, {}, random);
  const auto values = numbers(x);
  const auto places = indices.to_vector<int64_t>();
  std::vector<double> expected(50 * 90, 0.0);
  for (size_t i = 0; i < places.size(); ++i)
    for (size_t j = 0; j < 90; ++j) expected[static_cast<size_t>(places[i]) * 90 + j] += values[i * 90 + j];
  const int before = num_threads();
  set_num_threads(1);
  const Tensor single = scatter_rows(x, indices, 50);
  set_num_threads(2);
  const Tensor shared = scatter_rows(x, indices, 50);
  set_num_threads(before);
  CHECK(difference_in_value(single, from_vector(expected, {50, 90}), 1e-4) ==
        "");  // 24 or so rounded sums of size 10
  CHECK(difference(shared, single) == "");
}

TEST_CASE("pick takes one element of each row, none where it is ignored", "[indexing]") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(difference(pick(x, from_vector<int64_t>({2, 0})), tensor({3, 4})) == "");
  CHECK(difference(pick(x, from_vector<int64_t>({-100, 1})), tensor({0, 5})) == "");
  CHECK(difference(pick(x, from_vector<int64_t>({1, 7}), 7), tensor({2, 0})) == "");
  CHECK(pick(tensor({1, 2}), from_vector<int64_t>({1}, {})).item() == 2);
  CHECK(difference(pick(transpose(x), from_vector<int64_t>({1, 0, 1})), tensor({4, 2, 6})) == "");
  Tape tape;
  tape.watch(x);
  const Tensor y = pick(x, from_vector<int64_t>({-100, 1}));
  CHECK(difference(tape.gradient(y, {x}, {.gradient = tensor({5, 7})})[0], tensor({{0, 0, 0}, {0, 7, 0}})) ==
        "");
}

}  // namespace reel
