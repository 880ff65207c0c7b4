#include "layers/scan_watch.h"

#include <utility>

#include "layers/ragged.h"

namespace reel::detail {
namespace {
thread_local ScanWatch* watch = nullptr;
}

/// A step function's cell, in the place of the one that is watched.
struct ScanWatch::Watched {
  ScanWatch* watch;
  StepFunction inner;
  std::shared_ptr<const void> begun;
  int64_t* index;

  static void step(const void* self, const Tensor& x, std::vector<Tensor>& state, Tensor& output) {
    const auto& watched = *static_cast<const Watched*>(self);
    watched.watch->do_step((*watched.index)++, watched.inner, x, state, output);
  }
  static std::shared_ptr<const void> begin(const void* self, const SequenceStart& start) {
    auto result = std::make_shared<Watched>(*static_cast<const Watched*>(self));
    result->begun = result->inner.begin(result->inner.cell, start);
    result->inner.cell = result->begun.get();
    result->inner.begin = nullptr;
    return result;
  }
};

ScanWatch::ScanWatch() : outer_(std::exchange(watch, this)) {}
ScanWatch::~ScanWatch() { watch = outer_; }
ScanWatch* ScanWatch::current() { return watch; }

Tensor ScanWatch::scan(StepFunction step, const Tensor& xs, std::vector<Tensor>& state, ScanOptions options,
                       std::vector<Tensor>* sequences) {
  struct Suspended {
    ScanWatch* before = std::exchange(watch, nullptr);
    ~Suspended() { watch = before; }
  } const suspended;
  const auto rows =
      ragged({.lengths = options.lengths, .mask = options.mask}, xs.shape()[0], xs.shape()[1], "scan");
  const auto most = rows ? static_cast<int64_t>(rows->active.size()) : xs.shape()[0];
  if (most == 0) return scan_steps(step, xs, state, options, sequences);
  // A cell that prepares itself goes through steps that do not count as well, and keeps nothing of them.
  scan_begins(xs, step.begin ? xs.shape()[0] : most, options.reverse);
  options.memory_budget = 0;  // by which steps would run twice
  int64_t index = 0;
  const Watched watched{this, step, nullptr, &index};
  return scan_steps({&watched, Watched::step, [](const void*) { return std::shared_ptr<const void>(); },
                     step.begin ? Watched::begin : nullptr},
                    xs, state, options, sequences);
}

}  // namespace reel::detail
