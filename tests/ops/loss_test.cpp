#include "ops/loss.h"

#include <cmath>

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

void compare_with_pytorch(const SafetensorsFile& file, DType dtype) {
  const double tolerance = dtype == DType::float64 ? 1e-14 : 2e-6;
  const Tensor logits = cast(file.at("logits"), dtype), w = cast(file.at("w"), dtype);
  for (const auto& [reduction, name] :
       {std::pair{Reduction::none, "none"}, {Reduction::mean, "mean"}, {Reduction::sum, "sum"}}) {
    for (const auto& [smoothing, smooth] : {std::pair{0.0, ".smooth0."}, {0.1, ".smooth0.1."}}) {
      for (const std::string which : {"plain", "ignore"}) {
        const std::string prefix = name + std::string(smooth) + which;
        INFO(prefix << " " << detail::text(dtype));
        Tape tape;
        tape.watch(logits);
        const Tensor loss = cross_entropy(logits, file.at("targets." + which),
                                          {.reduction = reduction, .label_smoothing = smoothing, .axis = 1});
        CHECK(difference_in_value(loss, file.at(prefix + ".value"), tolerance, tolerance) == "");
        const Tensor total = reduction == Reduction::none ? sum(loss * w) : loss;
        CHECK(difference_in_value(tape.gradient(total, {logits})[0], file.at(prefix + ".grad"), tolerance,
                                  tolerance) == "");
      }
    }
  }
}

}  // namespace

TEST_CASE("cross_entropy is PyTorch's", "[loss]") {
  for (DType dtype : {DType::float64, DType::float32}) {
    compare_with_pytorch(load_reference("losses/cross_entropy"), dtype);
    compare_with_pytorch(load_reference("losses/cross_entropy_class_axis1"), dtype);
  }
}

TEST_CASE("cross_entropy of even logits is the logarithm of the number of classes", "[loss]") {
  const Tensor targets = from_vector<int64_t>({0, 3});
  CHECK(std::abs(cross_entropy(zeros({2, 4}), targets).item() - std::log(4)) < 1e-6);
  CHECK(std::abs(cross_entropy(zeros({2, 4}), targets, {.reduction = Reduction::sum}).item() -
                 2 * std::log(4)) < 1e-6);
  CHECK(std::abs(cross_entropy(zeros({2, 4}), targets, {.label_smoothing = 0.3}).item() - std::log(4)) <
        1e-6);
  CHECK(cross_entropy(zeros({4}), from_vector<int64_t>({1}, {}), {.reduction = Reduction::none}).shape() ==
        Shape{});
}

TEST_CASE("ignored targets count for nothing, and the mean over none of them is nan", "[loss]") {
  const Tensor logits = tensor({{1, 2}, {3, -1}});
  const Tensor both = from_vector<int64_t>({1, 7}), none = from_vector<int64_t>({7, 7});
  const double single = cross_entropy(tensor({{1, 2}}), from_vector<int64_t>({1})).item();
  CHECK(std::abs(cross_entropy(logits, both, {.ignore_index = 7}).item() - single) < 1e-6);
  CHECK(std::isnan(cross_entropy(logits, none, {.ignore_index = 7}).item()));
  CHECK(cross_entropy(logits, none, {.reduction = Reduction::sum, .ignore_index = 7}).item() == 0);
}

TEST_CASE("cross_entropy over logits 1000 apart has finite gradients p - target", "[loss]") {
  for (DType dtype : {DType::float32, DType::float64}) {
    const Tensor logits = tensor({{1000, 0, -1000}, {0, 1000, 0}}, {.dtype = dtype});
    Tape tape;
    tape.watch(logits);
    const Tensor loss = cross_entropy(logits, from_vector<int64_t>({2, 1}), {.reduction = Reduction::sum});
    CHECK(loss.item() == 2000);
    CHECK(difference(tape.gradient(loss, {logits})[0], tensor({{1, 0, -1}, {0, 0, 0}}, {.dtype = dtype}),
                     1e-6) == "");
  }
}

}  // namespace reel
