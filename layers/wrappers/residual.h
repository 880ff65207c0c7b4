// Residual: a cell with its input added to its output.
#pragma once

#include <reel/layers/wrappers/wrapper.h>

namespace reel {

template <class C> struct ResidualOptions {
  typename detail::CellOptions<C>::type cell = {};  ///< Of the inner cell.
};

namespace detail {
Tensor add_residual(const Tensor& output, const Tensor& input);
}

/// output + input of each step; the state is the inner cell's. Throws where the two have different shapes, as soon
/// as a layer is made of it. Wu et al., "Google's neural machine translation system", 2016, section 3.1.
template <RecurrentCell C> struct Residual : detail::Wrapper<C> {
  using Options = ResidualOptions<C>;
  Residual(int64_t input, int64_t hidden, Options options = {})
      : detail::Wrapper<C>(input, hidden, options.cell) {}

  Residual begin(const SequenceStart& start) const {
    Residual begun = *this;
    begun.cell = begin_sequence(this->cell, start);
    return begun;
  }
  std::pair<Tensor, detail::StateOf<C>> step(const Tensor& x, const detail::StateOf<C>& state) const {
    auto [output, next] = detail::step_with_output(this->cell, x, state);
    return {detail::add_residual(output, x), std::move(next)};
  }
};

}  // namespace reel
