// What does it cost to record an op, and to walk back over a few? Reel against libtorch, in turn, where
// libtorch is there; Reel alone where it is not.
#include "bench/overhead.h"

#include <fmt/core.h>

#include <optional>

#include "bench/harness.h"

namespace reel::bench {
namespace {

struct Question {
  const char* title;
  std::function<void()> OverheadCalls::*call;
  double per_call;  // how many of what is asked about one call holds
  const char* unit;
  double unit_seconds;
};

const Question questions[] = {
    {"recorded add, 16 floats", &OverheadCalls::add, overhead_chain, "ns", 1e-9},
    {"recorded tanh, 16 floats", &OverheadCalls::tanh, overhead_chain, "ns", 1e-9},
    {"ten multiplies, sum, backward", &OverheadCalls::multiply, 1, "us", 1e-6},
};

std::optional<OverheadCalls> torch_if_built() {
#ifdef REEL_BENCH_TORCH
  return torch_overhead();
#else
  return std::nullopt;
#endif
}

Comparison run(const Question& question, const OverheadCalls& ours,
               const std::optional<OverheadCalls>& theirs, const MeasureOptions& how) {
  const Sample sample = wall_time(ours.*question.call, how);
  if (!theirs) return {.ours = measure(sample, how)};
  return compare(sample, wall_time((*theirs).*question.call, how), how);
}

void run_program(int argc, const char* const* argv) {
  CommonOptions options;
  boost::program_options::variables_map values;
  if (!parse(argc, argv, {}, options, values)) return;
  Report report("bench_overhead", options);
  const OverheadCalls ours = reel_overhead();
  const std::optional<OverheadCalls> theirs = torch_if_built();
  if (!theirs) fmt::print("libtorch was not found when this was built: its side is skipped.\n");
  const Table table({{"what", 29},
                     {"threads", 7},
                     {"unit", 4},
                     {"Reel", 8},
                     {"libtorch", 8},
                     {"ratio", 7},
                     {"pairwise", 8},
                     {"rounds", 6}});
  for (const int threads : options.threads) {
    set_threads(threads);
    for (const Question& question : questions) {
      const Comparison c = run(question, ours, theirs, options.measure);
      const double scale = question.unit_seconds * question.per_call;
      Json result{
          {"what", question.title}, {"threads", threads}, {"unit", question.unit}, {"reel", c.ours / scale}};
      std::vector<std::string> cells{question.title, std::to_string(threads), question.unit,
                                     fmt::format("{:.1f}", c.ours / scale)};
      if (theirs) {
        result.update({{"libtorch", c.theirs / scale},
                       {"ratio", c.ratio},
                       {"pairwise_ratio", c.pairwise_ratio},
                       {"rounds", c.rounds}});
        cells.insert(cells.end(), {fmt::format("{:.1f}", c.theirs / scale), fmt::format("{:.2f}", c.ratio),
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
