// The tape: the flat list of ops that ran while it was open, and the walk back over it that gives gradients.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

struct BackwardOptions {
  Tensor gradient =
      {};  ///< With respect to `y`, of its shape; may be left out where y has one element (then 1).
  bool retain_graph = false;  ///< Keep what was saved, so that backward can run again.
  bool create_graph =
      false;  ///< Record the backward pass too, so that it can be differentiated; implies retain_graph.
};

namespace detail {
struct Recording;
}

/// Records, from its construction to the end of its scope, every op of this thread that depends on a tensor
/// with requires_grad or a watched one. Outside of any tape nothing is recorded. A tape within a tape shares
/// the outer one's list: what it records, its own gradients included (create_graph), can be differentiated by
/// the outer one.
class Tape {
 public:
  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// Adds to grad() of every tensor with requires_grad that a gradient from `y` reaches. Threads with tapes
  /// of their own may do so for the same parameters at once; an optimizer's step must not run beside them.
  /// Frees what was saved as it goes,
  /// unless told otherwise: a second call for the same values then throws. Throws where y was not recorded
  /// here, has several elements and no gradient is given, or a value that was saved has been changed in place
  /// since.
  void backward(const Tensor& y, const BackwardOptions& options = {});

  /// Gradients of y with respect to each of `xs`, in order, leaving grad() alone: zeros where y does not
  /// depend on one. Each of `xs` must have been on this tape: a leaf with requires_grad, a watched tensor, or
  /// a result.
  std::vector<Tensor> gradient(const Tensor& y, const std::vector<Tensor>& xs,
                               const BackwardOptions& options = {});

  /// Tracks `x` from here on as if it had requires_grad, for gradient().
  void watch(const Tensor& x);

  /// Number of ops recorded since this tape was opened.
  size_t size() const;

 private:
  detail::Recording& open(const char* caller) const;

  std::shared_ptr<detail::Recording> recording_;  // the thread's list
  size_t start_;                                  // this tape's first op in it
};

/// Stops recording in its scope.
class NoTape {
 public:
  NoTape();
  ~NoTape();
  NoTape(const NoTape&) = delete;
  NoTape& operator=(const NoTape&) = delete;

 private:
  bool before_;
};

}  // namespace reel
