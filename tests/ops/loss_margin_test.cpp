#include <cmath>
#include <limits>

#include "framework/tape.h"
#include "ops/distance.h"
#include "ops/reduction.h"
#include "tests/catch.h"
#include "tests/ops/loss_fixture.h"

namespace reel {
namespace {

using Arguments = LossArguments;

constexpr double inf = std::numeric_limits<double>::infinity();
const std::pair<const char*, double> norms[] = {{"1.0", 1}, {"2.0", 2}, {"3.0", 3}, {"inf", inf}};

}  // namespace

TEST_CASE("margin and ranking losses are PyTorch's", "[loss]") {
  const SafetensorsFile file = load_reference("losses/margin");
  const auto ranking = [](double margin) {
    return [=](const Arguments& a, Reduction r) {
      return margin_ranking_loss(a["x1"], a["x2"], a["t"], {.reduction = r, .margin = margin});
    };
  };
  check_loss(file, "pairs", "ranking.0.0", ranking(0));
  check_loss(file, "pairs", "ranking.0.4", ranking(0.4));
  check_loss(file, "broadcast", "ranking", ranking(0.1));
  const auto hinge = [](double margin) {
    return [=](const Arguments& a, Reduction r) {
      return hinge_embedding_loss(a["x1"], a["t"], {.reduction = r, .margin = margin});
    };
  };
  check_loss(file, "pairs", "hinge.1.0", hinge(1));
  check_loss(file, "pairs", "hinge.0.3", hinge(0.3));
  check_loss(file, "pairs", "soft", [](const Arguments& a, Reduction r) {
    return soft_margin_loss(a["x1"], a["t"], {.reduction = r});
  });
  const auto cosine = [](double margin) {
    return [=](const Arguments& a, Reduction r) {
      return cosine_embedding_loss(a["x1"], a["x2"], a["t"], {.reduction = r, .margin = margin});
    };
  };
  check_loss(file, "vectors", "cosine.0.0", cosine(0));
  check_loss(file, "vectors", "cosine.0.3", cosine(0.3));
  check_loss(file, "vectors", "cosine.-0.5", cosine(-0.5));
  check_loss(file, "one_vector_1", "cosine", cosine(-0.9));
  check_loss(file, "one_vector_-1", "cosine", cosine(-0.9));
}

TEST_CASE("margin losses of classes are PyTorch's", "[loss]") {
  const SafetensorsFile file = load_reference("losses/margin");
  for (int p : {1, 2})
    for (const bool weighted : {false, true})
      for (const auto& [text, margin] : {std::pair{"1.0", 1.0}, {"0.5", 0.5}})
        check_loss(
            file, "classes", "multi." + std::to_string(p) + (weighted ? ".weight." : ".plain.") + text,
            [=, margin = margin](const Arguments& a, Reduction r) {
              return multi_margin_loss(
                  a["x"], a["t"],
                  {.reduction = r, .weight = weighted ? a["weight"] : Tensor(), .p = p, .margin = margin});
            });
  for (const char* group : {"labels", "one_row"})
    check_loss(file, group, "multilabel", [](const Arguments& a, Reduction r) {
      return multilabel_margin_loss(a["x"], a["t"], {.reduction = r});
    });
}

TEST_CASE("triplet_margin_loss is PyTorch's", "[loss]") {
  const SafetensorsFile file = load_reference("losses/margin");
  for (const auto& [text, p] : norms)
    for (const bool swap : {false, true})
      check_loss(file, "triplets", std::string("triplet.") + text + (swap ? ".swap" : ".plain"),
                 [=, p = p](const Arguments& a, Reduction r) {
                   return triplet_margin_loss(
                       a["a"], a["p"], a["n"],
                       {.reduction = r, .margin = 1.5, .p = p, .eps = 1e-3, .swap = swap});
                 });
}

TEST_CASE("soft_margin_loss of large inputs is linear", "[loss]") {
  const Tensor x = tensor({1000, -1000, 1e30, -1e30});
  const Tensor loss = soft_margin_loss(x, ones({4}), {.reduction = Reduction::none});
  CHECK(difference(loss, tensor({0, 1000, 0, 1e30})) == "");
}

TEST_CASE("distances are PyTorch's", "[distance]") {
  const SafetensorsFile file = load_reference("losses/distance");
  const auto distance = [](double p) {
    return [=](const Arguments& a, Reduction) {
      return pairwise_distance(a["x1"], a["x2"], {.p = p, .eps = 1e-2});
    };
  };
  for (const char* group : {"pairs", "row"}) {
    for (const auto& [text, p] : norms) check_loss(file, group, std::string("distance.") + text, distance(p));
    check_loss(file, group, "distance.0.5", distance(0.5));
  }
  check_loss(file, "pairs", "keepdim", [](const Arguments& a, Reduction) {
    return pairwise_distance(a["x1"], a["x2"], {.keepdim = true});
  });
  const auto cosine = [](int64_t axis) {
    return [=](const Arguments& a, Reduction) { return cosine_similarity(a["x1"], a["x2"], {.axis = axis}); };
  };
  for (int64_t axis : {0, 1, -1}) check_loss(file, "pairs", "cosine." + std::to_string(axis), cosine(axis));
  check_loss(file, "row", "cosine.1", cosine(1));
  check_loss(file, "small", "cosine.1", cosine(1));
}

TEST_CASE("a distance of 0 has a finite gradient", "[distance]") {
  for (double p : {1.0, 2.0, 3.0, inf}) {
    const Tensor x = ones({2, 3}, {.dtype = DType::float64});
    Tape tape;
    tape.watch(x);
    const Tensor d = pairwise_distance(x, ones_like(x), {.p = p, .eps = 0});
    CHECK(difference(d, zeros_like(d)) == "");
    CHECK(difference(tape.gradient(sum(d), {x})[0], zeros_like(x)) == "");
  }
  const Tensor zero = zeros({1, 2}, {.dtype = DType::float64});
  const Tensor y = tensor({{3, 4}}, {.dtype = DType::float64});
  Tape tape;
  tape.watch(zero);
  const Tensor cosine = cosine_similarity(zero, y);
  CHECK(cosine.item() == 0);
  CHECK(difference(tape.gradient(sum(cosine), {zero})[0], tensor({{0.6e8, 0.8e8}}, {.dtype = DType::float64}),
                   0, 1e-15) == "");
}

}  // namespace reel
