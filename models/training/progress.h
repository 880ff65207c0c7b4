// What a training program shows: one line that rewrites itself on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <cstdint>

namespace reel {

class Progress {
 public:
  /// `total` steps of `characters` each; without a terminal a line is printed every `interval` steps.
  Progress(int64_t first, int64_t total, int64_t characters, int64_t interval);
  /// After step `step` (from 1) with its loss in nats for each character.
  void show(int64_t step, double loss);
  void finish() const;

 private:
  double elapsed() const;
  int64_t first_, total_, characters_, interval_;
  bool terminal_;
  double average_ = 0;  // of the losses since the last plain line; on a terminal a running one
  int64_t averaged_ = 0;
  double last_shown_ = -1;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace reel
