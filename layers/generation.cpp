// Greedy search and sampling: one row for each sequence. Beam search stands in beam_search.cpp.
#include "layers/generation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "framework/parallel.h"
#include "layers/generation_rows.h"

namespace reel::detail {
namespace {

/// Lets every sequence grow by what choose(row, sequence, its result so far) says, until it ends. Rows choose side by
/// side.
template <class F> std::vector<Generated> write(GenerationRows& rows, F&& choose) {
  std::vector<Generated> results(static_cast<size_t>(rows.sequences()));
  std::vector<int64_t> running(results.size());  // the sequence of each row
  std::iota(running.begin(), running.end(), 0);
  std::vector<int64_t> chosen(results.size());
  while (!running.empty()) {
    rows.advance();
    parallel_for(static_cast<int64_t>(running.size()), rows.grain(), [&](int64_t begin, int64_t end) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
        chosen[i] = choose(static_cast<int64_t>(i), running[i], results[static_cast<size_t>(running[i])]);
    });
    std::vector<int64_t> kept, tokens, sequences;
    for (size_t i = 0; i < running.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      Generated& result = results[static_cast<size_t>(running[i])];
      const double log_probability = rows.log_probabilities(row)[chosen[i]];
      result.tokens.push_back(chosen[i]);
      result.log_probabilities.push_back(log_probability);
      result.log_probability += log_probability;
      result.finished = rows.ends(chosen[i]);
      if (result.finished || static_cast<int64_t>(result.tokens.size()) == rows.max_length()) continue;
      kept.push_back(row);
      tokens.push_back(chosen[i]);
      sequences.push_back(running[i]);
    }
    rows.select(kept, tokens);
    running = std::move(sequences);
  }
  for (Generated& result : results) result.score = result.log_probability;
  return results;
}

/// A token, and its probability up to a factor.
struct Weighted {
  double weight;
  int64_t token;
};
using Tokens = std::vector<Weighted>;

bool more_probable(const Weighted& a, const Weighted& b) {
  return a.weight > b.weight || (a.weight == b.weight && a.token < b.token);
}

double mass(Tokens::const_iterator begin, Tokens::const_iterator end) {
  return std::accumulate(begin, end, 0.0, [](double sum, const Weighted& one) { return sum + one.weight; });
}

/// The k most probable ones come first.
void keep_most_probable(Tokens& tokens, int64_t k) {
  if (k >= static_cast<int64_t>(tokens.size())) return;
  std::nth_element(tokens.begin(), tokens.begin() + k, tokens.end(), more_probable);
  tokens.resize(static_cast<size_t>(k));
}

/// The fewest most probable ones whose probabilities reach the sum p: halving where the sum is reached, without sorting
/// more than that.
void keep_nucleus(Tokens& tokens, double p) {
  double wanted = p * mass(tokens.begin(), tokens.end());
  auto begin = tokens.begin(), end = tokens.end();  // the last one that is kept is in here
  while (end - begin > 1) {
    const auto middle = begin + (end - begin) / 2;
    std::nth_element(begin, middle, end, more_probable);
    const double first_half = mass(begin, middle);
    if (first_half >= wanted) {
      end = middle;
    } else {
      wanted -= first_half;
      begin = middle;
    }
  }
  tokens.erase(end, tokens.end());
}

/// Leaves what top_k and top_p leave, in the order of the tokens: how a selection arranges its elements is the standard
/// library's affair, what is drawn is not.
void keep_allowed(Tokens& tokens, const SampleOptions& options) {
  if (options.top_k == 0 && options.top_p == 1) return;
  Tokens kept = tokens;
  if (options.top_k > 0) keep_most_probable(kept, options.top_k);
  if (options.top_p < 1) keep_nucleus(kept, options.top_p);
  const Weighted last = *std::max_element(kept.begin(), kept.end(), more_probable);
  std::erase_if(tokens, [&](const Weighted& one) { return more_probable(last, one); });
}

/// Draws one by a number in [0, 1).
int64_t draw(const Tokens& tokens, double number) {
  double rest = number * mass(tokens.begin(), tokens.end());
  auto chosen = tokens.begin();
  while (chosen + 1 != tokens.end() && (rest -= chosen->weight) >= 0) ++chosen;
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
  return write(rows, [&](int64_t row, int64_t sequence, const Generated& so_far) {
    const auto length = static_cast<int64_t>(so_far.tokens.size());
    std::vector<double> values(rows.logits(row), rows.logits(row) + rows.vocabulary());
    if (penalised)
      penalise(values, prompts[static_cast<size_t>(sequence)], so_far.tokens, options.repetition_penalty);
    Tokens tokens;
    tokens.reserve(values.size());
    double largest = -INFINITY;
    for (int64_t token = 0; token < rows.vocabulary(); ++token) {
      const double value = values[static_cast<size_t>(token)];
      if (value == -INFINITY || !rows.allowed(token, length + 1)) continue;
      tokens.push_back({value, token});
      largest = std::max(largest, value);
    }
    if (tokens.empty()) rows.fail_no_token(sequence, length);
    for (Weighted& one : tokens) one.weight = std::exp((one.weight - largest) / options.temperature);
    const auto place = static_cast<uint64_t>(sequence) * most + static_cast<uint64_t>(length);
    keep_allowed(tokens, options);
    return draw(tokens, uniform_pair(numbers.peek(place))[0]);
  });
}

}  // namespace reel::detail
