// The small layers: embedding, dropout, layer normalisation, and layers in a row.
#pragma once

#include <tuple>

#include <reel/layers/module.h>

namespace reel {

struct EmbeddingOptions {
  bool sparse = false;  ///< Gradients hold the rows that were used alone, for SparseAdam, SGD and Adagrad.
};

/// A table of vectors, weight [count, width], drawn from N(0, 1) as in PyTorch.
struct Embedding : Module {
  Tensor weight;
  Embedding(int64_t count, int64_t width, EmbeddingOptions options = {});
  /// int64 indices of any shape -> [indices..., width]. Throws on an index outside [0, count).
  Tensor operator()(const Tensor& indices) const;
  REEL_FIELDS(weight)

 private:
  bool sparse_;
};

/// While training, zeroes elements with probability p and scales the rest by 1 / (1 - p); otherwise passes x
/// through.
struct Dropout : Module {
  double p;
  explicit Dropout(double p = 0.5);
  Tensor operator()(const Tensor& x) const;
  REEL_FIELDS()
};

struct LayerNormOptions {
  double eps = 1e-5;
  bool affine = true;  ///< With weight and bias, which begin at 1 and 0.
};

/// (x - mean) / sqrt(variance + eps) * weight + bias over the last axes, those of `shape`.
/// Ba et al., "Layer normalization", 2016.
struct LayerNorm : Module {
  Tensor weight, bias;
  explicit LayerNorm(int64_t width, LayerNormOptions options = {}) : LayerNorm(Shape{width}, options) {}
  explicit LayerNorm(const Shape& shape, LayerNormOptions options = {});
  Tensor operator()(const Tensor& x) const;
  REEL_FIELDS(weight, bias)

 private:
  Shape shape_;
  double eps_;
};

/// Layers and functions one after the other: Sequential net(Linear(8, 16), [](const Tensor& x) { return
/// tanh(x); }, Linear(16, 1)). Parameters are named by position: "0.weight".
template <class... Layers> struct Sequential : Module {
  std::tuple<Layers...> layers;
  explicit Sequential(Layers... parts) : layers(std::move(parts)...) {}

  Tensor operator()(const Tensor& x) const {
    return std::apply([&](const auto&... layer) { return run(x, layer...); }, layers);
  }
  void visit_fields(FieldVisitor& visitor) override {
    size_t index = 0;
    const auto visit = [&](auto& layer) {
      if constexpr (std::derived_from<std::remove_reference_t<decltype(layer)>, Module>)
        detail::visit_field(visitor, std::to_string(index), layer);
      ++index;
    };
    std::apply([&](auto&... layer) { (visit(layer), ...); }, layers);
  }

 private:
  static Tensor run(const Tensor& x) { return x; }
  template <class First, class... Rest>
  static Tensor run(const Tensor& x, const First& first, const Rest&... rest) {
    return run(first(x), rest...);
  }
};

}  // namespace reel
