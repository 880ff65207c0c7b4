#include "bench/harness.h"

#include <fmt/core.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <boost/program_options/parsers.hpp>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace reel::bench {
namespace {

namespace po = boost::program_options;

std::vector<int> parse_threads(const std::string& list) {
  std::vector<int> threads;
  std::istringstream stream(list);
  for (std::string item; std::getline(stream, item, ',');) {
    int count = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), count);
    if (error != std::errc{} || end != item.data() + item.size() || count < 1)
      throw std::invalid_argument("--threads expects counts such as 1,2, got " + list);
    threads.push_back(count);
  }
  if (threads.empty()) throw std::invalid_argument("--threads expects at least one count");
  return threads;
}

double seconds_of(const std::function<void()>& call, int64_t calls) {
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < calls; ++i) call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

class Rounds {
 public:
  explicit Rounds(const MeasureOptions& options) : options_(options) {}
  bool more() const {
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
    return done_ < options_.rounds || elapsed.count() < options_.min_seconds;
  }
  void next() { ++done_; }

 private:
  MeasureOptions options_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  int done_ = 0;
};

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

std::string date() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

// The library that runs, which need not be the one of the headers.
std::string onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("{}.{}.{}", version->major, version->minor, version->patch);
}

Json machine() {
  const char* omp_num_threads = std::getenv("OMP_NUM_THREADS");
  return {{"cpu", cpu_model()},
          {"cores", std::thread::hardware_concurrency()},
          {"OMP_NUM_THREADS", omp_num_threads != nullptr ? Json(omp_num_threads) : Json()},
          {"onednn", onednn_version()},
          {"compiler", __VERSION__},
          {"date", date()}};
}

}  // namespace

bool parse(int argc, const char* const* argv, const po::options_description& own, CommonOptions& common,
           po::variables_map& values) {
  std::string threads = "1,2";
  po::options_description all("Options");
  // clang-format off
  all.add_options()
      ("help", "print this")
      ("threads", po::value(&threads)->default_value(threads), "thread counts to measure with, one after the other")
      ("rounds", po::value(&common.measure.rounds)->default_value(common.measure.rounds),
       "samples of each side, at least")
      ("min-time", po::value(&common.measure.min_seconds)->default_value(common.measure.min_seconds, fmt::format("{}", common.measure.min_seconds)),
       "seconds for one comparison, at least")
      ("json", po::value(&common.json_path), "write the results to this file");
  // clang-format on
  all.add(own);
  po::store(po::parse_command_line(argc, argv, all), values);
  if (values.count("help") != 0) {
    std::ostringstream text;
    text << all;
    fmt::print("{}", text.str());
    return false;
  }
  po::notify(values);
  common.measure.rounds = std::max(1, common.measure.rounds);
  common.threads = parse_threads(threads);
  return true;
}

int run_guarded(const std::function<void()>& program) {
  try {
    program();
    return 0;
  } catch (const std::exception& error) {
    std::fputs(fmt::format("error: {}\n", error.what()).c_str(), stderr);
    return 1;
  }
}

void set_threads(int threads) {
  omp_set_dynamic(0);
  omp_set_num_threads(threads);
}

Sample wall_time(std::function<void()> call, const MeasureOptions& options) {
  call();  // what is made once: primitives, plans, memory
  int64_t calls = 1;
  for (double elapsed = seconds_of(call, calls); elapsed < options.min_sample_seconds;
       elapsed = seconds_of(call, calls)) {
    const double wanted = static_cast<double>(calls) * options.min_sample_seconds / std::max(elapsed, 1e-9);
    calls = std::max(2 * calls, std::min(static_cast<int64_t>(wanted) + 1, 1000 * calls));
  }
  return [call = std::move(call), calls] { return seconds_of(call, calls) / static_cast<double>(calls); };
}

Comparison compare(const Sample& ours, const Sample& theirs, const MeasureOptions& options) {
  std::vector<double> a, b, pairwise;
  for (Rounds rounds(options); rounds.more(); rounds.next()) {
    a.push_back(ours());
    b.push_back(theirs());
    pairwise.push_back(b.back() / a.back());
  }
  const double median_a = median(a), median_b = median(b);
  return {median_a, median_b, median_b / median_a, median(pairwise), static_cast<int>(pairwise.size())};
}

double measure(const Sample& sample, const MeasureOptions& options) {
  std::vector<double> seconds;
  for (Rounds rounds(options); rounds.more(); rounds.next()) seconds.push_back(sample());
  return median(seconds);
}

double median(std::vector<double> values) {
  if (values.empty()) throw std::invalid_argument("the median of no values");
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

double geometric_mean(std::span<const double> values) {
  if (values.empty()) throw std::invalid_argument("the geometric mean of no values");
  double sum = 0;
  for (const double value : values) sum += std::log(value);
  return std::exp(sum / static_cast<double>(values.size()));
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  std::vector<std::string> titles;
  size_t width = 0;
  for (const Column& column : columns_) {
    titles.push_back(column.title);
    width += static_cast<size_t>(column.width) + 2;
  }
  row(titles);
  fmt::print("{}\n", std::string(width - 2, '-'));
}

void Table::row(const std::vector<std::string>& cells) const {
  std::string line;
  for (size_t i = 0; i < columns_.size(); ++i) {
    const std::string cell = i < cells.size() ? cells[i] : "";
    line += i == 0 ? fmt::format("{:<{}}", cell, columns_[i].width)
                   : fmt::format("  {:>{}}", cell, columns_[i].width);
  }
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

Report::Report(std::string_view program, const CommonOptions& options) : path_(options.json_path) {
  content_ = {{"program", program},
              {"machine", machine()},
              {"rounds", options.measure.rounds},
              {"min_seconds", options.measure.min_seconds},
              {"results", Json::array()}};
  const Json& m = content_["machine"];
  fmt::print("{}: {}, {} cores, oneDNN {}, OMP_NUM_THREADS {}; threads are set in the process\n", program,
             m["cpu"].get<std::string>(), m["cores"].get<unsigned>(), m["onednn"].get<std::string>(),
             m["OMP_NUM_THREADS"].dump());
}

void Report::add(Json result) { content_["results"].push_back(std::move(result)); }

void Report::set(const std::string& name, Json value) { content_[name] = std::move(value); }

void Report::write() const {
  if (path_.empty()) return;
  std::ofstream file(path_);
  file << content_.dump(2) << '\n';
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path_);
}

}  // namespace reel::bench
