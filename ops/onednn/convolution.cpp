#include "ops/onednn/convolution.h"

#include <algorithm>
#include <cstring>

#include "ops/onednn/convolution_descs.h"
#include "ops/onednn/engine.h"
#include "ops/onednn/kept.h"

namespace reel::detail {
namespace {

using Desc = dnnl::memory::desc;

// Programs have tens of different convolutions, each of three kinds.
constexpr size_t kept_at_most = 512;

/// A tensor as we have it and as the primitive wants it.
struct Operand {
  int argument = 0;  // DNNL_ARG_...
  Desc plain, native;
  dnnl::reorder reorder;  // from ours to the primitive's, or back where it is the result
  bool differs = false;
};

/// A primitive with what changes the layouts before and after it; none where oneDNN knows no fast one.
struct Plan {
  bool usable = false;
  dnnl::primitive primitive;
  Operand x, w, y;
};

dnnl::memory::dims dims(const Shape& shape) { return {shape.begin(), shape.end()}; }

Desc plain(const Shape& shape) {
  return {dims(shape), dnnl::memory::data_type::f32, dims(contiguous_strides(shape))};
}

Desc any_layout(const Shape& shape) {
  return {dims(shape), dnnl::memory::data_type::f32, dnnl::memory::format_tag::any};
}

/// w [O, C / groups, k...] as oneDNN knows it: [groups, O / groups, C / groups, k...].
Shape grouped(const Shape& w, int64_t groups) {
  if (groups == 1) return w;
  Shape result = w;
  result[0] /= groups;
  result.insert(0, groups);
  return result;
}

/// What lies behind each axis. A part of the input that no window reaches would make it negative, which
/// oneDNN takes for 0 wherever the output stays as long.
dnnl::memory::dims padding_end(const ConvGeometry& g) {
  dnnl::memory::dims result;
  for (size_t i = 0; i < g.input.size(); ++i) {
    const int64_t reach = (g.output[i] - 1) * g.stride[i] + (g.kernel[i] - 1) * g.dilation[i] + 1;
    result.push_back(std::max<int64_t>(0, reach - g.input[i] - g.padding[i]));
  }
  return result;
}

bool is_reference(const char* implementation) { return std::strstr(implementation, "ref") != nullptr; }

/// A plan from a primitive's description, whose layouts are x, w and y.
template <class Primitive>
Plan make_plan(ConvKind kind, const typename Primitive::primitive_desc& desc, const ConvDescs& ours,
               const Desc& x, const Desc& w, const Desc& y) {
  Plan plan;
  if (is_reference(desc.impl_info_str())) return plan;
  plan.usable = true;
  plan.primitive = Primitive(desc);
  const auto operand = [&](int argument, const Desc& own, const Desc& native, bool is_result) {
    Operand result{argument, own, native, {}, own != native};
    if (result.differs) {
      const dnnl::engine& engine = onednn_engine();
      result.reorder = dnnl::reorder(is_result ? dnnl::reorder::primitive_desc(engine, native, engine, own)
                                               : dnnl::reorder::primitive_desc(engine, own, engine, native));
    }
    return result;
  };
  const bool to_x = kind == ConvKind::input, to_w = kind == ConvKind::weight, to_y = kind == ConvKind::output;
  plan.x = operand(to_x ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, ours.x, x, to_x);
  plan.w = operand(to_w ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, ours.w, w, to_w);
  plan.y = operand(to_y ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, ours.y, y, to_y);
  return plan;
}

Plan make_plan(ConvKind kind, const ConvGeometry& geometry, const Shape& x, const Shape& w, const Shape& y,
               bool has_bias) {
  const Shape filters = grouped(w, geometry.groups);
  ConvDescs ours;
  ours.x = plain(x);
  ours.w = plain(filters);
  ours.y = plain(y);
  ours.has_bias = has_bias;
  if (has_bias) ours.bias = plain({y[1]});
  ours.stride = dims(geometry.stride);
  for (int64_t step : geometry.dilation) ours.dilation.push_back(step - 1);
  ours.padding = dims(geometry.padding);
  ours.padding_end = padding_end(geometry);
  ConvDescs open = ours;
  open.x = any_layout(x);
  open.w = any_layout(filters);
  open.y = any_layout(y);
  try {
    if (kind == ConvKind::output) {
      const auto desc = convolution_forward_desc(open);
      return make_plan<dnnl::convolution_forward>(kind, desc, ours, desc.src_desc(), desc.weights_desc(),
                                                  desc.dst_desc());
    }
    if (kind == ConvKind::input) {
      const auto desc = convolution_input_desc(open);
      return make_plan<dnnl::convolution_backward_data>(kind, desc, ours, desc.diff_src_desc(),
                                                        desc.weights_desc(), desc.diff_dst_desc());
    }
    const auto desc = convolution_weight_desc(open);
    return make_plan<dnnl::convolution_backward_weights>(kind, desc, ours, desc.src_desc(),
                                                         desc.diff_weights_desc(), desc.diff_dst_desc());
  } catch (const dnnl::error&) {  // a geometry that it does not take: ours does
    return {};
  }
}

/// Memory that a layout needs, from the library's own store of blocks.
Tensor scratch(const Desc& desc) {
  return empty({static_cast<int64_t>((desc.get_size() + sizeof(float) - 1) / sizeof(float))});
}

void run(const Plan& plan, ConvKind kind, const Tensor& x, const Tensor& w, const Tensor& y,
         const Tensor& bias) {
  const dnnl::engine& engine = onednn_engine();
  dnnl::stream& stream = onednn_stream();
  std::unordered_map<int, dnnl::memory> arguments;
  std::vector<Tensor> blocks;
  dnnl::memory own_result, native_result;
  const auto add = [&](const Operand& operand, const Tensor& tensor, bool is_result) {
    dnnl::memory own(operand.plain, engine, tensor.raw_bytes());
    if (!operand.differs) {
      arguments.emplace(operand.argument, own);
      return;
    }
    blocks.push_back(scratch(operand.native));
    dnnl::memory native(operand.native, engine, blocks.back().raw_bytes());
    if (is_result) {
      own_result = own;
      native_result = native;
    } else {
      operand.reorder.execute(stream, own, native);
    }
    arguments.emplace(operand.argument, native);
  };
  add(plan.x, x, kind == ConvKind::input);
  add(plan.w, w, kind == ConvKind::weight);
  add(plan.y, y, kind == ConvKind::output);
  if (bias.defined())
    arguments.emplace(DNNL_ARG_BIAS, dnnl::memory(plain(bias.shape()), engine, bias.raw_bytes()));
  plan.primitive.execute(stream, arguments);
  if (native_result) {
    const Operand& result = kind == ConvKind::input ? plan.x : kind == ConvKind::weight ? plan.w : plan.y;
    result.reorder.execute(stream, native_result, own_result);
  }
  stream.wait();
}

}  // namespace

bool onednn_convolve(ConvKind kind, const ConvGeometry& geometry, const Tensor& x, const Tensor& w,
                     const Tensor& y, const Tensor& bias) {
  static thread_local Kept<Plan> plans(kept_at_most);
  PrimitiveKey key{static_cast<int64_t>(kind), bias.defined(), geometry.groups,
                   static_cast<int64_t>(geometry.input.size())};
  for (const Shape* numbers :
       {&x.shape(), &w.shape(), &y.shape(), &geometry.stride, &geometry.dilation, &geometry.padding})
    key.insert(key.end(), numbers->begin(), numbers->end());
  try {
    const Plan& plan = plans.get(key, [&](const PrimitiveKey&) {
      return make_plan(kind, geometry, x.shape(), w.shape(), y.shape(), bias.defined());
    });
    if (plan.usable) run(plan, kind, x, w, y, bias);
    return plan.usable;
  } catch (const dnnl::error& error) {
    fail("[convolution] oneDNN failed: {} (status {})",
         {error.what(), std::to_string(static_cast<int>(error.status))});
  }
}

}  // namespace reel::detail
