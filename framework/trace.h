// The trace of a function of tensors: every op that it runs, constants and all, in one list, without computing
// anything. From it the compiled loop is planned. Internal.
#pragma once

#include <string>
#include <vector>

#include <reel/framework/recording.h>

namespace reel::detail {

/// What ends a trace: something that could not be replayed. Not for users: it is caught where the trace began.
struct TraceStop {
  std::string reason;
};

/// In its scope ops are noted and not run: their results have shapes, and no values. Reading values, changing
/// tensors in place and drawing random numbers throws TraceStop.
class Trace {
 public:
  Trace();
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  Recording& list() { return *list_; }
  /// The list, which then outlives this object.
  std::shared_ptr<Recording> take() { return std::move(list_); }
  /// A tensor that the step is given; it has no values.
  int32_t give(const Tensor& tensor);
  /// Where a result of the step stands in the trace; one that has not been seen becomes a leaf.
  int32_t slot(const Tensor& tensor);
  /// Throws where the trace was stopped and the step went on all the same.
  void check_whole() const;

 private:
  std::shared_ptr<Recording> list_;
  Recording* before_;
};

}  // namespace reel::detail
