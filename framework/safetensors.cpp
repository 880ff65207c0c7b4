#include "framework/safetensors.h"

#include <algorithm>
#include <bit>
#include <boost/iostreams/device/mapped_file.hpp>
#include <cstring>
#include <numeric>
#include <set>
#include <span>

#include "framework/atomic_file.h"
#include "framework/safetensors_header.h"

// The format: the length of the header (8 bytes, little-endian), the header (JSON, padded with spaces), the
// data. Functions here that read say what is wrong with the file; load_safetensors puts the path before it.

namespace reel {
namespace {

namespace fs = std::filesystem;
using detail::Quoted;
using detail::SafetensorsEntry;

static_assert(std::endian::native == std::endian::little,
              "the data is mapped as it is, and it is little-endian");

/// The file in memory; in-place changes stay private to this mapping.
std::shared_ptr<boost::iostreams::mapped_file> map_file(const fs::path& path) {
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  check<FileError>(!failure, "cannot open the file: {}", failure.message());
  check<FileError>(fs::is_regular_file(status), "not a regular file");
  check<FileError>(fs::file_size(path, failure) > 0, "the file is empty");  // which cannot be mapped
  try {
    return std::make_shared<boost::iostreams::mapped_file>(path.string(),
                                                           boost::iostreams::mapped_file::priv);
  } catch (const std::exception& error) {
    throw FileError(error.what());
  }
}

Tensor make_tensor(const SafetensorsEntry& entry, std::span<char> data, const std::shared_ptr<void>& owner) {
  const std::span<char> values = data.subspan(entry.begin, entry.end - entry.begin);
  if (entry.dtype == DType::boolean)
    check<FileError>(
        std::all_of(values.begin(), values.end(), [](char value) { return value == 0 || value == 1; }),
        "tensor {} of dtype BOOL has a byte that is neither 0 nor 1", Quoted{entry.name});
  const bool aligned = reinterpret_cast<uintptr_t>(values.data()) % item_size(entry.dtype) == 0;
  if (aligned && !values.empty()) return from_blob(values.data(), entry.shape, entry.dtype, owner);
  Tensor result = empty(entry.shape, {.dtype = entry.dtype});
  if (!values.empty()) std::memcpy(result.raw_bytes(), values.data(), values.size());
  return result;
}

/// How many letters have to be put in, left out or replaced to make `b` of `a`.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string nearest_names(const NamedTensors& tensors, std::string_view wanted) {
  constexpr size_t most_names = 3;
  constexpr size_t longest = 1000;  // beyond it, names are not worth comparing
  std::vector<std::pair<size_t, size_t>> order;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const std::string_view name = tensors[i].first;
    const bool too_long = name.size() > longest || wanted.size() > longest;
    order.emplace_back(too_long ? std::string_view::npos : edit_distance(wanted, name), i);
  }
  std::sort(order.begin(), order.end());
  std::string names;
  for (size_t i = 0; i < std::min(order.size(), most_names); ++i)
    names += (i == 0 ? "" : ", ") + text(Quoted{tensors[order[i].second].first});
  return names;
}

auto find(const NamedTensors& tensors, std::string_view name) {
  return std::find_if(tensors.begin(), tensors.end(),
                      [&](const auto& tensor) { return tensor.first == name; });
}

void check_tensors(const NamedTensors& tensors) {
  std::set<std::string_view> names;
  for (const auto& [name, tensor] : tensors) {
    check(!name.empty(), "[save_safetensors] a tensor has the empty name");
    check(name != detail::safetensors_metadata_key, "[save_safetensors] the name {} is reserved", name);
    check(names.insert(name).second, "[save_safetensors] two tensors are called {}", name);
    check(tensor.defined(), "[save_safetensors] the tensor {} is undefined", name);
  }
}

}  // namespace

bool SafetensorsFile::contains(std::string_view name) const { return find(tensors, name) != tensors.end(); }

const Tensor& SafetensorsFile::at(std::string_view name) const {
  const auto found = find(tensors, name);
  if (found != tensors.end()) return found->second;
  check<FileError>(!tensors.empty(), "{}: no tensor {}; the file has no tensors", path.string(),
                   Quoted{name});
  detail::fail<FileError>("{}: no tensor {}; of the {} names in the file, the nearest: {}",
                          {path.string(), detail::text(Quoted{name}), std::to_string(tensors.size()),
                           nearest_names(tensors, name)});
}

SafetensorsFile load_safetensors(const fs::path& path) {
  try {
    const auto mapping = map_file(path);
    const std::span<char> file(mapping->data(), mapping->size());
    detail::ParsedSafetensors parsed = detail::parse_safetensors(file);
    const std::span<char> data = file.subspan(parsed.data);

    SafetensorsFile result;
    result.tensors.reserve(parsed.header.entries.size());
    for (SafetensorsEntry& entry : parsed.header.entries) {
      Tensor tensor = make_tensor(entry, data, mapping);
      result.tensors.emplace_back(std::move(entry.name), std::move(tensor));
    }
    result.metadata = std::move(parsed.header.metadata);
    result.path = path;
    return result;
  } catch (const FileError& error) {
    throw FileError(path.string() + ": " + error.what());
  }
}

void save_safetensors(const fs::path& path, const NamedTensors& tensors,
                      const std::map<std::string, std::string>& metadata) {
  check_tensors(tensors);
  const std::string header = detail::make_safetensors_header(tensors, metadata);
  const uint64_t length = header.size();
  detail::write_atomically(path, [&](detail::FileWriter& writer) {
    writer.write(&length, detail::safetensors_length_bytes);
    writer.write(header);
    for (const auto& [name, tensor] : tensors) {
      const Tensor values = detail::contiguous_values(tensor);
      writer.write(values.raw_bytes(), static_cast<size_t>(values.numel()) * item_size(values.dtype()));
    }
  });
}

}  // namespace reel
