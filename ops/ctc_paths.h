// The sums over paths of connectionist temporal classification, for one sequence of a batch. Internal: ctc_loss() is in
// ops/loss.h.
//
// The states of a target l1 l2 ... are blank l1 blank l2 ... blank. A path stays, goes on by one state, or by two where
// that skips a blank between different labels. Equations are those of Graves et al., 2006.
#pragma once

#include <cstdint>
#include <vector>

namespace reel::detail {

/// What is known of a batch besides its probabilities.
struct CtcBatch {
  std::vector<int64_t> times;   ///< [N]
  std::vector<int64_t> counts;  ///< [N]: states of each target, 2 S + 1.
  int64_t width = 0;            ///< The most states.
  std::vector<int64_t> labels;  ///< [N, width]: the states' classes; blanks behind the target.
  std::vector<double>
      skips;  ///< [N, width]: 1 where a state can be reached from the one before the last, else 0.

  const int64_t* labels_of(int64_t n) const { return labels.data() + n * width; }
  const double* skips_of(int64_t n) const { return skips.data() + n * width; }
  /// Length of a row of alpha, which begins with two states that are impossible.
  int64_t row() const { return width + 2; }
};

/// Rows of one sequence in [T, N, C], one for each time.
template <class T> struct CtcRows {
  T* first;
  int64_t step;
  int64_t classes;
  T* at(int64_t time) const { return first + time * step; }
};

/// The logarithms of alpha(t, s), equations 5 to 7: [T, width + 2].
template <class T> void ctc_forward(const CtcBatch& batch, int64_t n, CtcRows<T> log_probs, double* alpha);

/// -log p(l | x), equation 8; inf where there is no path.
double ctc_loss_from(const CtcBatch& batch, int64_t n, const double* alpha);

/// Writes -scale * p(class at t | l, x), equation 15, for the times of the sequence.
template <class T>
void ctc_backward(const CtcBatch& batch, int64_t n, CtcRows<T> log_probs, const double* alpha, double scale,
                  CtcRows<T> gradient);

}  // namespace reel::detail
