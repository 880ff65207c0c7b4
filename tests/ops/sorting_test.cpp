#include "ops/sorting.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "framework/parallel.h"
#include "framework/random.h"
#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/cumulative.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "ops/statistics.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

using Pair = std::function<ValuesAndIndices(const Tensor&)>;

const std::vector<std::pair<std::string, Pair>> pairs = {
    {"ascending", [](const Tensor& x) { return sort(x, 1); }},
    {"descending", [](const Tensor& x) { return sort(x, 1, true); }},
    {"largest1", [](const Tensor& x) { return topk(x, 1, 1); }},
    {"largest4", [](const Tensor& x) { return topk(x, 4, 1); }},
    {"smallest1", [](const Tensor& x) { return topk(x, 1, 1, false); }},
    {"smallest4", [](const Tensor& x) { return topk(x, 4, 1, false); }},
    {"cummax", [](const Tensor& x) { return cummax(x, 1); }},
    {"cummin", [](const Tensor& x) { return cummin(x, 1); }},
    {"max", [](const Tensor& x) { return max_with_index(x, 1); }},
    {"min", [](const Tensor& x) { return min_with_index(x, 1); }},
    {"median",
     [](const Tensor& x) {
       return ValuesAndIndices{median(x, 1), {}};
     }},
};

void compare_with_pytorch(const SafetensorsFile& file, const std::string& prefix) {
  const Tensor x = file.at(prefix.empty() ? "x" : "y");
  const auto check_gradient = [&](Tape& tape, const std::string& name, const Tensor& values) {
    if (file.contains(name + ".grad"))
      CHECK(difference(tape.gradient(sum(values * file.at(name + ".w")), {x})[0], file.at(name + ".grad"),
                       1e-15) == "");
  };
  for (const auto& [which, f] : pairs) {
    const std::string name = prefix + which;
    INFO(name);
    Tape tape;
    tape.watch(x);
    const auto [values, indices] = f(x);
    CHECK(difference(values, file.at(name + ".values")) == "");
    if (file.contains(name + ".indices")) CHECK(difference(indices, file.at(name + ".indices")) == "");
    check_gradient(tape, name, values);
  }
  for (const auto& [which, q] : {std::pair{"0", 0.0}, {"0.3", 0.3}, {"0.5", 0.5}, {"1", 1.0}}) {
    const std::string name = prefix + "quantile" + which;
    INFO(name);
    Tape tape;
    tape.watch(x);
    const Tensor value = quantile(x, q, 1);
    CHECK(difference(value, file.at(name + ".value"), 1e-15) == "");
    check_gradient(tape, name, value);
  }
}

}  // namespace

TEST_CASE("sorting with ties, nans and infinities is PyTorch's", "[sorting]") {
  const SafetensorsFile file = load_reference("ops/sorting");
  compare_with_pytorch(file, "");
  compare_with_pytorch(file, "y.");
}

TEST_CASE("sorting is that of the standard library, along any axis of any layout and dtype", "[sorting]") {
  Random random(1);
  for (DType dtype : {DType::float32, DType::float64, DType::int64, DType::uint8}) {
    const Tensor x = cast(uniform({3, 40, 4}, 0, 20, {}, random), dtype);  // with ties
    for (const Tensor& view : {x, permute(x, {2, 0, 1}), slice(x, 1, {.start = 1, .step = 3})}) {
      for (int64_t axis = 0; axis < 3; ++axis) {
        for (const bool descending : {false, true}) {
          const Tensor last = clone(transpose(view, axis, -1));
          const int64_t n = last.size(-1);
          std::vector<int64_t> expected;
          const auto values = numbers(last);
          for (int64_t row = 0; row < last.numel() / n; ++row) {
            std::vector<int64_t> order(static_cast<size_t>(n));
            std::iota(order.begin(), order.end(), 0);
            const auto at = [&](int64_t i) { return values[static_cast<size_t>(row * n + i)]; };
            std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
              return descending ? at(a) > at(b) : at(a) < at(b);
            });
            expected.insert(expected.end(), order.begin(), order.end());
          }
          const Tensor indices = transpose(from_vector(expected, last.shape()), axis, -1);
          CHECK(difference(argsort(view, axis, descending), indices) == "");
          const ValuesAndIndices sorted = sort(view, axis, descending);
          CHECK(difference(sorted.indices, indices) == "");
          CHECK(sorted.values.dtype() == dtype);
          const int64_t k = std::min<int64_t>(3, n);
          const ValuesAndIndices best = topk(view, k, axis, descending);
          CHECK(difference(best.indices, narrow(indices, axis, 0, k)) == "");
          CHECK(difference(best.values, narrow(sorted.values, axis, 0, k)) == "");
        }
      }
    }
  }
}

TEST_CASE("sorting nothing, one element, and a tensor of no axes", "[sorting]") {
  CHECK(sort(zeros({2, 0})).values.shape() == Shape{2, 0});
  CHECK(sort(zeros({0, 2})).indices.shape() == Shape{0, 2});
  CHECK(topk(zeros({2, 3}), 0).values.shape() == Shape{2, 0});
  CHECK(topk(zeros({0}), 0).indices.shape() == Shape{0});
  CHECK(sort(scalar(3)).values.item() == 3);
  CHECK(argsort(scalar(3)).item<int64_t>() == 0);
  CHECK(sort(scalar(3)).values.shape() == Shape{});
  CHECK(max_with_index(tensor({{1, 5, 5}}), 1, true).indices.shape() == Shape{1, 1});
  CHECK(min_with_index(from_vector<int64_t>({4, 2, 2})).indices.item<int64_t>() == 1);
  CHECK(median(from_vector<int64_t>({5, 1, 3, 9})).item<int64_t>() == 3);
  CHECK(median(scalar(2)).item() == 2);
}

TEST_CASE("long lines are sorted alike on any number of threads", "[sorting]") {
  Random random(2);
  const Tensor x = randn({300, 500}, {}, random);
  const int before = num_threads();
  set_num_threads(1);
  const Tensor columns = argsort(x, 0), sums = cumsum(x, 0), rows = cumsum(x, 1);
  set_num_threads(2);
  CHECK(difference(argsort(x, 0), columns) == "");
  CHECK(difference(cumsum(x, 0), sums) == "");
  CHECK(difference(cumsum(x, 1), rows) == "");
  set_num_threads(before);
}

}  // namespace reel
