// What fails on the way to the disk leaves the old file, or none.
#include "framework/atomic_file.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>

#include "framework/safetensors.h"
#include "tests/catch.h"
#include "tests/framework/files.h"

namespace reel {

TEST_CASE("what the system refuses to write is a FileError with path and reason", "[atomic_file]") {
  const TemporaryFolder folder;
  const NamedTensors tensors = {{"a", scalar(1)}};
  const auto refused = [&](const fs::path& path, const std::string& message) {
    CHECK_THROWS_AS(save_safetensors(path, tensors), FileError);
    CHECK_THROWS_WITH(save_safetensors(path, tensors), path.string() + ": " + message);
  };
  write_bytes(folder / "file", "old");
  refused(folder / "missing/t", "cannot open its folder: No such file or directory");
  refused(folder / "file/t", "cannot open its folder: Not a directory");
  refused(folder / ".", "cannot replace what is no regular file");
  refused(folder / "t/", "not the name of a file");
  refused("", "not the name of a file");
  refused("/dev/null", "cannot replace what is no regular file");
  refused(folder / std::string(256, 'n').c_str(), "cannot examine the file: File name too long");
  fs::create_symlink("loop", folder / "loop");
  refused(folder / "loop", "too many symbolic links in a row");
  CHECK(read_bytes(folder / "file") == "old");
  CHECK(folder.files() == 2);
}

TEST_CASE("a disk that takes no more leaves the old file", "[atomic_file]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "t";
  save_safetensors(path, {{"a", scalar(1)}});
  const std::string before = read_bytes(path);

  // As for a full disk: the system takes some of the bytes, and then refuses.
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  rlimit low = limit;
  low.rlim_cur = 100'000;
  auto* handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &low) == 0);
  std::string message = "written";
  try {
    save_safetensors(path, {{"a", arange(0, 100'000)}});
  } catch (const FileError& error) {
    message = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler);

  CHECK(message == path.string() + ": cannot write: File too large");
  CHECK(read_bytes(path) == before);
  CHECK(folder.files() == 1);
}

TEST_CASE("an exception on the way leaves the old file, or none", "[atomic_file]") {
  const TemporaryFolder folder;
  const auto fail = [](detail::FileWriter& writer) {
    writer.write(std::string(200'000, 'x'));
    throw std::domain_error("half-way");
  };
  write_bytes(folder / "old", "old");
  CHECK_THROWS_AS(detail::write_atomically(folder / "old", fail), std::domain_error);
  CHECK_THROWS_AS(detail::write_atomically(folder / "new", fail), std::domain_error);
  CHECK(read_bytes(folder / "old") == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("a process that dies while it writes leaves the old file", "[atomic_file]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "t";
  write_bytes(path, "old");
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    detail::write_atomically(path, [](detail::FileWriter& writer) {
      writer.write("new");
      writer.flush();
      ::_exit(7);
    });
    ::_exit(1);  // not reached
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 7);
  CHECK(read_bytes(path) == "old");
  detail::write_atomically(path, [](detail::FileWriter& writer) { writer.write("new"); });
  CHECK(read_bytes(path) == "new");
}

TEST_CASE("pieces of all sizes are written in order", "[atomic_file]") {
  const TemporaryFolder folder;
  std::string expected;
  detail::write_atomically(folder / "t", [&](detail::FileWriter& writer) {
    for (size_t size : {0, 1, 65535, 1, 65536, 65537, 3, 200'000, 0, 5}) {
      const std::string piece(size, static_cast<char>('a' + expected.size() % 26));
      writer.write(piece);
      expected += piece;
    }
  });
  CHECK(read_bytes(folder / "t") == expected);
}

TEST_CASE("a symbolic link stays, and the file that it points to is replaced", "[atomic_file]") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "real");
  write_bytes(folder / "real/t", "old");
  fs::create_symlink("real/t", folder / "relative");
  fs::create_symlink(folder / "relative", folder / "absolute");
  fs::create_symlink("real/new", folder / "dangling");
  const auto write_new = [](detail::FileWriter& writer) { writer.write("new"); };
  detail::write_atomically(folder / "absolute", write_new);
  detail::write_atomically(folder / "dangling", write_new);
  CHECK(fs::is_symlink(folder / "absolute"));
  CHECK(fs::is_symlink(folder / "relative"));
  CHECK(read_bytes(folder / "real/t") == "new");
  CHECK(read_bytes(folder / "real/new") == "new");
}

TEST_CASE("a written file has the permissions of the one replaced, or of any new one", "[atomic_file]") {
  const TemporaryFolder folder;
  const auto write_new = [](detail::FileWriter& writer) { writer.write("new"); };
  const auto mode = [&](const char* name) {
    return static_cast<unsigned>(fs::status(folder / name).permissions());
  };
  const mode_t umask = ::umask(027);
  detail::write_atomically(folder / "t", write_new);
  ::umask(umask);
  CHECK(mode("t") == 0640);
  fs::permissions(folder / "t", fs::perms(0604));
  detail::write_atomically(folder / "t", write_new);
  CHECK(mode("t") == 0604);
}

TEST_CASE("a name without a folder is written to the current one", "[atomic_file]") {
  const TemporaryFolder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder / ".");
  save_safetensors("t", {{"a", scalar(3)}});
  const double value = load_safetensors("t").at("a").item();
  fs::current_path(before);
  CHECK(value == 3.0);
  CHECK(fs::exists(folder / "t"));
}

}  // namespace reel
