// Attending: a decoder's cell that looks at what an encoder has given out. Which encoder outputs, is said by
// attend_to() before each sequence.
#pragma once

#include <string>

#include <reel/layers/scan.h>
#include <reel/layers/wrappers/wrapper.h>

namespace reel {

/// How well a query q fits an encoder output m.
enum class AttentionScore {
  additive,  ///< v . tanh(W_q q + W_m m); Bahdanau et al., "Neural machine translation by jointly learning to
             ///< align and translate", 2015, appendix A.1.2.
  dot,       ///< q . m, of equal widths.
  general  ///< q . W_m m; Luong et al., "Effective approaches to attention-based neural machine translation",
           ///< 2015, section 3.1.
};

/// What a step attends with, and what of it comes back.
enum class AttentionFeed {
  /// The state before the step attends (the first tensor of it), and the context is joined to the input of the
  /// step; the output is the cell's. Bahdanau et al., 2015.
  context,
  /// The cell's output attends, and the output becomes a = tanh(W_c [context, output]), which is joined to the
  /// next step's input. Luong et al., 2015, section 3.3.
  attentional,
  /// The same, without a's being joined to anything.
  none
};

template <class C> struct AttendingOptions {
  int64_t memory = 0;  ///< Width E of the encoder's outputs; must be given.
  AttentionScore score = AttentionScore::additive;
  AttentionFeed feed = AttentionFeed::context;
  int64_t width = 0;  ///< Of the additive score's tanh; the hidden size unless given. Only for that score.
  std::string name = "attention";  ///< What the names of its parameters begin with.
  typename detail::CellOptions<C>::type cell =
      {};  ///< Of the inner cell, whose input is what is joined together.
};

/// State of an Attending cell.
template <class S> struct AttendingState {
  S cell;
  Tensor attended;   ///< The context [N, E] of the last step, or, where the output is made of it, a [N, H].
  Tensor alignment;  ///< [N, S]: how much of each encoder output is in it. Rows sum to 1.
  REEL_FIELDS(cell, attended, alignment)
};

void attend_to(Module& module, const Tensor& memory, const Padding& padding);

/// Scores, weights and averages of what is attended to.
struct MemoryAttention : Module {
  Tensor query_weight, memory_weight,
      score_weight;       // of the additive score; the second of the general one too
  Tensor combine_weight;  // W_c

  struct Sizes {
    int64_t query, memory, width;
  };
  MemoryAttention(Sizes sizes, AttentionScore score);

  void attend_to(const Tensor& memory, const Padding& padding = {});
  /// This, with what all steps of a sequence share computed.
  MemoryAttention begin(const SequenceStart& start) const;
  struct Answer {
    Tensor context, alignment;  ///< [N, E] and [N, S]
  };
  Answer operator()(const Tensor& query) const;
  int64_t memory_length() const;  ///< S, or 0 where there is none yet.
  REEL_FIELDS(query_weight, memory_weight, score_weight, combine_weight)

 private:
  friend void reel::attend_to(Module& module, const Tensor& memory, const Padding& padding);
  struct Memory {
    Tensor rows;     // [N, S, E]
    Tensor padding;  // [N, S], undefined, or what is added to scores: 0 or, where none counts, -infinity
    Tensor rest;     // undefined, or [N, 1], 0 for the rows that have nothing
  };
  /// Throws where it does not fit.
  Memory read(const Tensor& memory, const Padding& padding) const;
  Tensor keys() const;

  Sizes sizes_;
  AttentionScore score_;
  Memory memory_;
  Tensor keys_;  // of a sequence that has begun
};

/// Gives every Attending cell in `module` the encoder outputs memory [S, N, E] to look at, of which those count that
/// `padding` says; a row of which none does is given zeros. Holds until it is called again; the gradient reaches the
/// encoder where this is done under the same tape. Throws, and changes nothing, where there is no such cell or the
/// shapes do not fit.
void attend_to(Module& module, const Tensor& memory, const Padding& padding = {});

namespace detail {
MemoryAttention make_attention(int64_t query, int64_t hidden, int64_t memory, int64_t width,
                               AttentionScore score);
Tensor make_combine_weight(int64_t hidden, int64_t memory, int64_t output);
/// [x, more] side by side.
Tensor joined(const Tensor& x, const Tensor& more);
Tensor attentional(const Tensor& context, const Tensor& output, const Tensor& combine_weight);
/// Throws where `cell` has parameters whose names begin with `name`.
void check_name(const Module& cell, const std::string& name);
int64_t joined_width(int64_t hidden, int64_t memory, AttentionFeed feed);
}  // namespace detail

/// A cell over encoder outputs (see attend_to): each step takes a weighted average of them, the context. The weights
/// stand in the state as `alignment`: with_states() of a layer gives those of all steps, [T, N, S].
template <RecurrentCell C> struct Attending : detail::Wrapper<C> {
  using Options = AttendingOptions<C>;
  using State = AttendingState<detail::StateOf<C>>;
  MemoryAttention attention;

  Attending(int64_t input, int64_t hidden, Options options)
      : detail::Wrapper<C>(input + detail::joined_width(hidden, options.memory, options.feed), hidden,
                           options.cell),
        attention(make(options)),
        name_(std::move(options.name)),
        feed_(options.feed),
        attended_(feed_ == AttentionFeed::context ? options.memory : hidden) {}

  Attending begin(const SequenceStart& start) const {
    Attending begun = *this;
    begun.attention = attention.begin(start);
    begun.cell = begin_sequence(this->cell, start);
    return begun;
  }

  State initial_state(int64_t batch, int64_t hidden, DType dtype) const {
    return {reel::initial_state(this->cell, batch, hidden, dtype),
            zeros({batch, attended_}, {.dtype = dtype}),
            zeros({batch, attention.memory_length()}, {.dtype = dtype})};
  }

  std::pair<Tensor, State> step(const Tensor& x, const State& state) const {
    if (feed_ == AttentionFeed::context) {
      auto [context, alignment] = attention(detail::first_tensor(state.cell));
      auto [output, next] = detail::step_with_output(this->cell, detail::joined(x, context), state.cell);
      return {std::move(output), {std::move(next), std::move(context), std::move(alignment)}};
    }
    auto [output, next] = detail::step_with_output(
        this->cell, feed_ == AttentionFeed::none ? x : detail::joined(x, state.attended), state.cell);
    auto [context, alignment] = attention(output);
    Tensor attended = detail::attentional(context, output, attention.combine_weight);
    return {attended, {std::move(next), attended, std::move(alignment)}};
  }

  void visit_fields(FieldVisitor& visitor) override {
    detail::Wrapper<C>::visit_fields(visitor);
    detail::visit_field(visitor, name_, attention);
  }

 private:
  MemoryAttention make(const Options& options) {
    detail::check_name(this->cell, options.name);
    const int64_t output = detail::settle(this->cell, this->input_, this->hidden_);
    const bool first = options.feed == AttentionFeed::context;
    MemoryAttention made =
        detail::make_attention(first ? this->first_state(1, DType::float32).at(0).size(-1) : output,
                               this->hidden_, options.memory, options.width, options.score);
    if (!first) made.combine_weight = detail::make_combine_weight(this->hidden_, options.memory, output);
    return made;
  }

  std::string name_;
  AttentionFeed feed_;
  int64_t attended_;  // width
};

}  // namespace reel
