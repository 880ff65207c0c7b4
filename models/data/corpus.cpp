#include "models/data/corpus.h"

#include <algorithm>

#include "models/data/dataset.h"
#include "models/data/file_bytes.h"

namespace reel {
namespace {

std::vector<size_t> line_starts(std::string_view text) {
  std::vector<size_t> starts = {0};
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    at = end == std::string_view::npos ? text.size() : end + 1;
    starts.push_back(at);
  }
  return starts;
}

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  detail::FileBytes file = detail::map_file(path);
  text_ = detail::as_text(file.bytes);
  owner_ = std::move(file.owner);
}

Tensor MappedFile::tensor(DType dtype) const {
  const size_t item = item_size(dtype);
  check<FileError>(text_.size() % item == 0, "{}: the size of {} bytes is no multiple of the {} of {}", path_,
                   text_.size(), item, dtype);
  check<FileError>(dtype != DType::boolean ||
                       std::all_of(text_.begin(), text_.end(), [](char c) { return c == 0 || c == 1; }),
                   "{}: a byte is neither 0 nor 1, as those of bool are", path_);
  const Shape shape{static_cast<int64_t>(text_.size() / item)};
  if (text_.empty()) return empty(shape, {.dtype = dtype});
  return from_blob(const_cast<char*>(text_.data()), shape, dtype, owner_);  // the mapping can be written to
}

std::string read_corpus(const std::string& path) {
  return std::string(detail::as_text(detail::map_file_unpacked(path).bytes));
}

TextLines::TextLines(std::string_view text, std::shared_ptr<void> owner)
    : text_(text),
      owner_(std::move(owner)),
      starts_(std::make_shared<const std::vector<size_t>>(line_starts(text))) {}

TextLines::TextLines(const std::string& path) : TextLines(std::string_view(), nullptr) {
  detail::FileBytes file = detail::map_file_unpacked(path);
  *this = TextLines(detail::as_text(file.bytes), std::move(file.owner));
}

TextLines TextLines::of(std::string text) {
  auto owner = std::make_shared<std::string>(std::move(text));
  return {std::string_view(*owner), owner};
}

std::string_view TextLines::view(int64_t index) const {
  detail::check_index("TextLines", index, size());
  const size_t begin = (*starts_)[static_cast<size_t>(index)];
  std::string_view line = text_.substr(begin, (*starts_)[static_cast<size_t>(index) + 1] - begin);
  if (line.ends_with('\n')) {
    line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
  }
  return line;
}

}  // namespace reel
