// NumPy's files: those that NumPy has written (fixtures_data.py) are read, ours are read by NumPy, and what
// is no such file is refused.
#include "models/data/npy.h"

#include <cmath>
#include <cstdlib>
#include <limits>

#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/framework/files.h"
#include "tests/reference.h"

namespace reel {
namespace {

using Arrays = std::vector<std::pair<std::string, Tensor>>;
constexpr int no_numpy = 77, no_command = 127;  // exit statuses of read_npz.py and the shell
constexpr int64_t least = std::numeric_limits<int64_t>::min();

std::string fixture(const std::string& name) { return source_folder() + "/tests/fixtures/data/" + name; }

Tensor grid(DType dtype, double scale = 1, double shift = 0) {
  return build({2, 3}, dtype,
               [&](const Shape& i) { return static_cast<double>(3 * i[0] + i[1]) * scale + shift; });
}

const Tensor integers = from_vector(std::vector<int64_t>{-3, -2, -1, 0, 1, 2}, {2, 3});
const Tensor bytes_grid = from_vector(std::vector<uint8_t>{0, 1, 2, 3, 4, 5}, {2, 3});
const Tensor odd = from_vector(std::vector<bool>{false, true, false, true, false, true}, {2, 3});

/// What fixtures_data.py writes.
Arrays expected_arrays() {
  return {{"float32", grid(DType::float32, 0.25)},
          {"float64", grid(DType::float64, 0.125)},
          {"int64", integers},
          {"uint8", bytes_grid},
          {"bool", odd},
          {"float32_big", grid(DType::float32, 0.25)},
          {"float64_big", grid(DType::float64, 0.125)},
          {"int64_big", integers},
          {"fortran", build({2, 3, 4}, DType::float32,
                            [](const Shape& i) { return static_cast<double>(12 * i[0] + 4 * i[1] + i[2]); })},
          {"fortran_big", grid(DType::float64)},
          {"scalar", scalar(2.5, {.dtype = DType::float64})},
          {"vector", tensor({0, 1, 2}, {.dtype = DType::float64})},
          {"empty", zeros({3, 0, 2})},
          {"part/of/path", from_vector(std::vector<int64_t>{0, 1})}};
}

void require_same(const Arrays& got, const Arrays& expected) {
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    INFO(expected[i].first);
    CHECK(got[i].first == expected[i].first);
    CHECK(got[i].second.is_contiguous());
    CHECK(difference(got[i].second, expected[i].second) == "");
  }
}

std::string header(const std::string& dictionary, int version = 1) {
  std::string length = length_prefix(dictionary.size()).substr(0, version == 1 ? 2 : 4);
  return "\x93NUMPY" + std::string(1, static_cast<char>(version)) + '\0' + length + dictionary;
}
std::string header_of(const std::string& descr, const std::string& shape) {
  return header("{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n");
}
Tensor parse(const std::string& bytes, NpyOptions options = {}) {
  return parse_npy(std::as_bytes(std::span(bytes)), options, "a.npy");
}
Arrays parse_archive(const std::string& bytes) {
  return parse_npz(std::as_bytes(std::span(bytes)), {}, "a.npz");
}
void refuse(const std::string& bytes, const std::string& message) {
  INFO(message);
  CHECK_THROWS_AS(parse(bytes), FileError);
  CHECK_THROWS_WITH(parse(bytes), Catch::Matchers::StartsWith("a.npy: ") && contains_text(message));
}

}  // namespace

TEST_CASE("arrays that NumPy has saved are read", "[npy]") {
  require_same(load_npz(fixture("arrays.npz")), expected_arrays());
  require_same(load_npz(fixture("arrays_compressed.npz")), expected_arrays());
  for (const char* name : {"version2.npy", "version3.npy"})
    CHECK(difference(load_npy(fixture(name)), grid(DType::float32)) == "");
  CHECK(load_npy(fixture("fortran.npy")).to_vector<int64_t>() == std::vector<int64_t>{0, 1, 2, 3, 4, 5});
  const std::string bytes = read_bytes(fixture("version2.npy"));
  CHECK(difference(parse(bytes), grid(DType::float32)) == "");
}

TEST_CASE("types that no tensor has are converted if asked for", "[npy]") {
  CHECK_THROWS_WITH(load_npz(fixture("foreign.npz")),
                    contains_text("\"float16.npy\": the numbers are float16") &&
                        contains_text("the option convert makes them float32"));
  const Arrays arrays = load_npz(fixture("foreign.npz"), {.convert = true});
  REQUIRE(arrays.size() == 9);
  const double inf = std::numeric_limits<double>::infinity();
  // The nearest halves of the numbers written: 6e-8 is 2^-24, 6.1e-5 is 1023 * 2^-24.
  const Tensor halves = tensor({0, -0.0, 1, -2.5, 65504, 0x1p-24, 1023 * 0x1p-24, inf, -inf, NAN});
  CHECK(difference(arrays[0].second, halves) == "");
  CHECK(difference(arrays[1].second, halves) == "");
  CHECK(std::signbit(arrays[0].second.to_vector<float>()[1]));
  const auto whole = [&](size_t i) { return arrays[i].second.to_vector<int64_t>(); };
  CHECK(whole(2) == std::vector<int64_t>{-128, -1, 127});
  CHECK(whole(3) == std::vector<int64_t>{-32768, -1, 32767});
  CHECK(whole(4) == std::vector<int64_t>{-2147483648, -1, 2147483647});
  CHECK(whole(5) == whole(4));
  CHECK(whole(6) == std::vector<int64_t>{0, 65535});
  CHECK(whole(7) == std::vector<int64_t>{0, 4294967295});
  CHECK(whole(8) == std::vector<int64_t>{0, std::numeric_limits<int64_t>::max()});
  CHECK_THROWS_WITH(load_npy(fixture("too_large.npy"), {.convert = true}),
                    contains_text("too_large.npy: the number 9223372036854775808 is beyond int64"));
}

TEST_CASE("arrays of anything but numbers are refused", "[npy]") {
  CHECK_THROWS_WITH(load_npy(fixture("structure.npy")),
                    contains_text("structure.npy: an array of structures"));
  CHECK_THROWS_WITH(load_npy(fixture("object.npy")), contains_text("the type '|O'"));
  CHECK_THROWS_WITH(load_npy(fixture("text.npy")), contains_text("the type '<U2'"));
  CHECK_THROWS_WITH(load_npy(fixture("complex.npy")), contains_text("the type '<c16'"));
}

TEST_CASE("arrays come back from our own files", "[npy]") {
  const TemporaryFolder folder;
  Arrays arrays = expected_arrays();
  arrays.emplace_back("extreme", from_vector(std::vector<int64_t>{least, -1}));
  for (const bool compress : {false, true}) {
    save_npz(folder / "a.npz", arrays, {.compress = compress});
    require_same(load_npz(folder / "a.npz"), arrays);
    const std::string bytes = read_bytes(folder / "a.npz");
    save_npz(folder / "a.npz", arrays, {.compress = compress});
    CHECK(read_bytes(folder / "a.npz") == bytes);
  }
  for (const auto& [name, array] : arrays) {
    INFO(name);
    save_npy(folder / "a.npy", array);
    CHECK(difference(load_npy(folder / "a.npy"), array) == "");
  }
  save_npy(folder / "a.npy", transpose(integers));
  CHECK(difference(load_npy(folder / "a.npy"), transpose(integers)) == "");
  save_npz(folder / "none.npz", {});
  CHECK(load_npz(folder / "none.npz").empty());
  CHECK(folder.files() == 3);
}

TEST_CASE("a .npy file of ours has NumPy's bytes", "[npy]") {
  const TemporaryFolder folder;
  save_npy(folder / "a.npy", tensor({1, 2}));
  const std::string dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  CHECK(read_bytes(folder / "a.npy") ==
        header(dictionary + std::string(117 - dictionary.size(), ' ') + "\n") +
            std::string("\0\0\x80\x3F\0\0\0\x40", 8));
}

TEST_CASE("changing a loaded array does not reach its file", "[npy]") {
  const TemporaryFolder folder;
  save_npy(folder / "a.npy", tensor({1, 2}));
  Tensor array = load_npy(folder / "a.npy");
  array.fill_(7);
  CHECK(load_npy(folder / "a.npy").to_vector<float>() == std::vector<float>{1, 2});
}

TEST_CASE("NumPy reads what was saved", "[npy]") {
  const TemporaryFolder folder;
  const Arrays arrays = {{"float32", grid(DType::float32, 0.25)},
                         {"float64", grid(DType::float64, 0.125)},
                         {"int64", integers},
                         {"uint8", bytes_grid},
                         {"bool", odd},
                         {"transposed", transpose(integers)},
                         {"scalar", scalar(2.5, {.dtype = DType::float64})},
                         {"empty", zeros({3, 0, 2})},
                         {"layer/größe", arange(3)}};
  save_npy(folder / "a.npy", arrays[0].second);
  save_npz(folder / "a.npz", arrays);
  save_npz(folder / "b.npz", arrays, {.compress = true});
  int status = no_numpy;
  for (const std::string python : {"python3", "/usr/bin/python3"}) {
    std::string command = python + " " + source_folder() + "/tests/fixtures/read_npz.py";
    for (const char* name : {"a.npy", "a.npz", "b.npz"}) command += " " + (folder / name).string();
    if (status == no_numpy || status == no_command) status = WEXITSTATUS(std::system(command.c_str()));
  }
  if (status == no_numpy || status == no_command)
    WARN("skipped: there is no python3 with numpy");
  else
    CHECK(status == 0);
}

TEST_CASE("headers are read as Python writes them", "[npy]") {
  const std::string two(2, '\1');
  CHECK(parse(header("{\"shape\":(2L,),\"fortran_order\":True,\"descr\":\"|u1\"}") + two).shape() ==
        Shape{2});
  CHECK(
      parse(header("{ 'descr' : '=u1' ,\n'shape': ( 1 , 2 , ), 'fortran_order': False}  \n") + two).shape() ==
      Shape{1, 2});
  CHECK(parse(header_of("<u1", "(0, 288230376151711744)")).numel() == 0);
}

TEST_CASE("a .npy file that is malformed is refused", "[npy]") {
  const std::string four(4, '\0');
  const std::string good = header_of("<f4", "(1,)") + four;
  CHECK(parse(good).numel() == 1);
  for (size_t length = 0; length < good.size(); ++length)
    CHECK_THROWS_AS(parse(good.substr(0, length)), FileError);
  refuse("", "not a .npy file");
  refuse("PK\3\4" + std::string(30, 'x'), "not a .npy file");
  refuse(header("{}", 4), "the version 4");
  refuse(header("{}", 0), "the version 0");
  refuse(header("{}"), "the header has no descr");
  refuse(header("{'descr': '<f4', 'shape': (1,)}") + four, "no fortran_order");
  refuse(header("{'descr': '<f4', 'descr': '<f4'}"), "descr twice");
  refuse(header("{'more': 1}"), "an unknown key");
  refuse(header("{'descr': '<f4'"), "'}' is missing");
  refuse(header("{'descr' '<f4'}"), "':' is missing");
  refuse(header("{'descr': '<f4"), "a string without an end");
  refuse(header("{'fortran_order': 1}"), "neither True nor False");
  refuse(header("{'shape': (-1,)}"), "no number at byte");
  refuse(header("{'shape': (99999999999999999999,)}"), "no number at byte");
  refuse(header("{'shape': (__import__('os'),)}"), "no number at byte");
  refuse(header("{'shape': ((((((("), "no number at byte");
  refuse(header(std::string(60000, '{')), "no string at byte");
  refuse(header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} + {}") + four,
         "goes on after its dictionary");
  refuse("\x93NUMPY\2" + std::string("\0\xFF\xFF\xFF\x7F", 5), "a header of 2147483647 bytes");
  for (const char* descr : {"<f3", "<f1", "<i0", "|b2", "<f16", "<i999", "<u-1"}) {
    INFO(descr);
    CHECK_THROWS_AS(parse(header_of(descr, "(1,)") + four, {.convert = true}), FileError);
  }
  refuse(header_of("<f4", "(1,)") + four + "x",
         "1 numbers of float32, shape [1], take 4 bytes, but there are 5");
  refuse(header_of("<f4", "(2,)") + four, "take 8 bytes, but there are 4");
  refuse(header_of("<f4", "(1099511627776,)") + four, "but there are 4");
  refuse(header_of("<f4", "(4294967296, 4294967296)") + four, "makes the array too large");
  refuse(header_of("<f4", "(0, 4294967296, 4294967296)"), "makes the array too large");
  refuse(header_of("<u1", "(0, 9223372036854775807)"), "makes the array too large");
  refuse(header_of("<f4", "(1, 1, 1, 1, 1, 1, 1, 1, 1)") + four, "an array of 9 axes");
  refuse(header_of("|b1", "(4,)") + std::string("\0\1\2\0", 4), "neither 0 nor 1");
  CHECK_THROWS_WITH(load_npy("/nowhere/a.npy"), contains_text("/nowhere/a.npy: cannot open the file"));
  CHECK_THROWS_WITH(load_npy("/tmp"), contains_text("/tmp: not a regular file"));
}

TEST_CASE("an archive that is malformed is refused", "[npy]") {
  const TemporaryFolder folder;
  save_npz(folder / "a.npz", {{"first", tensor({1, 2, 3})}, {"second", arange(100)}}, {.compress = true});
  const std::string good = read_bytes(folder / "a.npz");
  CHECK(parse_archive(good).size() == 2);
  for (size_t length = 0; length < good.size(); ++length) {
    INFO("cut off after " << length);
    CHECK_THROWS_AS(parse_archive(good.substr(0, length)), FileError);
  }
  // Any byte that is wrong gives a FileError or, in the dates and the like, the arrays.
  for (size_t at = 0; at < good.size(); ++at)
    for (int flip : {1, 0x80, 0xFF}) {
      std::string wrong = good;
      wrong[at] = static_cast<char>(wrong[at] ^ flip);
      try {
        const size_t count = parse_archive(wrong).size();
        CHECK(count <= 2);
      } catch (const FileError&) {
      }
    }
  const auto renamed = [&](const std::string& from, const std::string& to) {
    std::string wrong = good;
    for (size_t at = 0; (at = wrong.find(from, at)) != std::string::npos;) wrong.replace(at, from.size(), to);
    return wrong;
  };
  CHECK_THROWS_WITH(parse_archive(renamed("first.npy", "../st.npy")),
                    contains_text("a.npz: the name \"../st.npy\" leads out"));
  CHECK_THROWS_WITH(parse_archive(renamed("first.npy", "/irst.npy")), contains_text("leads out"));
  CHECK_THROWS_WITH(parse_archive(renamed("first.npy", "a/../.npy")), contains_text("leads out"));
  CHECK_THROWS_WITH(parse_archive(renamed("first.npy", "f\\rst.npy")), contains_text("leads out"));
  CHECK_THROWS_WITH(parse_archive(renamed("first.npy", "first.txt")),
                    contains_text("\"first.txt\" is no .npy file"));
  CHECK_THROWS_WITH(parse_archive("not a zip archive"), contains_text("not a zip archive"));
  CHECK_THROWS_WITH(parse_archive(""), contains_text("not a zip archive"));

  save_npz(folder / "b.npz", {{"a1", tensor({1})}, {"a2", tensor({1})}});
  std::string twice = read_bytes(folder / "b.npz");
  for (size_t at = 0; (at = twice.find("a2.npy", at)) != std::string::npos;) twice[at + 1] = '1';
  CHECK_THROWS_WITH(parse_archive(twice), contains_text("\"a1.npy\" twice"));
  // A size that cannot come of so few bytes, in the central directory.
  std::string bomb = good;
  const size_t entry = bomb.find("PK\1\2");
  REQUIRE(entry != std::string::npos);
  bomb.replace(entry + 24, 4, "\xF0\xFF\xFF\x7F");
  CHECK_THROWS_WITH(parse_archive(bomb), contains_text("claims to have 2147483632 bytes"));
  std::string encrypted = good;
  encrypted[entry + 8] = static_cast<char>(encrypted[entry + 8] | 1);
  CHECK_THROWS_AS(parse_archive(encrypted), FileError);
}

TEST_CASE("saving refuses names and tensors that make no sense, and writes nothing", "[npy]") {
  const TemporaryFolder folder;
  const Tensor one = tensor({1});
  const auto refuse_names = [&](const Arrays& arrays, const std::string& message) {
    CHECK_THROWS_WITH(save_npz(folder / "a.npz", arrays),
                      contains_text("[save_npz]") && contains_text(message));
  };
  refuse_names({{"", one}}, "empty name");
  refuse_names({{"../a", one}}, "\"../a\" is a path out of the archive");
  refuse_names({{"/a", one}}, "a path out");
  refuse_names({{"a", one}, {"a", one}}, "two tensors are called \"a\"");
  refuse_names({{"a", Tensor()}}, "\"a\" is undefined");
  CHECK_THROWS_AS(save_npz(folder / "a.npz", {{"\xFF\xFE", one}}), Error);
  CHECK_THROWS_WITH(save_npy(folder / "a.npy", Tensor()), contains_text("[save_npy]"));
  CHECK_THROWS_AS(save_npy("/nowhere/a.npy", one), FileError);
  CHECK(folder.files() == 0);
}

}  // namespace reel
