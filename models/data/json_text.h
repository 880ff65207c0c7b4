// JSON files of our own as a distrustful reader takes them: of bounded depth, each key once, each value of its kind.
// Internal; includes nlohmann-json.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include <reel/framework/error.h>

namespace reel::detail {

/// The value that `text` states. Throws FileError for what is no JSON, for a key that comes twice in an object, and
/// for more than `most_depth` levels. `name` is what messages begin with: a path, or what the text is.
nlohmann::json parse_json(std::string_view text, const std::string& name, int most_depth = 6);

/// Checks that `object` is one with exactly the keys given.
void check_keys(const nlohmann::json& object, std::initializer_list<std::string_view> keys,
                const std::string& name);

/// Checks the keys "format" and "version", which every such file has: format as given, a version from 1 to `newest`.
/// Returns the version.
int64_t check_format(const nlohmann::json& object, std::string_view format, int64_t newest,
                     const std::string& name);

// The value under a key of an object; FileError where it is missing or of another kind.
int64_t json_integer(const nlohmann::json& object, std::string_view key, int64_t lowest, int64_t highest,
                     const std::string& name);
bool json_boolean(const nlohmann::json& object, std::string_view key, const std::string& name);
std::string json_string(const nlohmann::json& object, std::string_view key, const std::string& name);
const nlohmann::json& json_array(const nlohmann::json& object, std::string_view key, const std::string& name);

/// Bytes as JSON: a string where they are UTF-8, else an array of numbers.
nlohmann::json bytes_to_json(std::string_view bytes);
std::string bytes_from_json(const nlohmann::json& value, const std::string& name);

/// A whole file; FileError where it cannot be read.
std::string read_json_file(const std::string& path);
/// The file is there whole or not at all.
void write_json_file(const std::string& path, const std::string& text);

}  // namespace reel::detail
