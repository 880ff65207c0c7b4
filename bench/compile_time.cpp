// What does it cost to compile a training program with an LSTM? CPU seconds at -O2: one that includes
// reel/reel.h against the same for torch/torch.h, compiled in turn.
#include <fmt/format.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/program_options/value_semantic.hpp>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>

#include "bench/harness.h"

namespace reel::bench {
namespace {

namespace po = boost::program_options;

struct Options {
  CommonOptions common;
  std::string compiler = REEL_BENCH_COMPILER;
  std::vector<std::string> reel_include, torch_include;
};

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find(':', begin), list.size());
    if (end > begin) parts.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// User and system time of the command and all that it started; throws where it fails.
double cpu_seconds(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  if (posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments.data(), environ) != 0)
    throw std::runtime_error("cannot run " + command[0]);
  int status = 0;
  rusage usage{};
  if (wait4(child, &status, 0, &usage) != child || status != 0)
    throw std::runtime_error("this failed: " + fmt::format("{}", fmt::join(command, " ")));
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct TemporaryFile {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / fmt::format("reel_bench_{}.o", getpid());
  TemporaryFile() = default;
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
};

Sample compilation(const Options& options, const TemporaryFile& object, const std::string& source,
                   const std::string& standard, const std::vector<std::string>& include) {
  std::vector<std::string> command{options.compiler, standard, "-O2"};
  for (const std::string& folder : include) command.push_back("-I" + folder);
  command.insert(command.end(),
                 {"-c", REEL_BENCH_SOURCES "/compile_time/" + source, "-o", object.path.string()});
  cpu_seconds(command);  // brings the headers into memory, and shows that it compiles
  return [command] { return cpu_seconds(command); };
}

bool read_options(int argc, const char* const* argv, Options& options) {
  options.common.measure.rounds = 3;  // of a long sample, in CPU time, which is steady
  options.common.measure.min_seconds = 0;
  std::string reel_include, torch_include;
  po::options_description own("This program's; --threads means nothing here");
  // clang-format off
  own.add_options()
      ("compiler", po::value(&options.compiler)->default_value(options.compiler), "the compiler to run")
      ("reel-include", po::value(&reel_include)->default_value(REEL_BENCH_REEL_INCLUDE), "folders, separated by :")
      ("torch-include", po::value(&torch_include)->default_value(REEL_BENCH_TORCH_INCLUDE), "likewise; empty: no libtorch");
  // clang-format on
  po::variables_map values;
  if (!parse(argc, argv, own, options.common, values)) return false;
  options.reel_include = split(reel_include);
  options.torch_include = split(torch_include);
  return true;
}

void run_program(int argc, const char* const* argv) {
  Options options;
  if (!read_options(argc, argv, options)) return;
  setenv("CCACHE_DISABLE", "1", 1);
  Report report("bench_compile_time", options.common);
  const MeasureOptions& how = options.common.measure;
  const TemporaryFile object;
  const Sample ours = compilation(options, object, "train_reel.cpp", "-std=c++20", options.reel_include);
  Comparison c;
  if (options.torch_include.empty()) {
    fmt::print("libtorch was not found when this was built: its side is skipped.\n");
    c.ours = measure(ours, how);
  } else {
    c = compare(ours, compilation(options, object, "train_torch.cpp", "-std=c++17", options.torch_include),
                how);
  }
  const Table table({{"a training program with an LSTM, -O2, CPU s", 44},
                     {"Reel", 7},
                     {"libtorch", 8},
                     {"ratio", 6},
                     {"pairwise", 8},
                     {"rounds", 6}});
  Json result{{"compiler", options.compiler}, {"reel_cpu_seconds", c.ours}};
  std::vector<std::string> cells{options.compiler, fmt::format("{:.2f}", c.ours)};
  if (c.rounds > 0) {
    result.update({{"libtorch_cpu_seconds", c.theirs},
                   {"ratio", c.ratio},
                   {"pairwise_ratio", c.pairwise_ratio},
                   {"rounds", c.rounds}});
    cells.insert(cells.end(), {fmt::format("{:.2f}", c.theirs), fmt::format("{:.2f}", c.ratio),
                               fmt::format("{:.2f}", c.pairwise_ratio), std::to_string(c.rounds)});
  }
  table.row(cells);
  report.add(std::move(result));
  report.write();
}

}  // namespace
}  // namespace reel::bench

int main(int argc, char** argv) {
  return reel::bench::run_guarded([&] { reel::bench::run_program(argc, argv); });
}
