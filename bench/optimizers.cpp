// How close does a step come to what the memory can do? A step reads and writes the parameter and its moments and reads
// the gradient: set beside a memcpy that moves as many bytes in all, and beside libtorch's step.
#include "bench/optimizers.h"

#include <fmt/core.h>

#include <cstring>
#include <memory>
#include <vector>

#include "bench/harness.h"

namespace reel::bench {
namespace {

/// Copies half of `bytes`, which moves `bytes`.
std::function<void()> moving(double bytes) {
  const auto half = static_cast<size_t>(bytes / 2);
  auto from = std::make_shared<std::vector<char>>(half, 'a'),
       to = std::make_shared<std::vector<char>>(half, 'b');
  return [from, to, half] {
    std::memcpy(to->data(), from->data(), half);
    asm volatile("" : : "r"(to->data()) : "memory");
  };
}

void run_program(int argc, const char* const* argv) {
  CommonOptions options;
  boost::program_options::variables_map values;
  if (!parse(argc, argv, {}, options, values)) return;
  Report report("bench_optimizers", options);
  const Table table(
      {{"step", 22}, {"threads", 7}, {"beside", 14}, {"Reel us", 10}, {"peer us", 10}, {"times", 6}});
  struct Rule {
    std::string name;
    std::function<void()> OptimizerCalls::*call;
    double passes;  // over memory of the parameter's size
  };
  const std::vector<Rule> rules{{"SGD with momentum", &OptimizerCalls::sgd, 5},
                                {"Adam", &OptimizerCalls::adam, 7},
                                {"AdamW", &OptimizerCalls::adamw, 7}};
  for (const int64_t elements : {int64_t{1'000'000}, int64_t{10'000'000}}) {
    for (const Rule& rule : rules) {
      for (const int threads : options.threads) {
        set_threads(threads);
        const auto beside = [&](const std::string& peer, const std::function<void()>& theirs) {
          const OptimizerCalls ours = reel_optimizers(elements);
          const Comparison c = compare(wall_time(ours.*rule.call, options.measure),
                                       wall_time(theirs, options.measure), options.measure);
          const std::string what = fmt::format("{}, {} M", rule.name, elements / 1'000'000);
          table.row({what, std::to_string(threads), peer, fmt::format("{:.0f}", c.ours * 1e6),
                     fmt::format("{:.0f}", c.theirs * 1e6), fmt::format("{:.2f}", c.ours / c.theirs)});
          report.add({{"what", what},
                      {"threads", threads},
                      {"beside", peer},
                      {"reel_seconds", c.ours},
                      {"peer_seconds", c.theirs},
                      {"times", c.ours / c.theirs}});
        };
        // memcpy runs on one core.
        if (threads == 1) beside("memcpy", moving(static_cast<double>(elements) * 4 * rule.passes));
#ifdef REEL_BENCH_TORCH
        const OptimizerCalls theirs = torch_optimizers(elements);
        beside("libtorch", theirs.*rule.call);
#endif
      }
    }
  }
  report.write();
}

}  // namespace
}  // namespace reel::bench

int main(int argc, char** argv) {
  return reel::bench::run_guarded([&] { reel::bench::run_program(argc, argv); });
}
