// L-BFGS: steps by an estimate of the curvature, for losses that are the same function at every call.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <reel/optimizers/optimizer.h>

namespace reel {

enum class LineSearch { none, strong_wolfe };

struct LBFGSOptions {
  double lr = 1;                   ///< First length tried by the search; without a search the length itself.
  int64_t max_iterations = 20;     ///< Within one step().
  int64_t max_evaluations = 0;     ///< Calls of the closure within one step(); 0: 5/4 of the iterations.
  double tolerance_grad = 1e-7;    ///< Ends where no element of the gradient is larger.
  double tolerance_change = 1e-9;  ///< Ends where neither the loss nor any parameter changes by more.
  int64_t history = 100;           ///< Pairs of changes that the curvature is estimated from.
  LineSearch line_search = LineSearch::strong_wolfe;  ///< Nocedal and Wright, algorithms 3.5 and 3.6.
};

namespace detail {
struct LossClosure {
  virtual ~LossClosure() = default;
  virtual double run() = 0;
};
struct LBFGSMemory;
}  // namespace detail

/// Limited-memory BFGS. Nocedal and Wright, "Numerical optimization", 2006, algorithm 7.4; iterations, bounds and
/// stopping as in PyTorch (whose search is off unless asked for). Vectors are float64 inside, 2 * history + 4 of them of
/// the size of all parameters together. One group.
class LBFGS final : public Optimizer {
 public:
  explicit LBFGS(std::vector<Tensor> parameters, LBFGSOptions options = {});
  ~LBFGS() override;

  /// Minimises closure(), which computes the loss, leaves its gradients in grad() and returns it:
  ///   optimizer.step([&] { Tape tape; Tensor y = loss(); tape.backward(y); return y.item(); });
  /// The gradients are cleared before each call and at the end. Returns the loss of the first call. Where the closure
  /// throws, the parameters are those of the last finished iteration.
  template <class F> double step(F closure) {
    struct Closure final : detail::LossClosure {
      F& function;
      explicit Closure(F& f) : function(f) {}
      double run() override { return static_cast<double>(function()); }
    } erased(closure);
    return minimize(erased);
  }
  /// Throws: a closure is needed.
  void step() override;

  int64_t evaluations() const;  ///< Calls of closures so far.

  /// Besides "steps" and "learning_rate": "lbfgs.iterations", "lbfgs.evaluations" and, once there is any, the memory.
  std::vector<std::pair<std::string, Tensor>> state_dict() const override;
  void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state) override;

 private:
  double minimize(detail::LossClosure& closure);
  void update(const detail::Update&, size_t) override {}

  LBFGSOptions options_;
  std::unique_ptr<detail::LBFGSMemory> memory_;
};

}  // namespace reel
