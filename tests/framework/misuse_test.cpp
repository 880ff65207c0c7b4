// What a user can do wrong with tensors and tapes: each ends in an Error that says what is wrong, and the
// library goes on. Wrong arguments of ops stand in tests/ops/misuse_test.cpp.
#include "tests/framework/misuse.h"

#include <cmath>
#include <limits>
#include <thread>

#include "framework/random.h"
#include "framework/tape.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel {
namespace {

constexpr int64_t huge = int64_t{1} << 40;

/// A whole step from forward to gradient, which must work after any misuse.
void check_library_works() {
  Tensor w = tensor({2, 3}).requires_grad_();
  Tape tape;
  tape.backward(sum(w * w));
  CHECK(difference(w.grad(), tensor({4, 6})) == "");
}

}  // namespace

TEST_CASE("shapes that no tensor can have", "[misuse]") {
  refused({}, {"empty", "at least 0", "[2, -1]"}, [] { zeros({2, -1}); });
  refused({}, {"empty", "[-3]"}, [] { full({-3}, 1); });
  refused({}, {"8"}, [] { zeros({1, 1, 1, 1, 1, 1, 1, 1, 1}); });
  refused({}, {"empty", "float32", "[1099511627776, 1099511627776]"}, [] { zeros({huge, huge}); });
  refused({}, {"empty", "fit"}, [] { empty({std::numeric_limits<int64_t>::max()}); });
  refused({}, {"empty"}, [] {
    empty({std::numeric_limits<int64_t>::max(), 2, std::numeric_limits<int64_t>::max()});
  });
  refused({}, {"memory", "43980465"}, [] { empty({huge}); });
  refused({}, {"at least 0"}, [] { eye(-1); });
  refused({}, {"fit"}, [] { eye(huge); });
  refused({}, {"linspace", "-2"}, [] { linspace(0, 1, -2); });
  refused({}, {"arange", "step"}, [] { arange(0, 3, 0); });
  CHECK(zeros({0, huge}).numel() == 0);
  check_library_works();
}

TEST_CASE("a floating arange that cannot be", "[misuse]") {
  refused({}, {"[arange]", "step", "0"}, [] { arange(0.0, 1.0, 0.0); });
  refused({}, {"[arange]", "floating", "int64"}, [] { arange(0.0, 1.0, 0.5, {.dtype = DType::int64}); });
  refused({}, {"[arange]", "count", "inf"}, [] { arange(0.0, std::numeric_limits<double>::infinity()); });
  refused({}, {"[arange]", "count", "nan"}, [] { arange(0.0, std::numeric_limits<double>::quiet_NaN()); });
  refused({}, {"[logspace]", "floating", "int64"}, [] { logspace(0, 1, 3, 10, {.dtype = DType::int64}); });
  refused({}, {"[logspace]", "-2"}, [] { logspace(0, 1, -2); });
}

TEST_CASE("an arange too long to count", "[misuse]") {
  refused({}, {"["},
          [] { arange(std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()); });
}

TEST_CASE("values that do not fit", "[misuse]") {
  refused({}, {"from_vector", "3", "[2, 2]"}, [] { from_vector<float>({1, 2, 3}, {2, 2}); });
  refused({}, {"[-1, -1]"}, [] { from_vector<float>({1}, {-1, -1}); });
  refused({}, {"tensor", "2", "1"}, [] { tensor({{1, 2}, {3}}); });
  refused({}, {"full", "0.5", "int64"}, [] { full({2}, 0.5, {.dtype = DType::int64}); });
  refused({}, {"full", "300", "uint8"}, [] { full({2}, 300, {.dtype = DType::uint8}); });
  refused({}, {"full", "2", "bool"}, [] { full({2}, 2, {.dtype = DType::boolean}); });
  refused({}, {"full", "nan", "int64"}, [] { full({2}, NAN, {.dtype = DType::int64}); });
  refused({}, {"full", "int64"}, [] { full({2}, 0x1p63, {.dtype = DType::int64}); });
  refused({}, {"linspace", "floating", "int64"}, [] { linspace(0, 1, 3, {.dtype = DType::int64}); });
  check_library_works();
}

TEST_CASE("reading a tensor as what it is not", "[misuse]") {
  const Tensor x = tensor({{1, 2}, {3, 4}}), n = arange(3), t = transpose(x);
  refused({x}, {"item", "one element", "float32 [2, 2]"}, [&] { x.item(); });
  refused({x}, {"item", "integer", "float32"}, [&] { select(select(x, 0, 0), 0, 0).item<int64_t>(); });
  refused({}, {"item", "one element", "[0]"}, [&] { zeros({0}).item(); });
  refused({x}, {"data", "int64", "float32 [2, 2]"}, [&] { x.data<int64_t>(); });
  refused({n}, {"to_vector", "float32", "int64 [3]"}, [&] { n.to_vector<float>(); });
  refused({t}, {"data", "contiguous", "[2, 2]"}, [&] { t.data<float>(); });
  refused({t}, {"mutable_data", "contiguous"}, [&] { Tensor(t).mutable_data<float>(); });
  refused({x}, {"size", "axis 2"}, [&] { x.size(2); });
  refused({x}, {"size", "axis -3"}, [&] { x.size(-3); });
  check_library_works();
}

TEST_CASE("in-place changes that cannot be", "[misuse]") {
  Tensor x = tensor({{1, 2}, {3, 4}}), n = arange(3);
  refused({x}, {"copy_", "float32", "int64 [3]"}, [&] { x.copy_(n); });
  refused({x}, {"copy_", "[3]", "[2, 2]"}, [&] { x.copy_(zeros({3})); });
  refused({x}, {"copy_", "[2, 2, 2]", "[2, 2]"}, [&] { x.copy_(zeros({2, 2, 2})); });
  refused({n}, {"0.5", "int64"}, [&] { n.fill_(0.5); });
  refused({x}, {"undefined"}, [&] { x.copy_(Tensor()); });
  check_library_works();
}

TEST_CASE("writing different values to one place in memory", "[misuse]") {
  Tensor repeated = broadcast_to(zeros({1}), {3});
  refused({repeated}, {"copy_", "[3]"}, [&] { repeated.copy_(tensor({1, 2, 3})); });
}

TEST_CASE("gradients of what has none", "[misuse]") {
  Tensor n = arange(3), b = from_vector<bool>({true}), x = ones({2});
  refused({n}, {"requires_grad_", "floating", "int64 [3]"}, [&] { n.requires_grad_(); });
  refused({b}, {"requires_grad_", "floating", "bool [1]"}, [&] { b.requires_grad_(); });
  refused({x}, {"set_grad", "float32 [2]", "float32 [3]"}, [&] { x.set_grad(ones({3})); });
  refused({x}, {"set_grad", "float32 [2]", "float64 [2]"},
          [&] { x.set_grad(ones({2}, {.dtype = DType::float64})); });
  CHECK_FALSE(n.requires_grad());
  CHECK_FALSE(x.grad().defined());
  Tape tape;
  refused({n}, {"watch", "floating", "int64 [3]"}, [&] { tape.watch(n); });
}

TEST_CASE("asking a recorded result to be a leaf", "[misuse]") {
  Tensor w = ones({2}).requires_grad_();
  Tape tape;
  Tensor y = w * w;
  refused({y}, {"requires_grad_", "float32 [2]", "detach"}, [&] { y.requires_grad_(); });
}

TEST_CASE("backward from the wrong place", "[misuse]") {
  Tensor w = tensor({2, 3}).requires_grad_();
  const Tensor constant = ones({2}) * 2;
  {
    Tape tape;
    const Tensor y = w * w;
    refused({w, y}, {"backward", "[2]", "gradient"}, [&] { tape.backward(y); });
    refused({w, y}, {"backward", "float32 [2]", "float32 [3]"},
            [&] { tape.backward(y, {.gradient = ones({3})}); });
    refused({w, y}, {"backward", "float32 [2]", "float64 [2]"},
            [&] { tape.backward(y, {.gradient = ones({2}, {.dtype = DType::float64})}); });
    refused({constant}, {"backward", "not recorded", "float32 [2]"},
            [&] { tape.backward(constant, {.gradient = ones({2})}); });
    refused({constant}, {"gradient", "not recorded", "float32 [2]"},
            [&] { tape.gradient(y, {constant}, {.gradient = ones({2})}); });
    CHECK_FALSE(w.grad().defined());
    tape.backward(y, {.gradient = ones({2})});  // still possible
    CHECK(difference(w.grad(), tensor({4, 6})) == "");
  }
  check_library_works();
}

TEST_CASE("undefined tensors given to a tape", "[misuse]") {
  Tensor w = tensor({2, 3}).requires_grad_();
  Tape tape;
  const Tensor y = w * w;
  refused({}, {"undefined"}, [&] { tape.watch(Tensor()); });
  refused({}, {"undefined"}, [&] { tape.backward(Tensor()); });
  refused({y}, {"undefined"}, [&] { tape.gradient(y, {Tensor()}, {.gradient = ones({2})}); });
  refused({w}, {"undefined"}, [&] { tape.gradient(Tensor(), {w}); });
}

TEST_CASE("backward twice without retain_graph", "[misuse]") {
  Tensor w = tensor({2, 3}).requires_grad_();
  Tape tape;
  const Tensor y = w * w, upper = ones({2});
  tape.backward(y, {.gradient = upper});
  refused({w, y, w.grad()}, {"backward", "[mul]", "retain_graph"},
          [&] { tape.backward(y, {.gradient = upper}); });
  refused({w, y, w.grad()}, {"gradient", "[mul]", "retain_graph"},
          [&] { tape.gradient(y, {w}, {.gradient = upper}); });
}

TEST_CASE("changing in place what backward needs", "[misuse]") {
  Tensor w = tensor({2, 3}).requires_grad_(), x = tensor({1, 1});
  {
    Tape tape;
    const Tensor y = sum(w * x);
    x.fill_(5);
    refused({w, x, y}, {"backward", "[mul]", "float32 [2]", "fill_", "version 0", "version 1"},
            [&] { tape.backward(y); });
    CHECK_FALSE(w.grad().defined());
  }
  {
    Tape tape;
    const Tensor y = sum(w * x);
    Tensor part = narrow(x, 0, 0, 1);
    part.copy_(ones({1}));  // through a view as well
    refused({w, x, y}, {"[mul]", "copy_"}, [&] { tape.backward(y); });
  }
  {
    Tape tape;
    const Tensor y = sum(w * x);
    x.mutable_data<float>()[0] = 1;
    refused({w, x, y}, {"[mul]", "mutable_data"}, [&] { tape.backward(y); });
  }
  {
    Tape tape;
    const Tensor y = tanh(w);
    Tensor part = detach(y);  // off the tape, but the same memory
    part.fill_(0);
    refused({w, y}, {"backward", "[tanh]", "result", "fill_"}, [&] { tape.backward(sum(y)); });
  }
  check_library_works();
}

TEST_CASE("fill_ names itself as what changed a tensor", "[misuse]") {
  Tensor w = tensor({2, 3}).requires_grad_(), x = tensor({1, 1});
  Tape tape;
  const Tensor y = sum(w * x);
  x.fill_(5);
  refused({w, x, y}, {"[mul]", "[fill_]"}, [&] { tape.backward(y); });
}

TEST_CASE("changing a recorded result in place", "[misuse]") {
  Tensor w = tensor({2, 3}).requires_grad_();
  {
    Tape tape;
    Tensor y = w * w;
    Tensor view = narrow(y, 0, 0, 1);
    refused({y, view}, {"copy_", "float32 [2]", "in place"}, [&] { y.copy_(zeros({2})); });
    refused({y, view}, {"float32 [2]", "in place"}, [&] { y.fill_(0); });
    refused({y, view}, {"float32 [1]", "in place"}, [&] { view.fill_(0); });
    tape.backward(y, {.gradient = ones({2})});
  }
  CHECK(difference(w.grad(), tensor({4, 6})) == "");
}

TEST_CASE("using a tensor after its tape has ended", "[misuse]") {
  Tensor w = tensor({2, 3}).requires_grad_();
  Tensor y;
  {
    Tape tape;
    y = w * w;
  }
  CHECK_NOTHROW(y * 2);  // without a tape its value is free
  Tape tape;
  refused({w, y}, {"[mul]", "input 0", "float32 [2]", "another tape", "detach"}, [&] { y* w; });
  refused({w, y}, {"[mul]", "input 1"}, [&] { w* y; });
  refused({w, y}, {"backward", "another tape", "float32 [2]"},
          [&] { tape.backward(y, {.gradient = ones({2})}); });
  tape.backward(sum(detach(y) * w));
  CHECK(difference(w.grad(), tensor({4, 9})) == "");
}

TEST_CASE("using a tensor of another thread's tape", "[misuse]") {
  Tensor w = tensor({2, 3}).requires_grad_();
  Tape tape;
  const Tensor y = w * w;
  std::thread([&] {
    refused({y}, {"backward", "another thread"}, [&] { tape.backward(y, {.gradient = ones({2})}); });
    refused({y}, {"watch", "another thread"}, [&] { tape.watch(w); });
    Tape own;
    refused({y}, {"[mul]", "another tape", "float32 [2]"}, [&] { y* w; });
    refused({y}, {"backward", "another tape"}, [&] { own.backward(y, {.gradient = ones({2})}); });
    CHECK(own.gradient(sum(detach(y) * w), {w}).size() == 1);
  }).join();
  tape.backward(y, {.gradient = ones({2})});
  CHECK(difference(w.grad(), tensor({4, 6})) == "");
}

TEST_CASE("backward on an inner tape from what ran before it", "[misuse]") {
  Tensor w = tensor({2, 3}).requires_grad_();
  Tape outer;
  const Tensor y = sum(w * w);
  {
    Tape inner;
    refused({y}, {"backward", "not recorded"}, [&] { inner.backward(y); });
  }
  outer.backward(y);
  CHECK(difference(w.grad(), tensor({4, 6})) == "");
}

TEST_CASE("impossible random draws", "[misuse]") {
  Random random(1);
  refused({}, {"uniform", "1", "0"}, [&] { uniform({2}, 1, 0, {}, random); });
  refused({}, {"uniform", "floating", "int64"}, [&] { uniform({2}, 0, 1, {.dtype = DType::int64}, random); });
  refused({}, {"normal", "at least 0", "-1"}, [&] { normal({2}, 0, -1, {}, random); });
  refused({}, {"randint", "3"}, [&] { randint(3, 3, {2}, random); });
  refused({}, {"bernoulli", "[0, 1]", "1.5"}, [&] { bernoulli({2}, 1.5, {}, random); });
  refused({}, {"bernoulli", "[0, 1]", "nan"}, [&] { bernoulli({2}, NAN, {}, random); });
  refused({}, {"at least 1", "0"}, [&] { random.below(0); });
  refused({}, {"at least 0", "-2"}, [&] { permutation(-2, random); });
  refused({}, {"at least 0", "-2"}, [&] { randn({-2}, {}, random); });
  CHECK(random.position() == 0);
}

TEST_CASE("a range of whole numbers too wide to count", "[misuse]") {
  // The span, 2^64 - 1, exceeds int64; either it is refused or the draws lie in the range.
  Random random(1);
  const int64_t low = std::numeric_limits<int64_t>::min(), high = std::numeric_limits<int64_t>::max();
  refused({}, {"randint"}, [&] { randint(low, high, {4}, random); });
}

TEST_CASE("values on a tape are not copied into a tensor that is on none", "[misuse]") {
  Tensor w = ones({3}).requires_grad_(), out = zeros({2, 3});
  Tape tape;
  refused({out}, {"copy_", "detach", "float32 [3]"}, [&] { select(out, 0, 0).copy_(w * 2); });
  select(out, 0, 0).copy_(detach(w * 2));
  CHECK(difference(select(out, 0, 0), full({3}, 2)) == "");
}

TEST_CASE("in-place changes of empty tensors are nothing", "[tensor]") {
  Tensor x = zeros({3, 0});
  x.fill_(1).copy_(zeros({3, 0}));
  CHECK(x.numel() == 0);
}

}  // namespace reel
