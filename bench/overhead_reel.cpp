#include <reel/reel.h>

#include "bench/overhead.h"

namespace reel::bench {

OverheadCalls reel_overhead() {
  Tensor x = full({overhead_elements}, 0.5);
  x.requires_grad_();
  return {.add =
              [x] {
                Tape tape;
                Tensor y = x;
                for (int i = 0; i < overhead_chain; ++i) y = y + x;
              },
          .tanh =
              [x] {
                Tape tape;
                Tensor y = x;
                for (int i = 0; i < overhead_chain; ++i) y = reel::tanh(y);
              },
          .multiply =
              [x] {
                Tape tape;
                Tensor y = x;
                for (int i = 0; i < 10; ++i) y = y * x;
                tape.backward(sum(y));
              }};
}

}  // namespace reel::bench
