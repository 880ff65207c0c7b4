#include "ops/onednn/engine.h"

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
