// What a user can do wrong with reductions, sorting, equations and forms.
#include <cmath>

#include "framework/tape.h"
#include "ops/aggregate.h"
#include "ops/cumulative.h"
#include "ops/einsum.h"
#include "ops/linalg.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/sorting.h"
#include "ops/statistics.h"
#include "tests/framework/misuse.h"

namespace reel {
namespace {

const TensorOptions wide{.dtype = DType::float64};

struct Named {
  const char* name;
  std::function<void(const Tensor&, int64_t axis)> f;
};

const std::vector<Named> along_an_axis = {
    {"[prod]", [](const Tensor& x, int64_t a) { prod(x, a); }},
    {"[all]", [](const Tensor& x, int64_t a) { all(x, a); }},
    {"[any]", [](const Tensor& x, int64_t a) { any(x, a); }},
    {"[count_nonzero]", [](const Tensor& x, int64_t a) { count_nonzero(x, a); }},
    {"[logsumexp]", [](const Tensor& x, int64_t a) { logsumexp(x, a); }},
    {"[norm]", [](const Tensor& x, int64_t a) { norm(x, 2, a); }},
    {"[var]", [](const Tensor& x, int64_t a) { var(x, a); }},
    {"[stddev]", [](const Tensor& x, int64_t a) { stddev(x, a); }},
    {"[median]", [](const Tensor& x, int64_t a) { median(x, a); }},
    {"[quantile]", [](const Tensor& x, int64_t a) { quantile(x, 0.5, a); }},
    {"[argmin]", [](const Tensor& x, int64_t a) { argmin(x, a); }},
    {"[max_with_index]", [](const Tensor& x, int64_t a) { max_with_index(x, a); }},
    {"[min_with_index]", [](const Tensor& x, int64_t a) { min_with_index(x, a); }},
    {"[sort]", [](const Tensor& x, int64_t a) { sort(x, a); }},
    {"[argsort]", [](const Tensor& x, int64_t a) { argsort(x, a); }},
    {"[topk]", [](const Tensor& x, int64_t a) { topk(x, 1, a); }},
    {"[cumsum]", [](const Tensor& x, int64_t a) { cumsum(x, a); }},
    {"[cumprod]", [](const Tensor& x, int64_t a) { cumprod(x, a); }},
    {"[logcumsumexp]", [](const Tensor& x, int64_t a) { logcumsumexp(x, a); }},
    {"[cummax]", [](const Tensor& x, int64_t a) { cummax(x, a); }},
    {"[cummin]", [](const Tensor& x, int64_t a) { cummin(x, a); }},
    {"[linear_recurrence]", [](const Tensor& x, int64_t a) { linear_recurrence(x, x, a); }},
};

}  // namespace

TEST_CASE("reductions along axes that are not there, and of undefined tensors", "[misuse]") {
  const Tensor x = ones({2, 3}), none;
  for (const auto& [name, f] : along_an_axis) {
    refused({x}, {name, "axis 2", "2 axes"}, [&, &use = f] { use(x, 2); });
    refused({x}, {name, "axis -3"}, [&, &use = f] { use(x, -3); });
    refused({x}, {"undefined"}, [&, &use = f] { use(none, 0); });
  }
  refused({x}, {"[prod]", "twice"}, [&] { prod(x, {0, -2}); });
  refused({x}, {"[norm]", "twice"}, [&] { norm(x, 2, {1, 1}); });
  refused({x}, {"undefined"}, [&] { amax(none); });
  refused({x}, {"undefined"}, [&] { outer(none, x); });
  refused({x}, {"undefined"}, [&] { dot(x, none); });
  refused({x}, {"undefined"}, [&] { trace(none); });
  refused({x}, {"undefined"}, [&] { tensordot(none, x); });
  refused({x}, {"undefined"}, [&] { bilinear(x, x, none); });
  refused({x}, {"undefined"}, [&] { einsum("ij,jk", {x, none}); });
}

TEST_CASE("reductions of integers that have only floating results", "[misuse]") {
  const Tensor n = arange(3);
  refused({n}, {"[logsumexp]", "floating", "int64 [3]"}, [&] { logsumexp(n); });
  refused({n}, {"[norm]", "floating", "int64 [3]"}, [&] { norm(n); });
  refused({n}, {"[var]", "floating", "int64 [3]"}, [&] { var(n); });
  refused({n}, {"[stddev]", "floating", "int64 [3]"}, [&] { stddev(n, 0); });
  refused({n}, {"[quantile]", "floating", "int64 [3]"}, [&] { quantile(n, 0.5); });
  refused({n}, {"[logcumsumexp]", "floating", "int64 [3]"}, [&] { logcumsumexp(n, 0); });
  refused({n}, {"[linear_recurrence]", "floating", "int64 [3]"}, [&] { linear_recurrence(n, n, 0); });
  refused({n}, {"[linear_recurrence]", "float32 [3]", "float64 [3]"},
          [&] { linear_recurrence(ones({3}), ones({3}, wide), 0); });
  refused({n}, {"[linear_recurrence]", "[3]", "[2]"}, [&] { linear_recurrence(ones({3}), ones({2}), 0); });
}

TEST_CASE("choosing from nothing, or more than there is", "[misuse]") {
  const Tensor x = zeros({2, 0}), y = ones({2, 3});
  refused({x}, {"[min]", "[2, 0]", "no elements"}, [&] { amin(x); });
  refused({x}, {"[max]", "[2, 0]", "no elements"}, [&] { amax(x, 1); });
  refused({x}, {"[argmin]", "[2, 0]", "no elements"}, [&] { argmin(x); });
  refused({}, {"[max]", "int64 [0]", "no elements"}, [&] { max(arange(0)); });
  refused({x}, {"[max_with_index]", "[2, 0]", "no elements"}, [&] { max_with_index(x); });
  refused({x}, {"[median]", "[2, 0]", "no elements"}, [&] { median(x); });
  refused({x}, {"[quantile]", "axis 1", "[2, 0]"}, [&] { quantile(x, 0.5, 1); });
  refused({x}, {"[norm]", "inf", "[2, 0]", "no elements"}, [&] { norm(x, INFINITY, 1); });
  refused({y}, {"[norm]", "nan"}, [&] { norm(y, NAN); });
  refused({y}, {"[topk]", "[0, 3]", "axis 1", "[2, 3]", "4"}, [&] { topk(y, 4); });
  refused({y}, {"[topk]", "-1"}, [&] { topk(y, -1); });
  refused({y}, {"[quantile]", "[0, 1]", "1.5"}, [&] { quantile(y, 1.5); });
  refused({y}, {"[quantile]", "[0, 1]", "nan"}, [&] { quantile(y, NAN); });
}

TEST_CASE("equations that make no sense, or do not fit", "[misuse]") {
  const Tensor a = ones({2, 3}), b = ones({3, 4}), c = ones({4, 4});
  const auto wrong = [&](const char* equation, std::initializer_list<const char*> parts,
                         const std::vector<Tensor>& operands) {
    refused(operands, {"[einsum]", equation}, [&] { einsum(equation, operands); });
    refused(operands, parts, [&] { einsum(equation, operands); });
  };
  wrong("ij,jk->ik", {"names 2 operands", "1 came"}, {a});
  wrong("ij", {"names 1 operands", "2 came"}, {a, b});
  wrong("ij,jk->ik", {"'j'", "extent 3", "operand 0", "float32 [2, 3]", "4", "operand 1", "float32 [4, 4]"},
        {a, c});
  wrong("ijk,jk->ik", {"names 3 axes of operand 0", "float32 [2, 3]"}, {a, b});
  wrong("i,jk", {"names 1 axes of operand 0"}, {a, b});
  wrong("ijk...", {"names 3 axes of operand 0", "float32 [2, 3]"}, {a});
  wrong("ii", {"diagonal", "operand 0", "float32 [2, 3]"}, {a});
  wrong("ij->ijk", {"'k'", "output", "no operand"}, {a});
  wrong("ij->ii", {"'i' twice", "output"}, {a});
  wrong("ij->i->j", {"'->' twice"}, {a});
  wrong("ij->i,j", {"comma in the output"}, {a});
  wrong("i$j", {"'$' at position 1", "letters"}, {a});
  wrong("i1", {"'1' at position 1"}, {a});
  wrong("i..j", {"'.' at position 1"}, {a});
  wrong("i-j", {"'-' at position 1"}, {a});
  wrong("......", {"'...' twice"}, {a});
  wrong("...,...", {"an axis of '...'", "extent 2", "3"}, {a, b});
  wrong("ij,jk->ik", {"floating", "float32 [2, 3]", "float64 [3, 4]"}, {a, ones({3, 4}, wide)});
  wrong("i", {"floating", "int64 [3]"}, {arange(3)});
  wrong("abcde,fghij->abcdefghij", {"more than 8 axes"}, {ones({1, 1, 1, 1, 2}), ones({1, 1, 1, 1, 2})});
  refused({}, {"[einsum]", "at least one operand"}, [] { einsum("", std::vector<Tensor>{}); });
}

TEST_CASE("forms and products of what does not fit", "[misuse]") {
  const Tensor a = ones({2, 3}), v = ones({3}), w = ones({5, 3, 3});
  refused({a, v}, {"[outer]", "vectors", "[2, 3]", "[3]"}, [&] { outer(a, v); });
  refused({v}, {"[outer]", "float32 [3]", "float64 [3]"}, [&] { outer(v, ones({3}, wide)); });
  refused({a, v}, {"[dot]", "vectors", "[3]", "[2, 3]"}, [&] { dot(v, a); });
  refused({v}, {"[dot]", "one length", "[3]", "[4]"}, [&] { dot(v, ones({4})); });
  refused({v}, {"[dot]", "floating", "int64 [3]"}, [&] { dot(arange(3), arange(3)); });
  refused({v}, {"[trace]", "matrix", "float32 [3]"}, [&] { trace(v); });
  refused({a}, {"[tensordot]", "3", "float32 [2, 3]"}, [&] { tensordot(a, a, 3); });
  refused({a}, {"[tensordot]", "-1"}, [&] { tensordot(a, a, -1); });
  refused({a}, {"[tensordot]", "axis 1", "axis 0", "extent"}, [&] { tensordot(a, a, 1); });
  refused({a}, {"[tensordot]", "2", "1"}, [&] { tensordot(a, a, {0, 1}, {0}); });
  refused({a}, {"[tensordot]", "axis 2"}, [&] { tensordot(a, a, {2}, {0}); });
  refused({a}, {"[tensordot]", "float32", "float64"}, [&] { tensordot(a, ones({2, 3}, wide), 0); });
  refused({a, w}, {"[bilinear]", "[2, 3]", "[2, 4]", "[5, 3, 3]"}, [&] { bilinear(a, ones({2, 4}), w); });
  refused({a, w}, {"[bilinear]", "leading", "[2, 3]", "[4, 3]"}, [&] { bilinear(a, ones({4, 3}), w); });
  refused({a, v}, {"[bilinear]", "[O, I, J]", "[3]"}, [&] { bilinear(a, a, v); });
  refused({a, w}, {"[bilinear]", "bias", "[5]", "float32 [3]"}, [&] { bilinear(a, a, w, v); });
  refused({a, w}, {"[bilinear]", "float64"}, [&] { bilinear(a, ones({2, 3}, wide), w); });
}

TEST_CASE("a refused reduction leaves nothing on the tape", "[misuse]") {
  Tensor w = ones({2, 3}).requires_grad_();
  Tape tape;
  CHECK_THROWS_AS(topk(w, 4), Error);
  CHECK_THROWS_AS(quantile(w, 2), Error);
  CHECK_THROWS_AS(median(zeros({2, 0})), Error);
  CHECK_THROWS_AS(norm(w, NAN), Error);
  CHECK_THROWS_AS(einsum("ij,jk", {w, w}), Error);
  CHECK_THROWS_AS(bilinear(w, w, w), Error);
  CHECK_THROWS_AS(linear_recurrence(w, ones({4}), 0), Error);
  CHECK(tape.size() == 0);
}

}  // namespace reel
