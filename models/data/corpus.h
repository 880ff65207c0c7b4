// Whole files as they are: text, lines of text, and numbers without a header.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

/// A file mapped into memory: opened at once, read page by page as it is used, and shared by copies. Nobody
/// should cut the file off while they live.
class MappedFile {
 public:
  /// Throws FileError for anything but a regular file that can be read.
  explicit MappedFile(const std::string& path);
  std::string_view text() const { return text_; }
  /// The file as numbers of this machine's byte order: a vector that shares the mapping; changing it does not
  /// reach the file. Throws FileError if the size is no multiple of an element's, or a bool is neither 0 nor
  /// 1.
  Tensor tensor(DType dtype = DType::uint8) const;

 private:
  std::string path_;
  std::string_view text_;
  std::shared_ptr<void> owner_;
};

/// The whole of a file; one that is gzip is unpacked. Throws FileError.
std::string read_corpus(const std::string& path);

/// The lines of a text, as a data set of strings. A line ends at "\n" or "\r\n", which is no part of it, or
/// at the end of the file. Copies share the text.
class TextLines {
 public:
  /// Of a file, which is mapped, or unpacked if it is gzip. Throws FileError.
  explicit TextLines(const std::string& path);
  /// Of a text in memory.
  static TextLines of(std::string text);

  int64_t size() const { return static_cast<int64_t>(starts_->size()) - 1; }
  std::string get(int64_t index) const { return std::string(view(index)); }
  /// The same without copying; valid as long as the lines live.
  std::string_view view(int64_t index) const;

 private:
  TextLines(std::string_view text, std::shared_ptr<void> owner);

  std::string_view text_;
  std::shared_ptr<void> owner_;
  std::shared_ptr<const std::vector<size_t>> starts_;  // of each line, and one past the last
};

}  // namespace reel
