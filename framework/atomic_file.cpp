#include "framework/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

#include "framework/error.h"

namespace reel::detail {
namespace {

namespace fs = std::filesystem;

constexpr size_t gathered_bytes = 1 << 16;  // a call of the system costs little beside writing this many
constexpr int most_links = 40;              // as many in a row as Linux follows
constexpr int most_names = 10'000;    // tried for the temporary file; leftovers of crashes may hold some
constexpr size_t longest_stem = 200;  // of the temporary name, so that it fits in 255 bytes

/// Throws what errno says, unless `succeeded`.
void require(bool succeeded, const std::string& path, std::string_view action) {
  if (succeeded) return;
  const int reason = errno;
  throw FileError(format("{}: cannot {}: {}", {path, text(action), std::generic_category().message(reason)}));
}

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }

  int get() const { return descriptor_; }
  bool close() { return descriptor_ < 0 || ::close(std::exchange(descriptor_, -1)) == 0; }

 private:
  int descriptor_;
};

/// A new file in `folder`, removed again unless it is renamed.
class TemporaryFile {
 public:
  TemporaryFile(const Descriptor& folder, const std::string& target, const std::string& path)
      : folder_(folder), path_(path), file_(create(target)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (!renamed_ && file_.get() >= 0) ::unlinkat(folder_.get(), name_.c_str(), 0);
  }

  int descriptor() const { return file_.get(); }

  void rename_to(const std::string& target, std::optional<mode_t> mode) {
    require(!mode || ::fchmod(file_.get(), *mode) == 0, path_, "set the permissions");
    require(::fsync(file_.get()) == 0, path_, "flush to the disk");
    const int folder = folder_.get();
    require(::renameat(folder, name_.c_str(), folder, target.c_str()) == 0, path_, "replace the file");
    renamed_ = true;
  }

 private:
  int create(const std::string& target) {
    static std::atomic<uint64_t> counter{0};
    for (int i = 0; i < most_names; ++i) {
      name_ = format(".{}.{}-{}.tmp", {target.substr(0, longest_stem), text(::getpid()), text(counter++)});
      const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
      const int descriptor = ::openat(folder_.get(), name_.c_str(), flags, 0666);
      if (descriptor >= 0) return descriptor;
      if (errno != EEXIST) break;
    }
    require(false, path_, "create a temporary file beside it");
    return -1;
  }

  const Descriptor& folder_;
  const std::string& path_;
  std::string name_;
  Descriptor file_;
  bool renamed_ = false;
};

/// The file that `path` means, symbolic links followed; it need not exist.
fs::path follow_links(const fs::path& path) {
  fs::path target = path;
  for (int i = 0; i < most_links; ++i) {
    std::error_code failure;
    const fs::path link = fs::read_symlink(target, failure);
    if (failure) return target;  // no link
    target = target.parent_path() / link;
  }
  throw FileError(path.string() + ": too many symbolic links in a row");
}

/// The permissions of the file to be replaced, if there is one.
std::optional<mode_t> old_mode(const Descriptor& folder, const std::string& target, const std::string& path) {
  struct stat old {};
  if (::fstatat(folder.get(), target.c_str(), &old, AT_SYMLINK_NOFOLLOW) != 0) {
    require(errno == ENOENT, path, "examine the file");
    return {};
  }
  check<FileError>(S_ISREG(old.st_mode), "{}: cannot replace what is no regular file", path);
  return old.st_mode & 0777;
}

}  // namespace

FileWriter::FileWriter(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}

void FileWriter::write(const void* data, size_t bytes) {
  const auto* from = static_cast<const char*>(data);
  if (gathered_.size() + bytes > gathered_bytes) flush();
  if (bytes > gathered_bytes)
    send(from, bytes);
  else if (bytes > 0)
    gathered_.append(from, bytes);
}

void FileWriter::flush() {
  send(gathered_.data(), gathered_.size());
  gathered_.clear();
}

void FileWriter::send(const char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t taken = ::write(descriptor_, data, bytes);
    if (taken < 0 && errno == EINTR) continue;
    require(taken >= 0, path_, "write");
    data += taken;
    bytes -= static_cast<size_t>(taken);
  }
}

void write_atomically(const fs::path& path, const std::function<void(FileWriter&)>& fill) {
  const std::string shown = path.string();
  const fs::path resolved = follow_links(path);
  const std::string target = resolved.filename().string();
  check<FileError>(!target.empty(), "{}: not the name of a file", shown);

  const fs::path parent = resolved.has_parent_path() ? resolved.parent_path() : fs::path(".");
  Descriptor folder(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  require(folder.get() >= 0, shown, "open its folder");
  const std::optional<mode_t> mode = old_mode(folder, target, shown);

  TemporaryFile temporary(folder, target, shown);
  FileWriter writer(temporary.descriptor(), shown);
  fill(writer);
  writer.flush();
  temporary.rename_to(target, mode);
  // Some file systems cannot flush a folder; there is no more to be done on those.
  require(::fsync(folder.get()) == 0 || errno == EINVAL || errno == ENOTSUP, shown,
          "flush its folder, although the file was replaced");
}

}  // namespace reel::detail
