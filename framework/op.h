// The contract by which an op is defined in one place, and `apply`, the only way to run one. Knows no
// concrete op.
//
// An op is a struct. Attributes are its members; beside them stand
//   static constexpr std::string_view name;
//   TensorSpec shape(Inputs in) const;            checks the inputs (throws) and tells the result; runs before
//                                                 anything is allocated
//   void forward(Inputs in, Tensor& out) const;   `out` comes contiguous and uninitialised
//   Saves saves(uint32_t needs) const;            what backward reads, where bit i of `needs` says that the
//                                                 gradient of input i is wanted; left out when it reads nothing
//   void vjp(Backward& b) const;                  b.set(i, ...) for each input i with b.needs(i), by public ops
//                                                 on b.grad(), b.input(), b.output(), so that it can be
//                                                 recorded again; left out when the op has no gradient
// and, for the compiled loop, where it makes sense,
//   LoopRole loop() const;                        how it works on the rows of one step (framework/loop_role.h)
//   Tensor over_time(Inputs in, uint32_t stacked) const;
//                                                 the op for all steps at once, by public ops: inputs with their
//                                                 bit set have a time axis in front, and so has the result
//   std::vector<Tensor> one_by_one(Inputs in) const;
//                                                 an op with several results, by ops of one each
//   void release() const;                         frees what the op itself holds for backward
// An op that returns a view of its input has `Tensor view(Inputs in) const` in the place of shape and
// forward; one with several results has `std::vector<Tensor> run(Inputs in) const`.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <reel/framework/loop_role.h>
#include <reel/framework/memory.h>
#include <reel/framework/same_fields.h>
#include <reel/framework/tensor.h>

namespace reel {

/// Shape and dtype of a tensor that does not exist yet.
struct TensorSpec {
  Shape shape;
  DType dtype = DType::float32;
};

/// The inputs of an op, in order.
class Inputs {
 public:
  explicit Inputs(std::span<const Tensor* const> tensors) : tensors_(tensors) {}
  size_t size() const { return tensors_.size(); }
  const Tensor& operator[](size_t i) const { return *tensors_[i]; }

 private:
  std::span<const Tensor* const> tensors_;
};

/// A set of an op's inputs and outputs: those whose values backward reads.
class Saves {
 public:
  constexpr Saves() = default;
  /// Throws for an input beyond the 24th or an output beyond the 8th.
  static constexpr Saves input(unsigned i) {
    if (i >= max_inputs) throw Error("[saves] only the first 24 inputs of an op can be saved");
    return Saves(1U << i);
  }
  static constexpr Saves output(unsigned i = 0) {
    if (i >= 32 - max_inputs) throw Error("[saves] only the first 8 outputs of an op can be saved");
    return Saves(1U << (max_inputs + i));
  }
  constexpr Saves operator|(Saves other) const { return Saves(bits_ | other.bits_); }
  constexpr bool has_input(size_t i) const { return i < max_inputs && (bits_ >> i & 1U) != 0; }
  constexpr bool has_output(size_t i) const {
    return i < 32 - max_inputs && (bits_ >> (max_inputs + i) & 1U) != 0;
  }
  constexpr bool any() const { return bits_ != 0; }

 private:
  static constexpr unsigned max_inputs = 24;
  constexpr explicit Saves(uint32_t bits) : bits_(bits) {}
  uint32_t bits_ = 0;
};

namespace detail {
struct Node;
struct BackwardRun;
}  // namespace detail

/// What an op's vjp sees of the backward pass.
class Backward {
 public:
  Backward(const detail::Node& node, detail::BackwardRun& run) : node_(node), run_(run) {}

  size_t input_count() const;
  size_t output_count() const;
  const Shape& input_shape(size_t i) const;
  DType input_dtype(size_t i) const;
  const Tensor& input(size_t i) const;       ///< A saved input; throws if `saves` did not name it.
  const Tensor& output(size_t i = 0) const;  ///< A saved output.
  bool has_grad(size_t i) const;             ///< Whether anything depends on output i.
  Tensor grad(size_t i = 0) const;  ///< Gradient with respect to output i; zeros if nothing depends on it.
  bool needs(size_t i) const;       ///< Whether the gradient with respect to input i is wanted.
  /// Contributes `gradient`, of input i's shape, to the gradient with respect to input i.
  void set(size_t i, Tensor gradient);

  /// True while this backward pass is itself recorded; then only public ops may be used.
  bool recorded() const;
  /// Memory shortcut where the pass is not recorded: the gradient of input i as gathered so far, to be added
  /// to in place, or nullptr if there is none that belongs to the pass alone.
  Tensor* accumulator(size_t i);
  /// The same, beginning with zeros where there is nothing yet.
  Tensor& zeroed_accumulator(size_t i);
  /// Contributes `values` [count, width...] to the rows `rows` (int64 [count], in any order) of the gradient with
  /// respect to input i, which stays sparse. Returns false, and does nothing, where it cannot: in a recorded pass, and
  /// where input i is no leaf that Tape::backward leaves its gradient to, or one with a hook.
  bool add_rows(size_t i, const Tensor& rows, const Tensor& values);

 private:
  const Tensor& saved(uint8_t which) const;
  const detail::Node& node_;
  detail::BackwardRun& run_;
};

namespace detail {

/// An op without its type: what the tape calls.
struct OpRules {
  std::string_view name;
  uint32_t size;
  uint32_t alignment;
  void (*move)(void* to, void* from);
  void (*destroy)(void* op);  // null where there is nothing to do
  Saves (*saves)(const void* op, uint32_t needs);
  void (*vjp)(const void* op, Backward& backward);  // null where there is no gradient
  Tensor (*again)(const void* op, Inputs inputs);   // applies it once more; null where it has several results
  bool (*same)(const void* a, const void* b);       // equal attributes; null where that cannot be said
  LoopRole (*loop)(const void* op);                 // null: opaque
  Tensor (*over_time)(const void* op, Inputs inputs, uint32_t stacked);  // null: step by step only
  void (*release)(const void* op);  // null where there is nothing to free
};

/// What ops on this thread have to do besides computing.
enum OpFlags : uint8_t { flag_anomalies = 1, flag_tracing = 2 };
extern constinit thread_local uint8_t op_flags;

template <class O>
concept Differentiable = requires(const O& op, Backward& backward) {
  op.vjp(backward);
};

/// True while ops run under a tape.
bool recording();
/// Notes op and results on the trace of this thread.
void trace_op(const OpRules& rules, void* op, Inputs inputs, std::span<Tensor> outputs);
/// Ends the trace of this thread, if there is one: what happens here cannot be replayed.
void stop_trace(std::string_view reason);
/// Throws where a result is not finite.
void check_results(std::string_view op, Inputs inputs, std::span<const Tensor> outputs);
/// Notes op and results on the tape of this thread if any input is tracked there. Moves from `op`.
void record(const OpRules& rules, void* op, Inputs inputs, std::span<Tensor> outputs);
/// Whether `tensor` is the result of an op on a tape that is still open.
bool is_recorded_result(const Tensor& tensor);
/// Whether the op `op` on `tensor` would now be recorded.
bool is_tracked(const Tensor& tensor, std::string_view op);

}  // namespace detail

template <class O>
concept ViewOp = requires(const O& op, Inputs in) {
  { O::name } -> std::convertible_to<std::string_view>;
  { op.view(in) } -> std::same_as<Tensor>;
};

template <class O>
concept MultiOp = requires(const O& op, Inputs in) {
  { O::name } -> std::convertible_to<std::string_view>;
  { op.run(in) } -> std::same_as<std::vector<Tensor>>;
};

template <class O>
concept KernelOp = requires(const O& op, Inputs in, Tensor& out) {
  { O::name } -> std::convertible_to<std::string_view>;
  { op.shape(in) } -> std::same_as<TensorSpec>;
  op.forward(in, out);
};

/// What `apply` takes; see the head of this file.
template <class O>
concept Op = KernelOp<O> || ViewOp<O> || MultiOp<O>;

/// What applying an op gives: a Tensor, or a vector of them for an op with `run`.
template <Op O> using ResultOf = std::conditional_t<MultiOp<O>, std::vector<Tensor>, Tensor>;

template <Op O> ResultOf<O> apply(O op, Inputs inputs);

namespace detail {

template <class O>
inline constexpr OpRules rules_of = {
    .name = O::name,
    .size = sizeof(O),
    .alignment = alignof(O),
    .move = [](void* to, void* from) { new (to) O(std::move(*static_cast<O*>(from))); },
    .destroy = std::is_trivially_destructible_v<O> ? nullptr : +[](void* op) { static_cast<O*>(op)->~O(); },
    .saves =
        [](const void* op, uint32_t needs) {
          if constexpr (requires(const O& o) { o.saves(needs); })
            return static_cast<const O*>(op)->saves(needs);
          else
            return (static_cast<void>(op), static_cast<void>(needs), Saves());
        },
    .vjp =
        [] {
          if constexpr (Differentiable<O>)
            return +[](const void* op, Backward& backward) { static_cast<const O*>(op)->vjp(backward); };
          else
            return static_cast<void (*)(const void*, Backward&)>(nullptr);
        }(),
    .again =
        [] {
          if constexpr (Op<O> && !MultiOp<O>)
            return +[](const void* op, Inputs inputs) {
              return apply(O(*static_cast<const O*>(op)), inputs);
            };
          else
            return static_cast<Tensor (*)(const void*, Inputs)>(nullptr);
        }(),
    .same =
        [] {
          if constexpr (has_same_fields<O>)
            return +[](const void* a, const void* b) {
              return same_fields(*static_cast<const O*>(a), *static_cast<const O*>(b));
            };
          else
            return static_cast<bool (*)(const void*, const void*)>(nullptr);
        }(),
    .loop =
        [] {
          if constexpr (requires(const O& op) { op.loop(); })
            return +[](const void* op) { return static_cast<const O*>(op)->loop(); };
          else
            return static_cast<LoopRole (*)(const void*)>(nullptr);
        }(),
    .over_time =
        [] {
          if constexpr (requires(const O& op, Inputs in) { op.over_time(in, 0U); })
            return +[](const void* op, Inputs inputs, uint32_t stacked) {
              return static_cast<const O*>(op)->over_time(inputs, stacked);
            };
          else
            return static_cast<Tensor (*)(const void*, Inputs, uint32_t)>(nullptr);
        }(),
    .release =
        [] {
          if constexpr (requires(const O& op) { op.release(); })
            return +[](const void* op) { static_cast<const O*>(op)->release(); };
          else
            return static_cast<void (*)(const void*)>(nullptr);
        }(),
};

}  // namespace detail

/// Runs `op`: checks shapes, allocates, computes, records. Returns a Tensor, or a vector of them for an op
/// with `run`.
template <Op O> ResultOf<O> apply(O op, Inputs inputs) {
  const uint8_t flags = detail::op_flags;
  auto finish = [&](std::span<Tensor> outputs) {
    if (flags != 0) [[unlikely]] {
      if (flags & detail::flag_tracing) return detail::trace_op(detail::rules_of<O>, &op, inputs, outputs);
      detail::check_results(O::name, inputs, outputs);
    }
    if constexpr (detail::Differentiable<O>)
      if (detail::recording()) detail::record(detail::rules_of<O>, &op, inputs, outputs);
  };
  if constexpr (MultiOp<O>) {
    if (flags & detail::flag_tracing) [[unlikely]] {
      if constexpr (requires { op.one_by_one(inputs); })
        return op.one_by_one(inputs);
      else
        detail::stop_trace("[" + std::string(O::name) + "] has several results");
    }
    std::vector<Tensor> outputs = op.run(inputs);
    finish(outputs);
    return outputs;
  } else {
    Tensor output;
    if constexpr (ViewOp<O>) {
      output = op.view(inputs);
    } else {
      const TensorSpec spec = op.shape(inputs);
      output = empty(spec.shape, {.dtype = spec.dtype});
      if (!(flags & detail::flag_tracing)) [[likely]]
        op.forward(inputs, output);
    }
    finish({&output, 1});
    return output;
  }
}

template <Op O, std::same_as<Tensor>... T> auto apply(O op, const T&... inputs) {
  const Tensor* const pointers[] = {&inputs...};
  return apply(std::move(op), Inputs(pointers));
}

template <Op O> auto apply(O op, std::span<const Tensor> inputs) {
  detail::Scratch<const Tensor*> pointers;
  pointers.reserve(inputs.size());
  for (const Tensor& input : inputs) pointers.push_back(&input);
  return apply(std::move(op), Inputs(pointers));
}

}  // namespace reel
