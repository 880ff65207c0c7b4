// ctc_loss: its op, the gradient of its gradient, and the checks of its many arguments. Sequences are shared between threads.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "framework/op.h"
#include "framework/parallel.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/ctc_paths.h"
#include "ops/indexing.h"
#include "ops/loss.h"
#include "ops/loss_common.h"
#include "ops/loss_formulas.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel {
namespace {

constexpr double impossible = -std::numeric_limits<double>::infinity();
// Steps of states, of about 10 ns each, that are worth a second thread.
constexpr int64_t parallel_steps = 1 << 12;

using detail::CtcBatch;
using detail::CtcRows;

/// Without any alignment the loss is inf and its gradient nan, unless it is not asked for, as with zero_infinity.
bool has_no_gradient(double loss, double upper) { return loss == -impossible && upper != 0; }

int64_t sequences_per_task(const CtcBatch& batch, int64_t times) {
  return std::max<int64_t>(1, parallel_steps / std::max<int64_t>(1, times * batch.width));
}

/// The gradient to log_probs, as a composition of public ops.
class RecordedGradient {
 public:
  RecordedGradient(const CtcBatch& batch, const Tensor& log_probs)
      : batch_(batch),
        times_(log_probs.shape()[0]),
        sequences_(log_probs.shape()[1]),
        classes_(log_probs.shape()[2]),
        wide_{.dtype = log_probs.dtype()} {
    std::vector<int64_t> places = batch.labels;
    for (size_t i = 0; i < places.size(); ++i) places[i] += static_cast<int64_t>(i) / batch.width * classes_;
    places_ = from_vector(places, {sequences_, batch.width});
    skips_ = states([&](int64_t n, int64_t s) { return batch.skips_of(n)[s] == 1 ? 0 : impossible; });
    // [N, width, T]: the rows are the classes of all sequences.
    emissions_ = embedding(reshape(permute(log_probs, {1, 2, 0}), {sequences_ * classes_, times_}), places_);
  }

  Tensor operator()(const Tensor& losses, const Tensor& upper) const {
    const std::vector<Tensor> emissions = unbind(emissions_, 2);
    if (emissions.empty()) return zeros({times_, sequences_, classes_}, wide_);
    std::vector<Tensor> alpha = forward(emissions), beta = backward(emissions);
    for (size_t t = 0; t < alpha.size(); ++t) alpha[t] = alpha[t] + beta[t];
    const Tensor infinite = equal(losses, -impossible);
    const Tensor known = reshape(masked_fill(losses, infinite, 0), {sequences_, 1, 1});
    const Tensor scale = reshape(masked_fill(upper, infinite, 0), {sequences_, 1, 1});
    const Tensor visits = exp(stack(alpha, 2) + known) * -scale;
    const Tensor sums = scatter_rows(visits, places_, sequences_ * classes_);
    const Tensor gradient = permute(reshape(sums, {sequences_, classes_, times_}), {2, 0, 1});
    return gradient + unknown(losses, upper);
  }

 private:
  template <class F> Tensor states(F&& f) const {
    std::vector<double> values;
    for (int64_t n = 0; n < sequences_; ++n)
      for (int64_t s = 0; s < batch_.width; ++s) values.push_back(f(n, s));
    return detail::cast_values(from_vector(values, {sequences_, batch_.width}), wide_.dtype);
  }

  /// States `by` further on, or back.
  Tensor shifted(const Tensor& x, int64_t by) const {
    const int64_t width = batch_.width, gap = std::min(std::abs(by), width);
    const Tensor edge = full({sequences_, gap}, impossible, wide_);
    return by > 0 ? cat({narrow(x, 1, gap, width - gap), edge}, 1)
                  : cat({edge, narrow(x, 1, 0, width - gap)}, 1);
  }

  std::vector<Tensor> forward(const std::vector<Tensor>& emissions) const {
    const Tensor start = states([](int64_t, int64_t s) { return s < 2 ? 0 : impossible; });
    std::vector<Tensor> alpha;
    for (const Tensor& emission : emissions) {
      const Tensor& a = alpha.empty() ? start : alpha.back();
      alpha.push_back(alpha.empty()
                          ? a + emission
                          : apply(LogAddExp3{}, a, shifted(a, -1), shifted(a, -2) + skips_) + emission);
    }
    return alpha;
  }

  std::vector<Tensor> backward(const std::vector<Tensor>& emissions) const {
    const Tensor end = states([&](int64_t n, int64_t s) {
      const int64_t count = batch_.counts[static_cast<size_t>(n)];
      return s < count && s >= count - 2 ? 0 : impossible;
    });
    const Tensor never = full({}, impossible, wide_);
    const Tensor skips = shifted(skips_, 2);
    std::vector<Tensor> beta(emissions.size());
    for (size_t t = emissions.size(); t-- > 0;) {
      Tensor next = never;
      if (t + 1 < emissions.size()) {
        const Tensor u = beta[t + 1] + emissions[t + 1];
        next = apply(LogAddExp3{}, u, shifted(u, 1), shifted(u, 2) + skips);
      }
      beta[t] = where(at_time(t, true), end, where(at_time(t, false), next, never));
    }
    return beta;
  }

  /// [N, 1]: whether t is the last time of a sequence, or an earlier one.
  Tensor at_time(size_t t, bool last) const {
    std::vector<bool> values;
    for (int64_t times : batch_.times) {
      const auto time = static_cast<int64_t>(t);
      values.push_back(last ? time + 1 == times : time + 1 < times);
    }
    return from_vector(values, {sequences_, 1});
  }

  /// [T, N, 1]: nan where a loss of inf has no gradient, else 0.
  Tensor unknown(const Tensor& losses, const Tensor& upper) const {
    const auto values = detail::cast_values(losses, DType::float64).to_vector<double>();
    const auto factors = detail::cast_values(upper, DType::float64).to_vector<double>();
    std::vector<double> result;
    for (int64_t t = 0; t < times_; ++t)
      for (size_t n = 0; n < values.size(); ++n)
        result.push_back(has_no_gradient(values[n], factors[n]) && t < batch_.times[n] ? NAN : 0);
    return detail::cast_values(from_vector(result, {times_, sequences_, 1}), wide_.dtype);
  }

  const CtcBatch& batch_;
  int64_t times_, sequences_, classes_;
  TensorOptions wide_;
  Tensor places_, skips_, emissions_;
};

/// -log p(target | x) for each sequence
struct Ctc {
  static constexpr std::string_view name = "ctc_loss";
  std::shared_ptr<const CtcBatch> batch;
  /// [N, T, width + 2]: what forward leaves for backward. No output of the op, for parts of it stay unwritten.
  Tensor alpha;

  TensorSpec shape(Inputs in) const { return {Shape{in[0].shape()[1]}, in[0].dtype()}; }

  void forward(Inputs in, Tensor& out) const {
    const Tensor log_probs = detail::contiguous_values(in[0]);
    const int64_t grain = sequences_per_task(*batch, log_probs.shape()[0]);
    detail::dispatch_floating(name, log_probs.dtype(), [&](auto zero) {
      using T = decltype(zero);
      detail::parallel_for(log_probs.shape()[1], grain, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n) {
          detail::ctc_forward(*batch, n, rows<T>(log_probs, n), alpha_of(n));
          out.raw<T>()[n] = static_cast<T>(detail::ctc_loss_from(*batch, n, alpha_of(n)));
        }
      });
    });
  }

  Saves saves(uint32_t) const { return Saves::input(0) | Saves::output(); }

  void vjp(Backward& b) const {
    if (b.recorded()) {
      b.set(0, RecordedGradient(*batch, b.input(0))(b.output(), b.grad()));
      return;
    }
    const Tensor log_probs = detail::contiguous_values(b.input(0));
    const Tensor upper = detail::contiguous_values(b.grad());
    const Tensor gradient = zeros_like(log_probs);
    const int64_t grain = sequences_per_task(*batch, log_probs.shape()[0]);
    detail::dispatch_floating(name, log_probs.dtype(), [&](auto zero) {
      using T = decltype(zero);
      detail::parallel_for(log_probs.shape()[1], grain, [&](int64_t begin, int64_t end) {
        for (int64_t n = begin; n < end; ++n)
          add_gradient(n, rows<T>(log_probs, n), static_cast<double>(upper.raw<T>()[n]),
                       rows<T>(gradient, n));
      });
    });
    b.set(0, gradient);
  }

 private:
  template <class T> static CtcRows<T> rows(const Tensor& log_probs, int64_t n) {
    const int64_t classes = log_probs.shape()[2];
    return {log_probs.raw<T>() + n * classes, log_probs.shape()[1] * classes, classes};
  }
  template <class T>
  void add_gradient(int64_t n, CtcRows<T> log_probs, double upper, CtcRows<T> gradient) const {
    const double loss = detail::ctc_loss_from(*batch, n, alpha_of(n));
    if (loss != -impossible) {
      detail::ctc_backward(*batch, n, log_probs, alpha_of(n), upper, gradient);
    } else if (has_no_gradient(loss, upper)) {
      for (int64_t t = 0; t < batch->times[static_cast<size_t>(n)]; ++t)
        std::fill_n(gradient.at(t), gradient.classes, static_cast<T>(NAN));
    }
  }
  double* alpha_of(int64_t n) const { return alpha.raw<double>() + n * alpha.shape()[1] * alpha.shape()[2]; }
};

std::vector<int64_t> lengths_of(const Tensor& lengths, const char* what) {
  check(lengths.dtype() == DType::int64 && lengths.rank() <= 1, "[ctc_loss] int64 [N] expected as {}, got {}",
        what, lengths);
  return lengths.to_vector<int64_t>();
}

/// The targets one after the other, and where each begins.
std::vector<int64_t> target_starts(const Tensor& targets, int64_t sequences,
                                   const std::vector<int64_t>& lengths) {
  std::vector<int64_t> starts;
  int64_t total = 0;
  for (int64_t length : lengths) {
    check(length >= 0, "[ctc_loss] target_lengths of at least 0 expected, got {}", length);
    check(length <= (targets.rank() == 1 ? targets.numel() - total : targets.shape()[1]),
          "[ctc_loss] a target length of {} does not fit the targets {}", length, targets);
    starts.push_back(total);
    total += targets.rank() == 2 ? targets.shape()[1] : length;
  }
  check(targets.rank() == 1 ? total == targets.numel() : targets.shape()[0] == sequences,
        "[ctc_loss] targets [{}, S] or [{}] expected for {} sequences and their target_lengths, got {}",
        sequences, total, sequences, targets);
  return starts;
}

std::shared_ptr<const CtcBatch> make_batch(const Tensor& log_probs, const Tensor& targets,
                                           const std::vector<int64_t>& input_lengths,
                                           const std::vector<int64_t>& target_lengths, int64_t blank) {
  const int64_t times = log_probs.shape()[0], classes = log_probs.shape().back(),
                sequences = log_probs.rank() == 2 ? 1 : log_probs.shape()[1];
  const auto one_each = static_cast<size_t>(sequences);
  check(input_lengths.size() == one_each && target_lengths.size() == one_each,
        "[ctc_loss] for log_probs {} {} lengths expected, got {} input_lengths and {} target_lengths",
        log_probs, sequences, input_lengths.size(), target_lengths.size());
  check(blank >= 0 && blank < classes, "[ctc_loss] a blank in [0, {}) expected, got {}", classes, blank);
  for (int64_t length : input_lengths)
    check(length >= 0 && length <= times, "[ctc_loss] input_lengths in [0, {}] expected for {}, got {}",
          times, log_probs, length);
  const std::vector<int64_t> starts = target_starts(targets, sequences, target_lengths);
  const std::vector<int64_t> values = targets.to_vector<int64_t>();

  auto batch = std::make_shared<CtcBatch>();
  batch->times = input_lengths;
  for (int64_t length : target_lengths) {
    batch->counts.push_back(2 * length + 1);
    batch->width = std::max(batch->width, 2 * length + 1);
  }
  batch->labels.assign(one_each * static_cast<size_t>(batch->width), blank);
  batch->skips.assign(batch->labels.size(), 0);
  for (size_t n = 0; n < one_each; ++n) {
    int64_t* labels = batch->labels.data() + static_cast<int64_t>(n) * batch->width;
    double* skips = batch->skips.data() + static_cast<int64_t>(n) * batch->width;
    for (int64_t i = 0; i < target_lengths[n]; ++i) {
      const int64_t label = values[static_cast<size_t>(starts[n] + i)];
      check(label >= 0 && label < classes,
            "[ctc_loss] label {} at position {} of target {} is outside [0, {})", label, i, n, classes);
      check(label != blank, "[ctc_loss] label {} at position {} of target {} is the blank", label, i, n);
      labels[2 * i + 1] = label;
      if (i > 0 && label != labels[2 * i - 1]) skips[2 * i + 1] = 1;
    }
  }
  return batch;
}

}  // namespace

Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, const std::vector<int64_t>& input_lengths,
                const std::vector<int64_t>& target_lengths, const CtcLossOptions& options) {
  detail::check_floating("ctc_loss", log_probs);
  check(log_probs.rank() == 3 || log_probs.rank() == 2,
        "[ctc_loss] log_probs [T, N, C] or [T, C] expected, got {}", log_probs);
  const bool single = log_probs.rank() == 2;
  check(targets.dtype() == DType::int64 && (targets.rank() == 1 || (targets.rank() == 2 && !single)),
        "[ctc_loss] int64 targets {} expected for {}, got {}",
        single ? "[S]" : "[N, S] or one after the other", log_probs, targets);
  const auto batch = make_batch(log_probs, targets, input_lengths, target_lengths, options.blank);
  const Tensor x = single ? unsqueeze(log_probs, 1) : log_probs;
  const Tensor alpha = empty({x.shape()[1], x.shape()[0], batch->row()}, {.dtype = DType::float64});
  Tensor losses = apply(Ctc{batch, alpha}, x);
  if (options.zero_infinity) losses = masked_fill(losses, equal(losses, -impossible), 0);
  if (options.reduction == Reduction::mean) {
    std::vector<double> divisors;
    for (int64_t length : target_lengths)
      divisors.push_back(static_cast<double>(std::max<int64_t>(1, length)));
    losses /= detail::cast_values(from_vector(divisors), losses.dtype());
  }
  if (single) losses = squeeze(losses, 0);
  return detail::reduced(losses, options.reduction);
}

Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                const Tensor& target_lengths, const CtcLossOptions& options) {
  return ctc_loss(log_probs, targets, lengths_of(input_lengths, "input_lengths"),
                  lengths_of(target_lengths, "target_lengths"), options);
}

}  // namespace reel
