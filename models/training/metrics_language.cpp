#include "models/training/metrics_language.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <unordered_map>

#include "models/data/unicode.h"

namespace reel {
namespace detail {

void Likelihood::update(const Tensor& logits, const Tensor& target, const Tensor& mask) {
  const auto classes = static_cast<size_t>(check_scores(name(), logits, target));
  const auto count = counted(name(), target, mask);
  const auto scores = doubles(name(), logits);
  const auto wanted = target.to_vector<int64_t>();
  double nats = 0, targets = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!count[i] || wanted[i] == ignore_index_) continue;
    check(wanted[i] >= 0 && wanted[i] < static_cast<int64_t>(classes),
          "[{}] the target {} is none of {} classes", name(), wanted[i], classes);
    const double* row = &scores[i * classes];
    const double highest = *std::max_element(row, row + classes);
    double sum = 0;
    for (size_t c = 0; c < classes; ++c) sum += std::exp(row[c] - highest);
    nats += std::log(sum) + highest - row[wanted[i]];
    ++targets;
  }
  add(nats, targets, targets);
}

void Likelihood::add(double nats, double targets, double characters) {
  at(0) += nats;
  at(1) += targets;
  at(2) += characters;
}

double Likelihood::loss() const { return at(0) / at(1); }

}  // namespace detail

void Perplexity::update_loss(double mean, int64_t targets) {
  check(targets >= 0, "[perplexity] a number of targets cannot be {}", targets);
  if (targets > 0) add(mean * static_cast<double>(targets), static_cast<double>(targets), 0);
}

double Perplexity::value() const { return std::exp(loss()); }

void BitsPerCharacter::update_loss(double mean, int64_t targets, int64_t characters) {
  check(targets >= 0 && characters >= -1,
        "[bits_per_character] numbers of targets and characters cannot be {} and {}", targets, characters);
  const auto made = static_cast<double>(characters < 0 ? targets : characters);
  add(targets > 0 ? mean * static_cast<double>(targets) : 0, static_cast<double>(targets), made);
}

double BitsPerCharacter::value() const { return at(0) / std::numbers::ln2 / at(2); }

EditCounts edit_counts(std::span<const int64_t> hypothesis, std::span<const int64_t> reference) {
  // row[j]: how to turn the first j symbols of the reference into those of the hypothesis seen so far.
  std::vector<EditCounts> row(reference.size() + 1);
  for (size_t j = 1; j < row.size(); ++j) row[j].deletions = static_cast<int64_t>(j);
  for (int64_t symbol : hypothesis) {
    EditCounts diagonal = row[0];
    ++row[0].insertions;
    for (size_t j = 1; j < row.size(); ++j) {
      EditCounts best = diagonal;
      ++(symbol == reference[j - 1] ? best.hits : best.substitutions);
      if (row[j - 1].edits() + 1 < best.edits()) {
        best = row[j - 1];
        ++best.deletions;
      }
      if (row[j].edits() + 1 < best.edits()) {
        best = row[j];
        ++best.insertions;
      }
      diagonal = row[j];
      row[j] = best;
    }
  }
  return row.back();
}

void ErrorRate::update(std::span<const int64_t> hypothesis, std::span<const int64_t> reference) {
  const EditCounts counts = edit_counts(hypothesis, reference);
  at(0) += static_cast<double>(counts.hits);
  at(1) += static_cast<double>(counts.substitutions);
  at(2) += static_cast<double>(counts.deletions);
  at(3) += static_cast<double>(counts.insertions);
}

namespace {

/// The rows of a padded batch, without their padding.
std::vector<std::vector<int64_t>> rows_of(const char* name, const Tensor& codes, const Tensor& lengths) {
  check(codes.dtype() == DType::int64 && codes.rank() == 2, "[{}] expected codes int64 [N, T], got {}", name,
        codes);
  check(lengths.dtype() == DType::int64 && lengths.shape() == Shape{codes.size(0)},
        "[{}] expected lengths int64 [{}], got {}", name, codes.size(0), lengths);
  const auto all = codes.to_vector<int64_t>();
  const auto ends = lengths.to_vector<int64_t>();
  const int64_t steps = codes.size(1);
  std::vector<std::vector<int64_t>> rows;
  for (size_t n = 0; n < ends.size(); ++n) {
    check(ends[n] >= 0 && ends[n] <= steps, "[{}] a length must be from 0 to {}, got {}", name, steps,
          ends[n]);
    const auto begin = all.begin() + static_cast<int64_t>(n) * steps;
    rows.emplace_back(begin, begin + ends[n]);
  }
  return rows;
}

/// Gives equal symbols equal numbers.
class Numbering {
 public:
  int64_t operator()(std::string_view symbol) {
    return numbers_.emplace(symbol, static_cast<int64_t>(numbers_.size())).first->second;
  }
  template <class Symbols> std::vector<int64_t> all(const Symbols& symbols) {
    std::vector<int64_t> result;
    for (const auto& symbol : symbols) result.push_back((*this)(symbol));
    return result;
  }

 private:
  std::unordered_map<std::string_view, int64_t> numbers_;
};

std::vector<std::string_view> between_spaces(std::string_view text) {
  constexpr std::string_view spaces = " \t\n\v\f\r";
  std::vector<std::string_view> result;
  for (size_t begin = text.find_first_not_of(spaces); begin != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(spaces, begin), text.size());
    result.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(spaces, end);
  }
  return result;
}

}  // namespace

void ErrorRate::update(const Tensor& hypotheses, const Tensor& hypothesis_lengths, const Tensor& references,
                       const Tensor& reference_lengths) {
  const auto found = rows_of(name(), hypotheses, hypothesis_lengths);
  const auto wanted = rows_of(name(), references, reference_lengths);
  check(found.size() == wanted.size(), "[{}] {} hypotheses for {} references", name(), found.size(),
        wanted.size());
  for (size_t n = 0; n < found.size(); ++n)
    update(std::span<const int64_t>(found[n]), std::span<const int64_t>(wanted[n]));
}

double ErrorRate::value() const { return (at(1) + at(2) + at(3)) / (at(0) + at(1) + at(2)); }

EditCounts ErrorRate::counts() const {
  const auto number = [&](size_t i) { return static_cast<int64_t>(at(i)); };
  return {number(0), number(1), number(2), number(3)};
}

void WordErrorRate::update(std::string_view hypothesis, std::string_view reference) {
  Numbering number;
  const auto found = number.all(between_spaces(hypothesis));
  update(std::span<const int64_t>(found), std::span<const int64_t>(number.all(between_spaces(reference))));
}

void CharacterErrorRate::update(std::string_view hypothesis, std::string_view reference) {
  Numbering number;
  const auto found = number.all(characters(hypothesis));
  update(std::span<const int64_t>(found), std::span<const int64_t>(number.all(characters(reference))));
}

// The totals of Bleu: length of hypotheses, of references, then matches and totals of each order.
namespace {
constexpr int64_t most_orders = 16;
size_t bleu_totals(int64_t max_order) {
  check(max_order >= 1 && max_order <= most_orders, "[bleu] max_order must be from 1 to {}, got {}",
        most_orders, max_order);
  return 2 + 2 * static_cast<size_t>(max_order);
}
}  // namespace

Bleu::Bleu(const BleuOptions& options) : Totals("bleu", bleu_totals(options.max_order)), options_(options) {
  double& value = options_.smoothing_value;
  const bool used = options.smoothing == BleuSmoothing::floor || options.smoothing == BleuSmoothing::add_k;
  check(used ? value == -1 || (std::isfinite(value) && value >= 0) : value == -1,
        "[bleu] smoothing_value is a number of at least 0 for floor and add_k, and left at -1 for the "
        "others; got {}",
        value);
  if (value == -1) value = options.smoothing == BleuSmoothing::floor ? 0.1 : 1;
}

void Bleu::update(const std::vector<std::string>& hypothesis,
                  const std::vector<std::vector<std::string>>& references) {
  Numbering number;
  std::vector<std::vector<int64_t>> numbered;
  for (const auto& reference : references) numbered.push_back(number.all(reference));
  update(number.all(hypothesis), numbered);
}

namespace {

/// Sorted n-grams with their counts: each is named by the place of one of its occurrences in `tokens`.
class Grams {
 public:
  Grams(const std::vector<int64_t>& tokens, size_t order) : tokens_(tokens), order_(order) {
    for (size_t i = 0; i + order <= tokens.size(); ++i) places_.push_back(i);
    std::sort(places_.begin(), places_.end(), [&](size_t a, size_t b) { return compare(a, *this, b) < 0; });
  }

  /// How often each different n-gram occurs, in order: calls visit(place, count).
  template <class Visit> void each(Visit visit) const {
    for (size_t i = 0, j = 0; i < places_.size(); i = j) {
      while (j < places_.size() && compare(places_[i], *this, places_[j]) == 0) ++j;
      visit(places_[i], j - i);
    }
  }

  size_t count(const Grams& other, size_t place) const {
    const auto [begin, end] =
        std::equal_range(places_.begin(), places_.end(), Wanted{other, place}, Before{*this});
    return static_cast<size_t>(end - begin);
  }

 private:
  struct Wanted {
    const Grams& grams;
    size_t place;
  };
  struct Before {
    const Grams& grams;
    bool operator()(size_t a, const Wanted& b) const { return grams.compare(a, b.grams, b.place) < 0; }
    bool operator()(const Wanted& a, size_t b) const { return grams.compare(b, a.grams, a.place) > 0; }
  };

  int compare(size_t a, const Grams& other, size_t b) const {
    for (size_t i = 0; i < order_; ++i)
      if (tokens_[a + i] != other.tokens_[b + i]) return tokens_[a + i] < other.tokens_[b + i] ? -1 : 1;
    return 0;
  }

  const std::vector<int64_t>& tokens_;
  size_t order_;
  std::vector<size_t> places_;
};

}  // namespace

void Bleu::update(const std::vector<int64_t>& hypothesis,
                  const std::vector<std::vector<int64_t>>& references) {
  check(!references.empty(), "[bleu] a hypothesis needs at least one reference");
  const auto distance = [&](size_t length) {
    return length > hypothesis.size() ? length - hypothesis.size() : hypothesis.size() - length;
  };
  size_t closest = references[0].size();  // of two as close, the shorter
  for (const auto& reference : references) {
    const size_t length = reference.size();
    if (distance(length) < distance(closest) || (distance(length) == distance(closest) && length < closest))
      closest = length;
  }
  at(0) += static_cast<double>(hypothesis.size());
  at(1) += static_cast<double>(closest);
  for (size_t n = 1; n <= static_cast<size_t>(options_.max_order); ++n) {
    const Grams grams(hypothesis, n);
    std::vector<Grams> wanted;
    for (const auto& reference : references) wanted.emplace_back(reference, n);
    grams.each([&](size_t place, size_t count) {
      size_t most = 0;
      for (const Grams& reference : wanted) most = std::max(most, reference.count(grams, place));
      at(2 * n) += static_cast<double>(std::min(count, most));
      at(2 * n + 1) += static_cast<double>(count);
    });
  }
}

std::vector<double> Bleu::precisions() const {
  std::vector<double> result(static_cast<size_t>(options_.max_order), 0.0);
  double unmatched = 1;
  for (size_t n = 1; n <= result.size(); ++n) {
    double matches = at(2 * n), total = at(2 * n + 1);
    if (options_.smoothing == BleuSmoothing::add_k && n > 1) {
      matches += options_.smoothing_value;
      total += options_.smoothing_value;
    }
    if (total == 0) continue;
    if (matches == 0 && options_.smoothing == BleuSmoothing::exp) matches = 1 / (unmatched *= 2);
    if (matches == 0 && options_.smoothing == BleuSmoothing::floor) matches = options_.smoothing_value;
    result[n - 1] = matches / total;
  }
  return result;
}

double Bleu::brevity_penalty() const {
  if (at(0) == 0) return at(1) == 0 ? 1 : 0;
  return at(0) < at(1) ? std::exp(1 - at(1) / at(0)) : 1;
}

double Bleu::value() const {
  const std::vector<double> all = precisions();
  bool matched = false;  // without any match no smoothing makes a score
  double sum = 0;
  size_t orders = 0;
  for (size_t n = 1; n <= all.size(); ++n) {
    matched = matched || at(2 * n) > 0;
    if (options_.effective_order && at(2 * n + 1) == 0 && all[n - 1] == 0) continue;
    sum += std::log(all[n - 1]);
    ++orders;
  }
  return matched ? brevity_penalty() * std::exp(sum / static_cast<double>(orders)) : 0;
}

}  // namespace reel
