// How fast is a recurrent training step, forward and backward, or forward alone? Reel's composed cells against oneDNN's fused
// primitives, in turn, with the machine's best float32 product beside both.
#include <fmt/core.h>

#include <algorithm>
#include <boost/program_options/value_semantic.hpp>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "bench/harness.h"
#include "bench/peers/onednn_rnn.h"
#include "bench/recurrent_check.h"
#include "bench/recurrent_reel.h"

namespace reel::bench {
namespace {

namespace po = boost::program_options;

constexpr PeerCell all_cells[] = {PeerCell::lstm, PeerCell::peephole_lstm, PeerCell::gru, PeerCell::lbr_gru,
                                  PeerCell::rnn};

// Word and character models of several sizes, an image read row by row, a small batch, and a single sequence.
const std::vector<RecurrentShape> default_shapes{{35, 20, 200, 200}, {35, 20, 650, 650}, {100, 64, 256, 256},
                                                 {64, 32, 512, 512}, {28, 128, 28, 128}, {50, 8, 256, 256},
                                                 {100, 1, 128, 128}};

struct Options {
  CommonOptions common;
  std::vector<PeerCell> cells;
  std::vector<RecurrentShape> shapes;
  bool peer_only = false;
  bool forward = false;
};

/// Of a training step: a third of it is forward.
double gflop(PeerCell cell, RecurrentShape s) {
  return 3 * 2e-9 * static_cast<double>(s.T * s.N) * static_cast<double>((s.I + s.H) * gates(cell) * s.H);
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

std::vector<PeerCell> cells_named(const std::string& list) {
  std::vector<PeerCell> cells;
  for (const std::string& wanted : split(list, ',')) {
    const auto* found = std::find_if(std::begin(all_cells), std::end(all_cells),
                                     [&](PeerCell cell) { return name(cell) == wanted; });
    if (found == std::end(all_cells)) throw std::invalid_argument("--cells: there is no cell " + wanted);
    cells.push_back(*found);
  }
  return cells;
}

std::vector<RecurrentShape> shapes_written(const std::string& list) {
  std::vector<RecurrentShape> shapes;
  for (const std::string& written : split(list, ';')) {
    std::vector<int64_t> sizes;
    for (const std::string& size : split(written, ',')) sizes.push_back(std::stoll(size));
    if (sizes.size() != 4 || *std::min_element(sizes.begin(), sizes.end()) < 1)
      throw std::invalid_argument("--shapes expects T,N,I,H;T,N,I,H;..., got " + list);
    shapes.push_back({sizes[0], sizes[1], sizes[2], sizes[3]});
  }
  return shapes;
}

// Every distinct shape of one layer that the arrays of a JSON file name in objects with T, N, I and H, up to
// a limit on one LSTM step. The file's cells, directions and passes are not looked at: --cells says what
// runs.
std::vector<RecurrentShape> shapes_in(const std::vector<std::string>& paths, double max_gflop) {
  std::map<std::tuple<int64_t, int64_t, int64_t, int64_t>, RecurrentShape> shapes;
  for (const std::string& path : paths) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot read " + path);
    const Json content = Json::parse(file);
    for (const Json& list : content) {
      if (!list.is_array()) continue;
      for (const Json& entry : list) {
        if (!entry.is_object() || !entry.contains("T") || entry.value("layers", 1) != 1 ||
            entry.value("proj", 0) != 0)
          continue;
        const RecurrentShape s{entry.at("T"), entry.at("N"), entry.at("I"), entry.at("H")};
        if (entry.value("S", s.H) == s.H && gflop(PeerCell::lstm, s) <= max_gflop)
          shapes[{s.T, s.N, s.I, s.H}] = s;
      }
    }
  }
  std::vector<RecurrentShape> result;
  result.reserve(shapes.size());
  for (const auto& [key, shape] : shapes) result.push_back(shape);
  if (result.empty()) throw std::runtime_error("--shape-file: there is no shape within the limit");
  return result;
}

/// `count` of them, drawn by `seed`.
std::vector<RecurrentShape> sample_of(std::vector<RecurrentShape> shapes, size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  for (size_t i = 0; i + 1 < shapes.size(); ++i)  // std::shuffle's order is not the same everywhere
    std::swap(shapes[i], shapes[i + random() % (shapes.size() - i)]);
  shapes.resize(std::min(count, shapes.size()));
  return shapes;
}

bool read_options(int argc, const char* const* argv, Options& options) {
  std::string cells, shapes;
  std::vector<std::string> shape_files;
  size_t sample = 0;
  uint32_t seed = 0;
  double max_gflop = 0;
  po::options_description own("This program's");
  // clang-format off
  own.add_options()
      ("cells", po::value(&cells)->default_value("lstm,peephole_lstm,gru,lbr_gru,rnn"), "which cells")
      ("shapes", po::value(&shapes), "T,N,I,H;T,N,I,H;... instead of the usual ones")
      ("shape-file", po::value(&shape_files), "take the shapes from a JSON file with lists of {T, N, I, H}; may be repeated")
      ("max-gflop", po::value(&max_gflop)->default_value(100), "leave out of these files what takes more than this a step")
      ("sample", po::value(&sample)->default_value(0), "so many of these shapes, drawn at random; 0: all")
      ("seed", po::value(&seed)->default_value(1), "of that draw")
      ("forward", po::bool_switch(&options.forward), "measure forward alone, without what training keeps")
      ("peer-only", po::bool_switch(&options.peer_only), "measure oneDNN alone");
  // clang-format on
  po::variables_map values;
  if (!parse(argc, argv, own, options.common, values)) return false;
  options.cells = cells_named(cells);
  if (!shape_files.empty()) {
    options.shapes = shapes_in(shape_files, max_gflop);
    if (sample > 0) options.shapes = sample_of(std::move(options.shapes), sample, seed);
  } else
    options.shapes = shapes.empty() ? default_shapes : shapes_written(shapes);
  return true;
}

// Large products, and one of a width that suits small caches; which is best differs from machine to machine.
double machine_best() {
  double best = 0;
  for (const Product p : {Product{2048, 2048, 2048}, {1024, 1024, 1024}, {700, 800, 200}, {4096, 256, 1024}})
    best = std::max(best, best_sgemm_gflops(p));
  return best;
}

OnednnRecurrent make_peer(PeerCell cell, RecurrentShape shape, bool training) {
  OnednnRecurrent peer(cell, shape, training);
  std::mt19937 random(1);
  std::normal_distribution<float> data(0, 1), weights(0, 0.5F / std::sqrt(static_cast<float>(shape.H)));
  for (std::span<float> values : {peer.input(), peer.output_gradient()}) {
    for (float& value : values) value = data(random);
  }
  for (std::span<float> values :
       {peer.input_weights(), peer.recurrent_weights(), peer.bias(), peer.peepholes()}) {
    for (float& value : values) value = weights(random);
  }
  return peer;
}

Comparison run(PeerCell cell, RecurrentShape shape, const Options& options) {
  OnednnRecurrent peer = make_peer(cell, shape, !options.forward);
  const MeasureOptions& how = options.common.measure;
  const Sample theirs = wall_time(
      [&] {
        peer.forward();
        if (!options.forward) peer.backward();
      },
      how);
  if (options.peer_only) return {.theirs = measure(theirs, how)};
  const auto ours = options.forward ? reel_forward(cell, shape, peer.input())
                                    : reel_step(cell, shape, peer.input(), peer.output_gradient());
  return compare(wall_time(ours, how), theirs, how);
}

// The rows of one thread count. Returns the ratios of each cell.
std::map<std::string, std::vector<double>> run_all(int threads, double best, const Options& options,
                                                   Report& report) {
  const Table table({{"cell", 13},
                     {"T", 4},
                     {"N", 4},
                     {"I", 5},
                     {"H", 5},
                     {"Reel GF/s", 9},
                     {"of best", 7},
                     {"oneDNN GF/s", 11},
                     {"of best", 7},
                     {"ratio", 6},
                     {"pairwise", 8},
                     {"rounds", 6}});
  std::map<std::string, std::vector<double>> ratios;
  for (const PeerCell cell : options.cells) {
    const std::string name(bench::name(cell));
    for (const RecurrentShape s : options.shapes) {
      const Comparison c = run(cell, s, options);
      const double work = gflop(cell, s) / (options.forward ? 3 : 1);
      const double theirs = work / c.theirs;
      Json result{{"cell", name},
                  {"threads", threads},
                  {"T", s.T},
                  {"N", s.N},
                  {"I", s.I},
                  {"H", s.H},
                  {"gflop", work},
                  {"onednn_seconds", c.theirs},
                  {"onednn_gflops", theirs}};
      std::vector<std::string> cells{name, std::to_string(s.T), std::to_string(s.N), std::to_string(s.I),
                                     std::to_string(s.H)};
      if (options.peer_only) {
        cells.insert(cells.end(),
                     {"", "", fmt::format("{:.1f}", theirs), fmt::format("{:.2f}", theirs / best)});
      } else {
        const double ours = work / c.ours;
        ratios[name].push_back(c.ratio);
        result.update({{"reel_seconds", c.ours},
                       {"reel_gflops", ours},
                       {"ratio", c.ratio},
                       {"pairwise_ratio", c.pairwise_ratio},
                       {"rounds", c.rounds}});
        cells.insert(cells.end(), {fmt::format("{:.1f}", ours), fmt::format("{:.2f}", ours / best),
                                   fmt::format("{:.1f}", theirs), fmt::format("{:.2f}", theirs / best),
                                   fmt::format("{:.3f}", c.ratio), fmt::format("{:.3f}", c.pairwise_ratio),
                                   std::to_string(c.rounds)});
      }
      table.row(cells);
      report.add(std::move(result));
    }
  }
  return ratios;
}

Json summarize(const std::map<std::string, std::vector<double>>& ratios) {
  std::vector<double> all;
  Json summary;
  for (const auto& [cell, values] : ratios) {
    all.insert(all.end(), values.begin(), values.end());
    summary[cell] = geometric_mean(values);
    fmt::print("{:<13}  geometric mean of Reel / oneDNN {:.3f}, lowest {:.3f}\n", cell,
               geometric_mean(values), *std::min_element(values.begin(), values.end()));
  }
  summary["all"] = geometric_mean(all);
  summary["lowest"] = *std::min_element(all.begin(), all.end());
  fmt::print("{:<13}  geometric mean of Reel / oneDNN {:.3f}, lowest {:.3f}\n", "all", geometric_mean(all),
             *std::min_element(all.begin(), all.end()));
  return summary;
}

void run_program(int argc, const char* const* argv) {
  Options options;
  if (!read_options(argc, argv, options)) return;
  Report report("bench_recurrent", options.common);
  for (const PeerCell cell : options.cells) check_peer(cell);
  fmt::print(
      "{}, float32: GFLOP/s = {} T N (I+H) G H / time; ratio = Reel / oneDNN, above 1 Reel is faster.\n"
      "oneDNN's primitives agree with the float64 reference loops.\n",
      options.forward ? "Forward alone" : "Training step", options.forward ? 2 : 6);
  Json best_rates, geometric_means;
  for (const int threads : options.common.threads) {
    set_threads(threads);
    const double best = machine_best();
    best_rates[std::to_string(threads)] = best;
    fmt::print("\n{} thread{}; the machine's best dnnl_sgemm: {:.1f} GFLOP/s\n", threads,
               threads == 1 ? "" : "s", best);
    const auto ratios = run_all(threads, best, options, report);
    if (!ratios.empty()) geometric_means[std::to_string(threads)] = summarize(ratios);
  }
  report.set("best_sgemm_gflops", best_rates);
  report.set("geometric_mean_ratio", geometric_means);
  report.write();
}

}  // namespace
}  // namespace reel::bench

int main(int argc, char** argv) {
  return reel::bench::run_guarded([&] { reel::bench::run_program(argc, argv); });
}
