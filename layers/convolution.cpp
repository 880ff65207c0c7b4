#include "layers/convolution.h"

#include <cmath>
#include <string>

#include "framework/random.h"

namespace reel::detail {
namespace {

struct Parameters {
  Tensor weight, bias;
};

/// Weight [first, second / groups, kernel...] and a bias for `out` channels.
Parameters draw(int64_t first, int64_t second, int64_t out, int64_t groups, const Shape& kernel, bool bias) {
  Shape shape{first, second / groups};
  for (int64_t extent : kernel) shape.push_back(extent);
  const double bound = 1 / std::sqrt(static_cast<double>(shape.numel() / first));
  return {parameter(uniform(shape, -bound, bound)),
          bias ? parameter(uniform({out}, -bound, bound)) : Tensor()};
}

void check_sizes(std::string_view name, int64_t in, int64_t out, int64_t groups) {
  check(in >= 1 && out >= 1, "[{}] expected sizes of at least 1, got in {} and out {}", name, in, out);
  check(groups >= 1 && in % groups == 0 && out % groups == 0,
        "[{}] expected a number of groups that divides in {} and out {}, got {}", name, in, out, groups);
}

}  // namespace

ConvLayer::ConvLayer(std::string_view name, size_t axes, int64_t in, int64_t out, const PerAxis& kernel,
                     const ConvLayerOptions& options)
    : options_{.stride = PerAxis(options.stride.expand(name, "stride", axes, 1)),
               .padding = PerAxis(options.padding.expand(name, "padding", axes, 0)),
               .dilation = PerAxis(options.dilation.expand(name, "dilation", axes, 1)),
               .groups = options.groups,
               .same = options.same} {
  check_sizes(name, in, out, options.groups);
  const Shape extents = kernel.expand(name, "kernel", axes, 1);
  Parameters drawn = draw(out, in, out, options.groups, extents, options.bias);
  weight = drawn.weight;
  bias = drawn.bias;
}

ConvTransposeLayer::ConvTransposeLayer(std::string_view name, size_t axes, int64_t in, int64_t out,
                                       const PerAxis& kernel, const ConvTransposeLayerOptions& options)
    : options_{.stride = PerAxis(options.stride.expand(name, "stride", axes, 1)),
               .padding = PerAxis(options.padding.expand(name, "padding", axes, 0)),
               .output_padding = PerAxis(options.output_padding.expand(name, "output_padding", axes, 0)),
               .dilation = PerAxis(options.dilation.expand(name, "dilation", axes, 1)),
               .groups = options.groups} {
  check_sizes(name, in, out, options.groups);
  const Shape extents = kernel.expand(name, "kernel", axes, 1);
  Parameters drawn = draw(in, out, out, options.groups, extents, options.bias);
  weight = drawn.weight;
  bias = drawn.bias;
}

}  // namespace reel::detail
