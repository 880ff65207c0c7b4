// The one engine and stream, and the store of primitives that have been made. Internal to this folder, which
// alone sees oneDNN's headers and is not part of reel.h; where versions 2 and 3 of it differ, the difference
// stands in engine.cpp
// and convolution_descs.cpp.
#pragma once

#include <cstdint>
#include <dnnl.hpp>

#include <reel/ops/onednn/kept.h>

namespace reel::detail {

const dnnl::engine& onednn_engine();
dnnl::stream& onednn_stream();  // one for each thread

/// The primitive kept under `key` by this thread, made by `make` the first time. A bounded number is kept,
/// the least recently used going first.
const dnnl::primitive& kept_primitive(const PrimitiveKey& key, dnnl::primitive (*make)(const PrimitiveKey&));

dnnl::primitive make_matmul(const dnnl::memory::desc& a, const dnnl::memory::desc& b,
                            const dnnl::memory::desc& out);
/// A 1x1 convolution over `rows` points with `inner` channels in and `columns` out, and what it wants to see.
struct RowConvolution {
  dnnl::primitive primitive;  // empty where oneDNN has no kernel of its own for it
  dnnl::memory::desc source, weights, target;
};
RowConvolution make_row_convolution(int64_t rows, int64_t inner, int64_t columns);
dnnl::primitive make_softmax(const dnnl::memory::desc& x, int axis);

}  // namespace reel::detail
