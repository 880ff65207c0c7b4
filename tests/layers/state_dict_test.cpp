// Weights that travel: a model of PyTorch's, read, run and written.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "layers/basic.h"
#include "layers/recurrent.h"
#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

struct CharLM : Module {
  Embedding embed{11, 4};
  LSTM lstm{4, 6, {.layers = 2}};
  Linear head{6, 11};
  Tensor operator()(const Tensor& tokens) const { return head(lstm(embed(tokens)).output); }
  REEL_FIELDS(embed, lstm, head)
};

/// A path for one test that is gone after it.
struct TemporaryPath {
  std::filesystem::path path;
  explicit TemporaryPath(const std::string& name)
      : path(std::filesystem::temp_directory_path() / (name + std::to_string(getpid()) + ".safetensors")) {}
  TemporaryPath(const TemporaryPath&) = delete;
  TemporaryPath& operator=(const TemporaryPath&) = delete;
  ~TemporaryPath() {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
};

NamedTensors copies(const NamedTensors& tensors) {
  NamedTensors result;
  for (const auto& [name, tensor] : tensors) result.emplace_back(name, clone(tensor));
  return result;
}

void check_same(const NamedTensors& got, const NamedTensors& expected) {
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    INFO(expected[i].first);
    CHECK(got[i].first == expected[i].first);
    CHECK(difference(got[i].second, expected[i].second) == "");
  }
}

Tensor& find(NamedTensors& tensors, const std::string& name) {
  for (auto& [key, tensor] : tensors)
    if (key == name) return tensor;
  throw Error("no tensor " + name);
}

void rename(NamedTensors& tensors, const std::string& from, const std::string& to) {
  for (auto& [name, tensor] : tensors)
    if (name == from) name = to;
}

}  // namespace

TEST_CASE("weights saved by PyTorch load by name and give its logits", "[state_dict]") {
  const SafetensorsFile weights = load_reference("state_dict/charlm_torch");
  const SafetensorsFile io = load_reference("state_dict/charlm_torch_io");
  CharLM model;
  load(model, weights.path);
  CHECK(difference(model(io.at("tokens")), io.at("logits"), 1e-5) == "");
}

TEST_CASE("what save writes is what was loaded", "[state_dict]") {
  const SafetensorsFile weights = load_reference("state_dict/charlm_torch");
  CharLM model;
  load(model, weights.path);
  const TemporaryPath saved("reel_state_dict_");
  save(model, saved.path);
  const SafetensorsFile again = load_safetensors(saved.path);
  CHECK(again.tensors.size() == weights.tensors.size());
  for (const auto& [name, tensor] : weights.tensors) {
    INFO(name);
    CHECK(difference(again.at(name), tensor) == "");
  }
  CharLM other;
  load(other, saved.path);
  check_same(other.state_dict(), model.state_dict());
}

TEST_CASE("load_state_dict copies into the parameters that are there", "[state_dict]") {
  CharLM model;
  const std::vector<Tensor> before = model.parameters();
  NamedTensors given = copies(CharLM().state_dict());
  model.load_state_dict(given);
  check_same(model.state_dict(), given);
  const std::vector<Tensor> after = model.parameters();
  REQUIRE(after.size() == before.size());
  for (size_t i = 0; i < after.size(); ++i) {
    CHECK(after[i].impl() == before[i].impl());
    CHECK(after[i].requires_grad());
  }
  find(given, "head.bias").fill_(7);
  CHECK(difference(find(given, "head.bias"), model.head.bias) != "");
}

TEST_CASE("names in another order load as well", "[state_dict]") {
  CharLM model;
  NamedTensors given = copies(CharLM().state_dict());
  std::reverse(given.begin(), given.end());
  model.load_state_dict(given);
  std::reverse(given.begin(), given.end());
  check_same(model.state_dict(), given);
}

TEST_CASE("a state_dict that does not fit is refused with a list of all that is wrong", "[state_dict]") {
  CharLM model;
  const NamedTensors before = copies(model.state_dict());
  NamedTensors wrong = copies(CharLM().state_dict());
  rename(wrong, "embed.weight", "embedding.weight");
  rename(wrong, "lstm.bias_hh_l1", "lstm.bias_hh_l2");
  find(wrong, "lstm.weight_ih_l0") = zeros({24, 5});
  find(wrong, "head.weight") = zeros({11, 6}, {.dtype = DType::float64});

  REQUIRE_THROWS_AS(model.load_state_dict(wrong), Error);
  REQUIRE_THROWS_WITH(
      model.load_state_dict(wrong),
      contains_text("missing     embed.weight") && contains_text("unexpected  embedding.weight") &&
          contains_text("missing     lstm.bias_hh_l1") && contains_text("unexpected  lstm.bias_hh_l2") &&
          contains_text("mismatched  lstm.weight_ih_l0") && contains_text("[24, 4]") &&
          contains_text("[24, 5]") && contains_text("mismatched  head.weight") && contains_text("float64") &&
          !contains_text("head.bias"));
  check_same(model.state_dict(), before);
}

TEST_CASE("a file that does not fit is refused and changes nothing", "[state_dict]") {
  CharLM model;
  const NamedTensors before = copies(model.state_dict());
  const TemporaryPath saved("reel_state_dict_wrong_");
  NamedTensors wrong = copies(CharLM().state_dict());
  wrong.pop_back();
  save_safetensors(saved.path, wrong);
  CHECK_THROWS_WITH(load(model, saved.path), contains_text("missing     head.bias"));
  CHECK_THROWS_AS(load(model, saved.path.string() + ".none"), FileError);
  check_same(model.state_dict(), before);
}

TEST_CASE("a name that is given twice is refused", "[state_dict]") {
  CharLM model;
  NamedTensors twice = copies(model.state_dict());
  twice.push_back(twice.front());
  CHECK_THROWS_WITH(model.load_state_dict(twice), contains_text("embed.weight") && contains_text("twice"));
}

}  // namespace reel
