// Zoneout: elements of a cell's state that stay as they were, by chance.
#pragma once

#include <reel/layers/wrappers/wrapper.h>

namespace reel {

template <class C> struct ZoneoutOptions {
  /// Probability that an element of the state keeps its value: one for all tensors of the state, or one for each,
  /// in the order of the fields ({0.05, 0.5} for the h and c of an LSTM).
  std::vector<double> p = {0.1};
  typename detail::CellOptions<C>::type cell = {};  ///< Of the inner cell.
};

namespace detail {
/// A probability for each of `tensors` tensors.
std::vector<double> zoneout_probabilities(std::vector<double> p, size_t tensors);
/// `next` where it is not kept at `old`: by a new mask, or the mean of both outcomes.
Tensor zone_out(const Tensor& next, const Tensor& old, double p, bool draws);
}  // namespace detail

/// While training, each element of the next state is its old value with probability p, drawn anew at every step;
/// otherwise the expectation p old + (1 - p) next. Whole numbers in a state are let be. An output
/// that is the first tensor of the state remains so; another one stays the inner cell's: what makes a new output goes
/// outside, Residual<Zoneout<C>>. Krueger et al., "Zoneout:
/// regularizing RNNs by randomly preserving hidden activations", 2017.
template <RecurrentCell C> struct Zoneout : detail::Wrapper<C> {
  using Options = ZoneoutOptions<C>;
  Zoneout(int64_t input, int64_t hidden, Options options = {})
      : detail::Wrapper<C>(input, hidden, options.cell),
        p_(detail::zoneout_probabilities(std::move(options.p), this->first_state(1, DType::float32).size())) {
  }

  Zoneout begin(const SequenceStart& start) const {
    Zoneout begun = *this;
    begun.draws_ = this->is_training();
    begun.cell = begin_sequence(this->cell, start);
    return begun;
  }

  detail::StepResultOf<C> step(const Tensor& x, const detail::StateOf<C>& state) const {
    detail::StepResultOf<C> result = this->cell.step(x, state);
    if (this->is_training() && !draws_) return result;
    detail::StateOf<C>& next = detail::state_in<C>(result);
    const Tensor first = detail::first_tensor(next);
    const std::vector<Tensor> old = detail::tensors_of(state);
    size_t i = 0;
    detail::for_each_tensor(next, [&](Tensor& tensor) {
      tensor = detail::zone_out(tensor, old[i], p_[i], draws_);
      ++i;
    });
    if constexpr (!std::same_as<detail::StepResultOf<C>, detail::StateOf<C>>)
      if (result.first.impl() == first.impl()) result.first = detail::first_tensor(next);
    return result;
  }

 private:
  std::vector<double> p_;
  bool draws_ = false;
};

}  // namespace reel
