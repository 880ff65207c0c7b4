// What does a cell cost that the library has never seen, against the built-in LSTM at equal flops and against the same
// cell in libtorch's eager mode; and do layers, directions, padding and length cost what their flops say?
#include "bench/cells.h"

#include <fmt/core.h>

#include <optional>

#include "bench/harness.h"

namespace reel::bench {
namespace {

const CellShape shapes[] = {{35, 20, 200, 200}, {100, 64, 256, 256}, {64, 32, 512, 512}, {50, 8, 256, 256}};

struct Question {
  const char* title;
  double gates;  // of equal size: flops are in proportion
  std::function<void()> CellCalls::*call;
};
const Question questions[] = {{"LSTM", 4, &CellCalls::lstm},
                              {"minimal gated", 2, &CellCalls::minimal},
                              {"LSTM by eight layers", 4, &CellCalls::eight}};

double gflop(const CellShape& s, double gates) {
  return 6e-9 * static_cast<double>(s.T * s.N * (s.I + s.H) * s.H) * gates;
}

std::optional<CellCalls> torch_if_built(const CellShape& shape) {
#ifdef REEL_BENCH_TORCH
  return torch_cells(shape);
#else
  static_cast<void>(shape);
  return std::nullopt;
#endif
}

void compare_cells(int threads, const CommonOptions& options, Report& report) {
  const Table table({{"cell", 20},
                     {"T", 4},
                     {"N", 4},
                     {"I", 4},
                     {"H", 4},
                     {"Reel GF/s", 9},
                     {"to LSTM", 7},
                     {"libtorch GF/s", 13},
                     {"ratio", 6}});
  for (const CellShape& s : shapes) {
    const CellCalls ours = reel_cells(s);
    const std::optional<CellCalls> theirs = torch_if_built(s);
    for (const Question& q : questions) {
      const Sample sample = wall_time(ours.*q.call, options.measure);
      const Comparison to_lstm = compare(sample, wall_time(ours.lstm, options.measure), options.measure);
      const double rate = gflop(s, q.gates) / to_lstm.ours;
      const double relative = to_lstm.pairwise_ratio * q.gates / 4;
      Json result{
          {"cell", q.title},     {"threads", threads},      {"T", s.T}, {"N", s.N}, {"I", s.I}, {"H", s.H},
          {"reel_gflops", rate}, {"rate_to_lstm", relative}};
      std::vector<std::string> cells{q.title,
                                     std::to_string(s.T),
                                     std::to_string(s.N),
                                     std::to_string(s.I),
                                     std::to_string(s.H),
                                     fmt::format("{:.1f}", rate),
                                     fmt::format("{:.3f}", relative)};
      if (theirs) {
        const Comparison c = compare(sample, wall_time((*theirs).*q.call, options.measure), options.measure);
        result.update({{"libtorch_gflops", gflop(s, q.gates) / c.theirs}, {"ratio", c.pairwise_ratio}});
        cells.insert(cells.end(), {fmt::format("{:.1f}", gflop(s, q.gates) / c.theirs),
                                   fmt::format("{:.2f}", c.pairwise_ratio)});
      }
      table.row(cells);
      report.add(std::move(result));
    }
  }
}

/// What is asked of a shape, against a plain layer; `flops` in proportion to that layer's.
struct Structure {
  const char* title;
  LayerShape shape;
  double flops;
};

void compare_structures(int threads, const CommonOptions& options, Report& report) {
  const Structure structures[] = {{"two layers", {.layers = 2}, 2},
                                  {"both directions", {.bidirectional = true}, 2},
                                  {"two layers, both directions", {.layers = 2, .bidirectional = true}, 4},
                                  {"half of the steps padding", {.counting = 0.5}, 0.5}};
  const Table table({{"LSTM 64, 32, 256, 256", 28},
                     {"ms", 8},
                     {"plain ms", 8},
                     {"cost", 6},
                     {"flops", 6},
                     {"cost / flops", 12}});
  const Sample plain = wall_time(reel_layers({}), options.measure);
  for (const Structure& s : structures) {
    const Comparison c = compare(wall_time(reel_layers(s.shape), options.measure), plain, options.measure);
    const double cost = 1 / c.pairwise_ratio;
    table.row({s.title, fmt::format("{:.2f}", c.ours * 1e3), fmt::format("{:.2f}", c.theirs * 1e3),
               fmt::format("{:.3f}", cost), fmt::format("{:.2f}", s.flops),
               fmt::format("{:.3f}", cost / s.flops)});
    report.add({{"structure", s.title}, {"threads", threads}, {"cost", cost}, {"flops", s.flops}});
  }
  const Table lengths({{"LSTM T, 8, 64, 64", 28}, {"ms", 8}, {"us a step", 9}});
  for (const int64_t steps : {10, 100, 1000, 10000}) {
    const double seconds =
        measure(wall_time(reel_layers({.T = steps, .N = 8, .H = 64}), options.measure), options.measure);
    lengths.row({fmt::format("T = {}", steps), fmt::format("{:.3f}", seconds * 1e3),
                 fmt::format("{:.2f}", seconds * 1e6 / static_cast<double>(steps))});
    report.add({{"steps", steps}, {"threads", threads}, {"seconds", seconds}});
  }
}

void run_program(int argc, const char* const* argv) {
  CommonOptions options;
  boost::program_options::variables_map values;
  if (!parse(argc, argv, {}, options, values)) return;
  Report report("bench_cells", options);
  fmt::print(
      "Training steps, float32; 'to LSTM': the rate against the built-in LSTM's; ratio: libtorch's time / "
      "Reel's.\n");
#ifndef REEL_BENCH_TORCH
  fmt::print("libtorch was not found when this was built: its side is skipped.\n");
#endif
  for (const int threads : options.threads) {
    set_threads(threads);
    fmt::print("\n{} thread{}\n", threads, threads == 1 ? "" : "s");
    compare_cells(threads, options, report);
    compare_structures(threads, options, report);
  }
  report.write();
}

}  // namespace
}  // namespace reel::bench

int main(int argc, char** argv) {
  return reel::bench::run_guarded([&] { reel::bench::run_program(argc, argv); });
}
