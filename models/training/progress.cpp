#include "models/training/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <string>

namespace reel {
namespace {
constexpr int bar_width = 24;
constexpr double redraw_seconds = 0.2;
constexpr int64_t window = 50;  // steps that the average on a terminal looks back
}  // namespace

Progress::Progress(int64_t first, int64_t total, int64_t characters, int64_t interval)
    : first_(first),
      total_(total),
      characters_(characters),
      interval_(interval),
      terminal_(isatty(fileno(stdout)) != 0),
      start_(std::chrono::steady_clock::now()) {}

double Progress::elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void Progress::show(int64_t step, double loss) {
  ++averaged_;
  average_ += (loss - average_) / static_cast<double>(terminal_ ? std::min(averaged_, window) : averaged_);
  const bool last = step == total_;
  if (terminal_ ? !last && elapsed() - last_shown_ < redraw_seconds : !last && step % interval_ != 0) return;
  last_shown_ = elapsed();
  const double rate = static_cast<double>(step - first_) / std::max(1e-9, elapsed());
  const double left = static_cast<double>(total_ - step) / rate;
  const std::string numbers = fmt::format(
      "loss {:.4f}  {:.3f} bits/char  perplexity {:.2f}  {:.0f} chars/s  {:.0f} s left", average_,
      average_ / std::numbers::ln2, std::exp(average_), rate * static_cast<double>(characters_), left);
  if (terminal_) {
    const auto filled = static_cast<int>(bar_width * step / total_);
    fmt::print("\r[{:=<{}}{:{}}] {}/{}  {}\x1b[K", "", filled, "", bar_width - filled, step, total_, numbers);
  } else {
    fmt::print("step {}/{}  {}\n", step, total_, numbers);
    average_ = 0;
    averaged_ = 0;
  }
  std::fflush(stdout);
}

void Progress::finish() const {
  if (terminal_) fmt::print("\n");
}

}  // namespace reel
