// ScanWatch: somebody who takes every step of every scan into his own hands. By it diagnostics see the steps of
// layers that know nothing of them. Internal.
#pragma once

#include <reel/layers/scan.h>

namespace reel::detail {

/// In the scope of an object of a derived class, this thread's scans go step by step and give it each step to do.
/// Scans inside of a step are part of it.
class ScanWatch {
 public:
  ScanWatch();
  virtual ~ScanWatch();
  ScanWatch(const ScanWatch&) = delete;
  ScanWatch& operator=(const ScanWatch&) = delete;

  /// The latest one of this thread, or null.
  static ScanWatch* current();
  /// What scan_steps does instead.
  Tensor scan(StepFunction step, const Tensor& xs, std::vector<Tensor>& state, ScanOptions options,
              std::vector<Tensor>* sequences);

 protected:
  /// `steps` will follow: T, or fewer where no row has more that count.
  virtual void scan_begins(const Tensor& xs, int64_t steps, bool reverse) = 0;
  /// Does the `index`-th step that runs; in a reverse scan the 0th is the last one of the sequence.
  virtual void do_step(int64_t index, const StepFunction& step, const Tensor& x, std::vector<Tensor>& state,
                       Tensor& output) = 0;

 private:
  struct Watched;
  ScanWatch* outer_;
};

}  // namespace reel::detail
