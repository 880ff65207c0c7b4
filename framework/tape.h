// The tape: the flat list of ops that ran while it was open, and the walk back over it that gives gradients.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
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

/// A function of a gradient, without its type.
struct GradientHook {
  virtual ~GradientHook() = default;
  virtual Tensor call(const Tensor& gradient) = 0;
};

template <class F> struct GradientHookOf final : GradientHook {
  F function;
  explicit GradientHookOf(F f) : function(std::move(f)) {}
  Tensor call(const Tensor& gradient) override {
    if constexpr (std::is_void_v<std::invoke_result_t<F&, const Tensor&>>) {
      function(gradient);
      return gradient;
    } else {
      return function(gradient);
    }
  }
};
}  // namespace detail

/// Records, from its construction to the end of its scope, every op of this thread that depends on a tensor
/// with requires_grad or a watched one. Outside of any tape nothing is recorded. A tape within a tape shares
/// the outer one's list: what it records, its own gradients included (create_graph), can be differentiated by
/// the outer one. A tape inside NoTape records too; to the tapes around it what happens there is constant.
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

  /// The same for the sum over i of <ys[i], gradients[i]>, with respect to several results at once. Those of
  /// `ys` that depend on nothing tracked count as constants. `options.gradient` must be left out.
  std::vector<Tensor> gradient(const std::vector<Tensor>& ys, const std::vector<Tensor>& gradients,
                               const std::vector<Tensor>& xs, const BackwardOptions& options = {});

  /// Calls `f` with the gradient with respect to `x`, a leaf or a result, in every later backward pass of this
  /// tape that reaches it, once all its parts have been added up and before it goes on to what x was made
  /// from. f(const Tensor&) returns the gradient to go on with, of the same shape and dtype, or nothing.
  template <class F> void hook(const Tensor& x, F f) {
    add_hook(x, std::make_shared<detail::GradientHookOf<F>>(std::move(f)));
  }

  /// Tracks `x` from here on as if it had requires_grad, for gradient().
  void watch(const Tensor& x);

  /// Number of ops recorded since this tape was opened.
  size_t size() const;

 private:
  detail::Recording& open(const char* caller) const;

  void add_hook(const Tensor& x, std::shared_ptr<detail::GradientHook> hook);

  std::shared_ptr<detail::Recording> recording_;  // the thread's list
  size_t start_;                                  // this tape's first op in it
  bool pauses_ = false;                           // recording is paused again when this tape ends
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
