#include "bench/peers/onednn_inference.h"

#include <dnnl.hpp>
#include <unordered_map>

namespace reel::bench {
namespace {

using dnnl::memory;
using tag = memory::format_tag;

memory::desc describe(const Tensor& tensor, tag layout) {
  if (!tensor.defined()) return {};
  return {memory::dims(tensor.shape().begin(), tensor.shape().end()), memory::data_type::f32, layout};
}

template <class Primitive, class... Args> auto make(const dnnl::engine& engine, const Args&... args) {
#if DNNL_VERSION_MAJOR >= 3
  return Primitive(typename Primitive::primitive_desc(engine, dnnl::prop_kind::forward_inference, args...));
#else
  return Primitive(typename Primitive::primitive_desc(
      typename Primitive::desc(dnnl::prop_kind::forward_inference, args...), engine));
#endif
}

Tensor find(const NamedTensors& weights, const std::string& name) {
  for (const auto& [own, tensor] : weights)
    if (own == name) return tensor;
  return {};
}

}  // namespace

Tensor run_onednn(const OnednnLayer& options, const NamedTensors& weights, const Tensor& x) {
  const Tensor wx = find(weights, "weights_layer"), wh = find(weights, "weights_iter");
  Tensor bias = find(weights, "bias");
  const bool two_biases = options.family == CellFamily::gru && options.reset_after;
  if (!bias.defined()) bias = zeros({wx.size(0), wx.size(1), wx.size(3) + (two_biases ? 1 : 0), wx.size(4)});
  const Tensor peephole = find(weights, "weights_peephole");
  const Tensor projection = find(weights, "weights_projection");
  Tensor y = zeros({x.size(0), x.size(1), (options.bidirectional ? 2 : 1) * wh.size(2)});

  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  const auto direction = options.bidirectional ? dnnl::rnn_direction::bidirectional_concat
                                               : dnnl::rnn_direction::unidirectional_left2right;
  const memory::desc none, xs = describe(x, tag::tnc), ys = describe(y, tag::tnc);
  const memory::desc wxs = describe(wx, tag::ldigo), whs = describe(wh, tag::ldigo);
  const memory::desc bs = describe(bias, tag::ldgo), ps = describe(peephole, tag::ldgo);
  const memory::desc projections = describe(projection, tag::ldio);

  dnnl::primitive primitive;
  if (options.family == CellFamily::lstm)
    primitive = make<dnnl::lstm_forward>(engine, direction, xs, none, none, wxs, whs, ps, projections, bs, ys,
                                         none, none);
  else if (options.family == CellFamily::rnn)
    primitive = make<dnnl::vanilla_rnn_forward>(engine, dnnl::algorithm::eltwise_tanh, direction, xs, none,
                                                wxs, whs, bs, ys, none);
  else if (options.reset_after)
    primitive = make<dnnl::lbr_gru_forward>(engine, direction, xs, none, wxs, whs, bs, ys, none);
  else
    primitive = make<dnnl::gru_forward>(engine, direction, xs, none, wxs, whs, bs, ys, none);

  std::unordered_map<int, memory> arguments;
  const auto give = [&](int argument, const memory::desc& desc, const Tensor& tensor) {
    if (tensor.defined())
      arguments.emplace(argument,
                        memory(desc, engine, const_cast<float*>(tensor.data<float>())));  // only read
  };
  give(DNNL_ARG_SRC_LAYER, xs, x);
  give(DNNL_ARG_WEIGHTS_LAYER, wxs, wx);
  give(DNNL_ARG_WEIGHTS_ITER, whs, wh);
  give(DNNL_ARG_BIAS, bs, bias);
  give(DNNL_ARG_WEIGHTS_PEEPHOLE, ps, peephole);
  give(DNNL_ARG_WEIGHTS_PROJECTION, projections, projection);
  arguments.emplace(DNNL_ARG_DST_LAYER, memory(ys, engine, y.mutable_data<float>()));
  dnnl::stream stream(engine);
  primitive.execute(stream, arguments);
  stream.wait();
  return y;
}

}  // namespace reel::bench
