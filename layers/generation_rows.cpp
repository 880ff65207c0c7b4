#include "layers/generation_rows.h"

#include <algorithm>
#include <cmath>

#include "ops/gather.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "ops/softmax.h"

namespace reel::detail {
namespace {

/// Most tokens of a sequence: a bound for sums, and for the places that are taken from a random stream.
constexpr int64_t most_tokens = int64_t{1} << 31;

}  // namespace

GenerationRows::GenerationRows(const char* op, Stepper& stepper, const Tensor& start, GenerationLimits limits)
    : op_(op), stepper_(stepper), limits_(std::move(limits)) {
  check(start.dtype() == DType::int64 && (start.rank() == 1 || start.rank() == 2),
        "[{}] expected tokens to start with, int64 [N], or a prompt [T, N], got {}", op, start);
  check(start.rank() == 1 || start.shape()[0] > 0, "[{}] a prompt needs at least one token, got {}", op,
        start);
  const int64_t most = limits_.max_length;
  check(most >= 1 && most <= most_tokens, "[{}] expected a greatest length from 1 to {}, got {}", op,
        most_tokens, most);
  check(limits_.min_length >= 0 && limits_.min_length <= most,
        "[{}] expected a least length from 0 to the greatest one, {}, got {}", op, most, limits_.min_length);
  std::vector<int64_t>& end = limits_.end;
  for (const int64_t symbol : end) check(symbol >= 0, "[{}] end symbols are at least 0, got {}", op, symbol);
  std::sort(end.begin(), end.end());
  end.erase(std::unique(end.begin(), end.end()), end.end());
  rows_ = sequences_ = start.size(-1);
  check_state();
  if (sequences_ == 0) return;
  const int64_t steps = start.rank() == 1 ? 1 : start.shape()[0];
  const auto at = [&](int64_t t) { return start.rank() == 1 ? start : reel::select(start, 0, t); };
  for (int64_t t = 0; t + 1 < steps; ++t) feed(at(t));
  tokens_ = at(steps - 1);
}

void GenerationRows::feed(const Tensor& tokens) {
  logits_ = stepper_.step(tokens);
  check(logits_.defined() && is_floating(logits_.dtype()) && logits_.rank() == 2 &&
            logits_.shape()[0] == rows_ && logits_.shape()[1] > 0,
        "[{}] the step must return floating logits [{}, V] for {} tokens, got {}", op_, rows_, rows_,
        logits_);
  check_state();
}

void GenerationRows::advance() {
  feed(tokens_);
  logits_ = contiguous(cast(logits_, DType::float64));
  log_probabilities_ = contiguous(log_softmax(logits_, -1));
  for (const int64_t symbol : limits_.end)
    check(symbol < vocabulary(), "[{}] end symbol {} is outside the vocabulary of the logits {}", op_, symbol,
          logits_);
  for (int64_t row = 0; row < rows_; ++row) {
    const double* values = log_probabilities(row);
    bool is_distribution = true;
    for (int64_t token = 0; token < vocabulary(); ++token) is_distribution &= !std::isnan(values[token]);
    check(is_distribution,
          "[{}] the logits of row {} make no distribution: they hold nan or inf, or nothing but -inf", op_,
          row);
  }
}

void GenerationRows::check_state() const {
  struct Visitor final : FieldVisitor {
    const char* op;
    int64_t rows;
    Visitor(const char* name, int64_t count) : op(name), rows(count) {}
    void tensor(std::string_view, Tensor& tensor) override {
      if (!tensor.defined()) return;
      check(tensor.rank() >= 1 && tensor.shape()[0] == rows,
            "[{}] axis 0 of each tensor of the state is the batch, here of {} rows, got {}", op, rows,
            tensor);
    }
  } visitor(op_, rows_);
  stepper_.visit_state(visitor);
}

void GenerationRows::select(const std::vector<int64_t>& rows, const std::vector<int64_t>& tokens) {
  tokens_ = from_vector(tokens);
  bool same = static_cast<int64_t>(rows.size()) == rows_;
  for (size_t i = 0; same && i < rows.size(); ++i) same = rows[i] == static_cast<int64_t>(i);
  if (same) return;
  rows_ = static_cast<int64_t>(rows.size());
  struct Visitor final : FieldVisitor {
    Tensor places;
    void tensor(std::string_view, Tensor& tensor) override {
      if (tensor.defined()) tensor = index_select(tensor, 0, places);
    }
  } visitor;
  visitor.places = from_vector(rows);
  stepper_.visit_state(visitor);
}

bool GenerationRows::ends(int64_t token) const {
  return std::find(limits_.end.begin(), limits_.end.end(), token) != limits_.end.end();
}

void GenerationRows::fail_no_token(int64_t sequence, int64_t length) const {
  fail("[{}] sequence {} cannot go on after {} tokens: every token that is allowed there has a logit of -inf",
       {op_, text(sequence), text(length)});
}

}  // namespace reel::detail
