// The first op that gives a nan or an infinity is named, forward and backward, with where it was recorded; hooks.
#include "framework/anomaly.h"

#include <limits>

#include "framework/tape.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "tests/catch.h"
#include "tests/framework/misuse.h"
#include "tests/reference.h"

namespace reel {
namespace {

constexpr TensorOptions wide{.dtype = DType::float64};

Tensor parameter(std::initializer_list<detail::Number> values) {
  Tensor result = tensor(values, wide);
  result.requires_grad_();
  return result;
}

}  // namespace

TEST_CASE("anomaly mode names the first op that gives a nan, its shapes and its scope", "[anomaly]") {
  const Tensor x = parameter({1, -1, 2});
  const AnomalyMode anomalies;
  Tape tape;
  const Scope decoder("decoder");
  refused({x}, {"[log] gave nan", "float64 [3]", "finite inputs", "within decoder/attention"}, [&] {
    const Tensor y = x * 2;
    const Scope attention("attention");
    const Tensor z = log(y);
    sum(z);
  });
}

TEST_CASE("anomaly mode works without a tape, and says when an input had one already", "[anomaly]") {
  const Tensor bad = tensor({1, std::numeric_limits<double>::quiet_NaN()}, wide);
  const AnomalyMode anomalies;
  refused({}, {"[mul_scalar] gave nan", "with nan"}, [&] { bad * 2; });
  refused({}, {"[reciprocal] gave inf", "finite inputs"}, [&] { reciprocal(zeros({2})); });
  refused({}, {"[log] gave -inf"}, [&] { log(zeros({2})); });
}

TEST_CASE("infinities can be allowed", "[anomaly]") {
  const AnomalyMode anomalies({.infinities = false});
  CHECK(std::isinf(sum(log(zeros({2}))).item()));
  refused({}, {"[sub] gave nan", "with -inf"}, [&] {
    const Tensor y = log(zeros({2}));
    y - y;
  });
}

TEST_CASE("anomaly mode names what went wrong in backward, and where that was recorded", "[anomaly]") {
  const Tensor x = parameter({4, 0});
  Tape tape;
  Tensor y;
  {
    const Scope encoder("encoder");
    y = sqrt(x);  // slope infinite at 0
  }
  const Tensor loss = sum(y);
  const AnomalyMode anomalies;
  refused({x}, {"[sqrt] the gradient with respect to input 0", "float64 [2]", "has inf", "within encoder"},
          [&] { tape.backward(loss, {.retain_graph = true}); });
  refused({x}, {"backward pass of [sqrt]", "within encoder", "inf"},
          [&] { tape.gradient(loss, {x}, {.create_graph = true}); });
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("anomaly mode ends with its scope", "[anomaly]") {
  {
    const AnomalyMode anomalies;
    CHECK_THROWS_AS(log(zeros({1})), Error);
    {
      const AnomalyMode milder({.infinities = false});
      CHECK_NOTHROW(log(zeros({1})));
    }
    CHECK_THROWS_AS(log(zeros({1})), Error);
  }
  CHECK_NOTHROW(log(zeros({1})));
}

TEST_CASE("an error about a saved value that was changed names both ops and the scope", "[anomaly]") {
  Tensor x = parameter({1, 2});
  Tensor factor = tensor({3, 4}, wide);
  Tape tape;
  Tensor y;
  {
    const Scope head("head");
    y = x * factor;
  }
  factor.fill_(1);
  refused({x}, {"an input of [mul] within head", "changed in place", "[fill_]"},
          [&] { tape.backward(sum(y)); });
}

TEST_CASE("a hook sees the whole gradient of a result, and may change it", "[hooks]") {
  const Tensor x = parameter({1, 2});
  Tape tape;
  const Tensor y = x * 3;
  std::vector<double> seen;
  int calls = 0;
  tape.hook(y, [&](const Tensor& g) {
    ++calls;
    seen = g.to_vector<double>();
    return minimum(g, full({2}, 5, wide));
  });
  tape.backward(sum(y * y + y));  // 2 y + 1 in two parts
  CHECK(calls == 1);
  CHECK(seen == std::vector<double>{7, 13});
  CHECK(x.grad().to_vector<double>() == std::vector<double>{15, 15});
}

TEST_CASE("a hook of a leaf runs once before the gradient is left there", "[hooks]") {
  const Tensor x = parameter({1, 2});
  int calls = 0;
  {
    Tape tape;
    tape.hook(x, [&](const Tensor& g) {
      ++calls;
      return g * 10;
    });
    tape.hook(x, [&](const Tensor&) { ++calls; });  // only looks
    tape.backward(sum(x * 2 + x));
  }
  CHECK(calls == 2);
  CHECK(x.grad().to_vector<double>() == std::vector<double>{30, 30});
  Tape tape;
  tape.backward(sum(x));  // hooks belong to the tape on which they were set
  CHECK(calls == 2);
}

TEST_CASE("hooks are not called where no gradient comes, and are differentiated with the rest", "[hooks]") {
  const Tensor x = parameter({2});
  Tape tape;
  const Tensor y = x * x, unused = x * 5;
  tape.hook(unused, [](const Tensor&) { FAIL_CHECK("nothing depends on this one"); });
  tape.hook(y, [](const Tensor& g) { return g * g; });
  const Tensor g = tape.gradient(sum(y * y), {x}, {.create_graph = true})[0];  // (2 x^2)^2 2 x = 8 x^5
  CHECK(g.item() == 8 * 32);
  // On the way back from g the hook squares what comes to y from all sides: with u = 2 y from the pass before,
  // g = u^2 2 x, so that 2 u 2 x * 2 = 128 comes to y, and 2 u^2 = 128 to x by itself.
  CHECK(tape.gradient(g, {x})[0].item() == 128 * 128 * 4 + 128);
}

TEST_CASE("hooks refuse gradients of another shape, and tensors that were not recorded", "[hooks]") {
  const Tensor x = parameter({1, 2});
  Tape tape;
  const Tensor y = x * 3;
  tape.hook(y, [](const Tensor& g) { return sum(g); });
  refused({x}, {"[hook]", "[2]", "[]"}, [&] { tape.backward(sum(y)); });
  refused({x}, {"[hook]", "not recorded"}, [&] { tape.hook(ones({2}), [](const Tensor&) {}); });
}

}  // namespace reel
