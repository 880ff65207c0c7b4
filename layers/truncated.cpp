#include "layers/truncated.h"

#include <algorithm>

#include "framework/tape.h"
#include "ops/slicing.h"

namespace reel::detail {

Tensor steps_of(const Tensor& xs, int64_t time_axis, int64_t first, int64_t count) {
  return narrow(xs, time_axis, first, count);
}

int64_t truncated_steps(const Tensor& xs, int64_t time_axis, const RecurrentOptions& options) {
  check(!options.bidirectional && !options.reverse,
        "[truncated] expected a layer that runs forward: the outputs of this one depend on steps to come");
  check(!options.last_only, "[truncated] a layer with last_only gives no outputs of the steps between");
  check(!options.stateful,
        "[truncated] a stateful layer carries a state of its own; here `state` is carried");
  check(xs.rank() >= 2, "[truncated] expected a sequence {}, got {}",
        options.batch_first ? "[N, T, I]" : "[T, N, I]", xs);
  return xs.size(time_axis);
}

namespace {

/// One pass over steps [start, end), whose losses begin at `since`; the next window will begin at `next`.
double pass(TruncatedSteps& steps, int64_t start, int64_t next, int64_t since, int64_t end,
            int64_t time_axis) {
  Tape tape;
  std::vector<Tensor> parts;  // of the outputs that the loss looks at
  const auto run = [&](int64_t first, int64_t stop) {
    if (first == stop) return;
    const Tensor outputs = steps.run(first, stop - first);
    check(outputs.defined() && static_cast<int64_t>(outputs.rank()) > time_axis &&
              outputs.shape()[static_cast<size_t>(time_axis)] == stop - first,
          "[truncated] expected outputs of {} steps along axis {}, got {}", stop - first, time_axis, outputs);
    const int64_t seen = std::max(first, since);
    if (seen < stop) parts.push_back(narrow(outputs, time_axis, seen - first, stop - seen));
  };
  run(start, next);
  if (next > start) steps.keep();
  run(next, end);
  const Tensor loss = steps.loss(parts.size() == 1 ? parts[0] : cat(parts, time_axis), since);
  check(loss.defined() && loss.numel() == 1, "[truncated] the loss function must return one number, got {}",
        loss);
  tape.backward(loss);
  return loss.item();
}

}  // namespace

TruncatedResult truncated(TruncatedSteps& steps, int64_t count, int64_t time_axis,
                          const TruncatedOptions& options) {
  check(options.k1 >= 1, "[truncated] expected k1 of at least 1 step, got {}", options.k1);
  check(options.k2 >= options.k1,
        "[truncated] k2 = {} steps back is less than the k1 = {} steps from pass to pass: losses of the "
        "steps between "
        "would reach no parameter",
        options.k2, options.k1);
  check(count >= 0, "[truncated] expected at least 0 steps, got {}", count);
  TruncatedResult result;
  int64_t start = 0;
  for (int64_t since = 0; since < count;) {
    const int64_t end = since + std::min(options.k1, count - since);
    const int64_t next_end = end + std::min(options.k1, count - end);
    const int64_t next = end == count ? end : std::max<int64_t>(0, next_end - std::min(options.k2, next_end));
    result.losses.push_back(pass(steps, start, next, since, end, time_axis));
    steps.back();
    steps.update();
    start = next;
    since = end;
  }
  return result;
}

}  // namespace reel::detail
