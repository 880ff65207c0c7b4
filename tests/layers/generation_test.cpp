// Greedy search and sampling: the chain of most probable tokens, and the frequencies that the options ask for.
#include "layers/generation.h"

#include <map>
#include <numeric>

#include "framework/tape.h"
#include "ops/slicing.h"
#include "tests/layers/writing_model.h"

namespace reel {
namespace {

/// The chain of most probable tokens, each found by running the layer over all that came before.
template <class M> Generated greedy_chain(const M& model, Tokens inputs, const GreedyOptions& options) {
  Generated result;
  for (int64_t length = 1; length <= options.max_length && !result.finished; ++length) {
    const std::vector<double> next = model.log_probabilities(inputs).back();
    int64_t best = -1;
    for (int64_t token = 0; token < static_cast<int64_t>(next.size()); ++token) {
      if (length < options.min_length && contains(options.end, token)) continue;
      if (best < 0 || next[static_cast<size_t>(token)] > next[static_cast<size_t>(best)]) best = token;
    }
    inputs.push_back(best);
    result.tokens.push_back(best);
    result.log_probabilities.push_back(next[static_cast<size_t>(best)]);
    result.log_probability += result.log_probabilities.back();
    result.finished = contains(options.end, best);
  }
  result.score = result.log_probability;
  return result;
}

using Probabilities = std::vector<double>;

Probabilities normalised(Probabilities values) {
  const double total = std::accumulate(values.begin(), values.end(), 0.0);
  for (double& value : values) value /= total;
  return values;
}

/// How often each token is the first one in `count` sequences, against its probability.
void check_frequencies(const std::vector<double>& logits, const Probabilities& expected,
                       const SampleOptions& given, const Tokens& start = {0}) {
  constexpr int64_t count = 20000;
  SampleOptions options = given;
  if (options.max_length == 100) options.max_length = 1;
  const auto width = static_cast<int64_t>(logits.size());
  const auto step = [&](const Tensor& tokens, std::vector<Tensor>& /*none*/) {
    return broadcast_to(from_vector(logits), {tokens.shape()[0], width});
  };
  const auto steps = static_cast<int64_t>(start.size());
  Random random(11);
  const auto drawn =
      sample_sequences(step, broadcast_to(reshape(tokens_of(start), {steps, 1}), {steps, count}),
                       std::vector<Tensor>(), options, random);
  std::vector<double> seen(logits.size());
  for (const Generated& one : drawn) ++seen[static_cast<size_t>(one.tokens.at(0))];
  double chi_square = 0, freedom = -1;
  for (size_t i = 0; i < seen.size(); ++i) {
    CAPTURE(i, seen[i], expected[i]);
    if (expected[i] == 0) {
      CHECK(seen[i] == 0);
      continue;
    }
    const double wanted = expected[i] * count;
    chi_square += (seen[i] - wanted) * (seen[i] - wanted) / wanted;
    ++freedom;
  }
  CHECK(chi_square < freedom + 4 * std::sqrt(2 * freedom) + 1e-9);
}

struct Two {
  Tensor h, count;
  REEL_FIELDS(h, count)
};

}  // namespace

TEST_CASE("greedy search is the chain of most probable tokens", "[generation]") {
  const WritingModel<GRU> model(5, 3, {.layers = 2});
  for (const GreedyOptions& options :
       {GreedyOptions{.max_length = 8}, GreedyOptions{.max_length = 8, .end = {1}},
        GreedyOptions{.max_length = 8, .end = {1, 3}},
        GreedyOptions{.max_length = 8, .min_length = 4, .end = {1, 3}},
        GreedyOptions{.max_length = 1, .end = {1}}}) {
    CAPTURE(options.max_length, options.min_length, options.end);
    const auto found = greedy_search(model.step(), tokens_of({0, 1, 2, 3, 4}), GRU::State{}, options);
    REQUIRE(found.size() == 5);
    for (size_t i = 0; i < 5; ++i) {
      CAPTURE(i);
      check_same(found[i], greedy_chain(model, {static_cast<int64_t>(i)}, options));
    }
  }
}

TEST_CASE("a prompt is fed before anything is written", "[generation]") {
  const WritingModel<LSTM> model(5, 4);
  const Tokens first{0, 3, 2}, second{4, 4, 1};
  const Tensor prompt = stack({tokens_of(first), tokens_of(second)}, 1);
  const GreedyOptions options{.max_length = 6};
  const auto found = greedy_search(model.step(), prompt, LSTM::State{}, options);
  check_same(found[0], greedy_chain(model, first, options));
  check_same(found[1], greedy_chain(model, second, options));

  // Or the sequence mode reads it, and the state is carried on.
  const LSTM::State state = model.rnn(model.embed(narrow(prompt, 0, 0, 2))).state;
  const auto carried = greedy_search(model.step(), select(prompt, 0, 2), state, options);
  for (size_t i = 0; i < 2; ++i) check_same(carried[i], found[i]);
}

TEST_CASE("sampling has the frequencies that its options ask for", "[generation]") {
  const std::vector<double> p{0.05, 0.3, 0.02, 0.25, 0.2, 0.18};
  std::vector<double> logits;
  for (const double value : p) logits.push_back(std::log(value) + 3);
  Probabilities sharp, flat;
  for (const double value : p) {
    sharp.push_back(value * value);
    flat.push_back(std::sqrt(value));
  }
  check_frequencies(logits, p, {});
  check_frequencies(logits, normalised(sharp), {.temperature = 0.5});
  check_frequencies(logits, normalised(flat), {.temperature = 2});
  check_frequencies(logits, normalised({0, p[1], 0, p[3], p[4], 0}), {.top_k = 3});
  check_frequencies(logits, p, {.top_k = 100});
  check_frequencies(logits, normalised({0, p[1], 0, p[3], 0, 0}), {.top_p = 0.5});
  check_frequencies(logits, normalised({0, p[1], 0, p[3], p[4], 0}), {.top_p = 0.7});
  check_frequencies(logits, {0, 1, 0, 0, 0, 0}, {.top_p = 1e-9});
  check_frequencies(logits, {0, 1, 0, 0, 0, 0}, {.top_p = 0.299});
  check_frequencies(logits, normalised({0, p[1], 0, p[3], 0, 0}), {.top_p = 0.301});
  check_frequencies(logits, normalised({0, p[1], 0, p[3], 0, 0}), {.top_p = 0.549});
  check_frequencies(logits, normalised({0, p[1], 0, p[3], p[4], 0}), {.top_p = 0.551});
  check_frequencies(logits, p, {.top_p = 0.981});
  check_frequencies(logits, normalised({p[0], p[1], 0, p[3], p[4], p[5]}), {.top_p = 0.975});
  // Of 0.3, 0.25, 0.2 two hold 0.7 of the whole, and the third is cut; of all tokens two hold 0.55.
  check_frequencies(logits, normalised({0, p[1], 0, p[3], 0, 0}), {.top_k = 3, .top_p = 0.7});
  // The nucleus is that of the tempered distribution: 0.09, 0.0625, 0.04 of 0.2279.
  check_frequencies(logits, normalised({0, sharp[1], 0, sharp[3], sharp[4], 0}),
                    {.temperature = 0.5, .top_p = 0.8});
  // End symbols that may not come yet.
  check_frequencies(logits, normalised({p[0], 0, p[2], p[3], 0, p[5]}),
                    {.max_length = 2, .min_length = 2, .end = {1, 4}});
  // Equal ones: the first.
  check_frequencies({1, 2, 2, 2}, {0, 0.5, 0.5, 0}, {.top_k = 2});
  check_frequencies({-INFINITY, 0, 0}, {0, 0.5, 0.5}, {.top_k = 3});
  // Tokens 0 and 2 were in the prompt: exp(2 / 2) and exp(-1 * 2) remain of them.
  check_frequencies({2, 0.5, -1}, normalised({std::exp(1.0), std::exp(0.5), std::exp(-2.0)}),
                    {.repetition_penalty = 2}, {0, 2, 0});
}

TEST_CASE("what is sampled depends on the seed and on nothing else in the batch", "[generation]") {
  const WritingModel<GRU> model(6, 5);
  const Tokens start{0, 1, 2, 3, 0, 0};
  const SampleOptions options{.max_length = 12, .end = {2}, .temperature = 1.5, .top_k = 5, .top_p = 0.95};
  const auto sampled = [&](const Tokens& from, Random& random) {
    return sample_sequences(model.step(), tokens_of(from), GRU::State{}, options, random);
  };
  Random a(1), b(1), c(2);
  const auto all = sampled(start, a), others = sampled(start, c);
  bool lengths_differ = false, seeds_differ = false;
  for (size_t i = 0; i < start.size(); ++i) {
    const auto alone = sampled({start[i]}, b);
    check_same(alone.at(0), all[i]);
    lengths_differ = lengths_differ || all[i].tokens.size() != all[0].tokens.size();
    seeds_differ = seeds_differ || all[i].tokens != others[i].tokens;
    // Log-probabilities are the model's, whatever the options made of them.
    Tokens inputs{start[i]};
    inputs.insert(inputs.end(), all[i].tokens.begin(), all[i].tokens.end() - 1);
    const auto expected = model.log_probabilities(inputs);
    for (size_t t = 0; t < expected.size(); ++t)
      CHECK(all[i].log_probabilities[t] ==
            Approx(expected[t][static_cast<size_t>(all[i].tokens[t])]).epsilon(1e-11));
  }
  CHECK(a.position() == b.position());
  CHECK(lengths_differ);
  CHECK(seeds_differ);
}

TEST_CASE("any structure of tensors is a state, and its rows leave with their sequences", "[generation]") {
  // Sequence n writes its number and then the end symbol 9, after n + 1 tokens; the count is in the state.
  std::vector<int64_t> rows;
  const auto write = [&](const Tensor& tokens, Tensor& name, Tensor& count) {
    rows.push_back(tokens.shape()[0]);
    count = count + 1;
    const auto names = name.to_vector<float>(), counts = count.to_vector<float>();
    Tensor logits = zeros({tokens.shape()[0], 10});
    for (size_t i = 0; i < names.size(); ++i) {
      const auto token = counts[i] > names[i] + 1 ? 9 : static_cast<int64_t>(names[i]);
      logits.mutable_data<float>()[static_cast<int64_t>(i) * 10 + token] = 5;
    }
    return logits;
  };
  const auto check_written = [&](const std::vector<Generated>& found) {
    REQUIRE(found.size() == 3);
    CHECK(found[0].tokens == Tokens{2, 2, 2, 9});
    CHECK(found[1].tokens == Tokens{0, 9});
    CHECK(found[2].tokens == Tokens{1, 1, 9});
    CHECK(rows == std::vector<int64_t>{3, 3, 2, 1});
    rows.clear();
  };
  const Tensor start = tokens_of({0, 0, 0}), names = tensor({2, 0, 1});
  const GreedyOptions options{.end = {9}};
  check_written(
      greedy_search([&](const Tensor& tokens, Two& state) { return write(tokens, state.h, state.count); },
                    start, Two{names, zeros({3, 1})}, options));
  check_written(
      greedy_search([&](const Tensor& tokens,
                        std::vector<Two>& state) { return write(tokens, state[0].h, state[1].count); },
                    start, std::vector<Two>{{names, Tensor()}, {Tensor(), zeros({3})}}, options));
  check_written(greedy_search(
      [&](const Tensor& tokens, std::vector<Tensor>& state) {
        if (state.size() == 1) state.push_back(zeros({3}));  // a first step that makes its state
        return write(tokens, state[0], state[1]);
      },
      start, std::vector<Tensor>{names}, options));
}

TEST_CASE("generation records nothing", "[generation]") {
  const WritingModel<GRU> model(4, 7);
  const Tape tape;
  (void)greedy_search(model.step(), tokens_of({0, 1}), GRU::State{}, {.max_length = 3});
  (void)beam_search(model.step(), tokens_of({0, 1}), GRU::State{}, {.max_length = 3});
  CHECK(tape.size() == 0);
  CHECK(greedy_search(model.step(), tokens_of({}), GRU::State{}).empty());
  CHECK(beam_search(model.step(), tokens_of({}), GRU::State{}).empty());
}

TEST_CASE("generation refuses what it cannot do", "[generation]") {
  const WritingModel<GRU> model(4, 7);
  const Tensor start = tokens_of({0, 1});
  const auto greedy = [&](const GreedyOptions& options) {
    return greedy_search(model.step(), start, GRU::State{}, options);
  };
  CHECK_THROWS_WITH(greedy({.max_length = 0}),
                    contains_text("[greedy_search] expected a greatest length from 1"));
  CHECK_THROWS_WITH(greedy({.max_length = 3, .min_length = 4}),
                    contains_text("from 0 to the greatest one, 3, got 4"));
  CHECK_THROWS_WITH(greedy({.end = {-1}}), contains_text("got -1"));
  CHECK_THROWS_WITH(greedy_search(model.step(), ones({2}), GRU::State{}),
                    contains_text("int64 [N], or a prompt [T, N], got float32 [2]"));
  CHECK_THROWS_WITH(greedy_search(model.step(), zeros({0, 2}, {.dtype = DType::int64}), GRU::State{}),
                    contains_text("a prompt needs at least one token"));

  const auto sample = [&](const SampleOptions& options) {
    Random random;
    CHECK_THROWS_AS(sample_sequences(model.step(), start, GRU::State{}, options, random), Error);
    CHECK(random.position() == 0);
  };
  sample({.temperature = 0});
  sample({.temperature = std::nan("")});
  sample({.top_k = -1});
  sample({.top_p = 0});
  sample({.top_p = 1.5});
  sample({.repetition_penalty = 0.5});
  sample({.max_length = -1});

  const auto with_state = [&](const Tensor& state, const Tensor& logits) {
    return greedy_search([&](const Tensor&, Tensor&) { return logits; }, start, state);
  };
  CHECK_THROWS_WITH(
      with_state(zeros({1, 2}), ones({2, 4})),
      contains_text("axis 0 of each tensor of the state is the batch, here of 2 rows, got float32 [1, 2]"));
  CHECK_THROWS_WITH(
      with_state(zeros({2}), ones({1, 4})),
      contains_text("the step must return floating logits [2, V] for 2 tokens, got float32 [1, 4]"));
  CHECK_THROWS_WITH(with_state(zeros({2}), arange(2)), contains_text("got int64 [2]"));
  CHECK_THROWS_WITH(with_state(zeros({2}), tensor({{0, 1}, {NAN, 1}})),
                    contains_text("the logits of row 1 make no distribution"));
  CHECK_THROWS_WITH(with_state(zeros({2}), full({2, 3}, -INFINITY)), contains_text("row 0"));
  CHECK_THROWS_WITH(greedy_search(
                        [&](const Tensor&, Tensor&) {
                          return tensor({{0, -INFINITY}, {0, 0}});
                        },
                        start, zeros({2}), {.min_length = 2, .end = {0}}),
                    contains_text("sequence 0 cannot go on after 0 tokens"));
}

}  // namespace reel
