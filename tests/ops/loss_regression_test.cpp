#include <cmath>
#include <limits>

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "tests/catch.h"
#include "tests/ops/loss_fixture.h"

namespace reel {
namespace {

using Arguments = LossArguments;
const TensorOptions wide{.dtype = DType::float64};

void compare_differences(const SafetensorsFile& file, const std::string& group, double absolute,
                         double relative) {
  const auto same = [&](const std::string& name, const LossCase& loss) {
    check_loss(file, group, name, loss, absolute, relative);
  };
  same("mse", [](const Arguments& a, Reduction r) { return mse_loss(a["x"], a["t"], {.reduction = r}); });
  same("l1", [](const Arguments& a, Reduction r) { return l1_loss(a["x"], a["t"], {.reduction = r}); });
  for (double beta : {0.0, 0.5, 1.0}) {
    if (beta == 0 && group == "extreme") continue;
    same("smooth_l1." + std::string(beta == 0   ? "0.0"
                                    : beta == 1 ? "1.0"
                                                : "0.5"),
         [=](const Arguments& a, Reduction r) {
           return smooth_l1_loss(a["x"], a["t"], {.reduction = r, .beta = beta});
         });
  }
  for (double delta : {0.5, 1.0, 2.0})
    same("huber." + std::string(delta == 1   ? "1.0"
                                : delta == 2 ? "2.0"
                                             : "0.5"),
         [=](const Arguments& a, Reduction r) {
           return huber_loss(a["x"], a["t"], {.reduction = r, .delta = delta});
         });
}

}  // namespace

TEST_CASE("losses of differences are PyTorch's, at the edges too", "[loss]") {
  const SafetensorsFile file = load_reference("losses/regression");
  compare_differences(file, "plain", 1e-14, 1e-14);
  compare_differences(file, "f32", 1e-6, 1e-6);
  compare_differences(file, "extreme", 0, 1e-14);
}

TEST_CASE("poisson_nll_loss is PyTorch's", "[loss]") {
  const SafetensorsFile file = load_reference("losses/regression");
  for (bool log_input : {true, false})
    for (bool full : {true, false})
      for (const char* group : {"rates", "positive_rates"})
        check_loss(file, group,
                   std::string("poisson.") + (log_input ? "log" : "rate") + (full ? ".full" : ".short"),
                   [=](const Arguments& a, Reduction r) {
                     return poisson_nll_loss(
                         a["x"], a["t"], {.reduction = r, .log_input = log_input, .full = full, .eps = 1e-3});
                   });
}

TEST_CASE("gaussian_nll_loss is PyTorch's, below eps too", "[loss]") {
  const SafetensorsFile file = load_reference("losses/regression");
  for (const char* var : {"same", "column", "leading"})
    for (bool full : {true, false})
      check_loss(file, std::string("gaussian_") + var, full ? "full" : "short",
                 [=](const Arguments& a, Reduction r) {
                   return gaussian_nll_loss(a["x"], a["t"], a["var"],
                                            {.reduction = r, .full = full, .eps = 0.05});
                 });
}

TEST_CASE("regression losses of nothing", "[loss]") {
  const Tensor none = zeros({0, 3}, wide);
  for (auto f : {mse_loss, l1_loss}) {
    CHECK(std::isnan(f(none, none, {}).item()));
    CHECK(f(none, none, {.reduction = Reduction::sum}).item() == 0);
    CHECK(f(none, none, {.reduction = Reduction::none}).shape() == Shape{0, 3});
  }
}

}  // namespace reel
