// Every row of the gradient table against differences, and every op of the library against the table.
#include "tests/ops/gradient_table.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>

#include "framework/recording.h"
#include "framework/tape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

struct Outcome {
  int64_t cases = 0;
  double largest_error = 0;
  std::vector<std::string> failures;
};

void run_case(const GradientRow& row, const Shapes& shapes, const Domain& domain, Layout layout,
              Outcome& outcome) {
  const GradientCase entry = make_case(row, shapes, domain, layout);
  std::string where = row.name + ", " + text(layout) + ", in [" + detail::text(domain.low) + ", " +
                      detail::text(domain.high) + "], shapes";
  for (const Shape& shape : shapes) where += " " + shape.str();
  for (const bool second : {false, true}) {
    ++outcome.cases;
    try {
      const GradcheckResult result = second ? gradgradcheck(entry.function, entry.arguments, row.options)
                                            : gradcheck(entry.function, entry.arguments, row.options);
      outcome.largest_error = std::max(outcome.largest_error, result.largest_error);
      if (!result)
        outcome.failures.push_back(where + (second ? ", second order: " : ", first order: ") +
                                   result.message);
    } catch (const Error& error) {
      outcome.failures.push_back(where + ": " + error.what());
    }
  }
}

Outcome run_row(const GradientRow& row) {
  Outcome outcome;
  for (const Shapes& shapes : row.cases)
    for (const Domain& domain : row.domains)
      for (Layout layout : all_layouts) run_case(row, shapes, domain, layout, outcome);
  return outcome;
}

/// Names of the ops that running f, and going back over it with the pass recorded, leaves on a tape.
std::set<std::string> recorded_names(const TensorFunction& f, const std::vector<Tensor>& arguments) {
  Tape tape;
  for (const Tensor& x : arguments) tape.watch(x);
  const std::vector<Tensor> outputs = f(arguments);
  for (const Tensor& y : outputs) {
    if (detail::current_recording()->slot_of(y, "test", 0) < 0) continue;
    const Tensor upper = ones_like(y);
    tape.watch(upper);
    tape.gradient(y, arguments, {.gradient = upper, .create_graph = true});
  }
  std::set<std::string> names;
  for (const detail::Node* node : detail::current_recording()->nodes) names.emplace(node->rules->name);
  return names;
}

/// Every string that stands on a line which defines an op's name, by the folder's sources.
std::map<std::string, std::string> names_in_sources() {
  namespace fs = std::filesystem;
  const std::regex literal("\"([a-z0-9_]+)\"");
  std::map<std::string, std::string> names;
  for (const char* folder : {"framework", "ops", "layers", "optimizers"}) {
    const fs::path root = fs::path(source_folder()) / folder;
    if (!fs::exists(root)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (entry.path().extension() != ".h" && entry.path().extension() != ".cpp") continue;
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) {
        if (line.find("static constexpr std::string_view name =") == std::string::npos) continue;
        for (std::sregex_iterator match(line.begin(), line.end(), literal), end; match != end; ++match)
          names[(*match)[1]] = entry.path().lexically_relative(source_folder()).generic_string();
      }
    }
  }
  return names;
}

bool is_exempt(const std::string& name) {
  return std::any_of(exempt_ops().begin(), exempt_ops().end(),
                     [&](const ExemptOp& op) { return op.name == name; });
}

}  // namespace

TEST_CASE("first and second derivatives of every op agree with differences, in every layout", "[gradients]") {
  for (const GradientRow& row : gradient_table()) {
    const Outcome outcome = run_row(row);
    CHECK(outcome.cases > 0);
    for (const std::string& failure : outcome.failures) FAIL_CHECK(failure);
  }
}

TEST_CASE("the gradient table in figures", "[.table]") {
  std::printf("%-56s %6s  %s\n", "row", "checks", "largest error");
  for (const GradientRow& row : gradient_table()) {
    const Outcome outcome = run_row(row);
    std::printf("%-56s %6lld  %.1e%s\n", row.name.c_str(), static_cast<long long>(outcome.cases),
                outcome.largest_error, outcome.failures.empty() ? "" : "  FAILED");
  }
}

TEST_CASE("a row runs the ops that it names", "[gradients]") {
  for (const GradientRow& row : gradient_table()) {
    INFO(row.name);
    const GradientCase entry = make_case(row, row.cases[0], row.domains[0], Layout::contiguous);
    const std::set<std::string> recorded = recorded_names(entry.function, entry.arguments);
    for (const std::string& op : row.ops) {
      INFO("names " << op);
      CHECK(recorded.count(op) == 1);
    }
  }
}

TEST_CASE("every op in the sources has a row or an exemption", "[gradients]") {
  std::set<std::string> covered;
  for (const GradientRow& row : gradient_table()) covered.insert(row.ops.begin(), row.ops.end());
  const auto names = names_in_sources();
  REQUIRE(names.count("tanh") == 1);
  REQUIRE(names.count("accumulate") == 1);
  for (const auto& [name, path] : names) {
    INFO("op \"" << name << "\" of " << path << " needs a row in the gradient table");
    CHECK((covered.count(name) == 1) != is_exempt(name));
  }
  for (const std::string& name : covered) {
    INFO("row for \"" << name << "\", which the sources do not name");
    CHECK(names.count(name) == 1);
  }
}

TEST_CASE("an exempt op has no gradient", "[gradients]") {
  const GradientRow two = {"", {}, nullptr, {}};
  for (const ExemptOp& op : exempt_ops()) {
    INFO(op.name << ": " << op.reason);
    const std::vector<Tensor> arguments = make_case(two, {{2, 3}, {2, 3}}, {}, Layout::contiguous).arguments;
    Tape tape;
    for (const Tensor& x : arguments) tape.watch(x);
    const std::vector<Tensor> outputs = op.function(arguments);
    REQUIRE(outputs.size() == 1);
    CHECK_FALSE(is_floating(outputs[0].dtype()));
    CHECK(tape.size() == 0);
    CHECK(detail::current_recording()->slot_of(outputs[0], "test", 0) < 0);
    CHECK(names_in_sources().count(op.name) == 1);
  }
}

}  // namespace reel
