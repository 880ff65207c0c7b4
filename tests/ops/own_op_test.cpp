// Ops of a user's own, as README shows them: the two structs below stand there word for word. Nothing but reel.h is
// included for them.
#include <reel/reel.h>

#include <fstream>
#include <sstream>

#include "tests/catch.h"
#include "tests/reference.h"

namespace {

using namespace reel;

// README has its comments in columns.
// clang-format off
// README: elementwise
struct SoftClip {                                // s tanh(x / s), within -s and s
  static constexpr std::string_view name = "soft_clip";
  double s;
  template <class T> T value(T x) const {
    using std::tanh;
    return T(s) * tanh(x / T(s));
  }
  template <class T> T slope(T, T y) const {     // dy/dx from x and y; only y is kept, for only y is read
    return T(1) - y * y / T(s * s);
  }
};
Tensor soft_clip(const Tensor& x, double s) { return apply(SoftClip{s}, x); }
// README: general
struct LinearRecurrence {                        // y[t] = a[t] y[t - 1] + x[t], or from the end: a[t] y[t + 1] + x[t]
  static constexpr std::string_view name = "linear_recurrence";
  bool backwards = false;
  TensorSpec shape(Inputs in) const {            // runs before anything is allocated
    check(in[0].rank() == 1 && in[0].numel() > 0 && in[1].shape() == in[0].shape() && in[1].dtype() == in[0].dtype(),
          "[linear_recurrence] two vectors of one length and dtype expected, got {} and {}", in[0], in[1]);
    return {in[1].shape(), in[1].dtype()};
  }
  void forward(Inputs in, Tensor& out) const {   // out is contiguous; the inputs may be any views
    out.dtype() == DType::float64 ? run<double>(in, out) : run<float>(in, out);
  }
  Saves saves(uint32_t needs) const {            // bit i of needs: the gradient of input i is wanted
    return (needs & 1) != 0 ? Saves::input(0) | Saves::output() : Saves::input(0);
  }
  void vjp(Backward& b) const {                  // by ops again, so that second derivatives exist
    const Tensor g = apply(LinearRecurrence{!backwards}, shifted(b.input(0), !backwards), b.grad());
    if (b.needs(0)) b.set(0, g * shifted(b.output(), backwards));
    if (b.needs(1)) b.set(1, g);
  }

 private:
  template <class T> void run(Inputs in, Tensor& out) const {
    const auto a = in[0].to_vector<T>(), x = in[1].to_vector<T>();
    T* y = out.mutable_data<T>();
    T last = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const size_t t = backwards ? x.size() - 1 - i : i;
      y[t] = last = a[t] * last + x[t];
    }
  }
  static Tensor shifted(const Tensor& x, bool to_front) {
    const Tensor zero = zeros({1}, {.dtype = x.dtype()}), rest = narrow(x, 0, to_front ? 1 : 0, x.numel() - 1);
    return to_front ? cat({rest, zero}, 0) : cat({zero, rest}, 0);
  }
};
// README: end
// clang-format on

constexpr TensorOptions wide{.dtype = DType::float64};

/// What stands between two marks of this file.
std::string marked(const std::string& from, const std::string& to) {
  std::ostringstream text;
  text << std::ifstream(source_folder() + "/tests/ops/own_op_test.cpp").rdbuf();
  const std::string all = text.str();
  const size_t begin = all.find("// README: " + from + "\n") + from.size() + 12;
  return all.substr(begin, all.find("// README: " + to + "\n") - begin);
}

}  // namespace

TEST_CASE("an elementwise op of one's own: values, gradients of both orders, any strides", "[own]") {
  const Tensor x = linspace(-4, 4, 12, wide);
  const auto y = soft_clip(x, 1.5).to_vector<double>();
  for (size_t i = 0; i < y.size(); ++i)
    CHECK(y[i] == Approx(1.5 * std::tanh(x.to_vector<double>()[i] / 1.5)).epsilon(1e-14));
  for (const Tensor& input : {x, transpose(reshape(x, {3, 4})), zeros({0, 2}, wide), scalar(0.5, wide)}) {
    const auto f = [](const std::vector<Tensor>& v) { return std::vector<Tensor>{soft_clip(v[0], 1.5)}; };
    CHECK(gradcheck(f, {input}).message == "");
    CHECK(gradgradcheck(f, {input}).message == "");
  }
  // Longer than a row of lanes, with a rest.
  const Tensor lengthy = rand({1000});
  const Tensor clipped = soft_clip(lengthy, 2);
  CHECK(difference(clipped, 2 * tanh(lengthy / 2), 1e-6) == "");
  for (int64_t offset : {1, 17, 64, 130, 999})  // the position of an element does not matter
    CHECK(difference(soft_clip(narrow(lengthy, 0, offset, 1000 - offset), 2),
                     narrow(clipped, 0, offset, 1000 - offset)) == "");
}

TEST_CASE("a general op of one's own: values, gradients of both orders, errors", "[own]") {
  CHECK(difference(apply(LinearRecurrence{}, full({3}, 0.5), tensor({4, 2, 1})), tensor({4, 4, 3})) == "");
  CHECK(difference(apply(LinearRecurrence{true}, full({3}, 0.5), tensor({4, 2, 4})), tensor({6, 4, 4})) ==
        "");
  const Tensor a = linspace(-1, 1, 5, wide), x = linspace(2, -1, 5, wide);
  for (const bool backwards : {false, true}) {
    const auto f = [&](const std::vector<Tensor>& v) {
      return std::vector<Tensor>{apply(LinearRecurrence{backwards}, v[0], v[1])};
    };
    CHECK(gradcheck(f, {a, x}).message == "");
    CHECK(gradgradcheck(f, {a, x}).message == "");
  }
  CHECK_THROWS_WITH(apply(LinearRecurrence{}, ones({2}), ones({3})), contains_text("[linear_recurrence]"));
}

TEST_CASE("the ops that README shows are those of this file", "[own]") {
  std::ostringstream readme;
  readme << std::ifstream(source_folder() + "/README.md").rdbuf();
  for (const std::string& text : {marked("elementwise", "general"), marked("general", "end")}) {
    REQUIRE(text.size() > 300);
    INFO(text);
    CHECK(readme.str().find(text) != std::string::npos);
  }
}
