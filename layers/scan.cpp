#include "layers/scan.h"

#include <algorithm>

#include "framework/tape.h"
#include "ops/slicing.h"

namespace reel::detail {
namespace {

std::string shapes(const std::vector<Tensor>& tensors) {
  std::string result;
  for (const Tensor& tensor : tensors) result += (result.empty() ? "" : ", ") + text(tensor);
  return result;
}

bool alike(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Tensor& x, const Tensor& y) {
    return x.defined() && y.defined() && x.shape() == y.shape() && x.dtype() == y.dtype();
  });
}

Tensor outputs_of_no_step(StepFunction step, const Tensor& xs, std::vector<Tensor> state) {
  const NoTape values_only;
  Shape shape = xs.shape();
  shape.erase(0);
  Tensor output;
  step.step(step.cell, zeros(shape, {.dtype = xs.dtype()}), state, output);
  shape = output.shape();
  shape.insert(0, 0);
  return zeros(shape, {.dtype = output.dtype()});
}

}  // namespace

int64_t settle_cell(Module& cell, StepFunction step, std::vector<Tensor> state, int64_t input,
                    int64_t hidden) {
  const NoTape values_only;
  const Tensor x = zeros({1, input});
  const std::vector<Tensor> before = state;
  Tensor output;
  {
    SizeInference sizes(hidden);
    step.step(step.cell, x, state, output);
    sizes.resolve(cell);
  }
  state = before;
  step.step(step.cell, x, state, output);
  check(alike(before, state), "[cell] step() must return a state like the one it is given: ({}) became ({})",
        shapes(before), shapes(state));
  check(output.defined() && output.rank() >= 1 && output.shape()[0] == 1,
        "[cell] step() must return an output with one row for each row of x; for x {} it gave {}", x, output);
  return output.size(-1);
}

Tensor scan_steps(StepFunction step, const Tensor& xs, std::vector<Tensor>& state, ScanOptions options) {
  check(xs.rank() >= 2, "[scan] a sequence [T, N, ...] expected, got {}", xs);
  const std::vector<Tensor> inputs = unbind(xs, 0);
  if (inputs.empty()) return outputs_of_no_step(step, xs, state);
  std::vector<Tensor> outputs(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const size_t t = options.reverse ? inputs.size() - 1 - i : i;
    const std::vector<Tensor> before = i == 0 ? state : std::vector<Tensor>();
    step.step(step.cell, inputs[t], state, outputs[t]);
    if (i == 0)
      check(alike(before, state),
            "[scan] the state must keep its shapes: step() turned ({}) into ({}) for an input {}",
            shapes(before), shapes(state), inputs[t]);
  }
  return stack(outputs, 0);
}

}  // namespace reel::detail
