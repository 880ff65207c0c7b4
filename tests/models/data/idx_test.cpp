#include "models/data/idx.h"

#include <array>
#include <filesystem>
#include <limits>

#include "tests/catch.h"
#include "tests/framework/files.h"

namespace reel {
namespace {

std::string idx(int type, const std::vector<uint32_t>& extents, const std::string& data) {
  std::string bytes{'\0', '\0', static_cast<char>(type), static_cast<char>(extents.size())};
  for (uint32_t extent : extents)
    for (int shift : {24, 16, 8, 0}) bytes += static_cast<char>(extent >> shift & 255);
  return bytes + data;
}
Tensor parse(const std::string& bytes, IdxOptions options = {}) {
  return parse_idx(std::as_bytes(std::span(bytes)), options, "a.idx");
}
void refuse(const std::string& bytes, const std::string& message) {
  INFO(message);
  CHECK_THROWS_AS(parse(bytes), FileError);
  CHECK_THROWS_WITH(parse(bytes), Catch::Matchers::StartsWith("a.idx: ") && contains_text(message));
}

// The IDX file of 2 x 2 bytes 1 2 3 4, as Python's gzip packs it.
const std::string packed(
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x63\x60\xe0\x60\x62\x60\x60\x00\x63\x46\x26\x66\x16\x00\x1f\xbf"
    "\xf0\x7c\x10\x00\x00\x00",
    32);

}  // namespace

TEST_CASE("IDX files are read in every type", "[idx]") {
  const Tensor bytes = parse(idx(0x08, {2, 3}, "abcdef"));
  CHECK(bytes.shape() == Shape{2, 3});
  CHECK(bytes.to_vector<uint8_t>() == std::vector<uint8_t>{'a', 'b', 'c', 'd', 'e', 'f'});
  CHECK(parse(idx(0x0D, {2}, std::string("\x3F\x80\0\0\xC0\0\0\0", 8))).to_vector<float>() ==
        std::vector<float>{1, -2});
  CHECK(parse(idx(0x0E, {1}, std::string("\x3F\xF8\0\0\0\0\0\0", 8))).to_vector<double>() ==
        std::vector<double>{1.5});
  CHECK(parse(idx(0x09, {2}, "\xFF\x7F"), {.convert = true}).to_vector<int64_t>() ==
        std::vector<int64_t>{-1, 127});
  CHECK(parse(idx(0x0B, {2}, std::string("\x80\0\1\2", 4)), {.convert = true}).to_vector<int64_t>() ==
        std::vector<int64_t>{-32768, 258});
  CHECK(parse(idx(0x0C, {1}, "\xFF\xFF\xFF\xFE"), {.convert = true}).to_vector<int64_t>() ==
        std::vector<int64_t>{-2});
  CHECK(parse(idx(0x08, {0, 5}, "")).shape() == Shape{0, 5});
  CHECK(parse(idx(0x08, {}, "x")).shape() == Shape{});
  refuse(idx(0x0C, {1}, "abcd"),
         "the numbers are int32, which no tensor has; the option convert makes them int64");
}

TEST_CASE("an IDX file comes from the disk, plain or packed", "[idx]") {
  const TemporaryFolder folder;
  write_bytes(folder / "plain", idx(0x08, {4}, "abcd"));
  Tensor plain = load_idx(folder / "plain");
  CHECK(plain.to_vector<uint8_t>() == std::vector<uint8_t>{'a', 'b', 'c', 'd'});
  plain.fill_(0);
  CHECK(read_bytes(folder / "plain") == idx(0x08, {4}, "abcd"));
  write_bytes(folder / "packed", packed);
  for (const Tensor& square : {load_idx(folder / "packed"), parse(packed)}) {
    CHECK(square.shape() == Shape{2, 2});
    CHECK(square.to_vector<uint8_t>() == std::vector<uint8_t>{1, 2, 3, 4});
  }
  CHECK_THROWS_WITH(load_idx(folder / "none"), contains_text("none: cannot open the file"));
}

TEST_CASE("an IDX file that is malformed is refused", "[idx]") {
  const std::string good = idx(0x08, {2, 3}, "abcdef");
  for (size_t length = 0; length < good.size(); ++length)
    CHECK_THROWS_AS(parse(good.substr(0, length)), FileError);
  refuse("", "not an IDX file");
  refuse("PK\3\4", "not an IDX file");
  refuse(idx(0x0A, {1}, "a"), "the type 10");
  refuse(good + "x", "take 6 bytes, but there are 7");
  refuse(idx(0x08, {0xFFFFFFFF}, "abc"), "take 4294967295 bytes, but there are 3");
  refuse(idx(0x0E, {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, "abc"), "makes the array too large");
  refuse(idx(0x08, std::vector<uint32_t>(9, 1), "a"), "an array of 9 axes");
  refuse(std::string("\0\0\x08\xFF", 4), "cut off within the header: 255 axes, 4 bytes");
}

TEST_CASE("gzip data that is damaged or cut off is refused", "[idx]") {
  for (size_t length = 0; length < packed.size(); ++length) {
    INFO("cut off after " << length);
    CHECK_THROWS_AS(parse(packed.substr(0, length)), FileError);
  }
  refuse(packed.substr(0, packed.size() - 9), "the gzip data is damaged or cut off");
  refuse(packed.substr(0, packed.size() - 1), "the gzip data is damaged or cut off");
  std::string wrong = packed;
  wrong[packed.size() - 6] ^= 1;  // in the checksum
  refuse(wrong, "the gzip data is damaged or cut off");
}

TEST_CASE("Fashion-MNIST is read", "[idx]") {
  const fs::path folder = "/usr/share/datasets/fashion-mnist";
  if (!fs::exists(folder / "train-images-idx3-ubyte.gz")) {
    WARN("skipped: there is no Fashion-MNIST (Debian's package dataset-fashion-mnist)");
    return;
  }
  CHECK(load_idx(folder / "t10k-images-idx3-ubyte.gz").shape() == Shape{10000, 28, 28});
  const Tensor labels = load_idx(folder / "train-labels-idx1-ubyte.gz");
  CHECK(labels.shape() == Shape{60000});
  std::array<int, 256> counts{};
  for (uint8_t label : labels.to_vector<uint8_t>()) ++counts[label];
  for (size_t label = 0; label < counts.size(); ++label) CHECK(counts[label] == (label < 10 ? 6000 : 0));
}

}  // namespace reel
