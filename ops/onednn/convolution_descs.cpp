#include "ops/onednn/convolution_descs.h"

#include "ops/onednn/engine.h"

namespace reel::detail {
namespace {
constexpr auto direct = dnnl::algorithm::convolution_direct;
constexpr auto kind = dnnl::prop_kind::forward_training;
}  // namespace

dnnl::convolution_forward::primitive_desc convolution_forward_desc(const ConvDescs& d) {
#if DNNL_VERSION_MAJOR >= 3
  if (d.has_bias)
    return {onednn_engine(), kind,       direct,    d.x,          d.w, d.bias, d.y,
            d.stride,        d.dilation, d.padding, d.padding_end};
  return {onednn_engine(), kind, direct, d.x, d.w, d.y, d.stride, d.dilation, d.padding, d.padding_end};
#else
  using Forward = dnnl::convolution_forward;
  if (d.has_bias)
    return {
        Forward::desc(kind, direct, d.x, d.w, d.bias, d.y, d.stride, d.dilation, d.padding, d.padding_end),
        onednn_engine()};
  return {Forward::desc(kind, direct, d.x, d.w, d.y, d.stride, d.dilation, d.padding, d.padding_end),
          onednn_engine()};
#endif
}

dnnl::convolution_backward_data::primitive_desc convolution_input_desc(const ConvDescs& d) {
  const auto hint = convolution_forward_desc(d);
#if DNNL_VERSION_MAJOR >= 3
  return {onednn_engine(), direct, d.x, d.w, d.y, d.stride, d.dilation, d.padding, d.padding_end, hint};
#else
  using Backward = dnnl::convolution_backward_data;
  return {Backward::desc(direct, d.x, d.w, d.y, d.stride, d.dilation, d.padding, d.padding_end),
          onednn_engine(), hint};
#endif
}

dnnl::convolution_backward_weights::primitive_desc convolution_weight_desc(const ConvDescs& d) {
  const auto hint = convolution_forward_desc(d);
#if DNNL_VERSION_MAJOR >= 3
  return {onednn_engine(), direct, d.x, d.w, d.y, d.stride, d.dilation, d.padding, d.padding_end, hint};
#else
  using Backward = dnnl::convolution_backward_weights;
  return {Backward::desc(direct, d.x, d.w, d.y, d.stride, d.dilation, d.padding, d.padding_end),
          onednn_engine(), hint};
#endif
}

}  // namespace reel::detail
