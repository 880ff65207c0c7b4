#include "framework/tensor.h"

#include <cmath>
#include <limits>
#include <memory>
#include <sstream>

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

using Floats = std::vector<float>;

std::string without_spaces(std::string text) {
  text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return c == ' ' || c == '\n'; }),
             text.end());
  return text;
}

}  // namespace

TEST_CASE("nested lists are rows, down to columns of single values", "[tensor]") {
  CHECK(tensor({{2}, {6}}).shape() == Shape{2, 1});
  CHECK(tensor({{1, 2.5}, {3, 4}}).shape() == Shape{2, 2});
  CHECK(tensor({1, 2.5, 3}).shape() == Shape{3});
  CHECK(tensor({5}).shape() == Shape{1});
}

TEST_CASE("factories fill what they say", "[tensor]") {
  CHECK(zeros({2, 3}).to_vector<float>() == Floats(6, 0.F));
  CHECK(ones({2}, {.dtype = DType::int64}).to_vector<int64_t>() == std::vector<int64_t>{1, 1});
  CHECK(full({2}, 2.5, {.dtype = DType::float64}).to_vector<double>() == std::vector<double>{2.5, 2.5});
  CHECK(full({2}, 1, {.dtype = DType::boolean}).to_vector<bool>() == std::vector<bool>{true, true});
  CHECK(scalar(3).shape() == Shape{});
  CHECK(scalar(3).item() == 3);
  CHECK(eye(2).to_vector<float>() == Floats{1, 0, 0, 1});
  CHECK(eye(0).shape() == Shape{0, 0});
  CHECK(empty({2, 0, 3}).numel() == 0);
  const Tensor like = tensor({1, 2}, {.dtype = DType::float64});
  CHECK(difference(zeros_like(like), tensor({0, 0}, {.dtype = DType::float64})) == "");
  CHECK(difference(ones_like(like), tensor({1, 1}, {.dtype = DType::float64})) == "");
  CHECK(empty_like(like).dtype() == DType::float64);
}

TEST_CASE("arange is NumPy's", "[tensor]") {
  using Ints = std::vector<int64_t>;
  CHECK(arange(3).to_vector<int64_t>() == Ints{0, 1, 2});
  CHECK(arange(2, 5).to_vector<int64_t>() == Ints{2, 3, 4});
  CHECK(arange(0, 7, 3).to_vector<int64_t>() == Ints{0, 3, 6});
  CHECK(arange(5, 0, -2).to_vector<int64_t>() == Ints{5, 3, 1});
  CHECK(arange(5, 5).numel() == 0);
  CHECK(arange(5, 0).numel() == 0);
  CHECK(arange(0, 3, 1, {.dtype = DType::float32}).to_vector<float>() == Floats{0, 1, 2});
}

TEST_CASE("arange with a fraction among its numbers is floating", "[tensor]") {
  CHECK(arange(0, 1, 0.25).to_vector<float>() == Floats{0, 0.25, 0.5, 0.75});
  CHECK(arange(0.5, 3).to_vector<float>() == Floats{0.5, 1.5, 2.5});
  CHECK(arange(1.0, -1.0, -0.5).to_vector<float>() == Floats{1, 0.5, 0, -0.5});
  CHECK(arange(1.0, 0.0).numel() == 0);
  CHECK(arange(0, 4, 2).dtype() == DType::int64);
  // Computed in double from the start: no error adds up.
  CHECK(arange(0.0, 100.0, 0.1, {.dtype = DType::float64}).to_vector<double>()[999] == 999 * 0.1);
}

TEST_CASE("logspace and full_like", "[tensor]") {
  CHECK(logspace(0, 3, 4, 2).to_vector<float>() == Floats{1, 2, 4, 8});
  CHECK(logspace(-1, 1, 3).to_vector<float>() == Floats{0.1F, 1, 10});
  CHECK(difference(full_like(arange(2), 7), from_vector<int64_t>({7, 7})) == "");
}

TEST_CASE("linspace hits both ends exactly", "[tensor]") {
  const auto values = linspace(0.1, 0.7, 7, {.dtype = DType::float64}).to_vector<double>();
  CHECK(values.front() == 0.1);
  CHECK(values.back() == 0.7);
  for (size_t i = 0; i < 7; ++i) CHECK(std::abs(values[i] - (0.1 + 0.1 * static_cast<double>(i))) < 1e-15);
  CHECK(linspace(3, 9, 1).to_vector<float>() == Floats{3});
  CHECK(linspace(3, 9, 0).numel() == 0);
}

TEST_CASE("tensors from values", "[tensor]") {
  const Tensor x = from_vector<double>({1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK(x.dtype() == DType::float64);
  CHECK(x.shape() == Shape{2, 3});
  CHECK(x.strides() == Shape{3, 1});
  CHECK(tensor({{1, 2}, {3, 4}}).to_vector<float>() == Floats{1, 2, 3, 4});
  CHECK(tensor({1, 2}, {.dtype = DType::int64}).to_vector<int64_t>() == std::vector<int64_t>{1, 2});
  CHECK(from_vector<bool>({true, false}).to_vector<bool>() == std::vector<bool>{true, false});
  CHECK(from_vector<uint8_t>({0, 255}).to_vector<uint8_t>() == std::vector<uint8_t>{0, 255});
  CHECK(from_vector<float>({}).shape() == Shape{0});
}

TEST_CASE("from_blob shows foreign memory and keeps its owner alive", "[tensor]") {
  auto memory = std::make_shared<Floats>(Floats{1, 2, 3, 4});
  const std::weak_ptr<Floats> watcher = memory;
  Tensor x = from_blob(memory->data(), {2, 2}, DType::float32, memory);
  CHECK(x.data<float>() == memory->data());
  memory.reset();
  const Tensor row = select(x, 0, 1);
  x = Tensor();
  REQUIRE_FALSE(watcher.expired());
  CHECK(row.to_vector<float>() == Floats{3, 4});
  const Tensor moved = std::exchange(const_cast<Tensor&>(row), Tensor());
  CHECK_FALSE(watcher.expired());
  const_cast<Tensor&>(moved) = Tensor();
  CHECK(watcher.expired());
}

TEST_CASE("copies share the data, views as well", "[tensor]") {
  Tensor x = zeros({2, 3});
  const Tensor copy = x, row = select(x, 0, 1), turned = transpose(x);
  x.fill_(4);
  CHECK(copy.to_vector<float>() == Floats(6, 4.F));
  CHECK(row.to_vector<float>() == Floats(3, 4.F));
  CHECK(turned.to_vector<float>() == Floats(6, 4.F));
  Tensor column = select(x, 1, 2);
  column.copy_(tensor({7, 8}));
  CHECK(x.to_vector<float>() == Floats{4, 4, 7, 4, 4, 8});
}

TEST_CASE("an undefined tensor is one that nothing can be done with", "[tensor]") {
  Tensor x;
  CHECK_FALSE(x.defined());
  CHECK(x.str() == "undefined");
  CHECK_THROWS_AS(x.shape(), Error);
  CHECK_THROWS_AS(x.numel(), Error);
  CHECK_THROWS_AS(x.item(), Error);
  CHECK_THROWS_AS(x.to_vector<float>(), Error);
  CHECK_THROWS_AS(x.requires_grad_(), Error);
  CHECK_THROWS_AS(x.grad(), Error);
  CHECK_THROWS_AS(x.zero_grad(), Error);
  CHECK_THROWS_AS(x.fill_(1), Error);
  CHECK_THROWS_AS(x.version(), Error);
  CHECK_THROWS_AS(x.size(0), Error);
}

TEST_CASE("extents by axis, also from the end", "[tensor]") {
  const Tensor x = zeros({2, 3, 4});
  CHECK(x.rank() == 3);
  CHECK(x.size(0) == 2);
  CHECK(x.size(-1) == 4);
  CHECK(x.numel() == 24);
  CHECK_THROWS_WITH(x.size(3), contains_text("axis 3"));
}

TEST_CASE("contiguous is row-major without gaps", "[tensor]") {
  const Tensor x = zeros({3, 4});
  CHECK(x.is_contiguous());
  CHECK(narrow(x, 0, 1, 2).is_contiguous());
  CHECK(narrow(x, 0, 1, 1).is_contiguous());
  CHECK_FALSE(narrow(x, 1, 1, 2).is_contiguous());
  CHECK_FALSE(transpose(x).is_contiguous());
  CHECK_FALSE(broadcast_to(zeros({4}), {3, 4}).is_contiguous());
  CHECK(transpose(zeros({3, 1})).is_contiguous());
  CHECK(transpose(zeros({0, 4})).is_contiguous());
}

TEST_CASE("item gives the value of one element, in a type that fits", "[tensor]") {
  CHECK(tensor({2.5}).item() == 2.5);
  CHECK(tensor({2.5}).item<float>() == 2.5F);
  CHECK(arange(8, 9).item<int64_t>() == 8);
  CHECK(arange(8, 9).item<int>() == 8);
  CHECK(arange(8, 9).item() == 8.0);
  CHECK(from_vector<bool>({true}).item<bool>());
  CHECK(reshape(tensor({3}), {1, 1, 1}).item() == 3);
  CHECK(select(tensor({3, 4}), 0, 1).item() == 4);
}

TEST_CASE("in-place changes raise the version that views and copies share", "[tensor]") {
  Tensor x = zeros({2, 2});
  CHECK(x.version() == 0);
  Tensor row = select(x, 0, 0);
  row.fill_(1);
  CHECK(x.version() == 1);
  x.copy_(tensor({5, 6}));  // broadcast
  CHECK(row.version() == 2);
  CHECK(x.to_vector<float>() == Floats{5, 6, 5, 6});
  x.mutable_data<float>()[3] = 9;
  CHECK(detach(x).version() == 3);
  CHECK(clone(x).version() == 0);
  CHECK(x.data<float>()[3] == 9);
  CHECK(x.version() == 3);  // reading is no change
}

TEST_CASE("in-place changes under a tape are for what it has not recorded", "[tensor]") {
  Tensor x = ones({2});
  Tape tape;
  tape.watch(x);
  Tensor y = x * x;
  CHECK_THROWS_WITH(y.fill_(0), contains_text("in place"));
  CHECK(y.to_vector<float>() == Floats{1, 1});
  Tensor free = zeros({2});
  CHECK_NOTHROW(free.fill_(3));
  CHECK_THROWS_WITH(free.copy_(y), contains_text("detach"));
}

TEST_CASE("copy_ of a tensor's own transpose sees the old values", "[tensor]") {
  Tensor x = tensor({{1, 2}, {3, 4}});
  x.copy_(transpose(x));
  CHECK(x.to_vector<float>() == Floats{1, 3, 2, 4});
}

TEST_CASE("gradients are kept beside a tensor", "[tensor]") {
  Tensor x = ones({2});
  CHECK_FALSE(x.requires_grad());
  CHECK(x.requires_grad_().requires_grad());
  CHECK_FALSE(x.grad().defined());
  x.set_grad(tensor({3, 4}));
  CHECK(x.grad().to_vector<float>() == Floats{3, 4});
  x.zero_grad();
  CHECK_FALSE(x.grad().defined());
  CHECK_FALSE(x.requires_grad_(false).requires_grad());
}

TEST_CASE("tensors print as in NumPy, with dtype and shape below", "[tensor]") {
  CHECK(arange(4).str() == "[0, 1, 2, 3]\nint64 [4]");
  CHECK(reshape(arange(4), {2, 2}).str() == "[[0, 1],\n [2, 3]]\nint64 [2, 2]");
  CHECK(without_spaces(tensor({{1, 2}, {3, 4}}).str()) == "[[1.,2.],[3.,4.]]float32[2,2]");
  CHECK(without_spaces(tensor({1, 2.5, -3}).str()) == "[1.,2.5,-3.]float32[3]");
  CHECK(without_spaces(tensor({0.1}).str()) == "[0.1]float32[1]");
  CHECK(without_spaces(tensor({INFINITY, NAN}).str()) == "[inf,nan]float32[2]");
  CHECK(without_spaces(transpose(tensor({{1, 2}, {3, 4}})).str()) == "[[1.,3.],[2.,4.]]float32[2,2]");
  CHECK(scalar(2.5).str() == "2.5\nfloat32 []");
  CHECK(zeros({0, 3}).str() == "[]\nfloat32 [0, 3]");
  CHECK(tensor({1, 2}, {.dtype = DType::uint8}).str() == "[1, 2]\nuint8 [2]");
  CHECK(arange(2000).str().find("...") != std::string::npos);
  std::ostringstream stream;
  stream << arange(2);
  CHECK(stream.str() == arange(2).str());
}

}  // namespace reel
