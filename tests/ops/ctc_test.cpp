#include <cmath>
#include <limits>

#include "framework/anomaly.h"
#include "framework/random.h"
#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/loss.h"
#include "ops/reduction.h"
#include "ops/slicing.h"
#include "ops/softmax.h"
#include "tests/catch.h"
#include "tests/ops/loss_fixture.h"

namespace reel {
namespace {

using Labels = std::vector<int64_t>;

/// What a path reads as: without repeats, then without blanks.
Labels collapsed(const Labels& path, int64_t blank) {
  Labels result;
  for (size_t t = 0; t < path.size(); ++t)
    if (path[t] != blank && (t == 0 || path[t] != path[t - 1])) result.push_back(path[t]);
  return result;
}

/// -log of the sum over all C^T paths that read as the target, with the gradient to log_probs by the same sum.
struct BruteForce {
  double loss = 0;
  std::vector<double> gradient;
};
BruteForce all_paths(const Tensor& log_probs, int64_t times, const Labels& target, int64_t blank) {
  const int64_t classes = log_probs.size(1);
  const std::vector<double> p = numbers(log_probs);
  std::vector<std::pair<Labels, double>> fitting;
  double largest = -1e300;
  int64_t paths = 1;
  for (int64_t t = 0; t < times; ++t) paths *= classes;
  for (int64_t number = 0; number < paths; ++number) {
    Labels path;
    double log_probability = 0;
    int64_t rest = number;
    for (int64_t t = 0; t < times; ++t, rest /= classes) {
      path.push_back(rest % classes);
      log_probability += p[static_cast<size_t>(t * classes + path.back())];
    }
    if (collapsed(path, blank) != target) continue;
    fitting.emplace_back(path, log_probability);
    largest = std::max(largest, log_probability);
  }
  double total = 0;
  for (const auto& [path, log_probability] : fitting) total += std::exp(log_probability - largest);
  BruteForce result;
  result.gradient.assign(p.size(), 0);
  for (const auto& [path, log_probability] : fitting)
    for (int64_t t = 0; t < times; ++t)
      result.gradient[static_cast<size_t>(t * classes + path[static_cast<size_t>(t)])] -=
          std::exp(log_probability - largest) / total;
  result.loss = -std::log(total) - largest;
  return result;
}

const TensorOptions wide{.dtype = DType::float64};

}  // namespace

TEST_CASE("ctc_loss is PyTorch's", "[loss][ctc]") {
  const SafetensorsFile file = load_reference("losses/ctc");
  const auto loss = [](const CtcLossOptions& options) {
    return [=](const LossArguments& a, Reduction r) {
      CtcLossOptions with = options;
      with.reduction = r;
      return ctc_loss(log_softmax(a["x"]), a["targets"], a["input_lengths"], a["target_lengths"], with);
    };
  };
  for (const char* group : {"possible", "joined", "single", "long", "impossible_inf"})
    check_loss(file, group, "ctc", loss({}), 1e-13, 1e-13);
  check_loss(file, "impossible_zero", "ctc", loss({.zero_infinity = true}), 1e-13, 1e-13);
  check_loss(file, "blank4", "ctc", loss({.blank = 4}), 1e-13, 1e-13);
  check_loss(file, "f32", "ctc", loss({}), 2e-6, 2e-6);
}

TEST_CASE("ctc_loss is the sum over all paths, its gradient too", "[loss][ctc]") {
  Random random(3);
  const int64_t classes = 3;
  // Free numbers: nothing in the definition asks for log_probs that are normalised.
  // Spread out by 1000, only few paths count, and states lie farther apart than exp() reaches.
  for (const auto& [times, spread] :
       {std::pair<int64_t, double>{1, 1}, {2, 1}, {3, 1}, {4, 1}, {6, 1}, {6, 1000}}) {
    const Tensor log_probs = randn({times, classes}, wide, random) * spread;
    for (const int64_t blank : {0, 2}) {
      const int64_t a = blank == 0 ? 1 : 0, b = blank == 0 ? 2 : 1;
      for (const Labels& target :
           std::vector<Labels>{{}, {a}, {b}, {a, b}, {a, a}, {b, a, b}, {a, a, b}, {b, b, b}, {a, b, a, b}}) {
        for (const int64_t used : {times + 0, std::max<int64_t>(1, times - 1)}) {
          INFO("times " << used << " of " << times << ", blank " << blank << ", " << target.size()
                        << " labels");
          const BruteForce expected = all_paths(log_probs, used, target, blank);
          Tape tape;
          tape.watch(log_probs);
          const Tensor loss =
              ctc_loss(log_probs, from_vector(target), {used}, {static_cast<int64_t>(target.size())},
                       {.reduction = Reduction::sum, .blank = blank});
          if (std::isinf(expected.loss)) {
            CHECK(loss.item() == std::numeric_limits<double>::infinity());
            continue;
          }
          CHECK(std::abs(loss.item() - expected.loss) < 1e-13 * spread);
          CHECK(difference(tape.gradient(loss, {log_probs})[0],
                           from_vector(expected.gradient, log_probs.shape()), 1e-13 * spread) == "");
        }
      }
    }
  }
}

TEST_CASE("ctc_loss of no time: 0 for an empty target, inf for any other", "[loss][ctc]") {
  const double inf = std::numeric_limits<double>::infinity();
  for (const int64_t times : {0, 2}) {
    const Tensor log_probs = zeros({times, 2, 3}, wide), targets = from_vector<int64_t>({1, 1}, {2, 1});
    Tape tape;
    tape.watch(log_probs);
    const Tensor losses = ctc_loss(log_probs, targets, {0, 0}, {0, 1}, {.reduction = Reduction::none});
    CHECK(difference(losses, tensor({0, inf}, wide)) == "");
    CHECK(difference(tape.gradient(sum(losses), {log_probs})[0], zeros_like(log_probs)) == "");
    CHECK(ctc_loss(log_probs, targets, {0, 0}, {0, 1}, {.zero_infinity = true}).item() == 0);
  }
  const Tensor none = ctc_loss(zeros({4, 0, 3}), zeros({0, 2}, {.dtype = DType::int64}), Labels{}, Labels{});
  CHECK(std::isnan(none.item()));
}

TEST_CASE("impossible alignments: inf and nan, or 0 and 0, in the second derivative too", "[loss][ctc]") {
  // 1 1 needs three times.
  Random random(1);
  const Tensor log_probs = log_softmax(randn({3, 2, 3}, wide, random));
  const Tensor targets = from_vector<int64_t>({1, 1, 1, 1}, {2, 2});
  for (const bool zero : {false, true}) {
    for (const bool twice : {false, true}) {
      Tape tape;
      tape.watch(log_probs);
      const Tensor losses =
          ctc_loss(log_probs, targets, {2, 3}, {2, 2}, {.reduction = Reduction::none, .zero_infinity = zero});
      CHECK(std::isinf(losses.to_vector<double>()[0]) == !zero);
      const Tensor gradient = tape.gradient(sum(losses), {log_probs}, {.create_graph = twice})[0];
      const Tensor first = select(gradient, 1, 0), second = select(gradient, 1, 1);
      const std::vector<double> got = numbers(first);
      for (size_t i = 0; i < got.size(); ++i) {
        if (zero || i >= 6)
          CHECK(got[i] == 0);
        else
          CHECK(std::isnan(got[i]));
      }
      CHECK(std::abs(sum(second).item() + 3) < 1e-14);  // one visit at each of three times
      if (twice && zero)
        for (double g : numbers(tape.gradient(sum(square(gradient)), {log_probs})[0]))
          CHECK(std::isfinite(g));
    }
  }
}

TEST_CASE("ctc_loss of classes without a chance", "[loss][ctc]") {
  // A certain path: loss 0, whatever is impossible beside it.
  const double never = -std::numeric_limits<double>::infinity();
  for (const double low : {never, -1e30}) {
    const Tensor log_probs = tensor({{low, 0, low}, {0, low, low}, {low, low, 0}}, wide);
    Tape tape;
    tape.watch(log_probs);
    const Tensor loss = ctc_loss(log_probs, from_vector<int64_t>({1, 2}), Labels{3}, Labels{2},
                                 {.reduction = Reduction::sum});
    CHECK(loss.item() == 0);
    CHECK(difference(tape.gradient(loss, {log_probs})[0],
                     tensor({{0, -1, 0}, {-1, 0, 0}, {0, 0, -1}}, wide)) == "");
  }
}

TEST_CASE("ctc_loss in float32 keeps float32's digits over long sequences", "[loss][ctc]") {
  Random random(4);
  const Tensor x = randn({300, 2, 20}, wide, random) * 3;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 80; ++i) labels.push_back(1 + (7 * i + i / 3) % 19);
  const Tensor targets = from_vector(labels, {2, 40});
  const auto gradient = [&](const Tensor& logits) {
    const Tensor log_probs = log_softmax(logits);
    Tape tape;
    tape.watch(log_probs);
    return tape.gradient(ctc_loss(log_probs, targets, {300, 250}, {40, 31}, {.reduction = Reduction::sum}),
                         {log_probs})[0];
  };
  CHECK(difference_in_value(gradient(detail::cast_values(x, DType::float32)), gradient(x), 2e-5) == "");
}

TEST_CASE("ctc_loss is no anomaly, with states that nothing reaches and sequences of several lengths",
          "[loss][ctc]") {
  const AnomalyMode mode({.infinities = true});
  Random random(5);
  const Tensor log_probs = log_softmax(randn({6, 3, 4}, wide, random));
  const Tensor targets = from_vector<int64_t>({1, 2, 3, 3, 0, 0, 0, 0, 0}, {3, 3});
  Tape tape;
  tape.watch(log_probs);
  const Tensor loss = ctc_loss(log_probs, targets, {6, 2, 1}, {3, 1, 0});
  CHECK(std::isfinite(sum(tape.gradient(loss, {log_probs})[0]).item()));
}

}  // namespace reel
