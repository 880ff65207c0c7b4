// Beam search: several rows for each sequence, which exchange places.
#include <algorithm>
#include <cmath>

#include "framework/parallel.h"
#include "layers/generation.h"
#include "layers/generation_rows.h"

namespace reel::detail {
namespace {

/// One token of a tree of hypotheses; -1: the first one has no parent.
struct Node {
  int64_t parent, token;
  double log_probability;
};

struct Beam {
  int64_t node;
  double total;  // log-probability so far
};

/// The search for the results of one sequence.
struct Search {
  std::vector<Node> nodes;
  std::vector<Beam> beams{{-1, 0}};
  std::vector<Generated> results;  // the best ones, by falling score
};

/// A beam that goes on by a token.
struct Candidate {
  double total;
  int64_t beam, token;
};

bool better(const Candidate& a, const Candidate& b) {
  if (a.total != b.total) return a.total > b.total;
  return a.beam != b.beam ? a.beam < b.beam : a.token < b.token;
}

/// The best few of many candidates.
class Best {
 public:
  explicit Best(int64_t count) : count_(static_cast<size_t>(count)) {}
  /// Whether one of this total would stay, if it is added after all that it could be equal to.
  bool takes(double total) const { return heap_.size() < count_ || total > heap_.front().total; }
  void add(const Candidate& candidate) {
    if (heap_.size() == count_) {
      if (!better(candidate, heap_.front())) return;
      std::pop_heap(heap_.begin(), heap_.end(), better);
      heap_.pop_back();
    }
    heap_.push_back(candidate);
    std::push_heap(heap_.begin(), heap_.end(), better);
  }
  std::vector<Candidate> sorted() {
    std::sort_heap(heap_.begin(), heap_.end(), better);
    return std::move(heap_);
  }

 private:
  size_t count_;
  std::vector<Candidate> heap_;  // the worst one first
};

class BeamSearch {
 public:
  BeamSearch(GenerationRows& rows, const BeamOptions& options) : rows_(rows), options_(options) {}

  std::vector<std::vector<Generated>> run() {
    searches_.resize(static_cast<size_t>(rows_.sequences()));
    for (int64_t length = 1; length <= options_.max_length; ++length) {
      if (std::all_of(searches_.begin(), searches_.end(), [](const Search& s) { return s.beams.empty(); }))
        break;
      rows_.advance();
      std::vector<int64_t> first(searches_.size());  // row of each search
      int64_t rows = 0;
      for (size_t i = 0; i < searches_.size(); ++i) {
        first[i] = rows;
        rows += static_cast<int64_t>(searches_[i].beams.size());
      }
      std::vector<std::vector<int64_t>> from(searches_.size());
      parallel_for(rows_.sequences(), std::max<int64_t>(1, rows_.grain() / options_.width),
                   [&](int64_t begin, int64_t end) {
                     for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
                       if (!searches_[i].beams.empty()) from[i] = grow(i, first[i], length);
                   });
      std::vector<int64_t> next, tokens;
      for (size_t i = 0; i < searches_.size(); ++i) {
        const Search& search = searches_[i];
        for (const int64_t beam : from[i]) next.push_back(first[i] + beam);
        for (const Beam& beam : search.beams)
          tokens.push_back(search.nodes[static_cast<size_t>(beam.node)].token);
      }
      rows_.select(next, tokens);
    }
    std::vector<std::vector<Generated>> results;
    for (Search& search : searches_) results.push_back(std::move(search.results));
    return results;
  }

 private:
  /// One step of the beams of a sequence, which stand at `row` and after it. Returns which of them each of the new ones
  /// came from.
  std::vector<int64_t> grow(size_t sequence, int64_t row, int64_t length) {
    Search& search = searches_[sequence];
    Best ending(options_.width), running(options_.width);
    for (size_t beam = 0; beam < search.beams.size(); ++beam) {
      const double* values = rows_.log_probabilities(row + static_cast<int64_t>(beam));
      const auto add = [&](Best& best, int64_t token) {
        if (values[token] == -INFINITY) return;
        best.add({search.beams[beam].total + values[token], static_cast<int64_t>(beam), token});
      };
      for (const int64_t symbol : rows_.end())
        if (rows_.allowed(symbol, length)) add(ending, symbol);
      for (int64_t token = 0; token < rows_.vocabulary(); ++token)
        if (running.takes(search.beams[beam].total + values[token]) && !rows_.ends(token))
          add(running, token);
    }
    const std::vector<Candidate> ended = ending.sorted(), others = running.sorted();
    const auto new_node = [&](const Candidate& candidate) {
      search.nodes.push_back({search.beams[static_cast<size_t>(candidate.beam)].node, candidate.token,
                              rows_.log_probabilities(row + candidate.beam)[candidate.token]});
      return static_cast<int64_t>(search.nodes.size()) - 1;
    };
    // Ends count only among the `width` best of all.
    auto other = others.begin();
    for (auto end = ended.begin(); end != ended.end(); ++end) {
      while (other != others.end() && better(*other, *end)) ++other;
      if ((end - ended.begin()) + (other - others.begin()) >= options_.width) break;
      add_result(search, new_node(*end), true);
    }
    std::vector<Beam> beams;
    std::vector<int64_t> from;
    for (const Candidate& candidate : others) {
      beams.push_back({new_node(candidate), candidate.total});
      from.push_back(candidate.beam);
    }
    search.beams = std::move(beams);
    if (length == options_.max_length)
      for (const Beam& beam : search.beams) add_result(search, beam.node, false);
    if (search.beams.empty() && search.results.empty())
      rows_.fail_no_token(static_cast<int64_t>(sequence), length - 1);
    if (length < options_.max_length && !is_decided(search, length)) return from;
    search.beams.clear();
    return {};
  }

  double score(double log_probability, int64_t length) const {
    return log_probability / std::pow((5 + static_cast<double>(length)) / 6, options_.length_penalty);
  }

  void add_result(Search& search, int64_t node, bool finished) const {
    Generated result;
    for (; node >= 0; node = search.nodes[static_cast<size_t>(node)].parent) {
      const Node& at = search.nodes[static_cast<size_t>(node)];
      result.tokens.push_back(at.token);
      result.log_probabilities.push_back(at.log_probability);
    }
    std::reverse(result.tokens.begin(), result.tokens.end());
    std::reverse(result.log_probabilities.begin(), result.log_probabilities.end());
    for (const double value : result.log_probabilities) result.log_probability += value;
    result.score = score(result.log_probability, static_cast<int64_t>(result.tokens.size()));
    result.finished = finished;
    const auto place =
        std::upper_bound(search.results.begin(), search.results.end(), result,
                         [](const Generated& a, const Generated& b) { return a.score > b.score; });
    search.results.insert(place, std::move(result));
    if (static_cast<int64_t>(search.results.size()) > options_.best) search.results.pop_back();
  }

  /// Whether no beam can still become one of the best results. A total only falls, and the penalty is monotone in the
  /// length, so that the least or the greatest length gives the best score that is left.
  bool is_decided(const Search& search, int64_t length) const {
    if (search.beams.empty()) return true;
    if (static_cast<int64_t>(search.results.size()) < options_.best) return false;
    const double total = search.beams.front().total;
    return search.results.back().score >=
           std::max(score(total, length + 1), score(total, options_.max_length));
  }

  GenerationRows& rows_;
  const BeamOptions& options_;
  std::vector<Search> searches_;
};

}  // namespace

std::vector<std::vector<Generated>> beam_search(Stepper& stepper, const Tensor& start,
                                                const BeamOptions& options) {
  check(
      options.width >= 1 && options.best >= 1 && options.best <= options.width,
      "[beam_search] expected a width of at least 1 and from 1 to as many results, got width {} and best {}",
      options.width, options.best);
  check(std::isfinite(options.length_penalty), "[beam_search] expected a finite length penalty, got {}",
        options.length_penalty);
  GenerationRows rows("beam_search", stepper, start, {options.max_length, options.min_length, options.end});
  return BeamSearch(rows, options).run();
}

}  // namespace reel::detail
