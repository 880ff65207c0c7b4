// Gradients of gradients, nested tapes, long sequences on a small stack, and tapes of several threads.
#include <pthread.h>

#include <cmath>
#include <functional>
#include <thread>

#include "framework/tape.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

constexpr TensorOptions wide{.dtype = DType::float64};

/// f and its first three derivatives at x, each by differentiating the one before on the same tape.
std::vector<Tensor> derivatives(const std::function<Tensor(const Tensor&)>& f, const Tensor& x) {
  Tape tape;
  tape.watch(x);
  std::vector<Tensor> result{f(x)};
  for (int order = 1; order <= 3; ++order)
    result.push_back(tape.gradient(result.back(), {x}, {.gradient = ones_like(x), .create_graph = true})[0]);
  return result;
}

/// The same by tapes within tapes.
Tensor nested_derivative(const std::function<Tensor(const Tensor&)>& f, const Tensor& x, int order) {
  if (order == 0) return f(x);
  Tape tape;
  tape.watch(x);
  const Tensor y = nested_derivative(f, x, order - 1);
  return tape.gradient(y, {x}, {.gradient = ones_like(x), .create_graph = true})[0];
}

struct Job {
  std::function<void()> f;
  std::exception_ptr failure;
};

void run_with_stack(size_t bytes, const std::function<void()>& f) {
  Job job{f, nullptr};
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, bytes) == 0);
  pthread_t thread;
  const auto run = [](void* argument) -> void* {
    auto& self = *static_cast<Job*>(argument);
    try {
      self.f();
    } catch (...) {
      self.failure = std::current_exception();
    }
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, run, &job) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
  if (job.failure) std::rethrow_exception(job.failure);
}

}  // namespace

TEST_CASE("the first three derivatives of x^4", "[tape]") {
  const Tensor x = tensor({-1.5, 0.5, 2}, wide);
  const std::vector<std::function<Tensor(const Tensor&)>> ways = {
      [](const Tensor& t) { return t * t * t * t; }, [](const Tensor& t) { return pow(t, 4); },
      [](const Tensor& t) { return square(square(t)); }};
  for (const auto& f : ways) {
    const auto d = derivatives(f, x);
    CHECK(difference(d[1], 4 * x * x * x, 0, 1e-13) == "");
    CHECK(difference(d[2], 12 * x * x, 0, 1e-13) == "");
    CHECK(difference(d[3], 24 * x, 0, 1e-13) == "");
    for (int order = 1; order <= 3; ++order)
      CHECK(difference(nested_derivative(f, x, order), d[static_cast<size_t>(order)], 0, 1e-13) == "");
  }
}

TEST_CASE("the first three derivatives of tanh", "[tape]") {
  const Tensor x = tensor({-0.8, 0.1, 1.2}, wide);
  const auto d = derivatives([](const Tensor& t) { return tanh(t); }, x);
  const Tensor y = tanh(x), slope = 1 - y * y;
  CHECK(difference(d[1], slope, 1e-14) == "");
  CHECK(difference(d[2], -2 * y * slope, 1e-14) == "");
  CHECK(difference(d[3], slope * (6 * y * y - 2), 1e-14) == "");
}

TEST_CASE("the derivative of a gradient's size reaches parameters through backward", "[tape]") {
  // Double back-propagation: the penalty |dL/dx|^2 with L = sum(w x^2), so that dL/dx = 2 w x, d penalty/dw =
  // 8 w x^2.
  Tensor w = tensor({0.5, -1}, wide).requires_grad_();
  const Tensor x = tensor({3, 2}, wide);
  Tape tape;
  tape.watch(x);
  const Tensor slope = tape.gradient(sum(w * x * x), {x}, {.create_graph = true})[0];
  tape.backward(sum(slope * slope));
  CHECK(difference(w.grad(), tensor({8 * 0.5 * 9, 8 * -1 * 4.0}, wide), 1e-13) == "");
}

TEST_CASE("a gradient is recorded only if asked for", "[tape]") {
  const Tensor x = tensor({2}, wide);
  Tape tape;
  tape.watch(x);
  const Tensor y = x * x * x;
  const size_t ops = tape.size();
  const Tensor plain = tape.gradient(y, {x}, {.retain_graph = true})[0];
  CHECK(tape.size() == ops);
  CHECK_THROWS_AS(tape.gradient(plain, {x}), Error);
  const Tensor recorded = tape.gradient(y, {x}, {.create_graph = true})[0];
  CHECK(tape.size() > ops);
  CHECK(tape.gradient(recorded, {x})[0].item() == 12);
}

TEST_CASE("an inner tape counts and differentiates what ran under it, the outer one all", "[tape]") {
  Tensor x = tensor({3}, wide).requires_grad_();
  Tape outer;
  const Tensor a = x * x;
  Tensor b;
  {
    Tape inner;
    b = a * a;
    CHECK(inner.size() == 1);
    CHECK(inner.gradient(b, {a}, {.create_graph = true})[0].item() == 18);
  }
  CHECK(outer.size() > 2);
  outer.backward(b);
  CHECK(x.grad().item() == 4 * 27);
}

TEST_CASE("20,000 steps go forward, back and away on a stack of 256 KB", "[tape]") {
  constexpr int steps = 20000;
  double got = 0;
  run_with_stack(size_t{256} << 10, [&] {
    Tensor w = tensor({0.9, -0.8}, wide).requires_grad_();
    const Tensor x = tensor({0.1, 0.2}, wide);
    {
      Tape tape;
      Tensor h = zeros({2}, wide);
      for (int i = 0; i < steps; ++i) h = tanh(w * h + x);
      tape.backward(sum(h));
    }
    got = sum(w.grad()).item();
  });
  // h settles at the fixed point h = tanh(w h + x), where dh/dw = s h / (1 - s w) with s = 1 - h^2.
  double expected = 0;
  for (const auto& [w, x] : {std::pair{0.9, 0.1}, std::pair{-0.8, 0.2}}) {
    double h = 0;
    for (int i = 0; i < steps; ++i) h = std::tanh(w * h + x);
    expected += (1 - h * h) * h / (1 - (1 - h * h) * w);
  }
  CHECK(std::abs(got - expected) < 1e-12);
}

TEST_CASE("a tape that is dropped without backward goes on a small stack too", "[tape]") {
  CHECK_NOTHROW(run_with_stack(size_t{256} << 10, [] {
    Tensor w = tensor({0.9}).requires_grad_();
    Tensor h = zeros({1});
    Tape tape;
    for (int i = 0; i < 20000; ++i) h = tanh(w * h + 0.1);
  }));
}

TEST_CASE("threads with tapes of their own share parameters", "[tape]") {
  Tensor w = tensor({2, 3}, wide).requires_grad_();
  std::vector<Tensor> gradients(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < gradients.size(); ++i)
    threads.emplace_back([&, i] {
      for (int round = 0; round < 200; ++round) {
        Tape tape;
        gradients[i] = tape.gradient(sum(w * w * static_cast<double>(i + 1)), {w})[0];
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < gradients.size(); ++i)
    CHECK(difference(gradients[i], tensor({4, 6}, wide) * static_cast<double>(i + 1)) == "");
}

TEST_CASE("leaves keep gradients of their own when backward is recorded", "[tape]") {
  Tensor a = tensor({1, 2}).requires_grad_(), b = tensor({3, 4}).requires_grad_();
  for (int round = 0; round < 2; ++round) {  // the second meets gradients of a tape that has ended
    Tape tape;
    tape.backward(sum((a + b) * 2), {.create_graph = true});
    CHECK(a.grad().raw_bytes() != b.grad().raw_bytes());
    CHECK(a.grad().is_contiguous());
  }
  CHECK(a.grad().to_vector<float>() == std::vector<float>{4, 4});
}

}  // namespace reel
