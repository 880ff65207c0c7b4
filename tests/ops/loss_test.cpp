#include "ops/loss.h"

#include <cmath>

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/softmax.h"
#include "tests/catch.h"
#include "tests/ops/loss_fixture.h"
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

TEST_CASE("cross_entropy and nll_loss are PyTorch's in every combination of options", "[loss]") {
  const SafetensorsFile file = load_reference("losses/classes");
  for (const auto& [layout, axis] : {std::pair{"last", -1}, {"axis1", 1}})
    for (const bool weighted : {false, true}) {
      const std::string weight_text = weighted ? "weight." : "plain.";
      const auto weight = [=](const LossArguments& a) { return weighted ? a["weight"] : Tensor(); };
      for (const auto& [smooth, smoothing] :
           {std::pair{"smooth0", 0.0}, {"smooth0.1", 0.1}, {"smooth1", 1.0}}) {
        for (const auto& [text, ignore] : {std::pair{"plain.", -100}, {"ignore.", 1}})
          check_loss(
              file, layout, "index." + weight_text + text + smooth,
              [=, axis = axis, ignore = ignore, smoothing = smoothing](const LossArguments& a, Reduction r) {
                return cross_entropy(a["x"], a["index"],
                                     {.reduction = r,
                                      .weight = weight(a),
                                      .ignore_index = ignore,
                                      .label_smoothing = smoothing,
                                      .axis = axis});
              });
        check_loss(file, layout, "probability." + weight_text + smooth,
                   [=, axis = axis, smoothing = smoothing](const LossArguments& a, Reduction r) {
                     return cross_entropy(
                         a["x"], a["probability"],
                         {.reduction = r, .weight = weight(a), .label_smoothing = smoothing, .axis = axis});
                   });
      }
      for (const auto& [text, ignore] : {std::pair{"plain", -100}, {"ignore", 1}})
        check_loss(file, layout, "nll." + weight_text + text,
                   [=, axis = axis, ignore = ignore](const LossArguments& a, Reduction r) {
                     return nll_loss(
                         a["x"], a["index"],
                         {.reduction = r, .weight = weight(a), .ignore_index = ignore, .axis = axis});
                   });
    }
  for (const char* group : {"extreme_f64", "extreme_f32"})
    for (const auto& [smooth, smoothing] : {std::pair{"smooth0", 0.0}, {"smooth0.1", 0.1}})
      check_loss(
          file, group, std::string("index.") + smooth,
          [smoothing = smoothing](const LossArguments& a, Reduction r) {
            return cross_entropy(a["x"], a["index"], {.reduction = r, .label_smoothing = smoothing});
          },
          1e-6, 1e-6);
}

TEST_CASE("certain probabilities are indices", "[loss]") {
  const Tensor logits = tensor({{1, 2, -1}, {0.5, 0, 3}}), weight = tensor({2, 3, 4});
  const Tensor certain = tensor({{0, 1, 0}, {0, 0, 1}}), index = from_vector<int64_t>({1, 2});
  for (double smoothing : {0.0, 0.2}) {
    const auto loss = [&](const Tensor& targets) {
      return cross_entropy(logits, targets,
                           {.reduction = Reduction::sum, .weight = weight, .label_smoothing = smoothing});
    };
    CHECK(difference(loss(certain), loss(index), 2e-6) == "");
  }
  CHECK(difference(nll_loss(log_softmax(logits), index), cross_entropy(logits, index)) == "");
}

}  // namespace reel
