#include "layers/wrappers/attending.h"

#include "framework/tape.h"
#include "layers/wrappers/residual.h"
#include "layers/wrappers/zoneout.h"
#include "tests/layers/wrappers/wrapped.h"

namespace reel {
namespace {

using Decoder = Recurrent<Attending<LSTMCell>>;

/// The numbers of a JSON list.
std::vector<int64_t> list_of(const std::string& json, const std::string& key) {
  std::vector<int64_t> result;
  size_t at = json.find('[', json.find("\"" + key + "\""));
  for (const size_t end = json.find(']', at); (at = json.find_first_of("0123456789", at)) < end; ++at)
    result.push_back(json[at] - '0');
  return result;
}

Tensor lengths_of(const std::vector<int64_t>& lengths) { return from_vector(lengths); }

bool says(const std::string& json, const std::string& word) {
  return json.find("\"" + word + "\"") != std::string::npos;
}

}  // namespace

TEST_CASE("decoders attend as the papers' equations in PyTorch do, in values, alignments and gradients",
          "[wrappers]") {
  const SafetensorsFile file = load_reference("recurrent/attending");
  for (const std::string name : {"additive_context", "general_context", "dot_context", "additive_attentional",
                                 "dot_attentional", "general_none"}) {
    INFO(name);
    const std::string& options = file.metadata.at(name);
    const auto at = [&](const std::string& key) { return file.at(name + "." + key); };
    const AttentionScore score = says(options, "dot")       ? AttentionScore::dot
                                 : says(options, "general") ? AttentionScore::general
                                                            : AttentionScore::additive;
    const AttentionFeed feed = says(options, "context") ? AttentionFeed::context
                               : says(options, "none")  ? AttentionFeed::none
                                                        : AttentionFeed::attentional;
    const Tensor x = at("input"), memory = at("memory"), h = at("h0"), c = at("c0");
    const int64_t width = score == AttentionScore::additive ? 4 : 0;
    Decoder decoder(x.size(-1), 3, {},
                    {.memory = memory.size(-1), .score = score, .feed = feed, .width = width});
    decoder.to(DType::float64);
    NamedTensors parameters;
    for (const auto& [key, tensor] : file.tensors)
      if (key.starts_with(name + ".param.")) parameters.emplace_back(key.substr(name.size() + 7), tensor);
    decoder.load_state_dict(parameters);

    Tape tape;
    std::vector<Tensor> wanted = {x, memory, h, c};
    for (const Tensor& tensor : wanted) tape.watch(tensor);
    const std::vector<int64_t> lengths = list_of(options, "lengths");
    attend_to(decoder, memory, {.lengths = lengths.empty() ? Tensor() : from_vector(lengths)});
    auto first = initial_state(decoder.cells[0], 2, 3, DType::float64);
    first.cell = {h, c};
    const auto [output, last, states] = decoder.with_states(x, {{first}});
    const Tensor& aligned = states.layers[0].alignment;
    CHECK(difference(output, at("output"), 1e-10) == "");
    CHECK(difference(aligned, at("alignments"), 1e-10) == "");
    CHECK(difference(last.layers[0].alignment, select(at("alignments"), 0, -1), 1e-10) == "");
    const Tensor loss = sum(output * at("w")) + sum(aligned * at("wa"));
    std::vector<std::string> names = {"input", "memory", "h0", "c0"};
    for (const auto& [key, tensor] : decoder.named_parameters()) {
      names.push_back("param." + key);
      wanted.push_back(tensor);
    }
    const std::vector<Tensor> gradients = tape.gradient(loss, wanted);
    for (size_t i = 0; i < names.size(); ++i) {
      INFO("gradient of " << names[i]);
      CHECK(difference(gradients[i], at("grad." + names[i]), 1e-10, 1e-10) == "");
    }
  }
}

TEST_CASE("steps that have not begun attend to the same", "[wrappers]") {
  manual_seed(1);
  Decoder decoder(2, 3, {}, {.memory = 4});
  attend_to(decoder, randn({5, 2, 4}), {.lengths = lengths_of({5, 3})});
  const Tensor x = randn({4, 2, 2});
  const auto first = initial_state(decoder.cells[0], 2, 3, DType::float32);
  CHECK(difference(by_hand(decoder.cells[0], x, first).first, decoder(x).output, 1e-6) == "");
}

TEST_CASE("what lies beyond a row's length changes nothing", "[wrappers]") {
  manual_seed(2);
  Decoder decoder(2, 3, {}, {.memory = 4});
  const Tensor x = randn({4, 1, 2}), memory = randn({5, 1, 4});
  attend_to(decoder, memory, {.lengths = lengths_of({3})});
  const Tensor padded = decoder(x).output;
  attend_to(decoder, narrow(memory, 0, 0, 3));
  CHECK(difference(padded, decoder(x).output, 1e-6) == "");
  attend_to(decoder, memory);
  CHECK(difference(padded, decoder(x).output, 1e-3) != "");
}

TEST_CASE("decoders attend to two memories, by names of their own", "[wrappers]") {
  manual_seed(6);
  using Two = Recurrent<Attending<Attending<RNNCell>>>;
  Two decoder(2, 3, {}, {.memory = 4, .name = "image", .cell = {.memory = 2}});
  CHECK(names_of(decoder).back() == "image.score_weight_l0");
  const Tensor image = randn({5, 2, 4}), text = randn({3, 2, 2}), x = randn({4, 2, 2});
  auto& outer = decoder.cells[0];
  CHECK_THROWS_WITH(attend_to(decoder, image), contains_text("[S, N, 2]"));
  outer.attention.attend_to(image);
  outer.cell.attention.attend_to(text, {.lengths = lengths_of({3, 1})});
  const auto first = initial_state(outer, 2, 3, DType::float32);
  CHECK(difference(by_hand(outer, x, first).first, decoder(x).output, 1e-6) == "");
  CHECK_THROWS_WITH(Two(2, 3, {}, {.memory = 4, .cell = {.memory = 2}}),
                    contains_text("attention.query_weight") && contains_text(".name"));
}

TEST_CASE("decoders run no steps, and no rows", "[wrappers]") {
  Decoder decoder(2, 3, {}, {.memory = 4});
  attend_to(decoder, randn({5, 2, 4}), {.lengths = lengths_of({5, 3})});
  CHECK(decoder(zeros({0, 2, 2})).output.shape() == Shape{0, 2, 3});
  attend_to(decoder, zeros({5, 0, 4}));
  CHECK(decoder(zeros({3, 0, 2})).output.shape() == Shape{3, 0, 3});
}

TEST_CASE("a mask may have gaps, and a row may have nothing to attend to", "[wrappers]") {
  manual_seed(7);
  Decoder decoder(2, 3, {}, {.memory = 4});
  const Tensor x = randn({4, 2, 2}), memory = randn({3, 2, 4});
  const Tensor mask = from_vector<bool>({true, false, false, false, true, false}, {3, 2});
  Tape tape;
  tape.watch(memory);
  attend_to(decoder, memory, {.mask = mask});
  const auto [output, last, states] = decoder.with_states(x);
  const Tensor& aligned = states.layers[0].alignment;
  const Tensor gradient = tape.gradient(sum(output), {memory})[0];
  CHECK(difference(select(aligned, 1, 1), zeros({4, 3})) == "");
  CHECK(difference(select(states.layers[0].attended, 1, 1), zeros({4, 4})) == "");
  CHECK(difference(select(select(aligned, 1, 0), 1, 1), zeros({4})) == "");
  CHECK(difference(select(gradient, 1, 1), zeros({3, 4})) == "");
  const Tensor two = cat({narrow(memory, 0, 0, 1), narrow(memory, 0, 2, 1)});
  attend_to(decoder, narrow(two, 1, 0, 1));
  CHECK(difference(decoder(narrow(x, 1, 0, 1)).output, narrow(output, 1, 0, 1), 1e-6) == "");
}

TEST_CASE("users' cells attend, wrapped and in several layers", "[wrappers]") {
  manual_seed(3);
  const Tensor memory = randn({4, 2, 3}, float64), x = randn({3, 2, 2}, float64);
  const auto check_gradients = [&](auto& layer) {
    layer.to(DType::float64);
    attend_to(layer, memory, {.lengths = lengths_of({4, 2})});
    return gradients_of(layer, x);
  };
  Recurrent<Attending<ReadoutCell>> readout(2, 2, {.layers = 2},
                                            {.memory = 3, .score = AttentionScore::general});
  CHECK(check_gradients(readout) == "");
  Recurrent<Attending<ReadoutCell>> fed(
      2, 2, {}, {.memory = 3, .score = AttentionScore::dot, .feed = AttentionFeed::attentional});
  CHECK(check_gradients(fed) == "");
  Recurrent<Residual<Attending<Zoneout<GatedCell>>>> deep(2, 2, {}, {.cell = {.memory = 3, .width = 3}});
  CHECK(names_of(deep).back() == "attention.score_weight_l0");
  CHECK(check_gradients(deep) == "");
}

TEST_CASE("decoders say what they cannot attend to, and keep what they have", "[wrappers]") {
  manual_seed(4);
  Decoder decoder(2, 3, {}, {.memory = 4});
  const Tensor x = randn({3, 2, 2});
  CHECK_THROWS_WITH(decoder(x), contains_text("[Attending]") && contains_text("attend_to"));
  const auto first = initial_state(decoder.cells[0], 2, 3, DType::float32);
  CHECK_THROWS_WITH(decoder.cells[0].step(select(x, 0, 0), first), contains_text("attend_to"));

  const Tensor memory = randn({5, 2, 4});
  attend_to(decoder, memory, {.lengths = lengths_of({5, 3})});
  const Tensor before = decoder(x).output;
  CHECK_THROWS_WITH(attend_to(decoder, randn({5, 2, 3})),
                    contains_text("[S, N, 4]") && contains_text("[5, 2, 3]"));
  CHECK_THROWS_WITH(attend_to(decoder, Tensor()), contains_text("none"));
  CHECK_THROWS_WITH(attend_to(decoder, memory, {.lengths = lengths_of({5})}),
                    contains_text("[attend_to]") && contains_text("[2]") && contains_text("[1]"));
  CHECK_THROWS_WITH(attend_to(decoder, memory, {.lengths = lengths_of({5, 6})}),
                    contains_text("5 steps") && contains_text("got 6"));
  CHECK_THROWS_WITH(attend_to(decoder, memory, {.mask = zeros({5, 2})}), contains_text("bool [5, 2]"));
  CHECK(difference(decoder(x).output, before) == "");

  CHECK_THROWS_WITH(decoder(randn({3, 1, 2})), contains_text("2 rows") && contains_text("1 rows"));
  attend_to(decoder, cast(memory, DType::float64));
  CHECK_THROWS_WITH(decoder(x), contains_text("float64") && contains_text("float32"));
  LSTM plain(2, 3);
  CHECK_THROWS_WITH(attend_to(plain, memory), contains_text("no Attending cell"));
  CHECK_THROWS_WITH(Decoder(2, 3, {}, {}), contains_text("[Attending]") && contains_text("got 0"));
  CHECK_THROWS_WITH(Decoder(2, 3, {}, {.memory = 4, .score = AttentionScore::dot}),
                    contains_text("3 and 4") && contains_text("dot"));
  CHECK_THROWS_WITH(Decoder(2, 3, {}, {.memory = 4, .score = AttentionScore::general, .width = 5}),
                    contains_text("width 5"));
}

}  // namespace reel
