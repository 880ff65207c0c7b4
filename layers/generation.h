// Sequences written by a model, one token after the other: greedily, by sampling, or by beam search. The model is any
// step function
//
//   [&](const Tensor& tokens, State& state) {        // int64 [N]
//     auto [output, next] = net.lstm.step(net.embed(tokens), state);
//     state = next;
//     return net.head(output);                       // logits [N, V]
//   }
//
// and its state a Tensor, a struct of tensors with REEL_FIELDS, the state of a recurrent layer, or a vector of these.
// Axis 0 of each tensor of the state is the batch: sequences that have ended leave it, and beam search exchanges its
// rows. What the model attends to for each sequence is part of the state, too. An empty state may stand for the first
// one. Nothing is recorded on a tape. Whether dropout is at work is the module's to know: call eval() first.
//
// `start` holds what each sequence begins with, int64 [N] (a start symbol, say), or a prompt [T, N] whose tokens are all
// fed to the model; neither counts as generated. Sequences of a batch do not influence each other: one by one they
// come out the same, as far as the model rounds alike.
#pragma once

#include <concepts>
#include <vector>

#include <reel/framework/random.h>
#include <reel/layers/fields.h>

namespace reel {

/// One sequence that a model has written.
struct Generated {
  std::vector<int64_t> tokens;            ///< Without `start`; the end symbol, if one came, is the last.
  std::vector<double> log_probabilities;  ///< Of each token after those before it: log_softmax of the logits.
  double log_probability = 0;             ///< Their sum.
  double score = 0;  ///< What beam search ranks by, log_probability / length penalty; else log_probability.
  bool finished = false;  ///< An end symbol came; else the greatest length was reached.
};

struct GreedyOptions {
  int64_t max_length = 100;  ///< Most tokens of a sequence, its end symbol counted.
  int64_t min_length = 0;    ///< Below so many tokens no end symbol is chosen.
  std::vector<int64_t> end =
      {};  ///< Symbols any of which ends a sequence; none: all have the greatest length.
};

struct SampleOptions {
  int64_t max_length = 100;       ///< Most tokens of a sequence, its end symbol counted.
  int64_t min_length = 0;         ///< Below so many tokens no end symbol is drawn.
  std::vector<int64_t> end = {};  ///< Symbols any of which ends a sequence.
  double temperature = 1;         ///< Logits are divided by it; above 0.
  int64_t top_k = 0;  ///< Only the k most probable tokens are drawn, of equal ones the first; 0: all.
  /// Only the fewest most probable tokens whose probabilities reach this sum, in (0, 1], are drawn; after `top_k`.
  /// Holtzman et al., "The curious case of neural text degeneration", 2020.
  double top_p = 1;
  /// Above 1, tokens of the prompt and of what was generated lose probability: logits above 0 are divided by it, others
  /// multiplied. At least 1. Keskar et al., "CTRL", 2019, section 4.1.
  double repetition_penalty = 1;
};

struct BeamOptions {
  int64_t width = 4;              ///< Beams of each sequence.
  int64_t best = 1;               ///< Results of each sequence, at most `width`.
  int64_t max_length = 100;       ///< Most tokens of a sequence, its end symbol counted.
  int64_t min_length = 0;         ///< Below so many tokens no end symbol is chosen.
  std::vector<int64_t> end = {};  ///< Symbols any of which ends a sequence.
  /// alpha in score = log_probability / ((5 + length) / 6)^alpha: above 0 favours long results, 0 is the probability
  /// alone. Wu et al., "Google's neural machine translation system", 2016, equation 14.
  double length_penalty = 0;
};

/// Something like `Tensor step(const Tensor& tokens, State& state)`.
template <class F, class S>
concept GenerationStep = requires(F& step, const Tensor& tokens, S& state) {
  { step(tokens, state) } -> std::convertible_to<Tensor>;
};

namespace detail {

/// A step function and the state it has come to, without their types.
struct Stepper {
  virtual ~Stepper() = default;
  virtual Tensor step(const Tensor& tokens) = 0;
  virtual void visit_state(FieldVisitor& visitor) = 0;
};

template <class F, class S> struct StepperOf final : Stepper {
  F& function;
  S state;
  StepperOf(F& f, S s) : function(f), state(std::move(s)) {}
  Tensor step(const Tensor& tokens) override { return function(tokens, state); }
  void visit_state(FieldVisitor& visitor) override { visit_field(visitor, "", state); }
};

std::vector<Generated> greedy_search(Stepper& stepper, const Tensor& start, const GreedyOptions& options);
std::vector<Generated> sample_sequences(Stepper& stepper, const Tensor& start, const SampleOptions& options,
                                        Random& random);
std::vector<std::vector<Generated>> beam_search(Stepper& stepper, const Tensor& start,
                                                const BeamOptions& options);

}  // namespace detail

/// The most probable token at every step, of equal ones the first: N sequences.
template <class S, GenerationStep<S> F>
std::vector<Generated> greedy_search(F&& step, const Tensor& start, S state,
                                     const GreedyOptions& options = {}) {
  detail::StepperOf<F, S> stepper(step, std::move(state));
  return detail::greedy_search(stepper, start, options);
}

/// Tokens drawn from the distribution that the options make of the logits: N sequences. Each takes `max_length` places
/// of the stream, whatever it uses, so that it does not depend on the others.
template <class S, GenerationStep<S> F>
std::vector<Generated> sample_sequences(F&& step, const Tensor& start, S state,
                                        const SampleOptions& options = {},
                                        Random& random = default_random()) {
  detail::StepperOf<F, S> stepper(step, std::move(state));
  return detail::sample_sequences(stepper, start, options, random);
}

/// The `best` sequences found for each of N, by falling score. At every step the `width` most probable continuations
/// of all beams are looked at: those that end are results, and as many that do not end go on, up to `width`. Beams that
/// reach the greatest length are results as well, unfinished ones. A search ends as soon as nothing that goes on could
/// be among its `best`. With a length penalty of 0 and one beam this is greedy_search.
template <class S, GenerationStep<S> F>
std::vector<std::vector<Generated>> beam_search(F&& step, const Tensor& start, S state,
                                                const BeamOptions& options = {}) {
  detail::StepperOf<F, S> stepper(step, std::move(state));
  return detail::beam_search(stepper, start, options);
}

}  // namespace reel
