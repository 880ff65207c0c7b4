// Averages of weights, ways to clip, gathered gradients, and the learning-rate finder.
#include "optimizers/averaging.h"

#include <cmath>
#include <limits>

#include "framework/parallel.h"
#include "framework/random.h"
#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "optimizers/adam.h"
#include "optimizers/clip.h"
#include "optimizers/lr_finder.h"
#include "optimizers/sgd.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {
Tensor parameter(const Tensor& values) { return clone(values).requires_grad_(); }
}  // namespace

TEST_CASE("SWA is PyTorch's mean of weights, EMA its formula", "[optimizer][averaging]") {
  const SafetensorsFile file = load_reference("optimizers/averages");
  Tensor a = parameter(select(file.at("a"), 0, 0));
  SWA swa({a});
  EMA ema({a}, {.decay = 0.9});
  for (int64_t step = 0; step < 6; ++step) {
    a.copy_(select(file.at("a"), 0, step + 1));
    swa.update();
    ema.update();
    CHECK(difference(swa.averages()[0], select(file.at("swa"), 0, step), 1e-12) == "");
    CHECK(difference(ema.averages()[0], select(file.at("ema"), 0, step), 1e-12) == "");
  }
  CHECK(swa.updates() == 6);
}

TEST_CASE("an EMA that warms up follows at first", "[optimizer][averaging]") {
  Tensor a = zeros({1}, {.dtype = DType::float64}).requires_grad_();
  EMA ema({a}, {.decay = 0.5, .warm_up = true});
  a.fill_(10);
  ema.update();  // decay 1/10
  CHECK(ema.averages()[0].item() == Approx(9));
  ema.update();  // 2/11
  CHECK(ema.averages()[0].item() == Approx(10 - 2.0 / 11));
  for (int i = 2; i < 20; ++i) ema.update();
  const double before = ema.averages()[0].item();
  a.fill_(0);
  ema.update();  // beyond t = 8 it is the decay
  CHECK(ema.averages()[0].item() == Approx(before / 2));
}

TEST_CASE("averages are swapped in and out, copied, saved and resumed", "[optimizer][averaging]") {
  Tensor a = parameter(tensor({1, 2})), b = parameter(tensor({3}));
  EMA ema({a, b}, {.decay = 0.5});
  a.fill_(5);
  ema.update();
  {
    const WithAverages scope(ema);
    CHECK(difference(a, tensor({3, 3.5})) == "");
    CHECK(ema.swapped());
    CHECK_THROWS_WITH(ema.update(), contains_text("[EMA]") && contains_text("swap"));
    CHECK_THROWS_WITH(ema.state_dict(), contains_text("swap"));
    CHECK_THROWS_AS(WithAverages(ema), Error);
  }
  CHECK(difference(a, tensor({5, 5})) == "");
  CHECK(difference(ema.averages()[0], tensor({3, 3.5})) == "");
  Tensor to = zeros({2}), to_b = zeros({1});
  ema.copy_to({to, to_b});
  CHECK(difference(to, tensor({3, 3.5})) == "");
  CHECK_THROWS_WITH(ema.copy_to({to}), contains_text("2") && contains_text("1"));
  CHECK_THROWS_WITH(ema.copy_to({to_b, to}), contains_text("float32 [2]"));

  const auto state = ema.state_dict();
  Tensor a2 = parameter(a), b2 = parameter(b);
  EMA resumed({a2, b2}, {.decay = 0.5});
  resumed.load_state_dict(state);
  a.fill_(1);
  a2.fill_(1);
  ema.update();
  resumed.update();
  CHECK(resumed.updates() == 2);
  CHECK(difference(resumed.averages()[0], ema.averages()[0]) == "");
  auto lacking = state;
  lacking.pop_back();
  CHECK_THROWS_WITH(resumed.load_state_dict(lacking), contains_text("1.average"));
  CHECK(resumed.updates() == 2);
  CHECK_THROWS_WITH(EMA({a}, {.decay = 1.5}), contains_text("[EMA]") && contains_text("1.5"));
  CHECK_THROWS_WITH(SWA(std::vector<Tensor>{}), contains_text("[SWA]"));
  CHECK_THROWS_WITH(SWA({a, a}), contains_text("twice"));
}

TEST_CASE("adaptive clipping is the paper's, unit by unit", "[optimizer][clip]") {
  const SafetensorsFile file = load_reference("optimizers/adaptive_clip");
  Tensor w = parameter(file.at("w")), w1 = parameter(file.at("w1"));
  w.set_grad(clone(file.at("grad")));
  w1.set_grad(clone(file.at("grad1")));
  clip_grad_adaptive({w, w1}, {.clipping = 0.1});
  CHECK(difference(w.grad(), file.at("clipped"), 1e-12) == "");
  CHECK(difference(w1.grad(), file.at("clipped1"), 1e-12) == "");
  CHECK_THROWS_WITH(clip_grad_adaptive({w}, {.clipping = -1}), contains_text("-1"));
  CHECK_THROWS_WITH(clip_grad_adaptive({w}, {.eps = 0}), contains_text("eps"));
}

TEST_CASE("each group is clipped on its own", "[optimizer][clip]") {
  Tensor a = parameter(tensor({0, 0})), b = parameter(tensor({0, 0}));
  SGD optimizer({{.parameters = {a}}, {.parameters = {b}}});
  a.set_grad(tensor({3, 4}));
  b.set_grad(tensor({0.3, 0.4}));
  const auto norms = clip_grad_norm_by_group(optimizer, 1);
  CHECK(norms[0] == Approx(5));
  CHECK(norms[1] == Approx(0.5));
  CHECK(difference(a.grad(), tensor({0.6, 0.8}), 1e-6) == "");
  CHECK(difference(b.grad(), tensor({0.3, 0.4})) == "");
  CHECK_THROWS_WITH(clip_grad_norm_by_group(optimizer, -1), contains_text("[clip_grad_norm_by_group]"));
}

TEST_CASE("the norm of gradients depends on no number of threads", "[optimizer][clip]") {
  const int before = num_threads();
  Tensor a = parameter(zeros({300, 701}));
  a.set_grad(randn({300, 701}));
  set_num_threads(1);
  const double one = clip_grad_norm({a}, 1e9);
  set_num_threads(5);
  CHECK(clip_grad_norm({a}, 1e9) == one);
  set_num_threads(before);
  CHECK(one == Approx(std::sqrt(sum(square(cast(a.grad(), DType::float64))).item())).epsilon(1e-12));
  for (double order : {1.0, 3.0, std::numeric_limits<double>::infinity()}) {
    Tensor small = parameter(zeros({3}));
    small.set_grad(tensor({1, -2, 2}));
    const double expected = std::isinf(order) ? 2 : std::pow(1 + 2 * std::pow(2, order), 1 / order);
    CHECK(clip_grad_norm({small}, 1e9, order) == Approx(expected));
  }
}

TEST_CASE("gathered gradients step with their mean, or sum", "[optimizer][clip]") {
  for (const bool mean : {true, false}) {
    Tensor p = parameter(tensor({0}));
    SGD optimizer({p}, {.lr = 1});
    GradientAccumulation accumulation(optimizer, 3, mean);
    const auto backward = [&](double slope) {
      Tape tape;
      tape.backward(sum(p * slope));
      return accumulation.step();
    };
    CHECK_FALSE(backward(1));
    CHECK_FALSE(backward(2));
    CHECK(accumulation.pending() == 2);
    CHECK(p.item() == 0);
    CHECK(backward(6));
    CHECK(p.item() == (mean ? -3 : -9));
    CHECK(accumulation.pending() == 0);
    CHECK_FALSE(accumulation.flush());
    CHECK_FALSE(backward(2));
    CHECK_FALSE(backward(4));
    CHECK(accumulation.flush());
    CHECK(p.item() == (mean ? -6 : -15));
    CHECK(optimizer.steps() == 2);
    CHECK_THROWS_WITH(GradientAccumulation(optimizer, 0), contains_text("[GradientAccumulation]"));
  }
}

TEST_CASE("the learning-rate finder suggests a rate and leaves no trace", "[optimizer][lr_finder]") {
  // f = x^2 / 2: a rate below 2 converges, best about 1.
  Tensor x = parameter(full({4}, 3, {.dtype = DType::float64}));
  Adam adam({x}, {.lr = 0.5});
  SGD sgd({{.parameters = {x}, .options = {.lr = 0.3, .momentum = 0.5}}});
  x.set_grad(full_like(x, 1));
  sgd.step();
  x.set_grad(full_like(x, 7));
  const auto state = sgd.state_dict();
  const Tensor values = clone(x);
  Tensor counter = zeros({1});
  const auto train_step = [&] {
    sgd.zero_grad();
    Tape tape;
    const Tensor loss = sum(square(x)) / 2;
    tape.backward(loss);
    sgd.step();
    counter.fill_(counter.item() + 1);
    return loss.item();
  };
  const LearningRateCurve curve = find_learning_rate(
      sgd, train_step, {.from = 1e-4, .to = 100, .steps = 60, .smoothing = 0, .also_restore = {counter}});
  CHECK(counter.item() == 0);
  CHECK(difference(x, values) == "");
  CHECK(difference(x.grad(), full_like(x, 7)) == "");
  const auto after = sgd.state_dict();
  REQUIRE(after.size() == state.size());
  for (size_t i = 0; i < state.size(); ++i) CHECK(difference(after[i].second, state[i].second) == "");
  REQUIRE(curve.rates.size() == curve.losses.size());
  REQUIRE(curve.rates.size() > 10);
  CHECK(curve.rates.size() < 60);  // it diverges before the end
  CHECK(curve.rates[0] == Approx(1e-4));
  CHECK(curve.rates[1] / curve.rates[0] == Approx(std::pow(1e6, 1.0 / 59)));
  CHECK(curve.losses[0] == Approx(sum(square(values)).item() / 2));
  CHECK(curve.suggestion > 1e-3);
  CHECK(curve.suggestion < 2);

  CHECK_THROWS_WITH(find_learning_rate(sgd,
                                       [&]() -> double {
                                         train_step();
                                         throw Error("out of data");
                                       }),
                    contains_text("out of data"));
  CHECK(difference(x, values) == "");
  CHECK(sgd.learning_rate() == 0.3);
  CHECK_THROWS_WITH(find_learning_rate(sgd, train_step, {.from = 0}), contains_text("[find_learning_rate]"));
  CHECK_THROWS_WITH(find_learning_rate(sgd, train_step, {.steps = 1}), contains_text("steps"));
  CHECK_THROWS_WITH(find_learning_rate(sgd, train_step, {.diverged = 1}), contains_text("diverged"));
}

}  // namespace reel
