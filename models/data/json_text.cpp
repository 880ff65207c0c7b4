#include "models/data/json_text.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "framework/atomic_file.h"
#include "models/data/unicode.h"

namespace reel::detail {
namespace {

using nlohmann::json;

constexpr size_t most_keys = 64;  // our objects are records, and never tables

const json& member(const json& object, std::string_view key, const std::string& name) {
  check<FileError>(object.is_object(), "{}: expected an object, got {}", name, object.type_name());
  const auto found = object.find(std::string(key));
  check<FileError>(found != object.end(), "{}: {} is missing", name, key);
  return *found;
}

void check_kind(bool holds, std::string_view key, const char* kind, const json& value,
                const std::string& name) {
  check<FileError>(holds, "{}: {} must be {}, got {}", name, key, kind, value.type_name());
}

}  // namespace

json parse_json(std::string_view text, const std::string& name, int most_depth) {
  using Event = json::parse_event_t;
  std::vector<std::vector<std::string>> keys;  // of the objects that are open
  const auto look = [&](int depth, Event event, json& value) {
    if (event == Event::object_start || event == Event::array_start)
      check<FileError>(depth < most_depth, "{}: is nested deeper than {} levels", name, most_depth);
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key) {
      auto& seen = keys.back();
      const auto& key = value.get_ref<const std::string&>();
      check<FileError>(seen.size() < most_keys, "{}: an object has more than {} keys", name, most_keys);
      check<FileError>(std::find(seen.begin(), seen.end(), key) == seen.end(), "{}: a key comes twice", name);
      seen.push_back(key);
    }
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), look);
  } catch (const json::parse_error& error) {
    fail<FileError>("{}: is not valid JSON at byte {}", {name, std::to_string(error.byte)});
  } catch (const json::exception&) {
    fail<FileError>("{}: is not valid JSON: a number is too large", {name});
  }
}

void check_keys(const json& object, std::initializer_list<std::string_view> keys, const std::string& name) {
  for (std::string_view key : keys) member(object, key, name);
  check<FileError>(object.size() == keys.size(), "{}: has {} keys, expected {}", name, object.size(),
                   keys.size());
}

int64_t check_format(const json& object, std::string_view format, int64_t newest, const std::string& name) {
  const std::string found = json_string(object, "format", name);
  check<FileError>(found == format, "{}: expected the format {}, got {}", name, format,
                   found.size() <= 100 && is_utf8(found) ? found : std::string("another"));
  constexpr int64_t any = INT64_MAX;
  const int64_t version = json_integer(object, "version", 1, any, name);
  check<FileError>(version <= newest, "{}: is of version {}, and this library reads versions up to {}", name,
                   version, newest);
  return version;
}

int64_t json_integer(const json& object, std::string_view key, int64_t lowest, int64_t highest,
                     const std::string& name) {
  const json& value = member(object, key, name);
  check_kind(value.is_number_integer(), key, "an integer", value, name);
  const bool fits = !value.is_number_unsigned() || value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX);
  const int64_t number = fits ? value.get<int64_t>() : INT64_MAX;
  check<FileError>(fits && number >= lowest && number <= highest, "{}: {} must be from {} to {}, got {}",
                   name, key, lowest, highest, value.dump());
  return number;
}

bool json_boolean(const json& object, std::string_view key, const std::string& name) {
  const json& value = member(object, key, name);
  check_kind(value.is_boolean(), key, "true or false", value, name);
  return value.get<bool>();
}

std::string json_string(const json& object, std::string_view key, const std::string& name) {
  const json& value = member(object, key, name);
  check_kind(value.is_string(), key, "a string", value, name);
  return value.get<std::string>();
}

const json& json_array(const json& object, std::string_view key, const std::string& name) {
  const json& value = member(object, key, name);
  check_kind(value.is_array(), key, "an array", value, name);
  return value;
}

json bytes_to_json(std::string_view bytes) {
  if (is_utf8(bytes)) return std::string(bytes);
  json numbers = json::array();
  for (char byte : bytes) numbers.push_back(static_cast<int>(static_cast<unsigned char>(byte)));
  return numbers;
}

std::string bytes_from_json(const json& value, const std::string& name) {
  if (value.is_string()) return value.get<std::string>();
  check<FileError>(value.is_array(), "{}: expected a string or an array of bytes, got {}", name,
                   value.type_name());
  std::string bytes;
  for (const json& number : value) {
    check<FileError>(number.is_number_unsigned() && number.get<uint64_t>() < 256,
                     "{}: expected a byte from 0 to 255, got {}", name,
                     number.is_structured() ? number.type_name() : number.dump().substr(0, 40));
    bytes += static_cast<char>(number.get<uint64_t>());
  }
  return bytes;
}

std::string read_json_file(const std::string& path) {
  check<FileError>(!std::filesystem::is_directory(path), "{}: is a folder", path);
  std::ifstream file(path, std::ios::binary);
  check<FileError>(file.good(), "{}: cannot be read", path);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  check<FileError>(!file.bad(), "{}: reading failed", path);
  return text;
}

void write_json_file(const std::string& path, const std::string& text) {
  write_atomically(path, [&](FileWriter& writer) { writer.write(text); });
}

}  // namespace reel::detail
