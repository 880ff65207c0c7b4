#include "layers/linear.h"

#include <algorithm>
#include <cmath>

#include "layers/initializers.h"
#include "ops/arithmetic.h"

namespace reel {
namespace detail {
namespace {
thread_local SizeInference* inference = nullptr;
}

SizeInference::SizeInference(int64_t width) : width_(width), outer_(inference) { inference = this; }
SizeInference::~SizeInference() { inference = outer_; }
SizeInference* SizeInference::current() { return inference; }

Tensor SizeInference::answer(const Linear& layer, const Tensor& x) {
  const bool seen =
      std::any_of(inputs_.begin(), inputs_.end(), [&](const auto& entry) { return entry.first == &layer; });
  if (!seen) inputs_.emplace_back(&layer, x.size(-1));
  Shape shape = x.shape();
  shape[shape.rank() - 1] = width_;
  return zeros(shape, {.dtype = x.dtype()});
}

void SizeInference::resolve(Module& module) {
  class Resolver final : public FieldVisitor {
   public:
    explicit Resolver(SizeInference& sizes) : sizes_(sizes) {}
    void tensor(std::string_view, Tensor&) override {}
    void enter(std::string_view name, Module* entered) override {
      auto* layer = dynamic_cast<Linear*>(entered);
      if (!layer || layer->weight.defined()) return;
      const auto found = std::find_if(sizes_.inputs_.begin(), sizes_.inputs_.end(),
                                      [&](const auto& entry) { return entry.first == layer; });
      check(found != sizes_.inputs_.end(),
            "[cell] the Linear field {} has no sizes and step() does not use it: construct it "
            "with sizes, or leave it out",
            name);
      layer->draw(found->second, sizes_.width_);
    }

   private:
    SizeInference& sizes_;
  } resolver(*this);
  module.visit_fields(resolver);
}

}  // namespace detail

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const MatmulOptions transposed{.transpose_b = true};
  if (x.rank() == 1)
    return bias.defined() ? matmul(x, weight, transposed) + bias : matmul(x, weight, transposed);
  return bias.defined() ? addmm(bias, x, weight, transposed) : matmul(x, weight, transposed);
}

Linear::Linear(int64_t in, int64_t out, LinearOptions options) : options_(options) { draw(in, out); }

void Linear::draw(int64_t in, int64_t out) {
  check(in >= 1 && out >= 1, "[Linear] expected sizes of at least 1, got in {} and out {}", in, out);
  const double bound = 1 / std::sqrt(static_cast<double>(in));
  weight = detail::parameter(uniform_fan_in_(empty({out, in})));
  if (options_.bias) bias = detail::parameter(uniform_(empty({out}), -bound, bound));
}

Tensor Linear::operator()(const Tensor& x) const {
  if (!weight.defined()) {
    auto* sizes = detail::SizeInference::current();
    check(sizes != nullptr,
          "[Linear] the layer has no sizes: construct it as Linear(in, out), or, in a cell, list it in "
          "REEL_FIELDS");
    return sizes->answer(*this, x);
  }
  check(x.rank() >= 1 && x.size(-1) == weight.shape()[1], "[Linear] expected input [..., {}], got {}",
        weight.shape()[1], x);
  return linear(x, weight, bias);
}

}  // namespace reel
