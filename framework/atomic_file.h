// Writing a file whole or not at all. What stands in it is the business of those who write: safetensors files
// and checkpoints. Internal.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace reel::detail {

/// Takes the content of a file, in order, and gathers small pieces.
class FileWriter {
 public:
  /// Writes to an open file; `path` is what errors name.
  FileWriter(int descriptor, std::string path);

  /// Throws FileError when the system does not take the bytes: the disk is full, say.
  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Hands what was gathered to the system.
  void flush();

 private:
  void send(const char* data, size_t bytes);

  int descriptor_;
  std::string path_;
  std::string gathered_;
};

/// Makes `path` a file with what `fill` writes. The content goes to a temporary file in the same folder,
/// which is flushed to the disk and renamed over `path`: whenever the process or the machine stops, there is
/// the old file or the new one. If anything fails, the temporary file is removed and the old file is as it
/// was; what the system refuses throws a FileError with the reason, what `fill` throws passes through.
///
/// The permissions are those of the file replaced, or of any new file. Where `path` is a symbolic link, the
/// file that it points to is replaced. A folder, device or pipe at `path` is refused.
void write_atomically(const std::filesystem::path& path, const std::function<void(FileWriter&)>& fill);

}  // namespace reel::detail
