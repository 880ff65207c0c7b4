// Beam search against the enumeration of all sequences, and against a search that is written plainly.
#include "ops/gather.h"
#include "ops/slicing.h"
#include "tests/layers/writing_model.h"

namespace reel {
namespace {

double penalised(double log_probability, size_t length, double alpha) {
  return log_probability / std::pow((5 + static_cast<double>(length)) / 6, alpha);
}

void keep_best(std::vector<Generated>& all, double alpha, size_t count) {
  for (Generated& one : all) one.score = penalised(one.log_probability, one.tokens.size(), alpha);
  std::stable_sort(all.begin(), all.end(),
                   [](const Generated& a, const Generated& b) { return a.score > b.score; });
  if (all.size() > count) all.resize(count);
}

/// Beam search that runs every hypothesis from its beginning, up to the greatest length.
template <class M>
std::vector<Generated> plain_beam_search(const M& model, int64_t start, const BeamOptions& options) {
  std::vector<Generated> beams(1), results;
  for (int64_t length = 1; length <= options.max_length; ++length) {
    std::vector<Generated> longer;
    for (const Generated& beam : beams) {
      Tokens inputs{start};
      inputs.insert(inputs.end(), beam.tokens.begin(), beam.tokens.end());
      const std::vector<double> next = model.log_probabilities(inputs).back();
      for (size_t token = 0; token < next.size(); ++token) {
        if (length < options.min_length && contains(options.end, static_cast<int64_t>(token))) continue;
        Generated one = beam;
        one.tokens.push_back(static_cast<int64_t>(token));
        one.log_probabilities.push_back(next[token]);
        one.log_probability += next[token];
        one.finished = contains(options.end, one.tokens.back());
        longer.push_back(one);
      }
    }
    keep_best(longer, 0, longer.size());
    beams.clear();
    for (size_t i = 0; i < longer.size(); ++i) {
      if (longer[i].finished) {
        if (static_cast<int64_t>(i) < options.width) results.push_back(longer[i]);
      } else if (static_cast<int64_t>(beams.size()) < options.width) {
        beams.push_back(longer[i]);
      }
    }
  }
  results.insert(results.end(), beams.begin(), beams.end());
  keep_best(results, options.length_penalty, static_cast<size_t>(options.best));
  return results;
}

void check_same(const std::vector<Generated>& got, const std::vector<Generated>& expected) {
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    check_same(got[i], expected[i]);
  }
}

}  // namespace

TEST_CASE("a beam that is wide enough finds the best of all sequences", "[generation]") {
  const WritingModel<GRU> model(4, 7);
  for (const Tokens& end : {Tokens{2}, Tokens{1, 3}, Tokens{}}) {
    std::vector<std::vector<Generated>> all(2);
    for (size_t i = 0; i < 2; ++i) every_sequence(model, {static_cast<int64_t>(i)}, end, 4, {}, all[i]);
    for (const double alpha : {0.0, 0.6, 2.5, -1.0}) {
      CAPTURE(end, alpha);
      const auto found =
          beam_search(model.step(), tokens_of({0, 1}), GRU::State{},
                      {.width = 256, .best = 6, .max_length = 4, .end = end, .length_penalty = alpha});
      REQUIRE(found.size() == 2);
      for (size_t i = 0; i < 2; ++i) {
        std::vector<Generated> best = all[i];
        keep_best(best, alpha, 6);
        check_same(found[i], best);
      }
    }
  }
}

TEST_CASE("a narrow beam keeps its rows in order, and stops only when nothing better can come",
          "[generation]") {
  const WritingModel<LSTM> model(6, 3, {.layers = 2});
  bool some_end_early = false, some_do_not = false;
  for (const int64_t width : {1, 2, 5}) {
    for (const double alpha : {0.0, 1.0, 3.0, -0.7}) {
      for (const int64_t min_length : {0, 3}) {
        CAPTURE(width, alpha, min_length);
        const BeamOptions options{.width = width,
                                  .best = (width + 1) / 2,
                                  .max_length = 7,
                                  .min_length = min_length,
                                  .end = {4, 0},
                                  .length_penalty = alpha};
        const auto found = beam_search(model.step(), tokens_of({0, 1, 2, 3, 4}), LSTM::State{}, options);
        REQUIRE(found.size() == 5);
        for (size_t i = 0; i < 5; ++i) {
          CAPTURE(i);
          check_same(found[i], plain_beam_search(model, static_cast<int64_t>(i), options));
          (found[i][0].tokens.size() < 7 ? some_end_early : some_do_not) = true;
        }
      }
    }
  }
  CHECK(some_end_early);
  CHECK(some_do_not);
}

TEST_CASE("one beam without a penalty is greedy", "[generation]") {
  const WritingModel<RNN> model(5, 2);
  const Tensor start = tokens_of({0, 1, 2, 3});
  const auto greedy = greedy_search(model.step(), start, RNN::State{}, {.max_length = 6, .end = {1}});
  const auto beams =
      beam_search(model.step(), start, RNN::State{}, {.width = 1, .max_length = 6, .end = {1}});
  for (size_t i = 0; i < 4; ++i) check_same(beams[i], {greedy[i]});
}

TEST_CASE("beams that are decided leave the batch", "[generation]") {
  // Token 0 continues, 1 ends; sequence n ends surely at step n + 1. The state counts steps, and says which sequence.
  std::vector<int64_t> rows;
  const auto step = [&](const Tensor& tokens, Tensor& state) {
    rows.push_back(tokens.shape()[0]);
    state = state + tensor({{1.0, 0.0}}, {.dtype = DType::float64});
    const Tensor over = select(state, 1, 0) - select(state, 1, 1);  // 1 at the step that ends
    return stack({over * -50, over * 50 - 50}, 1);
  };
  const auto found =
      beam_search(step, tokens_of({0, 0, 0}), tensor({{0, 0}, {0, 1}, {0, 3}}, {.dtype = DType::float64}),
                  {.width = 2, .max_length = 50, .end = {1}});
  for (size_t i = 0; i < 3; ++i) CHECK(found[i][0].finished);
  CHECK(found[0][0].tokens == Tokens{1});
  CHECK(found[1][0].tokens == Tokens{0, 1});
  CHECK(found[2][0].tokens == Tokens{0, 0, 0, 1});
  // One beam can be, as only one token goes on.
  CHECK(rows == std::vector<int64_t>{3, 2, 1, 1});
}

TEST_CASE("a search goes on while the penalty can still turn the order round", "[generation]") {
  // Token 1 ends with probability `first` at the first step and `later` after it; the state counts steps.
  const auto found = [](double first, double later, double alpha) {
    const auto step = [&](const Tensor& /*tokens*/, Tensor& count) {
      const double end = count.item() == 0 ? first : later;
      count = count + 1;
      return tensor({{std::log(1 - end), std::log(end)}}, {.dtype = DType::float64});
    };
    return beam_search(step, tokens_of({0}), zeros({1}),
                       {.width = 2, .max_length = 20, .end = {1}, .length_penalty = alpha})[0][0];
  };
  // Two tokens are still worth less than the end at once, twenty are worth more.
  const double all = std::log(0.4) + 19 * std::log(0.99);
  REQUIRE(penalised(std::log(0.4), 2, 2) < std::log(0.6));
  const Generated longest = found(0.6, 0.01, 2);
  CHECK(longest.tokens == Tokens(20, 0));
  CHECK(longest.score == Approx(penalised(all, 20, 2)));
  CHECK(found(0.6, 0.01, 0).tokens == Tokens{1});
  // A penalty below 0 favours short results, but two tokens are short enough.
  const Generated second = found(0.4, 0.99, -1);
  CHECK(second.tokens == Tokens{0, 1});
  CHECK(second.score == Approx((std::log(0.6) + std::log(0.99)) * 7 / 6));
}

TEST_CASE("beam search refuses what it cannot do", "[generation]") {
  const WritingModel<GRU> model(4, 7);
  const Tensor start = tokens_of({0, 1});
  const auto search = [&](const BeamOptions& options) {
    return beam_search(model.step(), start, GRU::State{}, options);
  };
  CHECK_THROWS_WITH(search({.width = 0}), contains_text("[beam_search] expected a width of at least 1"));
  CHECK_THROWS_WITH(search({.width = 2, .best = 3}), contains_text("got width 2 and best 3"));
  CHECK_THROWS_WITH(search({.length_penalty = INFINITY}), contains_text("finite length penalty"));
  CHECK_THROWS_WITH(search({.end = {4}}),
                    contains_text("end symbol 4 is outside the vocabulary of the logits float64 [2, 4]"));
  const auto closed = [](const Tensor& tokens, Tensor& state) {
    return state + full({tokens.shape()[0], 2}, 0) + tensor({0, -INFINITY});
  };
  CHECK_THROWS_WITH(beam_search(closed, start, zeros({2, 1}), {.min_length = 1 + 1, .end = {0}}),
                    contains_text("[beam_search] sequence 0 cannot go on after 0 tokens"));
}

}  // namespace reel
