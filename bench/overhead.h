// What an op costs beside its arithmetic: the calls that bench_overhead measures, which each side provides.
#pragma once

#include <functional>

namespace reel::bench {

constexpr int overhead_elements = 16;  ///< Too few for the arithmetic to matter.
constexpr int overhead_chain = 100;    ///< Ops recorded one upon the other in one call, then all dropped.

struct OverheadCalls {
  std::function<void()>
      add;  ///< y = y + x, overhead_chain times, recorded, from an x that requires gradients.
  std::function<void()> tanh;  ///< y = tanh(y), likewise.
  std::function<void()>
      multiply;  ///< y = y * x ten times, and a sum, recorded; then backward, into x's gradient.
};

OverheadCalls reel_overhead();
OverheadCalls torch_overhead();  ///< Only where the build has found libtorch.

}  // namespace reel::bench
