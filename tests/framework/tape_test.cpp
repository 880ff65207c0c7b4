// What a tape records and the gradients that it gives back.
#include "framework/tape.h"

#include <cmath>
#include <memory>
#include <thread>

#include "framework/memory.h"
#include "framework/random.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/indexing.h"
#include "ops/math.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

constexpr TensorOptions wide{.dtype = DType::float64};

bool share_memory(const Tensor& a, const Tensor& b) {
  return a.impl()->storage.get() == b.impl()->storage.get();
}

}  // namespace

TEST_CASE("gradients of a small function are those of calculus", "[tape]") {
  Tensor x = tensor({1, 2}, wide).requires_grad_(), y = tensor({3, 4}, wide).requires_grad_();
  Tape tape;
  const Tensor f = sum(x * x * y + sin(x));  // df/dx = 2xy + cos x, df/dy = x^2
  CHECK(std::abs(f.item() - (3 + std::sin(1) + 16 + std::sin(2))) < 1e-14);
  tape.backward(f);
  CHECK(difference(x.grad(), tensor({6 + std::cos(1), 16 + std::cos(2)}, wide), 1e-14) == "");
  CHECK(difference(y.grad(), tensor({1, 4}, wide), 1e-14) == "");
  CHECK_FALSE(f.grad().defined());
}

TEST_CASE("nothing is recorded without a tape, under NoTape, or without need", "[tape]") {
  Tensor w = ones({2}).requires_grad_();
  const Tensor before = w * w;
  Tape tape;
  CHECK(tape.size() == 0);
  const Tensor constant = ones({2}) * ones({2});
  CHECK(tape.size() == 0);
  {
    const NoTape none;
    const Tensor unseen = w * w;
    const NoTape nested;
    CHECK(tape.size() == 0);
  }
  const Tensor seen = w * constant;
  CHECK(tape.size() == 1);
  CHECK_THROWS_AS(tape.gradient(before, {w}, {.gradient = ones({2})}), Error);
}

TEST_CASE("backward adds to what earlier calls left", "[tape]") {
  Tensor x = tensor({1, 2}).requires_grad_();
  for (int call = 1; call <= 3; ++call) {
    Tape tape;
    tape.backward(sum(x * 3));
    CHECK(difference(x.grad(), full({2}, 3.0 * call)) == "");
  }
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
  Tape tape;
  tape.backward(sum(x * 5));
  CHECK(difference(x.grad(), full({2}, 5)) == "");
}

TEST_CASE("adding to a gradient does not change one that was taken out before", "[tape]") {
  Tensor x = tensor({1, 2}).requires_grad_();
  Tensor first;
  for (int call = 0; call < 2; ++call) {
    Tape tape;
    tape.backward(sum(x * 3));
    if (call == 0) first = x.grad();
  }
  CHECK(difference(first, full({2}, 3)) == "");
  CHECK(difference(x.grad(), full({2}, 6)) == "");
}

TEST_CASE("a leaf used in many places gets the sum", "[tape]") {
  Tensor w = tensor({{1, 2}, {3, 4}}, wide).requires_grad_();
  const Tensor a = tensor({{1, 1}, {2, 0}}, wide);
  Tape tape;
  // d/dw of sum(a w) + sum(w a) + sum(w) + sum of w's first row
  tape.backward(sum(matmul(a, w)) + sum(matmul(w, a)) + sum(w) + sum(select(w, 0, 0)));
  CHECK(difference(w.grad(), tensor({{3 + 2 + 1 + 1, 3 + 2 + 1 + 1}, {1 + 2 + 1, 1 + 2 + 1}}, wide)) == "");
}

TEST_CASE("parts of a tensor that is used as a whole too get the sum", "[tape]") {
  // The whole is used after the parts were taken, beside another leaf: its gradient is there first, and
  // shared.
  const Tensor x = tensor({{1, 2}, {3, 4}}), y = ones({2, 2});
  const auto gradient = [&](const std::function<Tensor(const Tensor&)>& part) {
    Tape tape;
    tape.watch(x);
    tape.watch(y);
    const Tensor taken = part(x);
    return tape.gradient(sum(x + y) + sum(taken), {x})[0];
  };
  CHECK(difference(gradient([](const Tensor& t) { return unbind(t)[1]; }), tensor({{1, 1}, {2, 2}})) == "");
  CHECK(difference(gradient([](const Tensor& t) { return split(t, 1)[1]; }), tensor({{1, 1}, {2, 2}})) == "");
  CHECK(difference(gradient([](const Tensor& t) { return select(t, 0, 1); }), tensor({{1, 1}, {2, 2}})) ==
        "");
  CHECK(difference(gradient([](const Tensor& t) { return embedding(t, arange(1, 2)); }),
                   tensor({{1, 1}, {2, 2}})) == "");
}

TEST_CASE("the gradient of what y does not depend on is zero", "[tape]") {
  const Tensor x = tensor({1, 2}), other = ones({3});
  Tensor parameter = ones({2, 2}).requires_grad_();
  Tape tape;
  for (const Tensor& t : {x, other}) tape.watch(t);
  const Tensor y = x * x;
  const auto gradients = tape.gradient(y, {x, other, parameter}, {.gradient = ones({2})});
  CHECK(difference(gradients[0], tensor({2, 4})) == "");
  CHECK(difference(gradients[1], zeros({3})) == "");
  CHECK(difference(gradients[2], zeros({2, 2})) == "");
  CHECK_FALSE(parameter.grad().defined());
}

TEST_CASE("gradients with respect to results, and to y itself", "[tape]") {
  const Tensor x = tensor({2, 3});
  Tape tape;
  tape.watch(x);
  const Tensor h = x * x, y = h * h;
  const auto gradients = tape.gradient(y, {h, x, y}, {.gradient = tensor({1, 10})});
  CHECK(difference(gradients[0], tensor({8, 180})) == "");    // 2h
  CHECK(difference(gradients[1], tensor({32, 1080})) == "");  // 4x^3
  CHECK(difference(gradients[2], tensor({1, 10})) == "");
}

TEST_CASE("going back as far as a result leaves what lies before it intact", "[tape]") {
  const Tensor x = tensor({2, 3});
  Tape tape;
  tape.watch(x);
  const Tensor h = x * x, y = h * h;
  const Tensor upper = tape.gradient(y, {h}, {.gradient = ones({2})})[0];
  CHECK(difference(tape.gradient(h, {x}, {.gradient = upper})[0], tensor({32, 108})) == "");
}

TEST_CASE("retain_graph lets backward run again", "[tape]") {
  Tensor x = tensor({2}).requires_grad_();
  Tape tape;
  const Tensor y = x * x * x;
  tape.backward(y, {.retain_graph = true});
  tape.backward(y);
  CHECK(x.grad().item() == 24);
  CHECK_THROWS_AS(tape.backward(y), Error);
  CHECK(x.grad().item() == 24);
}

TEST_CASE("several results of one tape can be gone back from in turn", "[tape]") {
  Tensor x = tensor({2}).requires_grad_();
  Tape tape;
  const Tensor a = x * x, b = x * 5;
  tape.backward(a);
  tape.backward(b);
  CHECK(x.grad().item() == 9);
}

TEST_CASE("leaves that receive the same gradient do not share its memory", "[tape]") {
  Tensor a = ones({2}).requires_grad_(), b = ones({2}).requires_grad_(), c = ones({2}).requires_grad_();
  const Tensor upper = tensor({3, 4});
  Tape tape;
  tape.backward(a + b + c, {.gradient = upper});
  CHECK_FALSE(share_memory(a.grad(), b.grad()));
  CHECK_FALSE(share_memory(b.grad(), c.grad()));
  for (const Tensor& x : {a, b, c}) CHECK_FALSE(share_memory(x.grad(), upper));
  a.grad().fill_(0);
  CHECK(difference(b.grad(), tensor({3, 4})) == "");
  CHECK(difference(upper, tensor({3, 4})) == "");
}

TEST_CASE("a leaf that is its own result's only input gets memory of its own", "[tape]") {
  Tensor x = ones({2}).requires_grad_();
  Tape tape;
  tape.backward(sum(broadcast_to(x, {3, 2})));
  CHECK(difference(x.grad(), full({2}, 3)) == "");
  CHECK(x.grad().is_contiguous());
}

TEST_CASE("backward from a leaf gives it the gradient it was given", "[tape]") {
  Tensor x = ones({2}).requires_grad_();
  Tape tape;
  tape.watch(x);
  tape.backward(x, {.gradient = tensor({3, 4})});
  CHECK(difference(x.grad(), tensor({3, 4})) == "");
}

TEST_CASE("what backward does not read may be changed in place", "[tape]") {
  Tensor x = tensor({0, 1}, wide).requires_grad_(), w = tensor({2, 3}, wide);
  Tape tape;
  const Tensor y = sum(exp(x) + x * 2);  // exp reads its result, + and * 2 nothing
  x.copy_(w);
  tape.backward(y);
  CHECK(difference(x.grad(), tensor({1 + 2, std::exp(1) + 2}, wide), 1e-15) == "");
}

TEST_CASE("a step of training leaves memory as it found it", "[tape]") {
  Random random(1);
  Tensor w = randn({40, 40}, {}, random).requires_grad_(), b = zeros({40}).requires_grad_();
  const Tensor x = randn({8, 40}, {}, random);
  size_t after_warm_up = 0;
  for (int step = 0; step < 20; ++step) {
    Tape tape;
    Tensor h = x;
    for (int layer = 0; layer < 5; ++layer) h = tanh(addmm(b, h, w));
    tape.backward(mean(h * h));
    const NoTape none;
    for (Tensor& p : std::vector<Tensor>{w, b}) {
      p.copy_(p - p.grad() * 0.1);
      p.zero_grad();
    }
    if (step == 3) after_warm_up = cached_bytes();
    if (step > 3) CHECK(cached_bytes() == after_warm_up);
  }
}

TEST_CASE("threads with tapes of their own add to shared parameters", "[tape]") {
  Tensor w = ones({64}).requires_grad_();
  const auto work = [&w] {
    for (int i = 0; i < 200; ++i) {
      Tape tape;
      tape.backward(sum(w * 2));
    }
  };
  std::thread first(work), second(work);
  first.join();
  second.join();
  CHECK(w.grad().to_vector<float>() == std::vector<float>(64, 800));
}

TEST_CASE("a tape that ends on another thread leaves its own thread able to record", "[tape]") {
  auto tape = std::make_unique<Tape>();
  std::thread([&tape] { tape.reset(); }).join();
  Tensor w = tensor({3}).requires_grad_();
  Tape next;
  next.backward(sum(w * w));
  CHECK(w.grad().item() == 6);
}

}  // namespace reel
