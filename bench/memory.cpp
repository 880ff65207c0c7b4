// How much memory does a training step of a character model need? The peak of the resident set, each side in processes
// of its own: with steps, less that of a process that only builds a tiny model (libraries and their start).
#include "bench/memory.h"

#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/harness.h"

namespace reel::bench {
namespace {

using Steps = void (*)(const MemoryModel&, int);

/// Peak resident set, in bytes, of a child that runs f. The parent has not touched either library.
double peak_of_child(Steps steps, const MemoryModel& model, int count, int threads) {
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    set_threads(threads);
    steps(model, count);
    _exit(0);
  }
  int status = 0;
  rusage usage{};
  if (wait4(child, &status, 0, &usage) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    throw std::runtime_error("a child has failed");
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

double step_memory(Steps steps, int threads) {
  constexpr MemoryModel tiny{.vocabulary = 4, .embedding = 4, .hidden = 4, .batch = 2, .length = 2};
  return peak_of_child(steps, {}, 4, threads) - peak_of_child(steps, tiny, 4, threads);
}

void run_program(int argc, const char* const* argv) {
  CommonOptions options;
  boost::program_options::variables_map values;
  if (!parse(argc, argv, {}, options, values)) return;
  Report report("bench_memory", options);
  const Table table({{"what", 34}, {"threads", 7}, {"Reel MB", 8}, {"libtorch MB", 11}, {"times", 6}});
  for (const int threads : options.threads) {
    const double ours = step_memory(reel_steps, threads) / 1e6;
    Json result{{"what", "training step, LSTM 256, 64 x 64"}, {"threads", threads}, {"reel_mb", ours}};
    std::vector<std::string> cells{"training step, LSTM 256, 64 x 64", std::to_string(threads),
                                   fmt::format("{:.1f}", ours)};
#ifdef REEL_BENCH_TORCH
    const double theirs = step_memory(torch_steps, threads) / 1e6;
    result.update({{"libtorch_mb", theirs}, {"times", ours / theirs}});
    cells.insert(cells.end(), {fmt::format("{:.1f}", theirs), fmt::format("{:.2f}", ours / theirs)});
#endif
    table.row(cells);
    report.add(std::move(result));
  }
  report.write();
}

}  // namespace
}  // namespace reel::bench

int main(int argc, char** argv) {
  return reel::bench::run_guarded([&] { reel::bench::run_program(argc, argv); });
}
