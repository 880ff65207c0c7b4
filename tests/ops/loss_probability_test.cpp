#include <cmath>

#include "framework/tape.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/softmax.h"
#include "tests/catch.h"
#include "tests/ops/loss_fixture.h"

namespace reel {
namespace {

using Arguments = LossArguments;

Tensor optional(const Arguments& a, const std::string& name) { return name == "plain" ? Tensor() : a[name]; }

void compare_binary(const SafetensorsFile& file, const std::string& group, double absolute, double relative) {
  const auto same = [&](const std::string& name, const LossCase& loss) {
    check_loss(file, group, name, loss, absolute, relative);
  };
  for (const std::string weight : {"plain", "weight"}) {
    same("bce." + weight, [=](const Arguments& a, Reduction r) {
      return binary_cross_entropy(a["p"], a["t"], {.reduction = r, .weight = optional(a, weight)});
    });
    same("multilabel." + weight, [=](const Arguments& a, Reduction r) {
      return multilabel_soft_margin_loss(a["x"], a["t"], {.reduction = r, .weight = optional(a, weight)});
    });
    for (const std::string pos : {"plain", "pos_weight"})
      same("logits." + weight + "." + pos, [=](const Arguments& a, Reduction r) {
        return binary_cross_entropy_with_logits(
            a["x"], a["t"], {.reduction = r, .weight = optional(a, weight), .pos_weight = optional(a, pos)});
      });
  }
  for (const auto& [name, alpha, gamma] : {std::tuple{"focal.0.25.2.0", 0.25, 2.0},
                                           {"focal.-1.0.2.0", -1.0, 2.0},
                                           {"focal.0.6.0.0", 0.6, 0.0},
                                           {"focal.0.5.1.5", 0.5, 1.5}})
    same(name, [alpha = alpha, gamma = gamma](const Arguments& a, Reduction r) {
      return sigmoid_focal_loss(a["x"], a["t"], {.reduction = r, .alpha = alpha, .gamma = gamma});
    });
}

}  // namespace

TEST_CASE("losses of binary targets are PyTorch's", "[loss]") {
  const SafetensorsFile file = load_reference("losses/probability");
  compare_binary(file, "plain", 1e-14, 1e-13);
  compare_binary(file, "f32", 2e-6, 2e-6);
}

TEST_CASE("losses of binary targets are PyTorch's at the edges", "[loss]") {
  const SafetensorsFile file = load_reference("losses/probability");
  for (const std::string target : {"0.0", "1.0", "0.25"}) {
    check_loss(file, "extreme_logits_" + target, "logits", [](const Arguments& a, Reduction r) {
      return binary_cross_entropy_with_logits(a["x"], a["t"], {.reduction = r});
    });
    check_loss(
        file, "extreme_p_" + target, "bce",
        [](const Arguments& a, Reduction r) {
          return binary_cross_entropy(a["p"], a["t"], {.reduction = r});
        },
        1e-14, 1e-8);  // its 1e-12 is a float
  }
}

TEST_CASE("binary cross-entropy of confident logits keeps its digits", "[loss]") {
  // log(1 + exp(-30)) and its slope -exp(-30) / (1 + exp(-30)), by their series.
  const double e = std::exp(-30), value = e - e * e / 2, slope = e - e * e;
  for (const double side : {1.0, -1.0}) {
    const Tensor x = full({1}, 30 * side, {.dtype = DType::float64});
    const Tensor t = full({1}, side > 0 ? 1 : 0, {.dtype = DType::float64});
    Tape tape;
    tape.watch(x);
    const Tensor loss = binary_cross_entropy_with_logits(x, t);
    CHECK(std::abs(loss.item() - value) < 1e-15 * value);
    CHECK(std::abs(tape.gradient(loss, {x})[0].item() + side * slope) < 1e-15 * slope);
  }
}

TEST_CASE("a pos_weight of 1 changes nothing, in the second derivative at 0 neither", "[loss]") {
  const Tensor x = zeros({1}, {.dtype = DType::float64}), t = full({1}, 0.25, {.dtype = DType::float64});
  for (const Tensor& pos_weight : {Tensor(), ones_like(x)}) {
    Tape tape;
    tape.watch(x);
    const Tensor loss = binary_cross_entropy_with_logits(x, t, {.pos_weight = pos_weight});
    const Tensor first = tape.gradient(loss, {x}, {.create_graph = true})[0];
    CHECK(std::abs(loss.item() - std::log(2)) < 1e-15);
    CHECK(first.item() == 0.25);
    CHECK(tape.gradient(first, {x})[0].item() == 0.25);  // s (1 - s)
  }
}

TEST_CASE("kl_div is PyTorch's", "[loss]") {
  const SafetensorsFile file = load_reference("losses/probability");
  const auto plain = [](KlReduction or_else) {
    return [=](const Arguments& a, Reduction r) {
      const KlReduction reduction = r == Reduction::none   ? KlReduction::none
                                    : r == Reduction::mean ? KlReduction::mean
                                                           : KlReduction::sum;
      return kl_div(a["x"], a["t"], {.reduction = or_else == KlReduction::batchmean ? or_else : reduction});
    };
  };
  check_loss(file, "kl_plain", "plain", plain(KlReduction::none));
  check_loss(file, "kl_zeros", "plain", plain(KlReduction::none));
  check_loss(file, "kl_plain", "log", [](const Arguments& a, Reduction r) {
    const KlReduction reduction = r == Reduction::none   ? KlReduction::none
                                  : r == Reduction::mean ? KlReduction::mean
                                                         : KlReduction::sum;
    return kl_div(a["x"], log(a["t"]), {.reduction = reduction, .log_target = true});
  });
  for (const std::string group : {"kl_plain", "kl_zeros"}) {
    const Tensor got =
        kl_div(file.at(group + ".x"), file.at(group + ".t"), {.reduction = KlReduction::batchmean});
    CHECK(difference(got, file.at(group + ".plain.batchmean.value"), 1e-15) == "");
  }
}

TEST_CASE("kl_div of certain targets is 0 where the input is sure too, and finite where neither is possible",
          "[loss]") {
  const double never = -std::numeric_limits<double>::infinity();
  const Tensor input = tensor({{0, never}}, {.dtype = DType::float64});
  Tape tape;
  tape.watch(input);
  const Tensor loss =
      kl_div(input, tensor({{1, 0}}, {.dtype = DType::float64}), {.reduction = KlReduction::sum});
  CHECK(loss.item() == 0);
  CHECK(difference(tape.gradient(loss, {input})[0], tensor({{-1, 0}}, {.dtype = DType::float64})) == "");
}

}  // namespace reel
