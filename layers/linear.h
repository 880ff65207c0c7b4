// Linear layers.
#pragma once

#include <reel/layers/module.h>
#include <reel/ops/matmul.h>

namespace reel {

namespace detail {
class SizeInference;
}

/// x W^T + b: x [..., in], weight [out, in], bias [out] or undefined -> [..., out].
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

struct LinearOptions {
  bool bias = true;
};

/// x W^T + b. Weight [out, in] and bias [out] are drawn from U(-1/sqrt(in), 1/sqrt(in)), as in PyTorch.
///
/// Default-constructed as a field of a recurrent cell it takes its sizes from the cell: `out` is the hidden
/// size, `in` that of what the cell's step first gives it.
struct Linear : Module {
  Tensor weight, bias;

  Linear() = default;
  explicit Linear(LinearOptions options) : options_(options) {}
  Linear(int64_t in, int64_t out, LinearOptions options = {});

  Tensor operator()(const Tensor& x) const;
  REEL_FIELDS(weight, bias)

 private:
  void draw(int64_t in, int64_t out);
  LinearOptions options_;
  friend class detail::SizeInference;
};

namespace detail {

/// While it exists, Linear layers without sizes answer with zeros of `width` columns and their inputs' sizes
/// are noted; `resolve` then gives them their sizes and draws their weights, in the order of the fields.
class SizeInference {
 public:
  explicit SizeInference(int64_t width);
  ~SizeInference();
  SizeInference(const SizeInference&) = delete;
  SizeInference& operator=(const SizeInference&) = delete;

  static SizeInference* current();
  Tensor answer(const Linear& layer, const Tensor& x);
  void resolve(Module& module);

 private:
  int64_t width_;
  SizeInference* outer_;
  std::vector<std::pair<const Linear*, int64_t>> inputs_;
};

}  // namespace detail
}  // namespace reel
