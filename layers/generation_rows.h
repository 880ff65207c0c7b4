// The rows that a model writes side by side: tokens in, log-probabilities out, rows that end or change places. Internal
// to generation.
#pragma once

#include <algorithm>
#include <vector>

#include <reel/framework/tape.h>
#include <reel/layers/generation.h>

namespace reel::detail {

/// What all ways to generate are told.
struct GenerationLimits {
  int64_t max_length, min_length;
  std::vector<int64_t> end;
};

class GenerationRows {
 public:
  /// Checks, and feeds all but the last token of a prompt.
  GenerationRows(const char* op, Stepper& stepper, const Tensor& start, GenerationLimits limits);

  int64_t sequences() const { return sequences_; }
  int64_t vocabulary() const { return log_probabilities_.shape()[1]; }
  int64_t max_length() const { return limits_.max_length; }
  /// Rows that are worth handing to a thread of their own.
  int64_t grain() const { return std::max<int64_t>(1, tokens_per_thread / vocabulary()); }

  /// Feeds the next token of every row.
  void advance();
  /// Of the next token of a row, [V].
  const double* logits(int64_t row) const { return logits_.data<double>() + row * vocabulary(); }
  const double* log_probabilities(int64_t row) const {
    return log_probabilities_.data<double>() + row * vocabulary();
  }
  /// Row i goes on from what was row `rows[i]`, with `tokens[i]`.
  void select(const std::vector<int64_t>& rows, const std::vector<int64_t>& tokens);

  const std::vector<int64_t>& end() const { return limits_.end; }  ///< Each symbol once.
  bool ends(int64_t token) const;
  /// Whether `token` may be the one that gives a sequence `length` tokens.
  bool allowed(int64_t token, int64_t length) const { return length >= limits_.min_length || !ends(token); }
  /// Throws that `sequence` cannot go on at `length` tokens.
  [[noreturn]] void fail_no_token(int64_t sequence, int64_t length) const;

 private:
  static constexpr int64_t tokens_per_thread = 16384;  // looked at in some ten microseconds

  void feed(const Tensor& tokens);
  void check_state() const;

  NoTape values_only_;
  const char* op_;
  Stepper& stepper_;
  GenerationLimits limits_;
  int64_t sequences_ = 0;
  int64_t rows_ = 0;
  Tensor tokens_, logits_, log_probabilities_;
};

}  // namespace reel::detail
