#include "ops/linalg.h"

#include "framework/random.h"
#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/einsum.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {

TEST_CASE("bilinear is PyTorch's, values and gradients", "[linalg]") {
  const SafetensorsFile file = load_reference("ops/bilinear");
  const std::vector<Tensor> inputs = {file.at("a"), file.at("b"), file.at("weight"), file.at("bias")};
  for (const std::string prefix : {"", "plain."}) {
    INFO(prefix);
    Tape tape;
    for (const Tensor& x : inputs) tape.watch(x);
    const Tensor value = prefix.empty() ? bilinear(inputs[0], inputs[1], inputs[2], inputs[3])
                                        : bilinear(inputs[0], inputs[1], inputs[2]);
    CHECK(difference(value, file.at(prefix + "value"), 1e-13) == "");
    const auto gradients = tape.gradient(sum(value * file.at(prefix + "w")), inputs);
    const std::string names[] = {"a", "b", "weight", "bias"};
    for (size_t i = 0; i < (prefix.empty() ? 4 : 3); ++i)
      CHECK(difference(gradients[i], file.at(prefix + "grad." + names[i]), 1e-13) == "");
  }
}

TEST_CASE("outer, dot, trace and tensordot are sums by definition", "[linalg]") {
  const Tensor a = tensor({1, 2, 3}), b = tensor({4, 5, 6});
  CHECK(difference(outer(tensor({1, 2}), b), tensor({{4, 5, 6}, {8, 10, 12}})) == "");
  CHECK(difference(outer(from_vector<int64_t>({1, 2}), from_vector<int64_t>({3})),
                   from_vector<int64_t>({3, 6}, {2, 1})) == "");
  CHECK(dot(a, b).item() == 32);
  CHECK(dot(zeros({0}), zeros({0})).item() == 0);
  CHECK(trace(tensor({{1, 2, 3}, {4, 5, 6}})).item() == 6);
  CHECK(trace(tensor({{1, 2}, {3, 4}, {5, 6}, {7, 8}, {9, 10}})).item() == 5);
  CHECK(trace(transpose(tensor({{1, 2}, {3, 4}, {5, 6}, {7, 8}}))).item() == 5);
  CHECK(trace(zeros({0, 3})).item() == 0);
  Random random(1);
  const TensorOptions wide{.dtype = DType::float64};
  const Tensor x = uniform({2, 3, 4}, -1, 1, wide, random), y = uniform({4, 3, 5}, -1, 1, wide, random);
  CHECK(difference(tensordot(x, y, {1, -1}, {1, 0}), einsum("ijk,kjl->il", {x, y}), 1e-13) == "");
  CHECK(difference(tensordot(x, y, 1), einsum("ijk,klm->ijlm", {x, y}), 1e-13) == "");
  CHECK(difference(tensordot(x, transpose(y, 0, 1), 2), einsum("ijk,jkl->il", {x, transpose(y, 0, 1)}),
                   1e-13) == "");
  CHECK(tensordot(tensor({1, 2}), tensor({3, 4}), 0).shape() == Shape{2, 2});
}

}  // namespace reel
