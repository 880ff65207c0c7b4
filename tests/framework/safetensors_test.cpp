// Files of the safetensors format: what is written comes back, what is malformed is refused, and what fails
// on the way leaves the old file. PyTorch's files are those of tests/fixtures.
#include "framework/safetensors.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>

#include "framework/atomic_file.h"
#include "tests/catch.h"

namespace reel {
namespace {

namespace fs = std::filesystem;
using Metadata = std::map<std::string, std::string>;

// A folder of its own for each test, removed afterwards.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "reel-safetensors-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  fs::path operator/(const char* name) const { return path_ / name; }
  size_t files() const { return static_cast<size_t>(std::distance(fs::directory_iterator(path_), {})); }

 private:
  fs::path path_;
};

std::string read_bytes(const fs::path& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

void write_bytes(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::string length_prefix(uint64_t length) {
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes;
}

// A file with this header, and data of zeros unless given.
std::string file_of(const std::string& header, const std::string& data) {
  return length_prefix(header.size()) + header + data;
}
std::string file_of(const std::string& header, size_t data_bytes = 0) {
  return file_of(header, std::string(data_bytes, '\0'));
}

// The message with which a file of these bytes is refused, without the path before it.
std::string refusal(const std::string& bytes) {
  const TemporaryFolder folder;
  const fs::path path = folder / "malformed.safetensors";
  write_bytes(path, bytes);
  try {
    load_safetensors(path);
  } catch (const FileError& error) {
    const std::string message = error.what();
    const std::string prefix = path.string() + ": ";
    return message.starts_with(prefix) ? message.substr(prefix.size()) : "without the path: " + message;
  }
  return "accepted";
}

// The same for a file whose one tensor "w" has this entry.
std::string refusal_of_entry(const std::string& entry, size_t data_bytes) {
  return refusal(file_of("{\"w\":" + entry + "}", data_bytes));
}

std::string refusal_of_tensor(const std::string& dtype, const std::string& shape, const std::string& offsets,
                              size_t data_bytes) {
  return refusal_of_entry(
      R"({"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}", data_bytes);
}

bool same(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  return detail::dispatch(a.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const auto x = a.to_vector<T>();
    const auto y = b.to_vector<T>();
    if constexpr (std::is_same_v<T, bool>)
      return x == y;
    else
      return x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(T)) == 0;  // nan is itself
  });
}

void require_round_trip(const NamedTensors& tensors, const Metadata& metadata = {}) {
  const TemporaryFolder folder;
  const fs::path path = folder / "t.safetensors";
  save_safetensors(path, tensors, metadata);
  const SafetensorsFile file = load_safetensors(path);
  CHECK(file.metadata == metadata);
  CHECK(file.path == path);
  REQUIRE(file.tensors.size() == tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    INFO(tensors[i].first);
    CHECK(file.tensors[i].first == tensors[i].first);
    CHECK(file.tensors[i].second.is_contiguous());
    CHECK(same(file.tensors[i].second, tensors[i].second));
  }
}

const fs::path fixtures = fs::path(REEL_SOURCE_DIR) / "tests" / "fixtures";

}  // namespace

TEST_CASE("every dtype comes back from a file with all its bits", "[safetensors]") {
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  require_round_trip({
      {"float32", tensor({0.1, -0.0, inf, -inf, nan, 1e-45, 3.4e38})},
      {"float64", tensor({0.1, -0.0, inf, -inf, nan, 5e-324, 1.7e308}, {.dtype = DType::float64})},
      {"int64", from_vector(std::vector<int64_t>{0, -1, std::numeric_limits<int64_t>::min(),
                                                 std::numeric_limits<int64_t>::max()})},
      {"uint8", from_vector(std::vector<uint8_t>{0, 1, 127, 128, 255})},
      {"bool", from_vector(std::vector<bool>{true, false, true})},
  });
}

TEST_CASE("every shape comes back from a file", "[safetensors]") {
  require_round_trip({
      {"scalar", scalar(2.5)},
      {"empty", zeros({0})},
      {"empty matrix", zeros({3, 0, 2}, {.dtype = DType::int64})},
      {"matrix", tensor({{1, 2, 3}, {4, 5, 6}})},
      {"eight axes", full({1, 2, 1, 2, 1, 2, 1, 2}, 7)},
      {"last and empty", zeros({0, 0})},
  });
}

TEST_CASE("a tensor that is not contiguous is written in row-major order", "[safetensors]") {
  const Tensor matrix = tensor({{1, 2, 3}, {4, 5, 6}});
  const TemporaryFolder folder;
  save_safetensors(folder / "t", {
                                     {"transposed", detail::view(matrix, {3, 2}, {1, 3})},
                                     {"column", detail::view(matrix, {2}, {3}, 1)},
                                     {"repeated", detail::view(matrix, {2, 3}, {0, 1})},
                                 });
  const SafetensorsFile file = load_safetensors(folder / "t");
  CHECK(file.at("transposed").to_vector<float>() == std::vector<float>{1, 4, 2, 5, 3, 6});
  CHECK(file.at("column").to_vector<float>() == std::vector<float>{2, 5});
  CHECK(file.at("repeated").to_vector<float>() == std::vector<float>{1, 2, 3, 1, 2, 3});
}

TEST_CASE("tensors that are large or many come back", "[safetensors]") {
  NamedTensors tensors;
  for (int i = 0; i < 3000; ++i) tensors.emplace_back("small." + std::to_string(i), full({i % 50}, i));
  tensors.emplace_back("large", arange(0, 300'000));
  require_round_trip(tensors);
}

TEST_CASE("names and metadata may hold any text", "[safetensors]") {
  const Tensor value = scalar(1);
  require_round_trip(
      {{"quote \" backslash \\ line\nend", value}, {"größe 🎞", value}, {std::string("z\0z", 3), value}},
      {{"", "empty key"}, {"empty value", ""}, {"json", R"({"step": 12})"}, {"тест", "\x01\x7f"}});
}

TEST_CASE("a file of no tensors is a file", "[safetensors]") {
  require_round_trip({});
  require_round_trip({}, {{"made by", "reel"}});
  CHECK(refusal(file_of("{}")) == "accepted");
  CHECK(refusal(file_of(R"({"__metadata__":{}})")) == "accepted");
}

TEST_CASE("a saved file has the bytes of the format's description", "[safetensors]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "t";
  save_safetensors(path, {{"b", tensor({1, 2})}, {"a", from_vector(std::vector<bool>{true})}},
                   {{"y", "2"}, {"x", "1"}});
  const std::string header = R"({"__metadata__":{"x":"1","y":"2"},)"
                             R"("b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                             R"("a":{"dtype":"BOOL","shape":[1],"data_offsets":[8,9]}})";
  const std::string padding(7 - (header.size() + 7) % 8, ' ');
  const std::string data("\0\0\x80\x3F\0\0\0\x40\x01", 9);
  CHECK(read_bytes(path) == file_of(header + padding, data));
  CHECK((header + padding).size() % 8 == 0);

  const std::string first = read_bytes(path);
  save_safetensors(path, {{"b", tensor({1, 2})}, {"a", from_vector(std::vector<bool>{true})}},
                   {{"x", "1"}, {"y", "2"}});
  CHECK(read_bytes(path) == first);
}

TEST_CASE("PyTorch's state_dict of a language model can be read", "[safetensors]") {
  const SafetensorsFile file = load_safetensors(fixtures / "state_dict" / "charlm_torch.safetensors");
  REQUIRE(file.tensors.size() == 11);
  CHECK(file.tensors.front().first == "embed.weight");
  CHECK(file.tensors.back().first == "head.bias");
  CHECK(file.at("embed.weight").shape() == Shape{11, 4});
  CHECK(file.at("lstm.weight_hh_l1").shape() == Shape{24, 6});
  CHECK(file.at("head.bias").dtype() == DType::float32);
  CHECK(file.metadata.contains("torch"));

  // Written again it is the same file, bit for bit.
  const TemporaryFolder folder;
  save_safetensors(folder / "again", file.tensors, file.metadata);
  CHECK(read_bytes(folder / "again") == read_bytes(file.path));
}

TEST_CASE("all fixtures can be read", "[safetensors]") {
  size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(fixtures)) {
    if (entry.path().extension() != ".safetensors") continue;
    CHECK_FALSE(load_safetensors(entry.path()).tensors.empty());
    ++files;
  }
  CHECK(files > 0);
}

TEST_CASE("a name that the file does not have is answered with those nearest to it", "[safetensors]") {
  const SafetensorsFile file = load_safetensors(fixtures / "state_dict" / "charlm_torch.safetensors");
  CHECK(file.contains("head.weight"));
  CHECK_FALSE(file.contains("head.wieght"));
  CHECK_THROWS_AS(file.at("head.wieght"), FileError);
  CHECK_THROWS_WITH(file.at("head.wieght"),
                    contains_text(file.path.string() + ": no tensor \"head.wieght\""));
  CHECK_THROWS_WITH(file.at("head.wieght"),
                    contains_text("11 names in the file, the nearest: \"head.weight\", "));
  CHECK_THROWS_WITH(SafetensorsFile{}.at("w"), contains_text("the file has no tensors"));
}

TEST_CASE("changing a loaded tensor in place leaves the file and other readers alone", "[safetensors]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "t";
  save_safetensors(path, {{"a", tensor({1, 2})}, {"b", tensor({3, 4})}});
  const std::string before = read_bytes(path);
  const SafetensorsFile file = load_safetensors(path);
  const SafetensorsFile other = load_safetensors(path);
  Tensor a = file.at("a");
  a.fill_(9);
  a.mutable_data<float>()[1] = 8;
  CHECK(file.at("a").to_vector<float>() == std::vector<float>{9, 8});
  CHECK(file.at("b").to_vector<float>() == std::vector<float>{3, 4});
  CHECK(other.at("a").to_vector<float>() == std::vector<float>{1, 2});
  CHECK(read_bytes(path) == before);
}

TEST_CASE("a loaded tensor outlives what it was loaded with, and the file", "[safetensors]") {
  Tensor kept;
  {
    const TemporaryFolder folder;
    save_safetensors(folder / "t", {{"a", arange(0, 5000)}, {"b", arange(5000, 10000)}});
    kept = load_safetensors(folder / "t").at("b");
  }
  CHECK(same(kept, arange(5000, 10000)));
}

TEST_CASE("a file can be replaced by what was loaded from it", "[safetensors]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "t";
  save_safetensors(path, {{"a", arange(0, 5000)}, {"b", arange(5000, 10000)}});
  const SafetensorsFile file = load_safetensors(path);
  save_safetensors(path, {{"b", file.at("b")}});
  CHECK(same(file.at("a"), arange(0, 5000)));
  CHECK(same(load_safetensors(path).at("b"), arange(5000, 10000)));
}

TEST_CASE("tensors whose data is not aligned are read as well", "[safetensors]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "t";
  const NamedTensors tensors = {{"byte", from_vector(std::vector<uint8_t>{7})},
                                {"float32", tensor({1.5, 2.5})},
                                {"float64", tensor({3.5}, {.dtype = DType::float64})},
                                {"int64", arange(3)}};
  require_round_trip(tensors);
  write_bytes(path,
              file_of(R"({"w":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}} )", std::string(8, '\0')));
  CHECK(load_safetensors(path).at("w").item() == 0.0);  // by a header whose length is no multiple of 8
  load_safetensors(path).tensors[0].second.fill_(1);
}

TEST_CASE("the order of a header is kept, and need not be that of the data", "[safetensors]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "t";
  write_bytes(
      path,
      file_of(R"({"z":{"data_offsets":[1,2],"shape":[],"dtype":"U8"}, "none":{"dtype":"F32","shape":[0],)"
              R"("data_offsets":[1,1]}, "a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
              "\x05\x06"));
  const SafetensorsFile file = load_safetensors(path);
  REQUIRE(file.tensors.size() == 3);
  CHECK(file.tensors[0].first == "z");
  CHECK(file.tensors[2].first == "a");
  CHECK(file.at("z").item<int64_t>() == 6);
  CHECK(file.at("a").item<int64_t>() == 5);
}

TEST_CASE("what is no safetensors file at all is refused", "[safetensors]") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(load_safetensors(folder / "missing"), FileError);
  CHECK_THROWS_WITH(load_safetensors(folder / "missing"),
                    contains_text("missing: cannot open the file: No such file"));
  CHECK_THROWS_WITH(load_safetensors(folder / "."), contains_text("not a regular file"));
  CHECK_THROWS_WITH(load_safetensors("/dev/zero"), contains_text("/dev/zero: not a regular file"));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_WITH(load_safetensors(folder / "pipe"), contains_text("not a regular file"));
  CHECK(refusal("") == "the file is empty");
  CHECK(refusal("1234567") == "the file has 7 bytes, too few for the length of a header");
  CHECK(refusal("PK\x03\x04 a zip file, as torch.save writes") != "accepted");
}

TEST_CASE("a header whose length cannot be is refused", "[safetensors]") {
  CHECK(refusal(length_prefix(0)) == "the header has length 0");
  CHECK(refusal(length_prefix(3) + "{}") == "a header of 3 bytes is announced, but only 2 follow");
  CHECK(refusal(length_prefix(100'000'001) + "{}") ==
        "a header of 100000001 bytes is announced, more than the 100000000 that are allowed");
  CHECK(refusal(length_prefix(std::numeric_limits<uint64_t>::max()) + "{}") ==
        "a header of 18446744073709551615 bytes is announced, more than the 100000000 that are allowed");
}

TEST_CASE("a header that is not JSON is refused", "[safetensors]") {
  const auto is_no_json = [](const std::string& header) {
    INFO(header);
    CHECK_THAT(refusal(file_of(header)), contains_text("the header is not valid JSON at its byte "));
  };
  is_no_json("{");
  is_no_json("{} x");
  is_no_json("{}{}");
  is_no_json(R"({"w")");
  is_no_json(R"({"w":})");
  is_no_json(R"({"w":1e999})");
  is_no_json(R"({w:1})");
  is_no_json("{/* comment */}");
  is_no_json(R"({"__metadata__":{},})");
  is_no_json("{\"__metadata__\":{\"a\":\"\xFF\"}}");          // not UTF-8
  is_no_json("{\"__metadata__\":{\"a\":\"\xC0\x80\"}}");      // a long form
  is_no_json("{\"__metadata__\":{\"a\":\"\xED\xA0\x80\"}}");  // half a surrogate pair
  is_no_json(R"({"__metadata__":{"a":"\ud800"}})");
  CHECK(refusal(file_of("\xEF\xBB\xBF{}")) == "the header does not begin with a brace");
  CHECK(refusal(file_of("[]")) == "the header does not begin with a brace");
  CHECK(refusal(file_of("    ")) == "the header does not begin with a brace");
  CHECK(refusal(file_of(std::string("{}\0\0", 4))) == "the header has a zero byte at 2");
}

TEST_CASE("a header that nests deeply is left at once", "[safetensors]") {
  const std::string depth(1'000'000, '[');
  CHECK(refusal(file_of(R"({"w":)" + depth)) == "tensor \"w\" is an array, expected an object");
  CHECK(refusal(file_of(R"({"w":{"shape":)" + depth)) ==
        "shape of tensor \"w\" holds an array, expected integers from 0 to 2^63 - 1");
  std::string objects;
  for (int i = 0; i < 200'000; ++i) objects += R"({"a":)";
  CHECK(refusal(file_of(objects)) == "tensor \"a\" has the unknown key \"a\"");
}

TEST_CASE("a name that comes twice is refused", "[safetensors]") {
  const std::string entry = R"({"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  CHECK(refusal(file_of("{\"w\":" + entry + ",\"v\":" + entry + ",\"w\":" + entry + "}")) ==
        "two tensors are called \"w\"");
  CHECK(refusal(file_of("{\"w\":" + entry + ",\"\\u0077\":" + entry + "}")) ==
        "two tensors are called \"w\"");
  CHECK(refusal_of_entry(R"({"dtype":"U8","shape":[0],"shape":[0],"data_offsets":[0,0]})", 0) ==
        "tensor \"w\" has shape twice");
  CHECK(refusal(file_of(R"({"__metadata__":{},"__metadata__":{}})")) ==
        "the header has two entries \"__metadata__\"");
  CHECK(refusal(file_of(R"({"__metadata__":{"a":"1","a":"1"}})")) == "__metadata__ has the key \"a\" twice");
}

TEST_CASE("metadata that is no map of strings is refused", "[safetensors]") {
  CHECK(refusal(file_of(R"({"__metadata__":[]})")) == "__metadata__ is an array, expected an object");
  CHECK(refusal(file_of(R"({"__metadata__":null})")) == "__metadata__ is null, expected an object");
  CHECK(refusal(file_of(R"({"__metadata__":{"a":1}})")) ==
        "__metadata__ has 1 under \"a\", expected a string");
  CHECK(refusal(file_of(R"({"__metadata__":{"a":{}}})")) ==
        "__metadata__ has an object under \"a\", expected a string");
  CHECK(refusal(file_of(R"({"__metadata__":{"a":true}})")) ==
        "__metadata__ has a boolean under \"a\", expected a string");
}

TEST_CASE("the entry of a tensor that is incomplete or of wrong types is refused", "[safetensors]") {
  CHECK(refusal_of_entry("3", 0) == "tensor \"w\" is 3, expected an object");
  CHECK(refusal_of_entry("\"F32\"", 0) == "tensor \"w\" is a string, expected an object");
  CHECK(refusal_of_entry("null", 0) == "tensor \"w\" is null, expected an object");
  CHECK(refusal_of_entry("{}", 0) == "tensor \"w\" has no dtype");
  CHECK(refusal_of_entry(R"({"dtype":"U8","data_offsets":[0,0]})", 0) == "tensor \"w\" has no shape");
  CHECK(refusal_of_entry(R"({"dtype":"U8","shape":[0]})", 0) == "tensor \"w\" has no data_offsets");
  CHECK(refusal_of_entry(R"({"dtype":"U8","shape":[0],"data_offsets":[0,0],"strides":[1]})", 0) ==
        "tensor \"w\" has the unknown key \"strides\"");
  CHECK(refusal_of_tensor("8", "[0]", "[0,0]", 0) == "dtype of tensor \"w\" is 8, expected a string");
  CHECK(refusal_of_tensor("[]", "[0]", "[0,0]", 0) == "dtype of tensor \"w\" is an array, expected a string");
  CHECK(refusal_of_tensor("{}", "[0]", "[0,0]", 0) ==
        "dtype of tensor \"w\" is an object, expected a string");
  CHECK(refusal_of_tensor("\"U8\"", "0", "[0,0]", 0) == "shape of tensor \"w\" is 0, expected an array");
  CHECK(refusal_of_tensor("\"U8\"", "null", "[0,0]", 0) ==
        "shape of tensor \"w\" is null, expected an array");
  CHECK(refusal_of_tensor("\"U8\"", "[0]", "\"0\"", 0) ==
        "data_offsets of tensor \"w\" is a string, expected an array");
}

TEST_CASE("a dtype that Reel does not have is refused with its name and the tensor's", "[safetensors]") {
  for (const std::string dtype : {"F16", "BF16", "I32", "I8", "U64", "F8_E4M3", "float32", "f32", ""}) {
    CHECK(refusal_of_tensor('"' + dtype + '"', "[1]", "[0,2]", 2) ==
          "tensor \"w\" has dtype " + dtype + ", which Reel does not have (it has F32, F64, I64, U8, BOOL)");
  }
}

TEST_CASE("extents that cannot be are refused", "[safetensors]") {
  const auto holds = [](const std::string& what) {
    return "shape of tensor \"w\" holds " + what + ", expected integers from 0 to 2^63 - 1";
  };
  CHECK(refusal_of_tensor("\"U8\"", "[-1]", "[0,0]", 0) == holds("-1"));
  CHECK(refusal_of_tensor("\"U8\"", "[-0]", "[0,0]", 0) == holds("0"));
  CHECK(refusal_of_tensor("\"U8\"", "[1.5]", "[0,0]", 0) == holds("1.5"));
  CHECK(refusal_of_tensor("\"U8\"", "[1.0]", "[0,1]", 1) == holds("1.0"));
  CHECK(refusal_of_tensor("\"U8\"", "[1e0]", "[0,1]", 1) == holds("1e0"));
  CHECK(refusal_of_tensor("\"U8\"", "[\"1\"]", "[0,1]", 1) == holds("a string"));
  CHECK(refusal_of_tensor("\"U8\"", "[{}]", "[0,1]", 1) == holds("an object"));
  CHECK(refusal_of_tensor("\"U8\"", "[9223372036854775808]", "[0,1]", 1) == holds("9223372036854775808"));
  CHECK(refusal_of_tensor("\"U8\"", "[18446744073709551616]", "[0,1]", 1) == holds("18446744073709551616"));
  CHECK(refusal_of_tensor("\"U8\"", "[1,1,1,1,1,1,1,1,1]", "[0,1]", 1) ==
        "tensor \"w\" has more than 8 axes");
  CHECK(refusal_of_tensor("\"F32\"", "[4294967296,4294967296]", "[0,0]", 0) ==
        "tensor \"w\" has shape [4294967296, 4294967296], which does not fit any memory");
  CHECK(refusal_of_tensor("\"F64\"", "[4611686018427387904]", "[0,0]", 0) ==
        "tensor \"w\" has shape [4611686018427387904], which does not fit any memory");
  CHECK(refusal_of_tensor("\"U8\"", "[0,4294967296,4294967296]", "[0,0]", 0) ==
        "tensor \"w\" has shape [0, 4294967296, 4294967296], which does not fit any memory");
}

TEST_CASE("offsets that do not fit the shape or the file are refused", "[safetensors]") {
  const auto has_offsets = [](const std::string& what) { return "tensor \"w\" has data_offsets " + what; };
  CHECK(refusal_of_tensor("\"U8\"", "[4]", "[4,0]", 4) == has_offsets("[4, 0], which run backwards"));
  CHECK(refusal_of_tensor("\"U8\"", "[4]", "[0,4]", 3) ==
        has_offsets("[0, 4], but there are only 3 bytes of data"));
  CHECK(refusal_of_tensor("\"U8\"", "[9223372036854775807]", "[0,9223372036854775807]", 4) ==
        has_offsets("[0, 9223372036854775807], but there are only 4 bytes of data"));
  CHECK(refusal_of_tensor("\"F32\"", "[2,3]", "[0,20]", 20) ==
        has_offsets("[0, 20], but F32 [2, 3] takes 24 bytes"));
  CHECK(refusal_of_tensor("\"F32\"", "[]", "[0,0]", 0) == has_offsets("[0, 0], but F32 [] takes 4 bytes"));
  CHECK(refusal_of_tensor("\"F32\"", "[0]", "[0,4]", 4) == has_offsets("[0, 4], but F32 [0] takes 0 bytes"));
  CHECK(refusal_of_tensor("\"U8\"", "[0]", "[0]", 0) ==
        "data_offsets of tensor \"w\" has 1 numbers, expected 2");
  CHECK(refusal_of_tensor("\"U8\"", "[0]", "[0,0,0]", 0) ==
        "data_offsets of tensor \"w\" has 3 numbers, expected 2");
  CHECK(refusal_of_tensor("\"U8\"", "[0]", "[-1,0]", 0) ==
        "data_offsets of tensor \"w\" holds -1, expected integers from 0 to 2^63 - 1");
}

TEST_CASE("data that overlaps or belongs to no tensor is refused", "[safetensors]") {
  const auto two = [](const std::string& first, const std::string& second, size_t data_bytes) {
    const auto entry = [](const std::string& offsets) {
      const int64_t bytes = offsets[3] - offsets[1];
      return R"({"dtype":"U8","shape":[)" + std::to_string(bytes) + R"(],"data_offsets":)" + offsets + "}";
    };
    return refusal(file_of("{\"a\":" + entry(first) + ",\"b\":" + entry(second) + "}", data_bytes));
  };
  CHECK(two("[0,4]", "[4,8]", 8) == "accepted");
  CHECK(two("[4,8]", "[0,4]", 8) == "accepted");
  CHECK(two("[0,4]", "[3,8]", 8) == "the data of tensor \"b\" overlaps that of another");
  CHECK(two("[0,4]", "[0,4]", 4) == "the data of tensor \"b\" overlaps that of another");
  CHECK(two("[0,4]", "[2,2]", 4) == "the data of tensor \"b\" overlaps that of another");
  CHECK(two("[0,4]", "[5,8]", 8) == "1 bytes before the data of tensor \"b\" belong to no tensor");
  CHECK(two("[2,4]", "[4,8]", 8) == "2 bytes before the data of tensor \"a\" belong to no tensor");
  CHECK(two("[0,4]", "[4,8]", 9) == "1 bytes at the end belong to no tensor");
  CHECK(refusal(file_of("{}", 8)) == "8 bytes at the end belong to no tensor");
}

TEST_CASE("a byte that is no truth value is refused", "[safetensors]") {
  const std::string header = R"({"w":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}})";
  CHECK(refusal(file_of(header, std::string("\0\1\1", 3))) == "accepted");
  CHECK(refusal(file_of(header, std::string("\0\1\2", 3))) ==
        "tensor \"w\" of dtype BOOL has a byte that is neither 0 nor 1");
}

TEST_CASE("a long or wild name from a file is shown short and tame", "[safetensors]") {
  const std::string message = refusal(file_of("{\"\\u001b[31m" + std::string(300, 'n') + "\":{}}"));
  CHECK(message.starts_with("tensor \"?[31mnnn"));
  CHECK(message.size() < 200);
}

TEST_CASE("a file cut off anywhere is refused", "[safetensors]") {
  const TemporaryFolder folder;
  save_safetensors(folder / "t", {{"a", tensor({1, 2})}, {"b", from_vector(std::vector<bool>{true})}},
                   {{"k", "v"}});
  const std::string whole = read_bytes(folder / "t");
  for (size_t length = 0; length < whole.size(); ++length) {
    INFO(length);
    CHECK(refusal(whole.substr(0, length)) != "accepted");
  }
}

TEST_CASE("a file with any one bit changed is read or refused, and no worse", "[safetensors]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "t";
  save_safetensors(path, {{"a", tensor({1, 2})}, {"b", from_vector(std::vector<bool>{true})}}, {{"k", "v"}});
  std::string bytes = read_bytes(path);
  size_t refused = 0;
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto flip = static_cast<char>(1U << bit % 8);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ flip);
    write_bytes(path, bytes);
    try {
      for (const auto& [name, tensor] : load_safetensors(path).tensors) tensor.shape().numel();
    } catch (const FileError&) {
      ++refused;
    }
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ flip);
  }
  CHECK(refused > bytes.size());
}

TEST_CASE("tensors that cannot be written are refused before the file is touched", "[safetensors]") {
  const TemporaryFolder folder;
  const fs::path path = folder / "t";
  const Tensor value = scalar(1);
  write_bytes(path, "old");
  const auto refused = [&](const NamedTensors& tensors, const std::string& message,
                           const Metadata& metadata = {}) {
    CHECK_THROWS_AS(save_safetensors(path, tensors, metadata), Error);
    CHECK_THROWS_WITH(save_safetensors(path, tensors, metadata), "[save_safetensors] " + message);
  };
  refused({{"", value}}, "a tensor has the empty name");
  refused({{"__metadata__", value}}, "the name __metadata__ is reserved");
  refused({{"a", value}, {"b", value}, {"a", value}}, "two tensors are called a");
  refused({{"a", value}, {"b", Tensor()}}, "the tensor b is undefined");
  refused({{"a\xFF", value}}, "the name \"a\xFF\" is not UTF-8");
  refused({{"a", value}}, "the metadata is not UTF-8", {{"k", "\xFF"}});
  CHECK(read_bytes(path) == "old");
  CHECK(folder.files() == 1);
}

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
