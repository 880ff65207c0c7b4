// Greedy search and sampling: one row for each sequence. Beam search stands in beam_search.cpp.
#include "layers/generation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "layers/generation_rows.h"

namespace reel::detail {
namespace {

/// Lets every sequence grow by what choose(row, sequence, its result so far) says, until it ends.
template <class F> std::vector<Generated> write(GenerationRows& rows, F&& choose) {
  std::vector<Generated> results(static_cast<size_t>(rows.sequences()));
  std::vector<int64_t> running(results.size());  // the sequence of each row
  std::iota(running.begin(), running.end(), 0);
  while (!running.empty()) {
    rows.advance();
    std::vector<int64_t> kept, tokens, sequences;
    for (size_t i = 0; i < running.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      Generated& result = results[static_cast<size_t>(running[i])];
      const int64_t token = choose(row, running[i], result);
      const double log_probability = rows.log_probabilities(row)[token];
      result.tokens.push_back(token);
      result.log_probabilities.push_back(log_probability);
      result.log_probability += log_probability;
      result.finished = rows.ends(token);
      if (result.finished || static_cast<int64_t>(result.tokens.size()) == rows.max_length()) continue;
      kept.push_back(row);
      tokens.push_back(token);
      sequences.push_back(running[i]);
    }
    rows.select(kept, tokens);
    running = std::move(sequences);
  }
  for (Generated& result : results) result.score = result.log_probability;
  return results;
}

struct Weighted {
  double value;
  int64_t token;
};

/// For a heap whose first element is the most probable token, of equal ones the first.
bool less_probable(const Weighted& a, const Weighted& b) {
  return a.value < b.value || (a.value == b.value && a.token > b.token);
}

/// Draws a token with probability exp(value) among those that top_k and top_p leave, by a number in [0, 1). Values are
/// at most 0, one of them 0.
int64_t draw(std::vector<Weighted>& tokens, const SampleOptions& options, double number) {
  const auto weight = [](const Weighted& one) { return std::exp(one.value); };
  const auto mass = [&](auto begin, auto end) {
    return std::accumulate(begin, end, 0.0,
                           [&](double total, const Weighted& one) { return total + weight(one); });
  };
  auto begin = tokens.begin();
  if (options.top_k > 0 || options.top_p < 1) {
    // A heap gives up the first few in order without sorting all; they gather at the end.
    std::make_heap(tokens.begin(), tokens.end(), less_probable);
    auto heap = tokens.end();
    const auto pop = [&] { std::pop_heap(tokens.begin(), heap--, less_probable); };
    const auto most = static_cast<int64_t>(tokens.size());
    const int64_t count = options.top_k > 0 ? std::min(options.top_k, most) : most;
    if (options.top_p < 1) {
      if (count < most)
        for (int64_t i = 0; i < count; ++i) pop();
      const double wanted =
          options.top_p * (count < most ? mass(heap, tokens.end()) : mass(tokens.begin(), heap));
      double reached = 0;
      begin = tokens.end();
      while (reached < wanted && tokens.end() - begin < count) {
        if (begin == heap) pop();
        reached += weight(*--begin);
      }
    } else {
      for (int64_t i = 0; i < count; ++i) pop();
      begin = heap;
    }
  }
  double rest = number * mass(begin, tokens.end());
  auto chosen = begin;
  while (chosen + 1 != tokens.end() && (rest -= weight(*chosen)) >= 0) ++chosen;
  return chosen->token;
}

void check_sampling(const SampleOptions& options) {
  const char* op = "sample_sequences";
  check(options.temperature > 0 && std::isfinite(options.temperature),
        "[{}] expected a temperature above 0, got {}; greedy_search takes the most probable token", op,
        options.temperature);
  check(options.top_k >= 0, "[{}] expected top_k of at least 1, or 0 for all tokens, got {}", op,
        options.top_k);
  check(options.top_p > 0 && options.top_p <= 1, "[{}] expected top_p in (0, 1], got {}", op, options.top_p);
  check(options.repetition_penalty >= 1 && std::isfinite(options.repetition_penalty),
        "[{}] expected a repetition penalty of at least 1, got {}", op, options.repetition_penalty);
}

/// The tokens of each sequence of a start [N] or [T, N].
std::vector<std::vector<int64_t>> columns(const Tensor& start) {
  const std::vector<int64_t> tokens = start.to_vector<int64_t>();
  std::vector<std::vector<int64_t>> result(static_cast<size_t>(start.size(-1)));
  for (size_t i = 0; i < tokens.size(); ++i) result[i % result.size()].push_back(tokens[i]);
  return result;
}

/// The values of tokens that stand in `first` or `then`, each once, made less probable.
void penalise(std::vector<double>& values, std::vector<int64_t> first, const std::vector<int64_t>& then,
              double penalty) {
  first.insert(first.end(), then.begin(), then.end());
  std::sort(first.begin(), first.end());
  first.erase(std::unique(first.begin(), first.end()), first.end());
  for (const int64_t token : first) {
    if (token < 0 || token >= static_cast<int64_t>(values.size())) continue;  // a start symbol of its own
    double& value = values[static_cast<size_t>(token)];
    value = value > 0 ? value / penalty : value * penalty;
  }
}

}  // namespace

std::vector<Generated> greedy_search(Stepper& stepper, const Tensor& start, const GreedyOptions& options) {
  GenerationRows rows("greedy_search", stepper, start, {options.max_length, options.min_length, options.end});
  return write(rows, [&](int64_t row, int64_t sequence, const Generated& so_far) {
    const double* values = rows.log_probabilities(row);
    const auto length = static_cast<int64_t>(so_far.tokens.size());
    int64_t best = -1;
    for (int64_t token = 0; token < rows.vocabulary(); ++token)
      if (values[token] > (best < 0 ? -INFINITY : values[best]) && rows.allowed(token, length + 1))
        best = token;
    if (best < 0) rows.fail_no_token(sequence, length);
    return best;
  });
}

std::vector<Generated> sample_sequences(Stepper& stepper, const Tensor& start, const SampleOptions& options,
                                        Random& random) {
  check_sampling(options);
  GenerationRows rows("sample_sequences", stepper, start,
                      {options.max_length, options.min_length, options.end});
  const auto most = static_cast<uint64_t>(options.max_length);
  const Random numbers = random.reserve(most * static_cast<uint64_t>(rows.sequences()));
  const bool penalised = options.repetition_penalty > 1;
  const auto prompts = penalised ? columns(start) : std::vector<std::vector<int64_t>>();
  std::vector<double> values;
  std::vector<Weighted> tokens;
  return write(rows, [&](int64_t row, int64_t sequence, const Generated& so_far) {
    const auto length = static_cast<int64_t>(so_far.tokens.size());
    values.assign(rows.logits(row), rows.logits(row) + rows.vocabulary());
    if (penalised)
      penalise(values, prompts[static_cast<size_t>(sequence)], so_far.tokens, options.repetition_penalty);
    tokens.clear();
    double largest = -INFINITY;
    for (int64_t token = 0; token < rows.vocabulary(); ++token) {
      const double value = values[static_cast<size_t>(token)];
      if (value == -INFINITY || !rows.allowed(token, length + 1)) continue;
      tokens.push_back({value, token});
      largest = std::max(largest, value);
    }
    if (tokens.empty()) rows.fail_no_token(sequence, length);
    for (Weighted& one : tokens) one.value = (one.value - largest) / options.temperature;
    const auto place = static_cast<uint64_t>(sequence) * most + static_cast<uint64_t>(length);
    return draw(tokens, options, uniform_pair(numbers.peek(place))[0]);
  });
}

}  // namespace reel::detail
