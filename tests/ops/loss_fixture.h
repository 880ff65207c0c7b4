// How tests compare losses with PyTorch's: fixtures of tests/fixtures/fixtures_losses.py, whose head says what is in them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ops/loss.h"
#include "tests/reference.h"

namespace reel {

/// The arguments of a group of cases, by name.
class LossArguments {
 public:
  LossArguments(const SafetensorsFile& file, std::string group) : file_(file), group_(std::move(group)) {}
  const Tensor& operator[](const std::string& name) const { return file_.at(group_ + "." + name); }

 private:
  const SafetensorsFile& file_;
  std::string group_;
};

using LossCase = std::function<Tensor(const LossArguments&, Reduction)>;

/// Compares values, and the gradients of all inputs that the file has, with those of case `name` of `group`, for every
/// reduction that the file has. Values to `absolute` + `relative` of the expected.
void check_loss(const SafetensorsFile& file, const std::string& group, const std::string& name,
                const LossCase& loss, double absolute = 1e-14, double relative = 1e-13);

}  // namespace reel
