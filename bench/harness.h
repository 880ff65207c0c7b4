// What every bench program shares: its command line, measuring two sides in turn within one process, the
// table and the JSON file. Knows nothing of what is measured.
#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reel::bench {

using Json = nlohmann::ordered_json;

struct MeasureOptions {
  int rounds = 7;                    ///< At least so many samples of each side.
  double min_seconds = 1.0;          ///< And at least so long over all.
  double min_sample_seconds = 5e-3;  ///< A sample repeats its call until it lasts as long as this.
};

/// The options that every program takes, so that one command line can serve them all.
struct CommonOptions {
  std::vector<int> threads{1, 2};
  MeasureOptions measure;
  std::string json_path;  ///< Empty: no file.
};

/// Reads the command line into `common` and `values`; `own` are the program's options beside the common ones.
/// Returns false when the program has nothing more to do (--help). Throws on what it does not know.
bool parse(int argc, const char* const* argv, const boost::program_options::options_description& own,
           CommonOptions& common, boost::program_options::variables_map& values);

/// Reports what `program` throws as one line on standard error. To be main's whole body.
int run_guarded(const std::function<void()>& program);

/// Threads of every OpenMP loop in the process from now on, whoever's it is.
void set_threads(int threads);

/// Takes one sample and returns its seconds: of the clock, of CPU time, whatever the program's question is.
using Sample = std::function<double()>;

/// Warms `call` up and makes it a sample of wall time per call, repeated as often as MeasureOptions says.
Sample wall_time(std::function<void()> call, const MeasureOptions& options);

/// Medians, in the sample's seconds. A ratio above 1 says that ours takes less time than theirs.
struct Comparison {
  double ours = 0;
  double theirs = 0;
  double ratio = 0;  ///< theirs / ours, of the medians.
  double pairwise_ratio =
      0;  ///< The median over rounds of theirs / ours within the round: drift cancels out.
  int rounds = 0;
};

/// Ours, theirs, ours, theirs, ..., so that both meet the same machine.
Comparison compare(const Sample& ours, const Sample& theirs, const MeasureOptions& options);

/// One side alone, where there is nothing to compare with: the median.
double measure(const Sample& sample, const MeasureOptions& options);

double median(std::vector<double> values);
double geometric_mean(std::span<const double> values);

/// A table on standard output, printed row by row as results come in. The first column is aligned to the
/// left.
class Table {
 public:
  struct Column {
    std::string title;
    int width;
  };
  /// Prints the head.
  explicit Table(std::vector<Column> columns);
  void row(const std::vector<std::string>& cells) const;

 private:
  std::vector<Column> columns_;
};

/// Collects results, and writes them with a description of the machine.
class Report {
 public:
  /// Also prints one line on the machine.
  Report(std::string_view program, const CommonOptions& options);
  /// One result, with whatever fields the program has.
  void add(Json result);
  /// A figure on the whole run.
  void set(const std::string& name, Json value);
  /// To the path of --json, if there is one.
  void write() const;

 private:
  std::string path_;
  Json content_;
};

}  // namespace reel::bench
