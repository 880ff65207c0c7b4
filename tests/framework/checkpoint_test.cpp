// Checkpoints: the same gradients as without, from less memory.
#include "framework/checkpoint.h"

#include "framework/gradcheck.h"
#include "framework/memory.h"
#include "framework/random.h"
#include "framework/recording.h"
#include "layers/recurrent.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/dropout.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/framework/misuse.h"
#include "tests/reference.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;
constexpr TensorOptions wide{.dtype = DType::float64};

Tensor parameter(const Shape& shape, uint64_t seed) {
  Random random(seed);
  Tensor result = randn(shape, wide, random);
  result.requires_grad_();
  return result;
}

/// Gradients of what `f` makes of the parameters, by a plain backward pass.
std::vector<Tensor> gradients_of(const List& parameters, const std::function<Tensor()>& f) {
  Tape tape;
  tape.backward(f());
  List result;
  for (Tensor p : parameters) {
    result.push_back(p.grad());
    p.zero_grad();
  }
  return result;
}

}  // namespace

TEST_CASE("a checkpoint gives the gradients of inputs and of captured parameters", "[checkpoint]") {
  const Tensor x = parameter({4, 3}, 1), w = parameter({3, 3}, 2), v = parameter({3, 2}, 3);
  const auto layer = [&](const Tensor& t) { return tanh(matmul(tanh(matmul(t, w)), w)); };
  const List plain = gradients_of({x, w, v}, [&] { return sum(matmul(layer(layer(x)), v)); });
  const List saved =
      gradients_of({x, w, v}, [&] { return sum(matmul(checkpoint(layer, checkpoint(layer, x)), v)); });
  for (size_t i = 0; i < 3; ++i) CHECK(difference(saved[i], plain[i], 1e-15, 1e-13) == "");
}

TEST_CASE("a checkpoint keeps its inputs and frees what it went through", "[checkpoint]") {
  const Tensor x = parameter({8, 8}, 1);
  const auto deep = [](const Tensor& t) {
    Tensor y = t;
    for (int i = 0; i < 20; ++i) y = tanh(y);
    return y;
  };
  Tape tape;
  deep(x);
  const size_t plain = detail::saved_bytes(*detail::current_recording(), 0, {});
  const size_t before = tape.size();
  const Tensor y = checkpoint(deep, x);
  CHECK(plain == 20 * 8 * 8 * sizeof(double));
  CHECK(detail::saved_bytes(*detail::current_recording(), before, {}) == 0);
  CHECK(tape.size() == before + 1);
  tape.backward(sum(y));
  CHECK(x.grad().defined());
}

TEST_CASE("checkpoints nest", "[checkpoint]") {
  const Tensor x = parameter({3}, 1), w = parameter({3}, 2);
  const auto inner = [&](const Tensor& t) { return tanh(t * w); };
  const auto outer = [&](const Tensor& t) { return checkpoint(inner, checkpoint(inner, t) + w) * t; };
  const List plain = gradients_of({x, w}, [&] { return sum(inner(inner(x) + w) * x); });
  const List saved = gradients_of({x, w}, [&] { return sum(checkpoint(outer, x)); });
  for (size_t i = 0; i < 2; ++i) CHECK(difference(saved[i], plain[i], 1e-15, 1e-13) == "");
}

TEST_CASE("random streams replay in a checkpoint, and go on as if nothing had happened", "[checkpoint]") {
  const Tensor x = parameter({50}, 1);
  Random own(7);
  const auto noisy = [&](const Tensor& t) {
    Random local(11);
    return dropout(dropout(t, 0.5), 0.3, own) * dropout(ones({50}, wide), 0.2, local);
  };
  const auto run = [&](bool with) {
    manual_seed(3);
    own = Random(7);
    List result = gradients_of({x}, [&] {
      const Tensor y = with ? checkpoint(noisy, x) : noisy(x);
      dropout(x, 0.5);  // draws between forward and backward
      return sum(y * y);
    });
    result.push_back(rand({2}, wide));
    result.push_back(rand({2}, wide, own));
    return result;
  };
  const List plain = run(false), saved = run(true);
  for (size_t i = 0; i < plain.size(); ++i) CHECK(difference(saved[i], plain[i]) == "");
}

TEST_CASE("second derivatives go through checkpoints", "[checkpoint]") {
  const auto f = [](const List& x) {
    return List{checkpoint([w = x[1]](const Tensor& t) { return tanh(t * w) * t; }, x[0]) * x[1]};
  };
  const List inputs{tensor({0.5, -0.25}, wide), tensor({1.5, 0.75}, wide)};
  CHECK(gradcheck(f, inputs).message == "");
  CHECK(gradgradcheck(f, inputs).message == "");
}

TEST_CASE("a checkpoint returns its input, a constant, integers", "[checkpoint]") {
  const Tensor x = parameter({3}, 1);
  Tape tape;
  const List y = checkpoint(
      [](const List& t) {
        return List{t[0], ones({3}, wide), arange(3), t[0] * 2};
      },
      List{x});
  CHECK(difference(y[0], x) == "");
  CHECK(y[2].to_vector<int64_t>() == std::vector<int64_t>{0, 1, 2});
  tape.backward(sum(y[0] * 3 + y[1] + y[3]));
  CHECK(x.grad().to_vector<double>() == std::vector<double>{5, 5, 5});
}

TEST_CASE("a checkpoint without a tape is a call", "[checkpoint]") {
  CHECK(checkpoint([](const Tensor& t) { return t * 2; }, scalar(3)).item() == 6);
}

TEST_CASE("a checkpoint whose function changes is an error", "[checkpoint]") {
  const Tensor x = parameter({3}, 1), w = parameter({3}, 2);
  int call = 0;
  const auto use = [&](auto f) {
    call = 0;
    Tape tape;
    const Tensor y = checkpoint(f, x);
    tape.backward(sum(y));
  };
  refused({x, w}, {"[checkpoint]", "result 0", "[3]", "[1]"},
          [&] { use([&](const Tensor& t) { return call++ == 0 ? t * 2 : narrow(t, 0, 0, 1); }); });
  refused({x, w}, {"[checkpoint]", "other tracked tensors", "2 instead of 1"},
          [&] { use([&](const Tensor& t) { return call++ == 0 ? t * 2 : t * w; }); });
  CHECK_FALSE(x.grad().defined());
}

TEST_CASE("a checkpoint's input changed in place is an error that says so", "[checkpoint]") {
  const Tensor x = parameter({3}, 1);
  Tensor factor = ones({3}, wide);
  Tape tape;
  const Tensor y = checkpoint([](const List& t) { return List{t[0] * t[1]}; }, List{x, factor})[0];
  factor.fill_(2);
  refused({x}, {"[checkpoint]", "changed in place", "[3]"}, [&] { tape.backward(sum(y)); });
}

TEST_CASE("a checkpoint's intermediate value that escapes is refused outside", "[checkpoint]") {
  const Tensor x = parameter({3}, 1);
  Tensor escaped;
  Tape tape;
  checkpoint([&](const Tensor& t) { return (escaped = t * 2) * 3; }, x);
  refused({x}, {"another tape"}, [&] { tape.backward(sum(escaped)); });
}

TEST_CASE("a scan within a memory budget gives the same gradients from less", "[checkpoint]") {
  constexpr int64_t steps = 128, batch = 32, width = 64;
  // A step of this LSTM saves seven values of N x H, 57 kB, and 7.3 MB in all; the state takes 16 kB.
  constexpr int64_t budget = 1 << 20;
  manual_seed(1);
  const Tensor x = randn({steps, batch, width});
  for (const bool bidirectional : {false, true}) {
    std::vector<std::vector<Tensor>> gradients;
    std::vector<size_t> saved, peak;
    for (const int64_t bytes : {int64_t{0}, budget}) {
      manual_seed(2);
      LSTM lstm(width, width, {.bidirectional = bidirectional, .memory_budget = bytes});
      release_cached_memory();
      {
        Tape tape;
        const auto [y, state] = lstm(x);
        saved.push_back(detail::saved_bytes(*detail::current_recording(), 0, std::vector<Tensor>{x, y}));
        tape.backward(sum(y * y));
      }
      peak.push_back(cached_bytes());
      gradients.emplace_back();
      for (const Tensor& p : lstm.parameters()) gradients.back().push_back(p.grad());
    }
    // What the first step saves, by which the others were judged: seven values of N x H.
    CHECK(saved[1] == (bidirectional ? 2U : 1U) * 7 * batch * width * sizeof(float));
    if (peak[0] > 0) CHECK(peak[1] < peak[0] * 6 / 10);  // 0 where the block cache is off
    CAPTURE(peak);
    for (size_t i = 0; i < gradients[0].size(); ++i)
      CHECK(difference(gradients[1][i], gradients[0][i], 1e-4, 1e-4) == "");
  }
  refused({x}, {"[Recurrent]", "memory budget", "-1"}, [&] { LSTM(4, 4, {.memory_budget = -1}); });
}

}  // namespace reel
