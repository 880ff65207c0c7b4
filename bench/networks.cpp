// Convolution, pooling, normalisation and attention, forward and backward: Reel against libtorch, in turn,
// where libtorch is there; Reel alone where it is not.
#include "bench/networks.h"

#include <fmt/core.h>

#include <optional>

#include "bench/harness.h"

namespace reel::bench {
namespace {

struct Question {
  const char* title;
  std::function<void()> NetworkCalls::*call;
};

const Question questions[] = {
    {"conv2d 3x3 64->64, 16x32x32", &NetworkCalls::conv2d},
    {"max_pool2d 2x2, 16x64x32x32", &NetworkCalls::max_pool},
    {"max_pool2d 3x3/2, 16x64x32x32", &NetworkCalls::max_pool3},
    {"avg_pool2d 2x2, 16x64x32x32", &NetworkCalls::avg_pool},
    {"layer_norm 4096x256", &NetworkCalls::layer_norm},
    {"batch_norm 16x64x32x32", &NetworkCalls::batch_norm},
    {"group_norm(8) 16x64x32x32", &NetworkCalls::group_norm},
    {"attention 8x4x128x64", &NetworkCalls::attention},
};

std::optional<NetworkCalls> torch_if_built() {
#ifdef REEL_BENCH_TORCH
  return torch_networks();
#else
  return std::nullopt;
#endif
}

void run_program(int argc, const char* const* argv) {
  CommonOptions options;
  boost::program_options::variables_map values;
  if (!parse(argc, argv, {}, options, values)) return;
  Report report("bench_networks", options);
  const NetworkCalls ours = reel_networks();
  const std::optional<NetworkCalls> theirs = torch_if_built();
  if (!theirs) fmt::print("libtorch was not found when this was built: its side is skipped.\n");
  const Table table({{"forward and backward", 30},
                     {"threads", 7},
                     {"Reel ms", 8},
                     {"libtorch", 8},
                     {"ratio", 7},
                     {"pairwise", 8},
                     {"rounds", 6}});
  for (const int threads : options.threads) {
    set_threads(threads);
    for (const Question& question : questions) {
      const Sample sample = wall_time(ours.*question.call, options.measure);
      Comparison c;
      if (theirs)
        c = compare(sample, wall_time((*theirs).*question.call, options.measure), options.measure);
      else
        c.ours = measure(sample, options.measure);
      Json result{{"what", question.title}, {"threads", threads}, {"reel_ms", c.ours * 1e3}};
      std::vector<std::string> cells{question.title, std::to_string(threads),
                                     fmt::format("{:.3f}", c.ours * 1e3)};
      if (theirs) {
        result.update({{"libtorch_ms", c.theirs * 1e3},
                       {"ratio", c.ratio},
                       {"pairwise_ratio", c.pairwise_ratio},
                       {"rounds", c.rounds}});
        cells.insert(cells.end(), {fmt::format("{:.3f}", c.theirs * 1e3), fmt::format("{:.2f}", c.ratio),
                                   fmt::format("{:.2f}", c.pairwise_ratio), std::to_string(c.rounds)});
      }
      table.row(cells);
      report.add(std::move(result));
    }
  }
  report.write();
}

}  // namespace
}  // namespace reel::bench

int main(int argc, char** argv) {
  return reel::bench::run_guarded([&] { reel::bench::run_program(argc, argv); });
}
