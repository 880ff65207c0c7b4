#include "tests/conformance/conformance.h"

#include <cstdlib>
#include <fstream>
#include <limits>
#include <vector>

#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {

std::optional<std::filesystem::path> conformance_folder() {
  if (const char* named = std::getenv("REEL_CONFORMANCE_DIR")) {
    check(std::filesystem::is_directory(named), "REEL_CONFORMANCE_DIR names {}, which is no folder", named);
    return named;
  }
  const auto beside = std::filesystem::path(source_folder()) / ".." / "shared" / "conformance";
  if (std::filesystem::is_directory(beside)) return beside;
  WARN("skipped: no conformance cases, REEL_CONFORMANCE_DIR is not set and there is no " << beside);
  return std::nullopt;
}

nlohmann::json load_cases(const std::filesystem::path& path) {
  std::ifstream file(path);
  check(file.is_open(), "{} cannot be read", path.string());
  return nlohmann::json::parse(file);
}

Tensor tensor_of(const nlohmann::json& value) {
  const auto extents = value.at("shape").get<std::vector<int64_t>>();
  std::vector<double> numbers;
  for (const nlohmann::json& element : value.at("data")) {
    if (element.is_string()) {
      constexpr double infinity = std::numeric_limits<double>::infinity();
      numbers.push_back(element == "inf" ? infinity : element == "-inf" ? -infinity : std::nan(""));
    } else {
      numbers.push_back(element.is_boolean() ? (element.get<bool>() ? 1.0 : 0.0) : element.get<double>());
    }
  }
  const auto dtype = value.at("dtype").get<std::string>();
  const Tensor tensor = from_vector(numbers, Shape(extents));
  if (dtype == "float64") return tensor;
  if (dtype == "float32") return cast(tensor, DType::float32);
  return cast(tensor, dtype == "bool" ? DType::boolean : DType::int64);
}

}  // namespace reel
