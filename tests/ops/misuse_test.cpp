// What a user can do wrong with the arguments of ops: the message names the op, what was expected and what
// came.
#include <cmath>

#include "framework/tape.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/dropout.h"
#include "ops/indexing.h"
#include "ops/loss.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "ops/softmax.h"
#include "tests/framework/misuse.h"

namespace reel {
namespace {

constexpr int64_t huge = int64_t{1} << 40;
const TensorOptions wide{.dtype = DType::float64};

struct NamedBinary {
  const char* name;
  Tensor (*f)(const Tensor&, const Tensor&);
};

const NamedBinary arithmetic[] = {
    {"add", operator+ },
     {"sub", operator- },
      {"mul", operator* }, {"div", operator/ }, {"pow", pow}, {"maximum", maximum}, {"minimum", minimum}};
const NamedBinary comparisons[] = {{"equal", equal},     {"not_equal", not_equal},
                                   {"less", less},       {"less_equal", less_equal},
                                   {"greater", greater}, {"greater_equal", greater_equal}};

}  // namespace

TEST_CASE("elementwise ops on shapes that do not broadcast", "[misuse]") {
  const Tensor a = ones({2, 3}), b = ones({2}), c = ones({2, 4, 3});
  for (const auto& ops :
       {std::span<const NamedBinary>(arithmetic), std::span<const NamedBinary>(comparisons)})
    for (const auto& [name, f] : ops) {
      refused({a, b}, {name, "[2, 3]", "[2]", "axis 1", "3", "2"}, [&, f = f] { f(a, b); });
      refused({a, c}, {name, "[2, 3]", "[2, 4, 3]"}, [&, f = f] { f(c, a); });
    }
}

TEST_CASE("elementwise ops on mixed and wrong dtypes", "[misuse]") {
  const Tensor a = ones({2}), b = ones({2}, wide), n = arange(2), yes = from_vector<bool>({true, false});
  for (const auto& [name, f] : arithmetic) {
    refused({a, b}, {name, "float32 [2]", "float64 [2]", "cast"}, [&, f = f] { f(a, b); });
    refused({a, n}, {name, "int64 [2]", "float32 [2]"}, [&, f = f] { f(n, a); });
    refused({yes}, {name, "expected", "bool [2]"}, [&, f = f] { f(yes, yes); });
  }
  for (const auto& [name, f] : comparisons)
    refused({a, b}, {name, "float32 [2]", "float64 [2]"}, [&, f = f] { f(a, b); });
  refused({n}, {"[div]", "float32 or float64", "int64 [2]"}, [&] { n / n; });
  refused({n}, {"[exp]", "float32 or float64", "int64 [2]"}, [&] { exp(n); });
  refused({n}, {"[sqrt]", "int64 [2]"}, [&] { sqrt(n); });
  refused({yes}, {"[neg]", "bool [2]"}, [&] { -yes; });
  refused({n}, {"[add_scalar]", "0.5", "int64"}, [&] { n + 0.5; });
  refused({n}, {"[mul_scalar]", "0.5", "int64"}, [&] { n * 0.5; });
  refused({n}, {"[sub_from_scalar]", "0.5", "int64"}, [&] { 0.5 - n; });
  refused({n}, {"[div_scalar]", "int64 [2]"}, [&] { n / 2; });
}

TEST_CASE("comparing whole numbers with a fraction", "[misuse]") {
  const Tensor n = arange(2);
  refused({n}, {"[less]", "0.5", "int64"}, [&] { less(n, 0.5); });
  refused({n}, {"[equal]", "0.5", "int64"}, [&] { equal(n, 0.5); });
  refused({n}, {"[masked_fill]", "0.5", "int64"}, [&] { masked_fill(n, equal(n, 0), 0.5); });
}

TEST_CASE("undefined tensors into ops", "[misuse]") {
  const Tensor x = ones({2, 2}), none, indices = arange(2);
  const std::function<void()> uses[] = {[&] { x + none; },
                                        [&] { none* x; },
                                        [&] { none + 1; },
                                        [&] { exp(none); },
                                        [&] { less(none, x); },
                                        [&] { less(none, 1); },
                                        [&] { where(none, x, x); },
                                        [&] { where(greater(x, 0), x, none); },
                                        [&] { matmul(x, none); },
                                        [&] { matmul(none, x); },
                                        [&] { addmm(none, x, x); },
                                        [&] { sum(none); },
                                        [&] { max(none, 0); },
                                        [&] { argmax(none); },
                                        [&] { reshape(none, {1}); },
                                        [&] { transpose(none); },
                                        [&] { permute(none, {0}); },
                                        [&] { broadcast_to(none, {2}); },
                                        [&] { clone(none); },
                                        [&] { contiguous(none); },
                                        [&] { cast(none, DType::int64); },
                                        [&] { slice(none, 0, {}); },
                                        [&] { narrow(none, 0, 0, 1); },
                                        [&] { select(none, 0, 0); },
                                        [&] {
                                          cat({x, none});
                                        },
                                        [&] { cat({none}); },
                                        [&] {
                                          stack({x, none});
                                        },
                                        [&] { split(none, 1); },
                                        [&] { unbind(none); },
                                        [&] { embedding(x, none); },
                                        [&] { embedding(none, indices); },
                                        [&] { pick(none, indices); },
                                        [&] { scatter_rows(none, indices, 2); },
                                        [&] { softmax(none); },
                                        [&] { log_softmax(none); },
                                        [&] { cross_entropy(x, none); },
                                        [&] { cross_entropy(none, indices); },
                                        [&] { dropout(none, 0.5); },
                                        [&] { flatten(none); },
                                        [&] { squeeze(none, 0); },
                                        [&] { unsqueeze(none, 0); },
                                        [&] { logical_not(none); },
                                        [&] { mean(none); },
                                        [&] { sum_to(none, {}); }};
  for (const auto& use : uses) refused({x, indices}, {"undefined"}, use);
  Tape tape;
  for (const auto& use : uses) refused({x, indices}, {"undefined"}, use);
}

TEST_CASE("detaching an undefined tensor", "[misuse]") {
  refused({}, {"undefined"}, [] { detach(Tensor()); });
}

TEST_CASE("conditions that are no bool tensors", "[misuse]") {
  const Tensor x = ones({2}), yes = from_vector<bool>({true, false});
  refused({x}, {"[where]", "bool", "float32 [2]"}, [&] { where(x, x, x); });
  refused({x}, {"[where]", "float32 [2]", "float64 [2]"}, [&] { where(yes, x, ones({2}, wide)); });
  refused({x}, {"[where]", "[3]", "[2]"}, [&] { where(yes, x, ones({3})); });
  refused({x}, {"[where]", "[2]", "[3]"}, [&] { where(from_vector<bool>({true, true, false}), x, x); });
  refused({x}, {"[logical_and]", "bool", "float32 [2]"}, [&] { logical_and(x, x); });
  refused({x}, {"[logical_or]", "bool [2]", "float32 [2]"}, [&] { logical_or(yes, x); });
  refused({x}, {"[logical_not]", "bool", "float32 [2]"}, [&] { logical_not(x); });
}

TEST_CASE("products of what does not fit", "[misuse]") {
  const Tensor a = ones({2, 3}), b = ones({2, 4}), v = ones({2}), n = reshape(arange(6), {3, 2});
  refused({a, b}, {"[matmul]", "float32 [2, 3]", "3", "float32 [2, 4]", "2"}, [&] { matmul(a, b); });
  refused({a, b}, {"[matmul]", "[2, 3]", "transposed", "[2, 4]"},
          [&] { matmul(a, b, {.transpose_b = true}); });
  refused({a, v}, {"[matmul]", "inner", "3", "2"}, [&] { matmul(a, v); });
  refused({a}, {"[matmul]", "float32 []"}, [&] { matmul(a, scalar(1)); });
  refused({a}, {"[matmul]", "float32 [2, 3]", "float64 [3, 2]"}, [&] { matmul(a, ones({3, 2}, wide)); });
  refused({n}, {"[matmul]", "floating", "int64 [3, 2]"}, [&] { matmul(n, n, {.transpose_a = true}); });
  refused({v}, {"[matmul]", "transposed", "float32 [2]"}, [&] { matmul(v, v, {.transpose_a = true}); });
  refused({}, {"[matmul]", "[2]", "[3]"}, [&] { matmul(ones({2, 2, 2}), ones({3, 2, 2})); });
  refused({}, {"[matmul]", "inner", "[4, 2, 3]", "[4, 2, 5]"}, [&] {
    matmul(ones({4, 2, 3}), ones({4, 2, 5}));
  });
  refused({}, {"[matmul]", "inner", "[4, 2, 3]", "[2, 5]"}, [&] { matmul(ones({4, 2, 3}), ones({2, 5})); });
  refused({a}, {"[addmm]", "[3]", "[2, 5]"}, [&] { addmm(ones({3}), a, ones({3, 5})); });
  refused({a}, {"[addmm]", "bias", "float64"}, [&] { addmm(ones({5}, wide), a, ones({3, 5})); });
  refused({a}, {"[addmm]", "float32 [3]"}, [&] { addmm(ones({3}), ones({3}), ones({3, 5})); });
}

TEST_CASE("axes out of range, or given twice", "[misuse]") {
  const Tensor x = ones({2, 3});
  const auto out_of_range = [&](const char* op, const std::function<void()>& use) {
    refused({x}, {op, "axis 2", "2 axes"}, use);
  };
  out_of_range("[sum]", [&] { sum(x, 2); });
  out_of_range("[mean]", [&] { mean(x, 2); });
  out_of_range("[max]", [&] { max(x, 2); });
  out_of_range("[min]", [&] { min(x, {0, 2}); });
  out_of_range("[argmax]", [&] { argmax(x, 2); });
  out_of_range("[softmax]", [&] { softmax(x, 2); });
  out_of_range("[log_softmax]", [&] { log_softmax(x, 2); });
  out_of_range("[cross_entropy]", [&] { cross_entropy(x, arange(2), {.axis = 2}); });
  out_of_range("[transpose]", [&] { transpose(x, 0, 2); });
  out_of_range("[squeeze]", [&] { squeeze(x, 2); });
  out_of_range("[flatten]", [&] { flatten(x, 0, 2); });
  out_of_range("[permute]", [&] { permute(x, {0, 2}); });
  out_of_range("[slice]", [&] { slice(x, 2, {}); });
  out_of_range("[narrow]", [&] { narrow(x, 2, 0, 1); });
  out_of_range("[select]", [&] { select(x, 2, 0); });
  out_of_range("[cat]", [&] { cat({x, x}, 2); });
  out_of_range("[split]", [&] { split(x, 1, 2); });
  out_of_range("[chunk]", [&] { chunk(x, 1, 2); });
  out_of_range("[unbind]", [&] { unbind(x, 2); });
  refused({x}, {"[stack]", "axis 3"}, [&] { stack({x, x}, 3); });
  refused({x}, {"[unsqueeze]", "axis 3"}, [&] { unsqueeze(x, 3); });
  refused({x}, {"[sum]", "axis -3"}, [&] { sum(x, -3); });
  refused({x}, {"[sum]", "twice"}, [&] { sum(x, {0, -2}); });
  refused({x}, {"[permute]", "twice"}, [&] { permute(x, {0, 0}); });
  refused({x}, {"[permute]", "1", "2"}, [&] { permute(x, {0}); });
  refused({x}, {"[flatten]", "1", "0"}, [&] { flatten(x, 1, 0); });
  refused({}, {"[sum]", "axis 0", "0 axes"}, [&] { sum(scalar(1), 0); });
  refused({}, {"[transpose]", "0 axes"}, [&] { transpose(scalar(1)); });
}

TEST_CASE("reductions of what has no elements, or no floats", "[misuse]") {
  const Tensor x = zeros({2, 0}), n = arange(3);
  refused({x}, {"[max]", "[2, 0]", "no elements"}, [&] { max(x, 1); });
  refused({x}, {"[min]", "[2, 0]", "no elements"}, [&] { min(x); });
  refused({x}, {"[argmax]", "[2, 0]", "no elements"}, [&] { argmax(x); });
  refused({n}, {"[mean]", "floating", "int64 [3]"}, [&] { mean(n); });
  refused({n}, {"[softmax]", "floating", "int64 [3]"}, [&] { softmax(n); });
  refused({n}, {"[log_softmax]", "floating", "int64 [3]"}, [&] { log_softmax(n); });
  refused({}, {"[sum_to]", "[4]", "[2, 3]"}, [&] { sum_to(zeros({2, 3}), {4}); });
  refused({}, {"[sum_to]", "[1, 2, 3]", "[2, 3]"}, [&] { sum_to(zeros({2, 3}), {1, 2, 3}); });
}

TEST_CASE("shapes that do not fit a tensor", "[misuse]") {
  const Tensor x = ones({2, 3});
  refused({x}, {"[reshape]", "6", "[4]", "4"}, [&] { reshape(x, {4}); });
  refused({x}, {"[reshape]", "-1", "[-1, -1]"}, [&] { reshape(x, {-1, -1}); });
  refused({x}, {"[reshape]", "float32 [2, 3]", "[4, -1]"}, [&] { reshape(x, {4, -1}); });
  refused({x}, {"[reshape]", "[-2, -3]"}, [&] { reshape(x, {-2, -3}); });
  refused({}, {"[reshape]", "[0, -1]"}, [&] { reshape(zeros({0}), {0, -1}); });
  refused({x}, {"[squeeze]", "axis 0", "[2, 3]", "2"}, [&] { squeeze(x, 0); });
  refused({x}, {"[broadcast_to]", "[2, 3]", "[2, 4]"}, [&] { broadcast_to(x, {2, 4}); });
  refused({x}, {"[broadcast_to]", "[2, 3]", "[3]"}, [&] { broadcast_to(x, {3}); });
  const Tensor full = ones({1, 1, 1, 1, 1, 1, 1, 1});
  refused({full}, {"8"}, [&] { unsqueeze(full, 0); });
  refused({full}, {"8"}, [&] { stack({full, full}); });
  refused({full}, {"8"}, [&] { embedding(full, reshape(arange(1), {1, 1})); });
}

TEST_CASE("extents that are negative or overflow when multiplied", "[misuse]") {
  refused({}, {"[broadcast_to]", "[-5]"}, [&] { broadcast_to(ones({1}), {-5}); });
  refused({}, {"[broadcast_to]"}, [&] { broadcast_to(ones({1}), {huge, huge}); });
  refused({}, {"[reshape]"}, [&] { reshape(zeros({0}), {huge, huge}); });
  refused({}, {"[reshape]"}, [&] { reshape(zeros({0}), {huge, huge, -1}); });
  refused({}, {"]"}, [&] { scatter_rows(ones({1}), arange(1), -1); });
}

TEST_CASE("slices that leave the tensor", "[misuse]") {
  const Tensor x = ones({2, 3});
  refused({x}, {"[slice]", "step", "0"}, [&] { slice(x, 0, {.step = 0}); });
  refused({x}, {"[slice]", "step", "-1"}, [&] { slice(x, 0, {.step = -1}); });
  refused({x}, {"[narrow]", "2", "axis 1", "[2, 3]"}, [&] { narrow(x, 1, 2, 2); });
  refused({x}, {"[narrow]", "-1"}, [&] { narrow(x, 1, -1, 1); });
  refused({x}, {"[narrow]", "-1"}, [&] { narrow(x, 1, 0, -1); });
  refused({x}, {"[narrow]"}, [&] { narrow(x, 1, INT64_MAX, INT64_MAX); });
  refused({x}, {"[select]", "index 3", "axis 1", "[2, 3]"}, [&] { select(x, 1, 3); });
  refused({x}, {"[select]", "index -4"}, [&] { select(x, 1, -4); });
  refused({x}, {"[split]", "4", "axis 1", "3"}, [&] { split(x, {1, 3}, 1); });
  refused({x}, {"[split]", "-1"}, [&] { split(x, {4, -1}, 1); });
  refused({x}, {"[split]", "at least 1", "0"}, [&] { split(x, 0); });
  refused({x}, {"[chunk]", "at least 1", "0"}, [&] { chunk(x, 0); });
}

TEST_CASE("joining what does not fit", "[misuse]") {
  const Tensor a = ones({2, 3}), b = ones({3, 3}), v = ones({3});
  refused({a, b}, {"[cat]", "axis 1", "[2, 3]", "[3, 3]"}, [&] { cat({a, b}, 1); });
  refused({a, v}, {"[cat]", "rank", "[2, 3]", "[3]"}, [&] { cat({a, v}); });
  refused({a}, {"[cat]", "float32", "float64"}, [&] { cat({a, ones({2, 3}, wide)}); });
  refused({a, b}, {"[stack]", "[2, 3]", "[3, 3]"}, [&] { stack({a, b}); });
  refused({a}, {"[stack]", "float32", "float64"}, [&] { stack({a, ones({2, 3}, wide)}); });
  refused({}, {"[cat]", "at least one"}, [&] { cat(std::vector<Tensor>{}); });
  refused({}, {"[stack]", "at least one"}, [&] { stack(std::vector<Tensor>{}); });
}

TEST_CASE("indices out of vocabulary, or no indices", "[misuse]") {
  const Tensor table = ones({3, 2}), x = ones({2, 3});
  refused({table}, {"[embedding]", "index 3", "position 1", "[0, 3)"}, [&] {
    embedding(table, from_vector<int64_t>({0, 3}));
  });
  refused({table}, {"[embedding]", "index -1", "[0, 3)"},
          [&] { embedding(table, from_vector<int64_t>({-1})); });
  refused({table}, {"[embedding]", "index -4"}, [&] { embedding(table, from_vector<int64_t>({-4})); });
  refused({table}, {"[embedding]", "index"}, [&] { embedding(table, from_vector<int64_t>({INT64_MIN})); });
  refused({}, {"[embedding]", "index 0", "[0, 0)"}, [&] { embedding(zeros({0, 2}), arange(1)); });
  refused({table}, {"[embedding]", "int64", "float32 [1]"}, [&] { embedding(table, ones({1})); });
  refused({}, {"[embedding]", "floating", "int64 [3]"}, [&] { embedding(arange(3), arange(1)); });
  refused({}, {"[embedding]", "[V, ...]", "float32 []"}, [&] { embedding(scalar(1), arange(1)); });
  refused({x}, {"[scatter_rows]", "index 1", "[0, 1)"}, [&] { scatter_rows(x, arange(2), 1); });
  refused({x}, {"[scatter_rows]", "[3]", "[2, 3]"}, [&] { scatter_rows(x, arange(3), 5); });
  refused({x}, {"[scatter_rows]", "index -3"}, [&] { scatter_rows(x, from_vector<int64_t>({0, -3}), 2); });
  refused({x}, {"[pick]", "index 3", "position 1", "[0, 3)"}, [&] { pick(x, from_vector<int64_t>({0, 3})); });
  refused({x}, {"[pick]", "index -1"}, [&] { pick(x, from_vector<int64_t>({0, -1})); });
  refused({x}, {"[pick]", "[2]", "float32 [2, 3]", "int64 [3]"}, [&] { pick(x, arange(3)); });
  refused({x}, {"[pick]", "int64", "float32 [2]"}, [&] { pick(x, ones({2})); });
}

TEST_CASE("losses of what does not fit", "[misuse]") {
  const Tensor logits = ones({2, 3}), targets = from_vector<int64_t>({0, 1});
  refused({logits}, {"[cross_entropy]", "float32 [2, 3]", "int64 [2]", "int64 [3]"},
          [&] { cross_entropy(logits, arange(3)); });
  refused({logits}, {"[cross_entropy]", "int64 [2]", "float32 [2]"},
          [&] { cross_entropy(logits, ones({2})); });
  refused({logits}, {"[cross_entropy]", "axis 0", "int64 [3]", "int64 [2]"},
          [&] { cross_entropy(logits, targets, {.axis = 0}); });
  refused({logits}, {"[cross_entropy]", "label_smoothing", "1.5"},
          [&] { cross_entropy(logits, targets, {.label_smoothing = 1.5}); });
  refused({logits}, {"[cross_entropy]", "label_smoothing", "-0.1"},
          [&] { cross_entropy(logits, targets, {.label_smoothing = -0.1}); });
  refused({}, {"[cross_entropy]", "float32 []"}, [&] { cross_entropy(scalar(1), arange(1)); });
}

TEST_CASE("a target out of the classes names the loss", "[misuse]") {
  const Tensor logits = ones({2, 3});
  refused({logits}, {"[cross_entropy]", "3", "[0, 3)"}, [&] {
    cross_entropy(logits, from_vector<int64_t>({0, 3}));
  });
  refused({logits}, {"[cross_entropy]", "-1"}, [&] { cross_entropy(logits, from_vector<int64_t>({-1, 0})); });
  refused({}, {"[cross_entropy]", "floating", "int64 [2]"},
          [&] { cross_entropy(arange(2), from_vector<int64_t>({0}, {})); });
}

TEST_CASE("dropout with a probability that is none", "[misuse]") {
  const Tensor x = ones({2});
  refused({x}, {"[dropout]", "[0, 1]", "1.5"}, [&] { dropout(x, 1.5); });
  refused({x}, {"[dropout]", "[0, 1]", "-0.1"}, [&] { dropout(x, -0.1); });
  refused({x}, {"[dropout]", "[0, 1]", "nan"}, [&] { dropout(x, NAN); });
  refused({}, {"[dropout]", "floating", "int64 [3]"}, [&] { dropout(arange(3), 0.5); });
}

TEST_CASE("a refused op leaves nothing on the tape", "[misuse]") {
  Tensor w = tensor({2, 3}).requires_grad_();
  Tape tape;
  CHECK_THROWS_AS(w * ones({3}), Error);
  CHECK_THROWS_AS(addmm(w, ones({2, 3}), ones({4, 2})), Error);
  CHECK_THROWS_AS(pick(w, from_vector<int64_t>({7}, {})), Error);
  CHECK(tape.size() == 0);
  tape.backward(sum(w * w));
  CHECK(difference(w.grad(), tensor({4, 6})) == "");
}

TEST_CASE("lengths and steps that overflow", "[misuse]") {
  const Tensor x = ones({4});
  refused({x}, {"[split]"}, [&] { split(x, std::vector<int64_t>{INT64_MAX, INT64_MAX, 6}); });
  CHECK(slice(x, 0, {.step = INT64_MAX}).numel() == 1);
  CHECK(chunk(x, INT64_MAX).size() == 4);
  refused({}, {"[empty]"}, [] { zeros({0, huge, huge}); });
}

}  // namespace reel
