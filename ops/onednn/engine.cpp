#include "ops/onednn/engine.h"

#include <string>

namespace reel::detail {
namespace {

constexpr size_t kept_at_most = 1024;

}  // namespace

const dnnl::engine& onednn_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& onednn_stream() {
  static thread_local dnnl::stream stream(onednn_engine());
  return stream;
}

const dnnl::primitive& kept_primitive(const PrimitiveKey& key, dnnl::primitive (*make)(const PrimitiveKey&)) {
  static thread_local Kept<dnnl::primitive> kept(kept_at_most);
  return kept.get(key, make);
}

dnnl::primitive make_matmul(const dnnl::memory::desc& a, const dnnl::memory::desc& b,
                            const dnnl::memory::desc& out) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::matmul(dnnl::matmul::primitive_desc(onednn_engine(), a, b, out));
#else
  return dnnl::matmul(dnnl::matmul::primitive_desc(dnnl::matmul::desc(a, b, out), onednn_engine()));
#endif
}

RowConvolution make_row_convolution(int64_t rows, int64_t inner, int64_t columns) {
  using dnnl::memory;
  constexpr auto f32 = memory::data_type::f32;
  const memory::desc source({1, inner, 1, rows}, f32, memory::format_tag::nhwc);
  const memory::desc target({1, columns, 1, rows}, f32, memory::format_tag::nhwc);
  const memory::desc weights({columns, inner, 1, 1}, f32, memory::format_tag::any);
  constexpr auto kind = dnnl::prop_kind::forward_inference;
  constexpr auto direct = dnnl::algorithm::convolution_direct;
  const memory::dims ones{1, 1}, none{0, 0};
#if DNNL_VERSION_MAJOR >= 3
  const dnnl::convolution_forward::primitive_desc made(onednn_engine(), kind, direct, source, weights, target,
                                                       ones, none, none);
#else
  const dnnl::convolution_forward::primitive_desc made(
      dnnl::convolution_forward::desc(kind, direct, source, weights, target, ones, none, none),
      onednn_engine());
#endif
  const std::string kernel = made.impl_info_str();
  if (kernel.find("jit_1x1") == std::string::npos && kernel.find("brg") == std::string::npos) return {};
  return {dnnl::convolution_forward(made), made.src_desc(), made.weights_desc(), made.dst_desc()};
}

dnnl::primitive make_softmax(const dnnl::memory::desc& x, int axis) {
  constexpr auto kind = dnnl::prop_kind::forward_inference;
#if DNNL_VERSION_MAJOR >= 3
  return dnnl::softmax_forward(dnnl::softmax_forward::primitive_desc(
      onednn_engine(), kind, dnnl::algorithm::softmax_accurate, x, x, axis));
#else
  return dnnl::softmax_forward(
      dnnl::softmax_forward::primitive_desc(dnnl::softmax_forward::desc(kind, x, axis), onednn_engine()));
#endif
}

}  // namespace reel::detail
