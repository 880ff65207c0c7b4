// Cases of other projects' test suites, which lie outside of the tree: in the folder that REEL_CONFORMANCE_DIR names,
// or in ../shared/conformance beside the checkout.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "framework/tensor.h"

namespace reel {

/// Where the cases are; nothing, and a warning that the test is skipped, where they are not. Throws where the
/// variable names a folder that is not there.
std::optional<std::filesystem::path> conformance_folder();

/// A JSON file, as {"name": ...} objects in a list.
nlohmann::json load_cases(const std::filesystem::path& path);

/// {"dtype", "shape", "data"} as float32, float64, bool, or, of any integers, int64.
Tensor tensor_of(const nlohmann::json& value);

}  // namespace reel
