// Metrics of language: perplexity and bits per character, BLEU, word and character error rates.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <reel/models/training/metric_totals.h>

namespace reel {

namespace detail {

/// Negative log-likelihoods in nats, added up in double precision.
class Likelihood : public Totals {
 public:
  /// Logits [..., C] and targets int64 [...]; those equal to ignore_index or where the mask (bool or uint8 [...]) is 0 do
  /// not count.
  void update(const Tensor& logits, const Tensor& target, const Tensor& mask = {});
  double loss() const;  ///< Mean in nats for each target. nan before there is one.

 protected:
  Likelihood(const char* name, int64_t ignore_index) : Totals(name, 3), ignore_index_(ignore_index) {}
  void add(double nats, double targets, double characters);

 private:
  int64_t ignore_index_;
};

}  // namespace detail

/// exp of the mean negative log-likelihood of all targets (not the mean of the batches' perplexities).
class Perplexity : public detail::Likelihood {
 public:
  explicit Perplexity(int64_t ignore_index = default_ignore_index) : Likelihood("perplexity", ignore_index) {}
  /// A loss that is known already: the mean in nats of so many targets.
  void update_loss(double mean, int64_t targets);
  double value() const;
};

/// Negative log-likelihood in bits for each character. update() takes each target for one character; for words and byte
/// pairs update_loss() is told how many characters they make.
class BitsPerCharacter : public detail::Likelihood {
 public:
  explicit BitsPerCharacter(int64_t ignore_index = default_ignore_index)
      : Likelihood("bits_per_character", ignore_index) {}
  /// The mean loss in nats of so many targets, which are `characters` characters; -1: as many as targets.
  void update_loss(double mean, int64_t targets, int64_t characters = -1);
  double value() const;
};

/// What becomes of n-grams without a match, which make the geometric mean 0. Named as sacrebleu does (Chen and Cherry
/// 2014, "A systematic comparison of smoothing techniques for sentence-level BLEU", number them).
enum class BleuSmoothing : uint8_t {
  none,   ///< BLEU is 0 then.
  floor,  ///< Their number of matches is smoothing_value (method 1).
  add_k,  ///< smoothing_value is added to matches and totals of all orders above 1 (method 2).
  exp,    ///< The first such precision is 1 / (2 total), the next 1 / (4 total), and so on (method 3).
};

struct BleuOptions {
  int64_t max_order = 4;  ///< n-grams of 1 to this many tokens, weighted equally.
  BleuSmoothing smoothing = BleuSmoothing::none;
  double smoothing_value = -1;  ///< Of floor (-1: 0.1) and add_k (-1: 1).
  /// Orders for which no hypothesis is long enough are left out of the mean instead of making it 0.
  bool effective_order = false;
};

/// Corpus BLEU (Papineni, Roukos, Ward, Zhu 2002): the geometric mean of clipped n-gram precisions of the whole corpus
/// times the brevity penalty exp(1 - r / c) of hypotheses shorter than their closest references. From 0 to 1. Tokens are
/// compared as they are: tokenize and lower the case before.
class Bleu : public detail::Totals {
 public:
  explicit Bleu(const BleuOptions& options = {});
  /// One hypothesis and its references, at least one, as tokens.
  void update(const std::vector<std::string>& hypothesis,
              const std::vector<std::vector<std::string>>& references);
  void update(const std::vector<int64_t>& hypothesis, const std::vector<std::vector<int64_t>>& references);

  double value() const;                    ///< 0 before there is a hypothesis.
  std::vector<double> precisions() const;  ///< After smoothing, by order; 0 where there are no n-grams.
  double brevity_penalty() const;
  int64_t hypothesis_length() const { return static_cast<int64_t>(at(0)); }
  int64_t reference_length() const { return static_cast<int64_t>(at(1)); }  ///< Of the closest references.

 private:
  BleuOptions options_;
};

/// What turns a reference into a hypothesis with the fewest edits (Levenshtein 1966).
struct EditCounts {
  int64_t hits = 0;
  int64_t substitutions = 0;
  int64_t deletions = 0;   ///< Symbols of the reference that are missing.
  int64_t insertions = 0;  ///< Symbols of the hypothesis that are too many.
  int64_t edits() const { return substitutions + deletions + insertions; }
};
/// Of several ways with the fewest edits, the one that prefers, from the end, substitutions to deletions to insertions.
/// Memory grows with the reference only.
EditCounts edit_counts(std::span<const int64_t> hypothesis, std::span<const int64_t> reference);

/// Edits for each symbol of the references: (S + D + I) / (S + D + hits), over the whole corpus. May exceed 1. nan without
/// references, inf where all of them are empty and something was inserted.
class ErrorRate : public detail::Totals {
 public:
  ErrorRate() : ErrorRate("error_rate") {}
  void update(std::span<const int64_t> hypothesis, std::span<const int64_t> reference);
  /// Padded batches of codes int64 [N, T] (their T may differ) and how much of each row counts, int64 [N].
  void update(const Tensor& hypotheses, const Tensor& hypothesis_lengths, const Tensor& references,
              const Tensor& reference_lengths);
  double value() const;
  EditCounts counts() const;

 protected:
  explicit ErrorRate(const char* name) : Totals(name, 4) {}
};

/// ErrorRate of words, which are what ASCII spaces separate.
class WordErrorRate : public ErrorRate {
 public:
  WordErrorRate() : ErrorRate("word_error_rate") {}
  using ErrorRate::update;
  void update(std::string_view hypothesis, std::string_view reference);
};

/// ErrorRate of characters (Unicode code points), spaces among them.
class CharacterErrorRate : public ErrorRate {
 public:
  CharacterErrorRate() : ErrorRate("character_error_rate") {}
  using ErrorRate::update;
  void update(std::string_view hypothesis, std::string_view reference);
};

}  // namespace reel
