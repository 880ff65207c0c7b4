// Truncated back-propagation through time: long sequences in windows, state carried on from one to the next.
#pragma once

#include <concepts>
#include <utility>
#include <vector>

#include <reel/layers/recurrent.h>

namespace reel {

/// BPTT(h; h') of Williams and Peng, "An efficient gradient-based algorithm for on-line training of recurrent network
/// trajectories", 1990, with h = k2 and h' = k1.
struct TruncatedOptions {
  int64_t k1;  ///< Steps from one backward pass to the next, at least 1.
  int64_t k2;  ///< Steps that gradients flow back, at least k1. Usually the same.
};

struct TruncatedResult {
  std::vector<double> losses;  ///< What the loss function gave, pass by pass.
};

namespace detail {

/// A truncated run without its types.
struct TruncatedSteps {
  virtual ~TruncatedSteps() = default;
  /// Runs steps [first, first + count) and returns their outputs; the state moves on.
  virtual Tensor run(int64_t first, int64_t count) = 0;
  virtual Tensor loss(const Tensor& outputs, int64_t first) = 0;
  virtual void update() = 0;
  virtual void keep() = 0;  ///< Keeps the state, detached,
  virtual void back() = 0;  ///< and goes back to it.
};

template <class R, class S, class L, class U> struct TruncatedStepsOf final : TruncatedSteps {
  R& runner;
  S state, kept;
  L& loss_of;
  U& after;
  TruncatedStepsOf(R& r, const S& s, L& l, U& u) : runner(r), state(s), kept(s), loss_of(l), after(u) {}
  Tensor run(int64_t first, int64_t count) override {
    auto result = runner(first, count, std::as_const(state));
    state = std::move(result.state);
    return std::move(result.output);
  }
  Tensor loss(const Tensor& outputs, int64_t first) override { return loss_of(outputs, first); }
  void update() override { after(); }
  void keep() override {
    kept = state;
    for_each_tensor(kept, [](Tensor& tensor) {
      if (tensor.defined()) tensor = reel::detach(tensor);
    });
  }
  void back() override { state = kept; }
};

TruncatedResult truncated(TruncatedSteps& steps, int64_t count, int64_t time_axis,
                          const TruncatedOptions& options);
/// The extent of xs along its time axis; throws for a layer that cannot run in windows.
int64_t truncated_steps(const Tensor& xs, int64_t time_axis, const RecurrentOptions& options);
/// `count` steps of a sequence from `first` on. A view.
Tensor steps_of(const Tensor& xs, int64_t time_axis, int64_t first, int64_t count);

struct NoUpdate {
  void operator()() const {}
};

}  // namespace detail

/// At every multiple of k1 steps, and at the last one: a backward pass of the losses of the steps since the one before,
/// through the last k2 steps; grad() of parameters adds up until `update()`, after each pass, uses it.
///
///   LSTM::State state;                                                    // carried from call to call
///   truncated(net.lstm, xs, state, {.k1 = 10, .k2 = 35},
///             [&](const Tensor& outputs, int64_t first) {                 // of steps first, first + 1, ...
///               return cross_entropy(net.head(outputs), narrow(ys, 0, first, outputs.size(0)));
///             },
///             [&] { optimizer.step(); });
///
/// `xs` as the layer takes them, `state` the one to begin with (empty: the layer's own), left as it is after the last
/// step, detached. Gradients reach the given state, where it is a parameter, from passes that go back to step 0.
/// Where k2 is above k1, windows overlap: their steps run again from the state that the window before left k2 steps
/// back, with the parameters and the random draws of now. The layer is called for each part of a window that is
/// carried or looked at apart. Throws for a layer in both directions or in reverse, whose outputs depend on steps to come,
/// and for `last_only` and `stateful` ones. Call it outside of any tape.
template <class C, class L, class U = detail::NoUpdate>
TruncatedResult truncated(const Recurrent<C>& rnn, const Tensor& xs, typename Recurrent<C>::State& state,
                          const TruncatedOptions& options, L&& loss, U&& update = {}) {
  using S = typename Recurrent<C>::State;
  const int64_t time_axis = rnn.options().batch_first && xs.rank() > 2 ? 1 : 0;
  const auto run = [&](int64_t first, int64_t count, const S& from) {
    return rnn(detail::steps_of(xs, time_axis, first, count), from);
  };
  const int64_t count = detail::truncated_steps(xs, time_axis, rnn.options());
  detail::TruncatedStepsOf steps(run, std::as_const(state), loss, update);
  TruncatedResult result = detail::truncated(steps, count, time_axis, options);
  state = std::move(steps.state);
  return result;
}

/// The same for anything that runs in steps, an embedding in front of the layer say: `run(first, count, state)` gives
/// steps first ... first + count - 1 as a ScanResult (or a struct like it) of outputs [count, ...] and the next state;
/// there are `steps` of them.
template <class R, class S, class L, class U = detail::NoUpdate>
requires std::invocable<R&, int64_t, int64_t, const S&> TruncatedResult
truncated(R&& run, int64_t steps, S& state, const TruncatedOptions& options, L&& loss, U&& update = {}) {
  detail::TruncatedStepsOf erased(run, std::as_const(state), loss, update);
  TruncatedResult result = detail::truncated(erased, steps, 0, options);
  state = std::move(erased.state);
  return result;
}

}  // namespace reel
