// A small model that writes, and every sequence that it can write, by running the layer over whole sequences: what
// generation is compared with.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "framework/random.h"
#include "layers/basic.h"
#include "layers/generation.h"
#include "layers/recurrent.h"
#include "ops/arithmetic.h"
#include "ops/shape.h"
#include "ops/softmax.h"
#include "tests/catch.h"

namespace reel {

using Tokens = std::vector<int64_t>;

inline Tensor tokens_of(const Tokens& tokens) { return from_vector(tokens); }

template <class Layer> struct WritingModel : Module {
  Embedding embed;
  Layer rnn;
  Linear head;
  REEL_FIELDS(embed, rnn, head)

  WritingModel(int64_t vocabulary, uint64_t seed, RecurrentOptions options = {})
      : embed(vocabulary, 3), rnn(3, 5, options), head(5, vocabulary) {
    Random random(seed);
    for (Tensor& parameter : parameters())
      parameter.copy_(normal(parameter.shape(), 0, 1.2, {}, random));  // far from a flat distribution
    to(DType::float64);
  }

  auto step() const {
    return [this](const Tensor& tokens, typename Layer::State& state) {
      auto [output, next] = rnn.step(embed(tokens), state);
      state = std::move(next);
      return head(output);
    };
  }

  /// log_softmax of the logits after each of `inputs`, [T][V], all steps at once.
  std::vector<std::vector<double>> log_probabilities(const Tokens& inputs) const {
    const Tensor x = embed(reshape(tokens_of(inputs), {static_cast<int64_t>(inputs.size()), 1}));
    const Tensor logits = head(rnn(x).output);
    const auto all = log_softmax(logits, -1).template to_vector<double>();
    const size_t width = all.size() / inputs.size();
    std::vector<std::vector<double>> result;
    for (size_t t = 0; t < inputs.size(); ++t)
      result.emplace_back(all.begin() + static_cast<int64_t>(t * width),
                          all.begin() + static_cast<int64_t>((t + 1) * width));
    return result;
  }
};

inline bool contains(const Tokens& tokens, int64_t token) {
  return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

/// Every sequence up to `max_length` that ends with its first end symbol or has that length, with its probability.
template <class M>
void every_sequence(const M& model, const Tokens& prompt, const Tokens& end, int64_t max_length,
                    const Generated& so_far, std::vector<Generated>& all) {
  Tokens inputs = prompt;
  inputs.insert(inputs.end(), so_far.tokens.begin(), so_far.tokens.end());
  const std::vector<double> next = model.log_probabilities(inputs).back();
  for (size_t token = 0; token < next.size(); ++token) {
    Generated longer = so_far;
    longer.tokens.push_back(static_cast<int64_t>(token));
    longer.log_probabilities.push_back(next[token]);
    longer.log_probability += next[token];
    longer.finished = contains(end, static_cast<int64_t>(token));
    if (longer.finished || static_cast<int64_t>(longer.tokens.size()) == max_length)
      all.push_back(longer);
    else
      every_sequence(model, prompt, end, max_length, longer, all);
  }
}

inline void check_same(const Generated& got, const Generated& expected) {
  CHECK(got.tokens == expected.tokens);
  CHECK(got.finished == expected.finished);
  CHECK(got.log_probability == Approx(expected.log_probability).epsilon(1e-11));
  CHECK(got.score == Approx(expected.score).epsilon(1e-11));
  REQUIRE(got.log_probabilities.size() == expected.log_probabilities.size());
  for (size_t i = 0; i < got.log_probabilities.size(); ++i)
    CHECK(got.log_probabilities[i] == Approx(expected.log_probabilities[i]).epsilon(1e-11));
}

}  // namespace reel
