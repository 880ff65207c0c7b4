// Wrappers that change a cell's weights for each sequence: DropConnect and WeightNorm. The weights are chosen by
// name: those whose name in the cell ("weight_hh", "hf.weight") contains one of the given texts.
#pragma once

#include <string>

#include <reel/layers/wrappers/wrapper.h>

namespace reel {

namespace detail {

/// A weight and what it is computed from: g v / |v|, where |v| is of all but the first axis.
struct NormedWeight {
  std::string path;
  Tensor g, v;
};

/// Throws unless each of `texts` is contained in the name of a parameter of `cell`.
void check_weights(std::string_view wrapper, Module& cell, const std::vector<std::string>& texts);
/// Replaces the weights so named by weights with elements dropped.
void drop_weights(Module& cell, const std::vector<std::string>& texts, double p);
/// Takes the weights so named that have several axes out of the cell.
std::vector<NormedWeight> take_weights(Module& cell, const std::vector<std::string>& texts);
/// Puts them, computed, in their places.
void compute_weights(Module& cell, const std::vector<NormedWeight>& weights);
/// Shows g and v in the place of each.
void visit_normed(Module& cell, FieldVisitor& visitor, std::vector<NormedWeight>& weights);

}  // namespace detail

template <class C> struct DropConnectOptions {
  double p = 0.5;                                    ///< Probability that an element of a weight is dropped.
  std::vector<std::string> weights = {"weight_hh"};  ///< What the names of the weights contain.
  typename detail::CellOptions<C>::type cell = {};   ///< Of the inner cell.
};

/// While training, zeroes elements of the recurrent weights and scales the rest by 1 / (1 - p), by one mask for
/// all rows and steps of a sequence; the gradient reaches the whole weights. Throws where no parameter has such a
/// name. Merity et al., "Regularizing and optimizing LSTM language models", 2018, section 2; Wan et al.,
/// "Regularization of neural networks using DropConnect", 2013. With weight norm: WeightNorm<DropConnect<C>>.
template <RecurrentCell C> struct DropConnect : detail::Wrapper<C> {
  using Options = DropConnectOptions<C>;
  DropConnect(int64_t input, int64_t hidden, Options options = {})
      : detail::Wrapper<C>(input, hidden, options.cell), p_(options.p), weights_(std::move(options.weights)) {
    detail::check_probability("DropConnect", "of the weights", p_);
    detail::check_weights("DropConnect", this->cell, weights_);
  }

  DropConnect begin(const SequenceStart& start) const {
    DropConnect begun = *this;
    if (this->is_training()) detail::drop_weights(begun.cell, weights_, p_);
    begun.cell = begin_sequence(begun.cell, start);
    return begun;
  }
  detail::StepResultOf<C> step(const Tensor& x, const detail::StateOf<C>& state) const {
    return this->cell.step(x, state);
  }

 private:
  double p_;
  std::vector<std::string> weights_;
};

template <class C> struct WeightNormOptions {
  std::vector<std::string> weights = {"weight"};  ///< What the names of the weights contain; of several axes.
  typename detail::CellOptions<C>::type cell = {};  ///< Of the inner cell.
};

/// Weights w = g v / |v|, a length g and a direction v for each row, computed once for a sequence. The parameters
/// are g and v, named weight_hh_g and weight_hh_v (weight_hh_l0_g in a layer, as in PyTorch), and begin as |w| and
/// w of the inner cell. Stepped by hand without begin_sequence, each step computes them again. Salimans and
/// Kingma, "Weight normalization", 2016, equation 2.
template <RecurrentCell C> struct WeightNorm : detail::Wrapper<C> {
  using Options = WeightNormOptions<C>;
  WeightNorm(int64_t input, int64_t hidden, Options options = {})
      : detail::Wrapper<C>(input, hidden, options.cell) {
    detail::check_weights("WeightNorm", this->cell, options.weights);
    detail::settle(this->cell, input, hidden);
    weights_ = detail::take_weights(this->cell, options.weights);
  }

  WeightNorm begin(const SequenceStart& start) const {
    WeightNorm begun = *this;
    begun.cell = begin_sequence(whole(), start);
    begun.has_begun_ = true;
    return begun;
  }
  detail::StepResultOf<C> step(const Tensor& x, const detail::StateOf<C>& state) const {
    return has_begun_ ? this->cell.step(x, state) : whole().step(x, state);
  }
  detail::StateOf<C> initial_state(int64_t batch, int64_t hidden, DType dtype) const {
    return reel::initial_state(has_begun_ ? this->cell : whole(), batch, hidden, dtype);
  }
  void visit_fields(FieldVisitor& visitor) override { detail::visit_normed(this->cell, visitor, weights_); }

 private:
  C whole() const {
    C result = this->cell;
    detail::compute_weights(result, weights_);
    return result;
  }

  std::vector<detail::NormedWeight> weights_;
  bool has_begun_ = false;
};

}  // namespace reel
