// The walk back over the tape.
#include <algorithm>
#include <mutex>
#include <span>

#include "framework/anomaly.h"
#include "framework/recording.h"
#include "framework/tape.h"

namespace reel {
namespace detail {

void BackwardRun::add(int32_t slot, Tensor gradient) {
  Tensor& sum = gradients[static_cast<size_t>(slot)];
  if (!sum.defined())
    sum = std::move(gradient);
  else if (!recorded && owns_memory_alone(sum))
    accumulate_in_place(sum, gradient);
  else
    sum = accumulate(sum, gradient);
}

namespace {

/// Recording is off in its scope, unless the pass is to be recorded.
class RecordedScope {
 public:
  explicit RecordedScope(bool recorded) : before_(recording_paused()) { pause_recording(!recorded); }
  ~RecordedScope() { pause_recording(before_); }
  RecordedScope(const RecordedScope&) = delete;
  RecordedScope& operator=(const RecordedScope&) = delete;

 private:
  bool before_;
};

int32_t recorded_slot(const Recording& list, const Tensor& tensor, const char* caller) {
  if (!tensor.defined()) fail_undefined();
  const TapeMark mark = tensor.impl()->mark.load(std::memory_order_relaxed);
  if (mark.tape == list.uid) return mark.slot < 0 ? ~mark.slot : mark.slot;
  const auto leaf = list.leaf_slots.find(tensor.impl());
  if (leaf != list.leaf_slots.end()) return leaf->second;
  check(mark.tape == 0 || mark.slot < 0,
        "[{}] the tensor {} was recorded on another tape, which has ended or is another thread's", caller,
        tensor);
  fail(
      "[{}] the tensor {} was not recorded on this tape: it depends on nothing with requires_grad, and on "
      "nothing watched",
      {caller, text(tensor)});
}

/// Throws unless y is a leaf or was made since `start`.
void check_recorded(const Recording& list, size_t start, const Tensor& y, const char* caller) {
  const int32_t made_by = list.producer[static_cast<size_t>(recorded_slot(list, y, caller))];
  check(made_by < 0 || static_cast<size_t>(made_by) >= start,
        "[{}] the tensor {} was not recorded on this tape but before it, on the one around it", caller, y);
}

Tensor seed(const Tensor& y, const Tensor& given, const char* caller) {
  if (given.defined()) {
    check(given.shape() == y.shape() && given.dtype() == y.dtype(),
          "[{}] expected a gradient like y, {}, got {}", caller, y, given);
    return given;
  }
  check(y.numel() == 1,
        "[{}] y has shape {}: a gradient of that shape must be given, as only one-element results have "
        "one by themselves",
        caller, y.shape());
  return ones_like(y);
}

/// Marks the slots that lie between `wanted` and y. Nodes before `start` belong to an outer tape: constants
/// here.
void mark_needed(BackwardRun& run, std::span<const int32_t> wanted, size_t start, size_t end) {
  for (int32_t slot : wanted) run.needed[static_cast<size_t>(slot)] = 1;
  for (size_t i = start; i < end; ++i) {
    const Node& node = *run.recording.nodes[i];
    const bool needed = std::any_of(node.inputs, node.inputs + node.input_count, [&](const NodeInput& input) {
      return input.slot >= 0 && run.needed[static_cast<size_t>(input.slot)];
    });
    if (!needed) continue;
    for (uint32_t k = 0; k < node.output_count; ++k)
      run.needed[static_cast<size_t>(node.first_output) + k] = 1;
  }
}

/// "[tanh]", and where it was recorded.
std::string op_in_words(const Recording& list, const Node& node) {
  const std::string_view path = list.scope_path(node);
  return "[" + std::string(node.rules->name) + "]" + (path.empty() ? "" : " within " + std::string(path));
}

// Walked once for each node: what the messages say is put together only where there is one.
void check_saved(const Recording& list, const Node& node, const char* caller) {
  if (node.released)
    check(false,
          "[{}] what {} saved was freed by an earlier backward; pass retain_graph to that one to go "
          "back twice",
          caller, op_in_words(list, node));
  for (uint32_t i = 0; i < node.saved_count; ++i) {
    const SavedValue& saved = node.saved[i];
    if (saved.version == saved.tensor.version()) continue;
    check(false,
          "[{}] {} of {}, {}, was saved at version {} and has been changed in place since, last by [{}] "
          "(version {})",
          caller, (saved.which & SavedValue::output_bit) ? "the result" : "an input", op_in_words(list, node),
          saved.tensor, saved.version, saved.tensor.impl()->storage->last_change, saved.tensor.version());
  }
}

/// Nodes with a path from y, by an own walk over flags, so that an error comes before anything is changed.
Scratch<size_t> nodes_to_walk(const BackwardRun& run, std::span<const int32_t> from, size_t start, size_t end,
                              const char* caller) {
  Scratch<uint8_t> reached(run.needed.size(), 0);
  for (int32_t slot : from) reached[static_cast<size_t>(slot)] = 1;
  Scratch<size_t> order;
  for (size_t i = end; i-- > start;) {
    const Node& node = *run.recording.nodes[i];
    const auto first = static_cast<size_t>(node.first_output);
    const bool reaches = std::any_of(reached.begin() + static_cast<int64_t>(first),
                                     reached.begin() + static_cast<int64_t>(first + node.output_count),
                                     [](uint8_t flag) { return flag != 0; });
    const bool wanted = std::any_of(node.inputs, node.inputs + node.input_count, [&](const NodeInput& input) {
      return input.slot >= 0 && run.needed[static_cast<size_t>(input.slot)];
    });
    if (!reaches || !wanted) continue;
    check_saved(run.recording, node, caller);
    order.push_back(i);
    for (uint32_t k = 0; k < node.input_count; ++k)
      if (node.inputs[k].slot >= 0) reached[static_cast<size_t>(node.inputs[k].slot)] = 1;
  }
  return order;
}

/// The gradient of a slot as its hooks leave it.
void run_hooks(const Recording& list, int32_t slot, Tensor& gradient) {
  if (!gradient.defined()) return;
  for (size_t i = 0; i < list.hooks.size(); ++i) {
    if (list.hooks[i].slot != slot) continue;
    const std::shared_ptr<GradientHook> hook = list.hooks[i].hook;
    const Tensor before = gradient;
    Tensor after = hook->call(before);
    if (!after.defined()) continue;
    check(after.shape() == before.shape() && after.dtype() == before.dtype(),
          "[hook] the gradient {} expected, as it was given, got {}", before, after);
    gradient = std::move(after);
  }
}

void run_vjp(Node& node, BackwardRun& state) {
  Backward backward(node, state);
  const WalkedNode walked(state.recording, node);
  node.rules->vjp(node.op, backward);
}

}  // namespace

Scratch<Tensor> walk_back(Recording& recording, size_t start, const char* caller, std::span<const Tensor> ys,
                          std::span<const Tensor> seeds, std::span<const int32_t> wanted,
                          const BackwardOptions& options, Scratch<SparsePart>* rows) {
  Scratch<int32_t> from;
  size_t end = 0;
  for (const Tensor& y : ys) {
    from.push_back(recorded_slot(recording, y, caller));
    end = std::max(end, static_cast<size_t>(recording.producer[static_cast<size_t>(from.back())] + 1));
  }
  const size_t slots = recording.producer.size();
  BackwardRun state{recording, Scratch<Tensor>(slots), Scratch<uint8_t>(slots, 0), options.create_graph,
                    rows};
  mark_needed(state, wanted, start, end);
  const Scratch<size_t> order = nodes_to_walk(state, from, start, end, caller);
  Scratch<uint8_t> keep(slots, 0);
  for (int32_t slot : wanted) keep[static_cast<size_t>(slot)] = 1;

  const RecordedScope scope(options.create_graph);
  for (size_t i = 0; i < ys.size(); ++i) state.add(from[i], seeds[i]);
  for (size_t i : order) {
    Node& node = *recording.nodes[i];
    const auto outputs =
        std::span(state.gradients).subspan(static_cast<size_t>(node.first_output), node.output_count);
    if (!recording.hooks.empty())
      for (size_t k = 0; k < outputs.size(); ++k)
        run_hooks(recording, node.first_output + static_cast<int32_t>(k), outputs[k]);
    if (std::any_of(outputs.begin(), outputs.end(), [](const Tensor& g) { return g.defined(); }))
      run_vjp(node, state);
    if (!options.retain_graph && !options.create_graph) node.release();
    for (size_t k = 0; k < outputs.size(); ++k)
      if (!keep[static_cast<size_t>(node.first_output) + k]) outputs[k] = Tensor();
  }
  // Leaves, and results of an outer tape, which are as good as leaves here.
  if (!recording.hooks.empty()) {
    for (int32_t slot : wanted) {
      const int32_t made_by = recording.producer[static_cast<size_t>(slot)];
      if (made_by < 0 || static_cast<size_t>(made_by) < start)
        run_hooks(recording, slot, state.gradients[static_cast<size_t>(slot)]);
    }
  }
  return std::move(state.gradients);
}

namespace {

std::vector<Tensor> gradients_of(Recording& list, size_t start, std::span<const Tensor> ys,
                                 std::span<const Tensor> seeds, const std::vector<Tensor>& xs,
                                 const BackwardOptions& options) {
  Scratch<int32_t> wanted;
  for (const Tensor& x : xs)
    wanted.push_back(x.requires_grad() ? list.leaf_slot(x) : recorded_slot(list, x, "gradient"));
  const Scratch<Tensor> gradients = walk_back(list, start, "gradient", ys, seeds, wanted, options);
  std::vector<Tensor> result;
  result.reserve(xs.size());
  for (size_t i = 0; i < xs.size(); ++i) {
    const Tensor& gradient = gradients[static_cast<size_t>(wanted[i])];
    result.push_back(gradient.defined() ? gradient : zeros_like(xs[i]));
  }
  return result;
}

}  // namespace
}  // namespace detail

size_t Backward::input_count() const { return node_.input_count; }
size_t Backward::output_count() const { return node_.output_count; }
const Shape& Backward::input_shape(size_t i) const { return node_.inputs[i].shape; }
DType Backward::input_dtype(size_t i) const { return node_.inputs[i].dtype; }
bool Backward::recorded() const { return run_.recorded; }

const Tensor& Backward::saved(uint8_t which) const {
  for (uint32_t i = 0; i < node_.saved_count; ++i)
    if (node_.saved[i].which == which) return node_.saved[i].tensor;
  detail::fail("[{}] vjp reads a value that its saves() does not name", {detail::text(node_.rules->name)});
}

const Tensor& Backward::input(size_t i) const { return saved(static_cast<uint8_t>(i)); }
const Tensor& Backward::output(size_t i) const {
  return saved(static_cast<uint8_t>(i | detail::SavedValue::output_bit));
}

bool Backward::has_grad(size_t i) const {
  return run_.gradients[static_cast<size_t>(node_.first_output) + i].defined();
}

Tensor Backward::grad(size_t i) const {
  const Tensor& gradient = run_.gradients[static_cast<size_t>(node_.first_output) + i];
  return gradient.defined() ? gradient : zeros(node_.outputs[i].shape, {.dtype = node_.outputs[i].dtype});
}

bool Backward::needs(size_t i) const {
  const int32_t slot = node_.inputs[i].slot;
  return slot >= 0 && run_.needed[static_cast<size_t>(slot)];
}

void Backward::set(size_t i, Tensor gradient) {
  if (!needs(i)) return;
  check(gradient.shape() == input_shape(i) && gradient.dtype() == input_dtype(i),
        "[{}] vjp gave {} as the gradient of input {}, which is {} {}", node_.rules->name, gradient, i,
        input_dtype(i), input_shape(i));
  if (detail::op_flags & detail::flag_anomalies) detail::check_gradient(gradient, i);
  run_.add(node_.inputs[i].slot, std::move(gradient));
}

Tensor* Backward::accumulator(size_t i) {
  if (run_.recorded || !needs(i)) return nullptr;
  Tensor& sum = run_.gradients[static_cast<size_t>(node_.inputs[i].slot)];
  return sum.defined() && detail::owns_memory_alone(sum) ? &sum : nullptr;
}

Tensor& Backward::zeroed_accumulator(size_t i) {
  if (Tensor* sum = accumulator(i)) return *sum;
  run_.add(node_.inputs[i].slot, zeros(input_shape(i), {.dtype = input_dtype(i)}));
  return run_.gradients[static_cast<size_t>(node_.inputs[i].slot)];
}

bool Backward::add_rows(size_t i, const Tensor& rows, const Tensor& values) {
  const int32_t slot = node_.inputs[i].slot;
  if (run_.recorded || run_.rows == nullptr || !needs(i)) return false;
  if (run_.recording.producer[static_cast<size_t>(slot)] >= 0) return false;
  for (const auto& hook : run_.recording.hooks)
    if (hook.slot == slot) return false;
  if (detail::op_flags & detail::flag_anomalies) detail::check_gradient(values, i);
  run_.rows->push_back({slot, rows, values});
  return true;
}

void Tape::backward(const Tensor& y, const BackwardOptions& options) {
  detail::Recording& list = open("backward");
  detail::check_recorded(list, start_, y, "backward");
  detail::Scratch<int32_t> wanted;
  detail::Scratch<Tensor> leaves;
  for (const auto& leaf : list.leaves) {
    if (!leaf.tensor.requires_grad()) continue;
    wanted.push_back(leaf.slot);
    leaves.push_back(leaf.tensor);
  }
  const Tensor first = detail::seed(y, options.gradient, "backward");
  detail::Scratch<detail::SparsePart> rows;
  detail::Scratch<Tensor> gradients =
      detail::walk_back(list, start_, "backward", {&y, 1}, {&first, 1}, wanted, options, &rows);
  const detail::RecordedScope scope(options.create_graph);
  static std::mutex adding;  // threads with tapes of their own may share parameters
  const std::lock_guard lock(adding);
  for (size_t i = 0; i < leaves.size(); ++i) {
    Tensor& gradient = gradients[static_cast<size_t>(wanted[i])];
    if (!gradient.defined()) continue;
    static_cast<void>(leaves[i].grad());  // dense from here on
    Tensor& sum = leaves[i].impl()->grad;
    // One that was left by a tape that has ended is a plain value here.
    if (sum.defined() && !detail::is_recorded_result(sum))
      sum = detail::view(sum, sum.shape(), sum.strides());
    // Two leaves never share a gradient's memory: what is changed in place, by clipping say, is changed once.
    if (sum.defined())
      sum = detail::accumulate(sum, gradient);
    else if (detail::owns_memory_alone(gradient))
      sum = gradient;
    else if (options.create_graph)
      sum = detail::accumulate(gradient, zeros_like(gradient));
    else
      detail::copy_values(gradient, sum = empty_like(gradient));
    gradient = Tensor();
  }
  for (const detail::SparsePart& part : rows)
    for (size_t i = 0; i < leaves.size(); ++i)
      if (wanted[i] == part.slot) detail::add_sparse_grad(leaves[i], part.rows, part.values);
}

std::vector<Tensor> Tape::gradient(const Tensor& y, const std::vector<Tensor>& xs,
                                   const BackwardOptions& options) {
  detail::Recording& list = open("gradient");
  detail::check_recorded(list, start_, y, "gradient");
  const Tensor first = detail::seed(y, options.gradient, "gradient");
  return detail::gradients_of(list, start_, {&y, 1}, {&first, 1}, xs, options);
}

std::vector<Tensor> Tape::gradient(const std::vector<Tensor>& ys, const std::vector<Tensor>& gradients,
                                   const std::vector<Tensor>& xs, const BackwardOptions& options) {
  detail::Recording& list = open("gradient");
  check(ys.size() == gradients.size(), "[gradient] one gradient for each of {} results expected, got {}",
        ys.size(), gradients.size());
  check(!options.gradient.defined(),
        "[gradient] the gradients of several results are given as a list, not in the options");
  std::vector<Tensor> tracked, seeds;
  for (size_t i = 0; i < ys.size(); ++i) {
    Tensor given = detail::seed(ys[i], gradients[i], "gradient");
    if (list.slot_of(ys[i], "gradient", i) < 0) continue;
    tracked.push_back(ys[i]);
    seeds.push_back(std::move(given));
  }
  return detail::gradients_of(list, start_, tracked, seeds, xs, options);
}

void Tape::add_hook(const Tensor& x, std::shared_ptr<detail::GradientHook> hook) {
  detail::Recording& list = open("hook");
  const int32_t slot = x.requires_grad() ? list.leaf_slot(x) : detail::recorded_slot(list, x, "hook");
  list.hooks.push_back({slot, std::move(hook)});
}

}  // namespace reel
