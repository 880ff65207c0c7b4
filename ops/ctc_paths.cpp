#include "ops/ctc_paths.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/loss_formulas.h"

namespace reel::detail {
namespace {

constexpr double impossible = -std::numeric_limits<double>::infinity();
// A sum of exponentials above this has lost nothing to underflow that its digits would show.
constexpr double smallest_sum = 1e-280;

template <class F> void run(const double* x, double* out, int64_t n) {
  static const TileKernel kernel = kernels_of<F>().value(DType::float64);
  const void* in[] = {x};
  kernel("", in, out, n);
}

/// log(exp(a) + exp(b) + exp(c)), each from its own largest
void add_logs(const double* a, const double* b, const double* c, double* out, int64_t n) {
  static const TileKernel kernel = kernels_of<LogAddExp3>().value(DType::float64);
  const void* in[] = {a, b, c};
  kernel("", in, out, n);
}

/// The largest of x, passing over nans; four at once, for each comparison waits for the one before.
double largest_of(const double* x, int64_t n) {
  double lanes[4] = {impossible, impossible, impossible, impossible};
  int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int64_t j = 0; j < 4; ++j) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
  for (; i < n; ++i) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
  return std::max(std::max(lanes[0], lanes[1]), std::max(lanes[2], lanes[3]));
}

/// One step in time of all states of a sequence.
class Step {
 public:
  explicit Step(int64_t count)
      : count_(count), powers_(static_cast<size_t>(count) + 2), sums_(static_cast<size_t>(count)) {}

  /// to[s] = log(exp(from[s]) + exp(from[s - 1]) + skips[s] exp(from[s - 2])), where from[-2] and from[-1] are impossible.
  /// Exponentials are taken once per state, relative to the row's largest; states too far below it are done again on
  /// their own. (With 3 exponentials per state the loss took 1.5 times as long.)
  void operator()(const double* from, const double* skips, double* to) {
    const double largest = largest_of(from, count_);
    const double shift = std::isfinite(largest) ? largest : 0;
    double* e = powers_.data() + 2;
    for (int64_t s = -2; s < count_; ++s) e[s] = from[s] - shift;
    run<Exp>(e - 2, e - 2, count_ + 2);
    double* sums = sums_.data();
    int64_t small = 0;
    for (int64_t s = 0; s < count_; ++s) sums[s] = e[s] + e[s - 1] + skips[s] * e[s - 2];
    for (int64_t s = 0; s < count_; ++s) small += sums[s] < smallest_sum;
    run<Log>(sums, to, count_);
    for (int64_t s = 0; s < count_; ++s) to[s] += shift;
    if (small > 0) redo_small(from, skips, to);
  }

 private:
  void redo_small(const double* from, const double* skips, double* to) {
    places_.clear();
    for (auto& terms : terms_) terms.clear();
    for (int64_t s = 0; s < count_; ++s) {
      if (!(sums_[static_cast<size_t>(s)] < smallest_sum)) continue;
      const double skipped = skips[s] == 0 ? impossible : from[s - 2];
      if (from[s] == impossible && from[s - 1] == impossible && skipped == impossible) continue;
      places_.push_back(s);
      terms_[0].push_back(from[s]);
      terms_[1].push_back(from[s - 1]);
      terms_[2].push_back(skipped);
    }
    if (places_.empty()) return;
    add_logs(terms_[0].data(), terms_[1].data(), terms_[2].data(), terms_[0].data(),
             static_cast<int64_t>(places_.size()));
    for (size_t i = 0; i < places_.size(); ++i) to[places_[i]] = terms_[0][i];
  }

  int64_t count_;
  std::vector<double> powers_, sums_, terms_[3];
  std::vector<int64_t> places_;
};

}  // namespace

template <class T> void ctc_forward(const CtcBatch& batch, int64_t n, CtcRows<T> log_probs, double* alpha) {
  const int64_t count = batch.counts[static_cast<size_t>(n)], times = batch.times[static_cast<size_t>(n)];
  const int64_t* labels = batch.labels_of(n);
  Step step(count);
  for (int64_t t = 0; t < times; ++t) {
    double* states = alpha + t * batch.row() + 2;
    states[-2] = states[-1] = impossible;
    if (t == 0)
      for (int64_t s = 0; s < count; ++s) states[s] = s < 2 ? 0 : impossible;
    else
      step(states - batch.row(), batch.skips_of(n), states);
    const T* p = log_probs.at(t);
    for (int64_t s = 0; s < count; ++s) states[s] += static_cast<double>(p[labels[s]]);
  }
}

double ctc_loss_from(const CtcBatch& batch, int64_t n, const double* alpha) {
  const int64_t count = batch.counts[static_cast<size_t>(n)], times = batch.times[static_cast<size_t>(n)];
  if (times == 0) return count == 1 ? 0 : -impossible;
  // With a single state, what stands before it is impossible.
  const double* last = alpha + (times - 1) * batch.row() + count + 1;
  double result = 0;
  add_logs(last, last - 1, &impossible, &result, 1);
  return -result;
}

template <class T>
void ctc_backward(const CtcBatch& batch, int64_t n, CtcRows<T> log_probs, const double* alpha, double scale,
                  CtcRows<T> gradient) {
  const int64_t count = batch.counts[static_cast<size_t>(n)], times = batch.times[static_cast<size_t>(n)];
  const double loss = ctc_loss_from(batch, n, alpha);
  // Back in time is forward over the states in reverse. beta, equations 9 to 11, is without its emission here.
  std::vector<int64_t> labels(batch.labels_of(n), batch.labels_of(n) + count);
  std::reverse(labels.begin(), labels.end());
  std::vector<double> skips(static_cast<size_t>(count), 0.0);
  for (int64_t s = 2; s < count; ++s) skips[static_cast<size_t>(count + 1 - s)] = batch.skips_of(n)[s];
  std::vector<double> beta(static_cast<size_t>(count), impossible), visits(beta);
  std::vector<double> next(static_cast<size_t>(count) + 2, impossible);
  std::vector<double> sums(static_cast<size_t>(log_probs.classes));
  std::fill_n(beta.begin(), std::min<int64_t>(2, count), 0.0);
  Step step(count);
  for (int64_t t = times; t-- > 0;) {
    if (t + 1 < times) {
      const T* p = log_probs.at(t + 1);
      for (size_t s = 0; s < beta.size(); ++s) next[s + 2] = beta[s] + static_cast<double>(p[labels[s]]);
      step(next.data() + 2, skips.data(), beta.data());
    }
    const double* last = alpha + t * batch.row() + count + 1;
    for (int64_t s = 0; s < count; ++s)
      visits[static_cast<size_t>(s)] = last[-s] + beta[static_cast<size_t>(s)] + loss;
    run<Exp>(visits.data(), visits.data(), count);
    std::fill(sums.begin(), sums.end(), 0.0);
    for (size_t s = 0; s < visits.size(); ++s) sums[static_cast<size_t>(labels[s])] += visits[s];
    T* out = gradient.at(t);
    for (size_t c = 0; c < sums.size(); ++c) out[c] = static_cast<T>(-scale * sums[c]);
  }
}

template void ctc_forward(const CtcBatch&, int64_t, CtcRows<float>, double*);
template void ctc_forward(const CtcBatch&, int64_t, CtcRows<double>, double*);
template void ctc_backward(const CtcBatch&, int64_t, CtcRows<float>, const double*, double, CtcRows<float>);
template void ctc_backward(const CtcBatch&, int64_t, CtcRows<double>, const double*, double, CtcRows<double>);

}  // namespace reel::detail
