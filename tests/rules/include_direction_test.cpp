// Holds the #include lines of the whole tree to the plan of the house: framework <- ops <- layers, optimizers
// <- models. A line counts where it stands, in a block comment or under an #if as well.
#include <map>
#include <optional>
#include <set>

#include "tests/catch.h"
#include "tests/rules/source_tree.h"

namespace reel::rules {
namespace {

using Names = std::vector<std::string_view>;

// What each folder may include. The four parts of the library are those that reel.h may include.
const std::map<std::string_view, Names> house = {
    {"framework", {"framework"}},
    {"ops", {"framework", "ops"}},
    {"layers", {"framework", "ops", "layers"}},
    {"optimizers", {"framework", "ops", "optimizers"}},
    {"reel.h", {"framework", "ops", "layers", "optimizers"}},
    {"models", {"framework", "ops", "layers", "optimizers", "reel.h", "models"}},
    {"tests", {"framework", "ops", "layers", "optimizers", "reel.h", "models", "tests", "bench"}},
    {"bench", {"framework", "ops", "layers", "optimizers", "reel.h", "models", "tests", "bench"}},
};

// Headers of other projects, which a public header leaves to .cpp files: how their names begin.
const Names onednn = {"dnnl", "oneapi/"};
const Names third_party = {"boost/",  "catch2/", "dnnl",    "fmt/", "nlohmann/",
                           "oneapi/", "xsimd/",  "xtensor", "xtl/"};

bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool begins_with_one_of(const Names& beginnings, std::string_view name) {
  return std::any_of(beginnings.begin(), beginnings.end(),
                     [&](std::string_view beginning) { return name.starts_with(beginning); });
}

bool in_library(std::string_view path) { return contains(house.at("reel.h"), folder_of(path)); }

std::string joined(const Names& names) {
  std::string text;
  for (std::string_view name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

struct Include {
  std::string name;
  bool quoted;
};

// The #include on a line, if there is one.
std::optional<Include> parse_include(std::string_view line) {
  const auto skip = [&](std::string_view token) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (!line.starts_with(token)) return false;
    line.remove_prefix(token.size());
    return true;
  };
  if (!skip("#") || !skip("include")) return {};
  const bool quoted = skip("\"");
  if (!quoted && !skip("<")) return {};
  return Include{std::string(line.substr(0, line.find(quoted ? '"' : '>'))), quoted};
}

// Whether the first comment of a header keeps it out of reel.h. The words may be broken over lines.
bool is_left_out_of_reel(const SourceFile& file) {
  std::string comment;
  for (const std::string& line : file.lines) {
    if (line.starts_with("//")) {
      std::istringstream words(line.substr(std::min(line.find_first_not_of('/'), line.size())));
      for (std::string word; words >> word;) comment += word + " ";
    } else if (!comment.empty()) {
      break;
    }
  }
  return comment.find("not part of reel.h") != std::string::npos;
}

std::set<std::string> headers_left_out_of_reel(const std::vector<SourceFile>& files) {
  std::set<std::string> paths;
  for (const SourceFile& file : files) {
    if (file.is_header() && is_left_out_of_reel(file)) paths.insert(file.path);
  }
  return paths;
}

// What is wrong with one include of `file`, or nothing. reel.h must not reach the headers in `left_out`.
std::string include_problem(const SourceFile& file, const Include& include,
                            const std::set<std::string>& left_out) {
  const bool library = in_library(file.path) || file.path == "reel.h";
  const bool header = file.is_header();
  const bool light = library && header && !left_out.contains(file.path);
  const std::string_view from = folder_of(file.path);
  std::string_view name = include.name;

  if (("/" + include.name).find("/../") != std::string::npos) {
    return "write the path from the root, not with '..': " + include.name;
  }
  if (begins_with_one_of(onednn, name) && !file.path.starts_with("ops/onednn/") && from != "bench") {
    return "only ops/onednn and bench may include " + include.name;
  }
  if (light && begins_with_one_of(third_party, name)) {
    return "a public header may not include " + include.name +
           ", unless its first comment says that it is not part of reel.h";
  }

  if (!include.quoted) {
    if (house.contains(folder_of(name))) return "write \"" + include.name + "\", with quotes";
    if (!name.starts_with("reel/")) return {};
    if (library && !header) return "a source of the library writes quotes and no 'reel/': " + include.name;
    name.remove_prefix(std::string_view("reel/").size());
  } else if (library && header && house.contains(folder_of(name))) {
    // One include path has to do for whoever uses the installed headers.
    return "a header of the library writes <reel/" + include.name + ">";
  }
  if (!house.contains(folder_of(name))) return "not a path from the root: " + include.name;
  if (!contains(house.at(from), folder_of(name))) {
    return std::string(from) + " may only include " + joined(house.at(from)) + ", and this is " +
           include.name;
  }
  if (light && left_out.contains(std::string(name))) {
    return "a header that reel.h reaches may not include one that is not part of it: " + include.name;
  }
  return {};
}

std::vector<std::string> include_problems(const SourceFile& file,
                                          const std::set<std::string>& left_out = {}) {
  std::vector<std::string> problems;
  for (size_t i = 0; i < file.lines.size(); ++i) {
    const std::optional<Include> include = parse_include(file.lines[i]);
    if (!include) continue;
    const std::string problem = include_problem(file, *include, left_out);
    if (!problem.empty()) problems.push_back(file.place(i) + problem);
  }
  return problems;
}

}  // namespace

TEST_CASE("no #include points up the house", "[rules]") {
  const std::vector<SourceFile> files = read_source_tree();
  REQUIRE(
      std::any_of(files.begin(), files.end(), [](const SourceFile& file) { return in_library(file.path); }));
  const std::set<std::string> left_out = headers_left_out_of_reel(files);
  for (const SourceFile& file : files) {
    for (const std::string& problem : include_problems(file, left_out)) FAIL_CHECK(problem);
  }
}

// The rules themselves, on made-up files.

TEST_CASE("an include that breaks a rule is reported", "[rules]") {
  const auto is_reported = [](const std::string& path, const std::string& text) {
    return !include_problems(make_source_file(path, text), {"framework/xtensor.h"}).empty();
  };

  SECTION("direction") {
    CHECK(is_reported("framework/tensor.h", "#include <reel/ops/add.h>"));
    CHECK(is_reported("ops/add.cpp", R"(#include "layers/linear.h")"));
    CHECK(is_reported("layers/linear.cpp", R"(#include "optimizers/adam.h")"));
    CHECK(is_reported("optimizers/adam.cpp", R"(#include "layers/module.h")"));
    CHECK(is_reported("layers/linear.cpp", R"(#include "reel.h")"));
    CHECK(is_reported("models/charlm.cpp", R"(#include "tests/catch.h")"));
    CHECK(is_reported("models/charlm.cpp", R"(  #  include <reel/bench/timer.h>)"));
    CHECK(is_reported("reel.h", "#include <reel/models/data.h>"));
    CHECK_FALSE(is_reported("ops/add.cpp", R"(#include "framework/tensor.h")"));
    CHECK_FALSE(is_reported("layers/linear.cpp", R"(#include "ops/matmul.h")"));
    CHECK_FALSE(is_reported("reel.h", "#include <reel/optimizers/adam.h>"));
    CHECK_FALSE(is_reported("models/charlm.cpp", R"(#include <reel/reel.h>)"));
    CHECK_FALSE(is_reported("tests/models/charlm_test.cpp", R"(#include "models/data.h")"));
  }
  SECTION("oneDNN") {
    CHECK(is_reported("ops/matmul.cpp", "#include <dnnl.hpp>"));
    CHECK(is_reported("tests/ops/matmul_test.cpp", "#include <oneapi/dnnl/dnnl.h>"));
    CHECK_FALSE(is_reported("ops/onednn/matmul.cpp", "#include <oneapi/dnnl/dnnl.hpp>"));
    CHECK_FALSE(is_reported("bench/bench_lstm.cpp", "#include <dnnl.hpp>"));
  }
  SECTION("light public headers") {
    const std::string comment = "// The bridge to xtensor. This header is not\n// part of reel.h.\n";
    CHECK(is_reported("framework/tensor.h", "#include <xtensor/xarray.hpp>"));
    CHECK(is_reported("ops/onednn/engine.h", "#include <dnnl.hpp>"));
    CHECK(is_reported("layers/module.h", "#include <reel/framework/xtensor.h>"));
    CHECK(is_reported("reel.h", "#include <reel/framework/xtensor.h>"));
    CHECK_FALSE(is_reported("framework/xtensor.h", "#include <xtensor/xarray.hpp>"));
    CHECK_FALSE(is_reported("framework/npy.cpp", R"(#include "framework/xtensor.h")"));
    CHECK_FALSE(is_reported("framework/tensor.cpp", "#include <fmt/core.h>"));
    CHECK(is_left_out_of_reel(make_source_file("framework/xtensor.h", comment + "#pragma once\n")));
    CHECK(is_left_out_of_reel(make_source_file("framework/xtensor.h", "#pragma once\n\n" + comment)));
    CHECK_FALSE(is_left_out_of_reel(make_source_file("framework/a.h", "// A.\n#pragma once\n" + comment)));
  }
  SECTION("spelling") {
    CHECK(is_reported("ops/add.cpp", R"(#include "../framework/tensor.h")"));
    CHECK(is_reported("ops/add.cpp", R"(#include "add.h")"));
    CHECK(is_reported("ops/add.cpp", "#include <reel/framework/tensor.h>"));
    CHECK(is_reported("ops/add.h", R"(#include "framework/tensor.h")"));
    CHECK_FALSE(is_reported("ops/add.h", "#include <reel/framework/tensor.h>"));
    CHECK(is_reported("models/charlm.cpp", "#include <framework/tensor.h>"));
    CHECK(is_reported("models/charlm.cpp", "#include <reel/tensor.h>"));
    CHECK_FALSE(is_reported("ops/add.cpp", "#include <cmath>"));
    CHECK_FALSE(is_reported("ops/add.cpp", R"(// #include "layers/linear.h")"));
  }
}

TEST_CASE("a report names the place, the rule and the include", "[rules]") {
  const SourceFile file = make_source_file("ops/add.h", "#pragma once\n\n#include <reel/layers/linear.h>\n");
  REQUIRE(include_problems(file).size() == 1);
  CHECK(include_problems(file)[0] ==
        "ops/add.h:3: ops may only include framework, ops, and this is reel/layers/linear.h");
}

}  // namespace reel::rules
