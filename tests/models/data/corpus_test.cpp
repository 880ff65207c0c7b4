#include "models/data/corpus.h"

#include "models/data/loader.h"
#include "tests/catch.h"
#include "tests/framework/files.h"

namespace reel {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  const TextLines lines = TextLines::of(text);
  std::vector<std::string> result;
  for (int64_t i = 0; i < lines.size(); ++i) result.push_back(lines.get(i));
  return result;
}

}  // namespace

TEST_CASE("a text is cut into lines", "[corpus]") {
  using Lines = std::vector<std::string>;
  CHECK(lines_of("a\nb\n") == Lines{"a", "b"});
  CHECK(lines_of("a\r\n\r\nb") == Lines{"a", "", "b"});
  CHECK(lines_of("a\rb\n\n") == Lines{"a\rb", ""});
  CHECK(lines_of("x\r") == Lines{"x\r"});
  CHECK(lines_of("").empty());
  CHECK(lines_of("\n") == Lines{""});
  CHECK_THROWS_WITH(TextLines::of("a").get(1),
                    contains_text("[TextLines] expected an index in [0, 1), got 1"));
}

TEST_CASE("lines of a file are a data set", "[corpus]") {
  const TemporaryFolder folder;
  write_bytes(folder / "a.txt", "one\ntwo\nthree\n");
  DataLoader loader(TextLines(folder / "a.txt"), {.batch_size = 2, .workers = 1});
  CHECK(*loader.next() == std::vector<std::string>{"one", "two"});
  CHECK(*loader.next() == std::vector<std::string>{"three"});
  write_bytes(folder / "none.txt", "");
  CHECK(TextLines(folder / "none.txt").size() == 0);
  CHECK_THROWS_WITH(TextLines(folder / "missing.txt"), contains_text("missing.txt: cannot open the file"));
}

TEST_CASE("a file is read whole, or mapped as numbers", "[corpus]") {
  const TemporaryFolder folder;
  const std::string bytes("\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\x80", 16);
  write_bytes(folder / "a", bytes);
  CHECK(read_corpus(folder / "a") == bytes);
  const MappedFile file(folder / "a");
  CHECK(file.text() == bytes);
  CHECK(file.tensor(DType::int64).to_vector<int64_t>() == std::vector<int64_t>{1, 2 + (int64_t{-1} << 63)});
  Tensor changed = file.tensor();
  CHECK(changed.shape() == Shape{16});
  changed.fill_(0);
  CHECK(read_bytes(folder / "a") == bytes);
  write_bytes(folder / "b", "abc");
  CHECK_THROWS_WITH(MappedFile(folder / "b").tensor(DType::float32),
                    contains_text("b: the size of 3 bytes is no multiple of the 4 of float32"));
  CHECK_THROWS_WITH(MappedFile(folder / "b").tensor(DType::boolean), contains_text("neither 0 nor 1"));
  write_bytes(folder / "c", "");
  CHECK(MappedFile(folder / "c").tensor(DType::float32).numel() == 0);
  CHECK(read_corpus(folder / "c").empty());
  CHECK_THROWS_AS(MappedFile("/tmp"), FileError);
}

}  // namespace reel
