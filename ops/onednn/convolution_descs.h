// Descriptions of oneDNN's convolution primitives: what versions 2 and 3 of it write differently stands in
// the .cpp. Internal to this folder, which alone sees oneDNN's headers and is not part of reel.h.
#pragma once

#include <dnnl.hpp>

namespace reel::detail {

/// What a convolution primitive is described by. Layouts may be left open (format_tag::any).
struct ConvDescs {
  dnnl::memory::desc x, w, y;
  dnnl::memory::desc bias;
  bool has_bias = false;
  dnnl::memory::dims stride, dilation, padding, padding_end;  // dilation counts from 0
};

dnnl::convolution_forward::primitive_desc convolution_forward_desc(const ConvDescs& d);
dnnl::convolution_backward_data::primitive_desc convolution_input_desc(const ConvDescs& d);
dnnl::convolution_backward_weights::primitive_desc convolution_weight_desc(const ConvDescs& d);

}  // namespace reel::detail
