// Malformed safetensors files, built byte by byte: each is refused, and the message says why.
#include "framework/safetensors_header.h"

#include <sys/stat.h>

#include <limits>

#include "tests/catch.h"
#include "tests/framework/files.h"

namespace reel {
namespace {

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

}  // namespace

TEST_CASE("a header without tensors is accepted", "[safetensors]") {
  CHECK(refusal(file_of("{}")) == "accepted");
  CHECK(refusal(file_of(R"({"__metadata__":{}})")) == "accepted");
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

}  // namespace reel
