#include "tests/ops/loss_fixture.h"

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "tests/catch.h"

namespace reel {
namespace {

/// The weights that make_fixtures gave to the elements of a loss.
Tensor loss_weight(const Tensor& value) {
  int64_t i = 0;
  return build(value.shape(), value.dtype(), [&](const Shape&) {
    const int64_t at = i++;
    return 1 + static_cast<double>(at % 5) / 4 - static_cast<double>(at % 3);
  });
}

}  // namespace

void check_loss(const SafetensorsFile& file, const std::string& group, const std::string& name,
                const LossCase& loss, double absolute, double relative) {
  const LossArguments arguments(file, group);
  int found = 0;
  for (const auto& [reduction, text] :
       {std::pair{Reduction::none, "none"}, {Reduction::mean, "mean"}, {Reduction::sum, "sum"}}) {
    const std::string prefix = group + "." + name + "." + text;
    if (!file.contains(prefix + ".value")) continue;
    ++found;
    INFO(prefix);
    std::vector<Tensor> inputs, gradients;
    Tape tape;
    for (const auto& [key, gradient] : file.tensors) {
      if (!key.starts_with(prefix + ".grad.")) continue;
      inputs.push_back(arguments[key.substr(prefix.size() + 6)]);
      gradients.push_back(gradient);
      tape.watch(inputs.back());
    }
    const Tensor value = loss(arguments, reduction);
    CHECK(difference(value, file.at(prefix + ".value"), absolute, relative) == "");
    const std::vector<Tensor> got = tape.gradient(sum(value * loss_weight(value)), inputs);
    for (size_t i = 0; i < got.size(); ++i) {
      INFO("gradient " << i);
      CHECK(difference(got[i], gradients[i], absolute, relative) == "");
    }
  }
  INFO(group << "." << name);
  CHECK(found > 0);
}

}  // namespace reel
