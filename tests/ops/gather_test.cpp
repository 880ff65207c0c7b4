#include "ops/gather.h"

#include <functional>

#include "framework/parallel.h"
#include "framework/random.h"
#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/indexing.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

Tensor whole(const std::vector<int64_t>& values, const Shape& shape) { return from_vector(values, shape); }
Tensor whole(const std::vector<int64_t>& values) { return from_vector(values); }

/// What f gives on one thread, after checking that two give the same bits.
Tensor on_any_threads(const std::function<Tensor()>& f) {
  const int before = num_threads();
  set_num_threads(1);
  const Tensor single = f();
  set_num_threads(2);
  CHECK(difference(f(), single) == "");
  set_num_threads(before);
  return single;
}

}  // namespace

TEST_CASE("index_select of rows is embedding", "[gather]") {
  Random random(1);
  const Tensor table = randn({50, 7}, {}, random), places = randint(0, 50, {200}, random);
  CHECK(difference(index_select(table, 0, places), embedding(table, places)) == "");
  CHECK(difference(index_select(transpose(table), 1, places), transpose(embedding(table, places))) == "");
  CHECK(index_select(zeros({2, 3}), 1, whole({})).shape() == Shape{2, 0});
  CHECK(index_select(zeros({0, 3}), 1, whole({2, 2})).shape() == Shape{0, 2});
}

TEST_CASE("selecting keeps any dtype", "[gather]") {
  const Tensor places = whole({2, 0});
  CHECK(difference(index_select(arange(3), 0, places), places) == "");
  CHECK(index_select(from_vector<bool>({true, false, false}), 0, places).to_vector<bool>() ==
        std::vector<bool>{false, true});
  CHECK(index_select(from_vector<uint8_t>({7, 8, 9}), 0, places).to_vector<uint8_t>() ==
        std::vector<uint8_t>{9, 7});
  CHECK(difference(scatter(arange(3), 0, places, whole({70, 80})), whole({80, 1, 70})) == "");
  CHECK(difference(scatter_add(arange(3), 0, whole({2, 2}), whole({70, 80})), whole({0, 1, 152})) == "");
  CHECK(difference(index_add(arange(3), 0, whole({2, 2}), whole({70, 80})), whole({0, 1, 152})) == "");
}

TEST_CASE("gather along the last axis is pick with an axis kept", "[gather]") {
  Random random(2);
  const Tensor x = randn({40, 9}, {}, random), places = randint(0, 9, {40}, random);
  CHECK(difference(squeeze(gather(x, -1, unsqueeze(places, 1)), 1), pick(x, places)) == "");
}

TEST_CASE("take_along_axis broadcasts and counts from the end, as NumPy", "[gather]") {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(difference(take_along_axis(x, whole({-1, 0}, {1, 2}), 1), tensor({{3, 1}, {6, 4}})) == "");
  CHECK(difference(take_along_axis(tensor({{1, 2, 3}}), whole({0, 2, -2}, {3, 1}), 1),
                   tensor({{1}, {3}, {2}})) == "");
  // What argsort would give: sorted rows.
  CHECK(difference(take_along_axis(tensor({{3, 1, 2}}), whole({1, 2, 0}, {1, 3}), 1), tensor({{1, 2, 3}})) ==
        "");
}

TEST_CASE("of several values scattered to one place the last stays and takes the gradient", "[gather]") {
  const Tensor x = zeros({3}), values = tensor({1, 2, 3, 4}), places = whole({1, 1, 2, 1});
  Tape tape;
  tape.watch(x);
  tape.watch(values);
  const Tensor y = scatter(x, 0, places, values);
  CHECK(difference(y, tensor({0, 4, 3})) == "");
  const auto gradients = tape.gradient(y, {x, values}, {.gradient = tensor({10, 20, 30})});
  CHECK(difference(gradients[0], tensor({10, 0, 0})) == "");
  CHECK(difference(gradients[1], tensor({0, 0, 30, 20})) == "");
}

TEST_CASE("scattered sums are the same bits on any number of threads", "[gather]") {
  Random random(3);
  const Tensor values = randn({60, 700}, {}, random), rows = randint(0, 40, {60, 700}, random);
  const Tensor few = randint(0, 5, {700}, random);
  std::vector<double> expected(60 * 40);
  const auto v = numbers(values);
  const auto r = rows.to_vector<int64_t>();
  for (size_t i = 0; i < v.size(); ++i) expected[i / 700 * 40 + static_cast<size_t>(r[i])] += v[i];
  const Tensor sums = on_any_threads([&] { return scatter_add(zeros({60, 40}), 1, rows, values); });
  CHECK(difference_in_value(sums, from_vector(expected, {60, 40}), 1e-4) == "");  // some 40 sums of size 10
  on_any_threads([&] { return index_add(zeros({60, 5}), 1, few, values); });
  on_any_threads([&] { return index_add(zeros({5, 60}), 0, few, contiguous(transpose(values))); });
  on_any_threads([&] { return gather(values, 1, rows); });
  // A gradient that lands on one element thousands of times.
  const Tensor x = scalar(1);
  on_any_threads([&] {
    Tape tape;
    tape.watch(x);
    const Tensor wide = index_select(reshape(x, {1}), 0, zeros({42000}, {.dtype = DType::int64}));
    return tape.gradient(wide, {x}, {.gradient = reshape(values, {42000})})[0];
  });
}

}  // namespace reel
