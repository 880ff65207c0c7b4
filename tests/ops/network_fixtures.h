// Reading the fixtures of networks: cases in one file, each with its options as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/per_axis.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {

/// One case of a file.
struct FixtureCase {
  const SafetensorsFile& file;
  std::string name;
  nlohmann::json options;

  bool has(const std::string& key) const { return file.contains(name + "." + key); }
  const Tensor& at(const std::string& key) const { return file.at(name + "." + key); }
  PerAxis per_axis(const char* key, int64_t otherwise) const {
    if (!options.contains(key)) return otherwise;
    if (!options[key].is_array()) return options[key].get<int64_t>();
    Shape values;
    for (const auto& value : options[key]) values.push_back(value.get<int64_t>());
    return PerAxis(values);
  }
  /// Inputs as asked for, in `dtype`.
  std::vector<Tensor> inputs(const std::vector<std::string>& names, DType dtype) const {
    std::vector<Tensor> result;
    for (const std::string& key : names) result.push_back(cast(at(key), dtype));
    return result;
  }
};

inline std::vector<FixtureCase> fixture_cases(const SafetensorsFile& file) {
  std::vector<FixtureCase> cases;
  for (const auto& [name, options] : file.metadata)
    if (name != "torch") cases.push_back({file, name, nlohmann::json::parse(options)});
  REQUIRE(!cases.empty());
  return cases;
}

/// Runs f on the inputs called `names`, and compares value and gradients of sum(value * w) with the case's.
template <class F>
void check_case(const FixtureCase& fixture, const std::vector<std::string>& names, DType dtype,
                double tolerance, F&& f) {
  INFO(fixture.name << " " << detail::text(dtype));
  const std::vector<Tensor> inputs = fixture.inputs(names, dtype);
  Tape tape;
  for (const Tensor& x : inputs) tape.watch(x);
  const Tensor value = f(inputs);
  CHECK(difference_in_value(value, fixture.at("value"), tolerance, tolerance) == "");
  if (!(value.shape() == fixture.at("value").shape())) return;
  const std::vector<Tensor> gradients = tape.gradient(sum(value * cast(fixture.at("w"), dtype)), inputs);
  for (size_t i = 0; i < names.size(); ++i) {
    INFO("gradient of " << names[i]);
    CHECK(difference_in_value(gradients[i], fixture.at("grad." + names[i]), tolerance, tolerance) == "");
  }
}

}  // namespace reel
