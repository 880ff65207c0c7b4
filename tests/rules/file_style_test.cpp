// Those rules of house style that a look at single lines can check. What clang-format and clang-tidy see is
// left to them.
#include "tests/catch.h"
#include "tests/rules/source_tree.h"

namespace reel::rules {
namespace {

// A file holds one idea: past about 400 lines the second idea should be looked for, past this many it is
// there.
constexpr size_t most_lines = 600;

std::vector<std::string> style_problems(const SourceFile& file) {
  std::vector<std::string> problems;
  const bool is_test = file.path.starts_with("tests/") || file.path.starts_with("bench/");
  if (!is_test && file.lines.size() > most_lines) {
    problems.push_back(file.path + ": has " + std::to_string(file.lines.size()) + " lines, and " +
                       std::to_string(most_lines) + " is the most");
  }
  for (size_t i = 0; file.is_header() && i < file.lines.size(); ++i) {
    const std::string code = file.lines[i].substr(0, file.lines[i].find("//"));
    if (code.find("using namespace") != std::string::npos) {
      problems.push_back(file.place(i) + "a header has no 'using namespace'");
    }
  }
  return problems;
}

}  // namespace

TEST_CASE("every file keeps to the house style", "[rules]") {
  const std::vector<SourceFile> files = read_source_tree();
  REQUIRE_FALSE(files.empty());
  for (const SourceFile& file : files) {
    for (const std::string& problem : style_problems(file)) FAIL_CHECK(problem);
  }
}

TEST_CASE("a file that breaks the house style is reported", "[rules]") {
  const auto problems = [](const std::string& path, const std::string& text) {
    return style_problems(make_source_file(path, text)).size();
  };
  CHECK(problems("ops/add.cpp", std::string(600, '\n')) == 0);
  CHECK(problems("ops/add.cpp", std::string(601, '\n')) == 1);
  CHECK(problems("tests/ops/add_test.cpp", std::string(601, '\n')) == 0);
  CHECK(problems("ops/add.h", "namespace reel {\nusing namespace std;\n}\n") == 1);
  CHECK(problems("ops/add.h", "// using namespace reel;\n") == 0);
  CHECK(problems("models/charlm.cpp", "using namespace reel;\n") == 0);
}

}  // namespace reel::rules
