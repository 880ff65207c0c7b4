// CellDropout: dropout around each step of a cell, by a new mask for every step or one for the whole sequence.
#pragma once

#include <reel/layers/wrappers/wrapper.h>

namespace reel {

template <class C> struct CellDropoutOptions {
  double input = 0;  ///< Probability that an element of the input is dropped.
  /// The same for the tensors of the state as the step sees them, in the order of the fields; those without one
  /// stay whole. {0.3} drops an LSTM's h and not its c, {0.3, 0.3} both.
  std::vector<double> state = {};
  double output = 0;         ///< The same for the output.
  bool variational = false;  ///< One mask for all steps of a sequence instead of a new one for each.
  typename detail::CellOptions<C>::type cell = {};  ///< Of the inner cell.
};

namespace detail {

/// A place where elements are dropped.
struct DropSite {
  double p = 0;
  Tensor mask = {};  ///< Of the sequence, if it has one.
  void draw(const Shape& shape, DType dtype);
  /// x by the mask; or, where there is none and `fresh` is set, by a new one.
  Tensor operator()(const Tensor& x, bool fresh) const;
};

/// A site for each of `tensors` tensors of a state.
std::vector<DropSite> state_sites(const std::vector<double>& p, size_t tensors);

}  // namespace detail

/// While training, zeroes elements of input, state and output and scales the rest by 1 / (1 - p), so that the
/// expectation stays; passes them through otherwise. The state that a step returns is not touched, only what the
/// next one sees of it. One mask for the sequence: Gal and Ghahramani, "A theoretically grounded application of
/// dropout in recurrent neural networks", 2016; they are drawn in the order input, state, output, before those of
/// the inner cell.
template <RecurrentCell C> struct CellDropout : detail::Wrapper<C> {
  using Options = CellDropoutOptions<C>;
  CellDropout(int64_t input, int64_t hidden, Options options = {})
      : detail::Wrapper<C>(input, hidden, options.cell), variational_(options.variational) {
    detail::check_probability("CellDropout", "of the input", options.input);
    detail::check_probability("CellDropout", "of the output", options.output);
    input_site_.p = options.input;
    output_site_.p = options.output;
    if (!options.state.empty())
      state_sites_ = detail::state_sites(options.state, this->first_state(1, DType::float32).size());
    if (variational_ && options.output > 0) width_ = detail::settle(this->cell, input, hidden);
  }

  CellDropout begin(const SequenceStart& start) const {
    CellDropout begun = *this;
    begun.fresh_ = this->is_training() && !variational_;
    if (this->is_training() && variational_) begun.draw(start);
    begun.cell = begin_sequence(this->cell, start);
    return begun;
  }

  std::pair<Tensor, detail::StateOf<C>> step(const Tensor& x, const detail::StateOf<C>& state) const {
    const Tensor input = input_site_(x, fresh_);
    detail::StateOf<C> seen = state;
    size_t i = 0;
    if (!state_sites_.empty())
      detail::for_each_tensor(seen, [&](Tensor& tensor) { tensor = state_sites_[i++](tensor, fresh_); });
    auto [output, next] = detail::step_with_output(this->cell, input, seen);
    return {output_site_(output, fresh_), std::move(next)};
  }

 private:
  void draw(const SequenceStart& start) {
    input_site_.draw({start.batch, this->input_}, start.dtype);
    if (!state_sites_.empty()) {
      const std::vector<Tensor> state = this->first_state(start.batch, start.dtype);
      for (size_t i = 0; i < state.size(); ++i) state_sites_[i].draw(state[i].shape(), state[i].dtype());
    }
    output_site_.draw({start.batch, width_}, start.dtype);
  }

  detail::DropSite input_site_, output_site_;
  std::vector<detail::DropSite> state_sites_;
  bool variational_;
  bool fresh_ = false;
  int64_t width_ = 0;  // of the output
};

}  // namespace reel
