// Files of the safetensors format: what is written comes back, in every dtype and shape. PyTorch's files are
// those of tests/fixtures.
#include "framework/safetensors.h"

#include <cstring>
#include <limits>

#include "tests/catch.h"
#include "tests/framework/files.h"
#include "tests/reference.h"

namespace reel {
namespace {

using Metadata = std::map<std::string, std::string>;

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

const fs::path fixtures = fs::path(source_folder()) / "tests" / "fixtures";

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

}  // namespace reel
