#include "models/data/npy.h"

#include <algorithm>
#include <set>

#include "framework/atomic_file.h"
#include "models/data/npy_header.h"
#include "models/data/zip.h"

namespace reel {
namespace {

using detail::Bytes;
using NamedArrays = std::vector<std::pair<std::string, Tensor>>;
constexpr std::string_view suffix = ".npy";

Tensor decode(std::span<std::byte> file, const std::shared_ptr<void>& owner, NpyOptions options) {
  const detail::NpyHeader header = detail::parse_npy_header(file);
  const std::span<std::byte> data = file.subspan(header.data);
  const Shape shape = detail::checked_shape(header.shape, header.format, data.size());
  if (!header.fortran_order) return decode_numbers(data, owner, shape, header.format, options.convert);
  Shape reversed = shape;
  std::reverse(reversed.begin(), reversed.end());
  const Tensor array = decode_numbers(data, owner, reversed, header.format, options.convert);
  Shape strides = array.strides();
  std::reverse(strides.begin(), strides.end());
  return detail::contiguous_values(detail::view(array, shape, strides));
}

// Without an owner the data is only read.
Tensor decode_copy(Bytes bytes, NpyOptions options) {
  return decode({const_cast<std::byte*>(bytes.data()), bytes.size()}, nullptr, options);
}

size_t bytes_of(const Tensor& tensor) {
  return static_cast<size_t>(tensor.numel()) * item_size(tensor.dtype());
}

}  // namespace

Tensor load_npy(const std::string& path, NpyOptions options) {
  const detail::FileBytes file = detail::map_file(path);
  return detail::naming(path, [&] { return decode(file.bytes, file.owner, options); });
}

Tensor parse_npy(Bytes bytes, NpyOptions options, std::string_view name) {
  return detail::naming(name, [&] { return decode_copy(bytes, options); });
}

void save_npy(const std::string& path, const Tensor& tensor) {
  check(tensor.defined(), "[save_npy] the tensor is undefined");
  const Tensor values = detail::contiguous_values(tensor);
  detail::write_atomically(path, [&](detail::FileWriter& writer) {
    writer.write(detail::make_npy_header(values.dtype(), values.shape()));
    writer.write(values.raw_bytes(), bytes_of(values));
  });
}

NamedArrays load_npz(const std::string& path, NpyOptions options) {
  const detail::FileBytes file = detail::map_file(path);
  return parse_npz(file.bytes, options, path);
}

NamedArrays parse_npz(Bytes bytes, NpyOptions options, std::string_view name) {
  return detail::naming(name, [&] {
    detail::ZipReader archive(bytes);
    NamedArrays arrays;
    for (size_t i = 0; i < archive.entries().size(); ++i) {
      std::string entry = archive.entries()[i].name;
      check<FileError>(entry.size() > suffix.size() && entry.ends_with(suffix),
                       "the archive's {} is no .npy file", detail::shown_name(entry));
      detail::naming(detail::shown_name(entry), [&] {
        // The tensor shares the memory of the unpacked entry.
        auto unpacked = std::make_shared<Tensor>(archive.read(i));
        const std::span content(static_cast<std::byte*>(unpacked->raw_bytes()), bytes_of(*unpacked));
        Tensor array = decode(content, unpacked, options);
        entry.resize(entry.size() - suffix.size());
        arrays.emplace_back(std::move(entry), std::move(array));
      });
    }
    return arrays;
  });
}

void save_npz(const std::string& path, const NamedArrays& tensors, NpzOptions options) {
  std::set<std::string_view> names;
  for (const auto& [name, tensor] : tensors) {
    check(!name.empty(), "[save_npz] a tensor has the empty name");
    check(detail::stays_inside(name), "[save_npz] the name {} is a path out of the archive",
          detail::shown_name(name));
    check(names.insert(name).second, "[save_npz] two tensors are called {}", detail::shown_name(name));
    check(tensor.defined(), "[save_npz] the tensor {} is undefined", detail::shown_name(name));
  }
  detail::ZipWriter archive(options.compress);
  for (const auto& [name, tensor] : tensors) {
    const Tensor values = detail::contiguous_values(tensor);
    std::string content = detail::make_npy_header(values.dtype(), values.shape());
    if (values.numel() > 0) content.append(static_cast<const char*>(values.raw_bytes()), bytes_of(values));
    archive.add(name + std::string(suffix), std::move(content));
  }
  const std::string bytes = archive.finish();
  detail::write_atomically(path, [&](detail::FileWriter& writer) { writer.write(bytes); });
}

}  // namespace reel
