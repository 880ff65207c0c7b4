#include "ops/einsum.h"

#include <algorithm>
#include <map>

#include "framework/random.h"
#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

/// An equation taken apart: no ellipsis, output given.
struct Equation {
  std::vector<std::string> terms;
  std::string output;

  std::string text() const {
    std::string result;
    for (const std::string& term : terms) result += (result.empty() && &term == &terms[0] ? "" : ",") + term;
    return result + "->" + output;
  }
};

/// A loop over the values of all indices: result[output] += product of operands[term]. An axis of extent 1 is
/// repeated.
Tensor by_loops(const Equation& equation, const std::vector<Tensor>& operands) {
  std::string labels;
  std::map<char, int64_t> extents;
  for (size_t k = 0; k < operands.size(); ++k)
    for (size_t i = 0; i < equation.terms[k].size(); ++i) {
      const char label = equation.terms[k][i];
      if (extents.count(label) == 0 || extents[label] == 1) extents[label] = operands[k].shape()[i];
    }
  Shape all, result;
  for (const auto& [label, extent] : extents) {
    labels.push_back(label);
    all.push_back(extent);
  }
  for (char label : equation.output) result.push_back(extents[label]);
  Tensor sums = zeros(result, {.dtype = DType::float64});
  const Shape strides = detail::contiguous_strides(result);
  for_each_index(all, [&](const Shape& at) {
    double factor = 1;
    for (size_t k = 0; k < operands.size(); ++k) {
      Shape index = operands[k].shape();
      for (size_t i = 0; i < index.rank(); ++i)
        index[i] = index[i] == 1 ? 0 : at[labels.find(equation.terms[k][i])];
      factor *= element(operands[k], index);
    }
    int64_t place = 0;
    for (size_t i = 0; i < result.rank(); ++i) place += strides[i] * at[labels.find(equation.output[i])];
    sums.mutable_data<double>()[place] += factor;
  });
  return sums;
}

/// Values against the loops; the gradient by the sum being linear in each operand: sum(operand * its gradient) is the
/// sum of the result.
void compare(const Equation& equation, const std::vector<Tensor>& operands) {
  std::string shapes;
  for (const Tensor& x : operands) shapes += " " + x.shape().str();
  INFO(equation.text() << " of" << shapes);
  const Tensor expected = by_loops(equation, operands);
  Tape tape;
  for (const Tensor& x : operands) tape.watch(x);
  const Tensor got = einsum(equation.text(), operands);
  CHECK(difference(got, expected, 1e-12) == "");
  const Tensor w = linspace(0.5, 1.5, got.numel(), {.dtype = DType::float64});
  const Tensor loss = sum(got * reshape(w, got.shape()));
  const auto gradients = tape.gradient(loss, operands);
  for (size_t k = 0; k < operands.size(); ++k)
    CHECK(sum(operands[k] * gradients[k]).item() == Approx(loss.item()).epsilon(1e-9).margin(1e-11));
}

Equation random_equation(Random& random) {
  const auto below = [&](int64_t n) { return randint(0, n, {}, random).item<int64_t>(); };
  Equation equation;
  std::string used;
  for (int64_t terms = 1 + below(4); terms-- > 0;) {
    std::string term;
    for (int64_t axes = below(4); axes-- > 0;) term.push_back("abcdeZ"[below(6)]);
    used += term;
    equation.terms.push_back(term);
  }
  std::sort(used.begin(), used.end());
  used.erase(std::unique(used.begin(), used.end()), used.end());
  for (char label : used)
    if (below(2) == 0)
      equation.output.insert(
          equation.output.begin() + below(static_cast<int64_t>(equation.output.size()) + 1), label);
  return equation;
}

std::vector<Tensor> random_operands(const Equation& equation, Random& random) {
  const std::map<char, int64_t> extents = {{'a', 2}, {'b', 3}, {'c', 2}, {'d', 1}, {'e', 4}, {'Z', 3}};
  std::vector<Tensor> operands;
  for (const std::string& term : equation.terms) {
    // Now and then an operand whose axes, where they are named once, have extent 1.
    const bool short_axes = randint(0, 5, {}, random).item<int64_t>() == 0;
    Shape shape;
    for (char label : term)
      shape.push_back(short_axes && std::count(term.begin(), term.end(), label) == 1 ? 1 : extents.at(label));
    operands.push_back(uniform(shape, -1, 1, {.dtype = DType::float64}, random));
  }
  return operands;
}

}  // namespace

TEST_CASE("einsum is PyTorch's, values and gradients", "[einsum]") {
  const SafetensorsFile file = load_reference("ops/einsum");
  int cases = 0;
  for (const auto& [name, equation] : file.metadata) {
    if (!name.starts_with("case")) continue;
    ++cases;
    INFO(equation);
    std::vector<Tensor> operands;
    for (int i = 0; file.contains(name + "." + std::to_string(i)); ++i)
      operands.push_back(file.at(name + "." + std::to_string(i)));
    Tape tape;
    for (const Tensor& x : operands) tape.watch(x);
    const Tensor value = einsum(equation, operands);
    CHECK(difference(value, file.at(name + ".value"), 1e-13) == "");
    const auto gradients = tape.gradient(sum(value * file.at(name + ".w")), operands);
    for (size_t i = 0; i < operands.size(); ++i)
      CHECK(difference(gradients[i], file.at(name + ".grad." + std::to_string(i)), 1e-13) == "");
  }
  CHECK(cases == 18);
}

TEST_CASE("random equations are what loops over all indices give", "[einsum]") {
  Random random(7);
  for (int i = 0; i < 300; ++i) {
    const Equation equation = random_equation(random);
    compare(equation, random_operands(equation, random));
  }
}

TEST_CASE("equations with extents that differ in any layout are what loops give", "[einsum]") {
  Random random(8);
  const auto make = [&](const Shape& shape) {
    return uniform(shape, -1, 1, {.dtype = DType::float64}, random);
  };
  compare({{"ij", "jk"}, "ki"}, {transpose(make({4, 2})), transpose(make({3, 4}))});
  compare({{"bhqd", "bhkd"}, "bhqk"}, {permute(make({2, 5, 3, 4}), {0, 2, 1, 3}), make({2, 3, 6, 4})});
  compare({{"bhqk", "bkhd"}, "bqhd"}, {make({2, 3, 5, 6}), make({2, 6, 3, 4})});
  compare({{"abcd", "dcba"}, ""}, {make({2, 3, 4, 5}), make({5, 4, 3, 2})});
  compare({{"aab", "bcc"}, "ca"}, {make({3, 3, 2}), make({2, 4, 4})});
  compare({{"abcdefgh"}, "hgfedcba"}, {make({2, 1, 2, 1, 2, 1, 2, 3})});
  compare({{"ij", "jk"}, "ik"}, {make({2, 0}), make({0, 3})});
  compare({{"ij", "jk"}, "ik"}, {make({0, 2}), make({2, 3})});
  compare({{"", "i", ""}, "i"}, {make({}), make({3}), make({})});
}

TEST_CASE("a chain of products is multiplied from its thin end", "[einsum]") {
  // From the left the first product alone would have 4 million elements of 300 terms each.
  const Tensor a = ones({2000, 300}), b = ones({300, 2000}), v = ones({2000});
  CHECK(difference(einsum("ij,jk,k->i", {a, b, v}), full({2000}, 600000.0)) == "");
}

TEST_CASE("in float32 einsum is its float64 self, rounded", "[einsum]") {
  Random random(9);
  const Tensor a = uniform({3, 4, 5}, -1, 1, {}, random), b = uniform({5, 4, 2}, -1, 1, {}, random);
  CHECK(difference_in_value(einsum("ijk,kjl->il", {a, b}),
                            einsum("ijk,kjl->il", {cast(a, DType::float64), cast(b, DType::float64)}),
                            1e-5) == "");
}

}  // namespace reel
