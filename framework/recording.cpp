#include "framework/recording.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <numeric>

#include "framework/anomaly.h"
#include "framework/memory.h"
#include "framework/tape.h"
#include "framework/trace.h"

namespace reel {
namespace detail {
namespace {

constexpr size_t arena_block_bytes = 1 << 16;

std::atomic<uint32_t> last_uid{0};
thread_local Recording* current = nullptr;
thread_local bool paused = false;
thread_local const Scope* innermost_scope = nullptr;
thread_local uint64_t scope_changes = 0;
thread_local Recording* tracing = nullptr;
thread_local bool paused_before_tracing = false;

// Kept between tapes, so that a steady training step allocates nothing for its list. A tape shares it, and
// may outlive the thread.
const std::shared_ptr<Recording>& thread_recording() {
  static thread_local std::shared_ptr<Recording> recording = std::make_shared<Recording>();
  return recording;
}

// Makes `list` the one that this thread records in. It is kept alive, as a tape may end on another thread.
void switch_to(std::shared_ptr<Recording> list) {
  static thread_local std::shared_ptr<Recording> kept;
  kept.swap(list);
  current = kept.get();
}

void enter(const std::shared_ptr<Recording>& list, bool captures) {
  list->outer = current;
  list->captures = captures;
  list->begin();
  switch_to(list);
  paused = false;
}

std::shared_ptr<Recording> shared(Recording* list) { return list ? list->shared_from_this() : nullptr; }

}  // namespace

Arena::~Arena() {
  for (const Block& block : blocks_) deallocate(block.data, block.bytes);
}

void* Arena::take(size_t bytes, size_t alignment) {
  for (;; ++block_, used_ = 0) {
    if (block_ == blocks_.size()) {
      const size_t size = std::max(arena_block_bytes, bytes);
      blocks_.push_back({static_cast<std::byte*>(allocate(size)), size});
    }
    const size_t begin = (used_ + alignment - 1) / alignment * alignment;
    if (begin + bytes <= blocks_[block_].bytes) {
      used_ = begin + bytes;
      return blocks_[block_].data + begin;
    }
  }
}

void Node::release() {
  for (uint32_t i = 0; i < saved_count; ++i) saved[i].tensor = Tensor();
  if (rules->release) rules->release(op);
  released = true;
}

Recording* current_recording() { return current; }
bool recording_paused() { return paused; }
void pause_recording(bool pause) { paused = pause; }
bool recording() { return current != nullptr && !paused && current->depth > 0; }

void Recording::begin() { uid = last_uid.fetch_add(1, std::memory_order_relaxed) + 1; }

void Recording::clear() {
  for (size_t i = nodes.size(); i-- > 0;) {
    Node& node = *nodes[i];
    for (uint32_t k = 0; k < node.saved_count; ++k) node.saved[k].~SavedValue();
    if (node.rules->destroy) node.rules->destroy(node.op);
  }
  nodes.clear();
  producer.clear();
  leaves.clear();
  leaf_slots.clear();
  hooks.clear();
  scopes.clear();
  scope_generation = 0;
  arena.reset();
  uid = 0;
}

// A leaf's mark holds ~slot (negative), a result's holds the slot.
int32_t Recording::leaf_slot(const Tensor& tensor) {
  const auto [entry, is_new] = leaf_slots.try_emplace(tensor.impl(), static_cast<int32_t>(producer.size()));
  if (is_new) {
    producer.push_back(-1);
    leaves.push_back({entry->second, tensor});
  }
  // A result of an outer list keeps its mark, and is found in the map.
  std::atomic<TapeMark>& mark = tensor.impl()->mark;
  if (tensor.requires_grad() || mark.load(std::memory_order_relaxed).slot < 0)
    mark.store({uid, ~entry->second}, std::memory_order_relaxed);
  return entry->second;
}

bool Recording::tracks(const Tensor& tensor) const {
  if (tensor.requires_grad()) return true;
  const TapeMark mark = tensor.impl()->mark.load(std::memory_order_relaxed);
  return (uid != 0 && mark.tape == uid) || leaf_slots.contains(tensor.impl()) ||
         (outer && outer->tracks(tensor));
}

int32_t Recording::slot_of(const Tensor& tensor, std::string_view op, size_t index) {
  const TensorImpl& impl = *tensor.impl();
  const TapeMark mark = impl.mark.load(std::memory_order_relaxed);
  if (mark.tape == uid) return mark.slot < 0 ? ~mark.slot : mark.slot;
  if (impl.requires_grad) return leaf_slot(tensor);
  if (mark.tape == 0) return -1;
  if (mark.slot < 0 || outer) {  // watched elsewhere, or a result of a list around this one; here too?
    const auto found = leaf_slots.find(&impl);
    if (found != leaf_slots.end()) return found->second;
    const bool known = outer && outer->tracks(tensor);
    if (known && captures) return leaf_slot(tensor);
    if (known || mark.slot < 0) return -1;
  }
  fail(
      "[{}] input {}, {}, was recorded on another tape, which has ended or is another thread's: its gradient "
      "would be lost; detach() it, or the state that holds it, to use its value",
      {text(op), text(index), text(tensor)});
}

int32_t Recording::scope() {
  if (!innermost_scope) return -1;
  if (scope_generation != scope_changes) {
    scopes.push_back(detail::scope_path());
    scope_generation = scope_changes;
  }
  return static_cast<int32_t>(scopes.size()) - 1;
}

std::string_view Recording::scope_path(const Node& node) const {
  return node.scope < 0 ? std::string_view() : scopes[static_cast<size_t>(node.scope)];
}

std::string scope_path() {
  std::string path;
  for (const Scope* scope = innermost_scope; scope; scope = scope->outer())
    path = path.empty() ? scope->label() : scope->label() + "/" + path;
  return path;
}

namespace {

/// A new node at the end of the list, into which `op` moves; nothing is saved yet.
Node& append_node(Recording& list, const OpRules& rules, void* op, NodeInput* inputs, size_t input_count,
                  std::span<Tensor> outputs) {
  auto* node = new (list.arena.take(sizeof(Node), alignof(Node))) Node;
  node->rules = &rules;
  node->op = list.arena.take(rules.size, rules.alignment);
  node->inputs = inputs;
  node->input_count = static_cast<uint32_t>(input_count);
  node->output_count = static_cast<uint32_t>(outputs.size());
  node->scope = list.scope();
  node->first_output = static_cast<int32_t>(list.producer.size());
  node->released = false;
  node->outputs = list.arena.take_array<NodeOutput>(outputs.size());
  node->saved_count = 0;
  for (size_t i = 0; i < outputs.size(); ++i) {
    new (&node->outputs[i]) NodeOutput{outputs[i].dtype(), outputs[i].shape()};
    list.producer.push_back(static_cast<int32_t>(list.nodes.size()));
  }
  rules.move(node->op, op);
  list.nodes.push_back(node);
  return *node;
}

}  // namespace

void record(const OpRules& rules, void* op, Inputs inputs, std::span<Tensor> outputs) {
  Recording& list = *current;
  uint32_t tracked = 0;
  auto* node_inputs = list.arena.take_array<NodeInput>(inputs.size());
  bool any = false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& input = inputs[i];
    const int32_t slot = list.slot_of(input, rules.name, i);
    new (&node_inputs[i]) NodeInput{slot, input.dtype(), input.shape()};
    if (slot < 0) continue;
    any = true;
    if (i < 32) tracked |= 1U << i;
  }
  if (!any) return;

  Node& node = append_node(list, rules, op, node_inputs, inputs.size(), outputs);
  const Saves saves = rules.saves(node.op, tracked);
  if (saves.any()) {
    node.saved = list.arena.take_array<SavedValue>(inputs.size() + outputs.size());
    const auto save = [&](const Tensor& tensor, size_t which) {
      new (&node.saved[node.saved_count++]) SavedValue{tensor, tensor.version(), static_cast<uint8_t>(which)};
    };
    for (size_t i = 0; i < inputs.size(); ++i)
      if (saves.has_input(i)) save(inputs[i], i);
    for (size_t i = 0; i < outputs.size(); ++i)
      if (saves.has_output(i)) save(outputs[i], i | SavedValue::output_bit);
  }
  for (size_t i = 0; i < outputs.size(); ++i)
    if (is_floating(outputs[i].dtype()))  // indices and conditions have no gradient
      outputs[i].impl()->mark.store({list.uid, node.first_output + static_cast<int32_t>(i)},
                                    std::memory_order_relaxed);
}

Capture::Capture() : list_(std::make_shared<Recording>()), before_(shared(current)), paused_before_(paused) {
  stop_trace("opens a checkpoint");
  enter(list_, true);
  ++list_->depth;
}

Capture::~Capture() {
  switch_to(before_);
  paused = paused_before_;
  list_->depth = 0;
  list_->clear();
}

namespace {

/// A tensor's place in a trace. One that shares its memory with what the trace knows, but came to be past the ops
/// (detach() is such), would be taken for a constant, and has no values.
int32_t traced_slot(Recording& list, const Tensor& tensor) {
  const TapeMark mark = tensor.impl()->mark.load(std::memory_order_relaxed);
  if (mark.tape == list.uid && mark.slot >= 0) return mark.slot;
  if (!list.leaf_slots.contains(tensor.impl()))
    for (const Tensor& empty_one : list.traced)
      if (empty_one.impl()->storage.get() == tensor.impl()->storage.get())
        stop_trace("uses a value past the ops, by detach() say");
  return list.leaf_slot(tensor);
}

}  // namespace

Trace::Trace() : list_(std::make_shared<Recording>()), before_(tracing) {
  list_->begin();
  tracing = list_.get();
  paused_before_tracing = paused;
  op_flags |= flag_tracing;
}

Trace::~Trace() {
  tracing = before_;
  if (!tracing) op_flags &= static_cast<uint8_t>(~flag_tracing);
}

int32_t Trace::give(const Tensor& tensor) {
  list_->traced.push_back(tensor);
  return list_->leaf_slot(tensor);
}

int32_t Trace::slot(const Tensor& tensor) {
  if (!tensor.defined()) throw TraceStop{"an undefined tensor is used"};
  return traced_slot(*list_, tensor);
}

void Trace::check_whole() const {
  if (!list_->stopped.empty()) throw TraceStop{list_->stopped};
}

void stop_trace(std::string_view reason) {
  if (!tracing) return;
  tracing->stopped = std::string(reason);
  throw TraceStop{tracing->stopped};
}

void trace_op(const OpRules& rules, void* op, Inputs inputs, std::span<Tensor> outputs) {
  Recording& list = *tracing;
  if (paused != paused_before_tracing) stop_trace("stops recording for a part of the step");
  auto* node_inputs = list.arena.take_array<NodeInput>(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const int32_t slot = traced_slot(list, inputs[i]);
    new (&node_inputs[i]) NodeInput{slot, inputs[i].dtype(), inputs[i].shape()};
  }
  append_node(list, rules, op, node_inputs, inputs.size(), outputs);
  for (const Tensor& output : outputs) {
    bool is_view = false;
    for (size_t i = 0; i < inputs.size(); ++i)
      is_view = is_view || inputs[i].impl()->storage.get() == output.impl()->storage.get();
    if (!is_view) list.traced.push_back(output);
  }
  for (size_t i = 0; i < outputs.size(); ++i)
    outputs[i].impl()->mark.store({list.uid, list.nodes.back()->first_output + static_cast<int32_t>(i)},
                                  std::memory_order_relaxed);
}

size_t saved_bytes(const Recording& list, size_t start, std::span<const Tensor> others) {
  std::unordered_map<const Storage*, size_t> blocks;
  for (size_t i = start; i < list.nodes.size(); ++i)
    for (uint32_t k = 0; k < list.nodes[i]->saved_count; ++k) {
      const Storage* block = list.nodes[i]->saved[k].tensor.impl()->storage.get();
      blocks[block] = block->bytes;
    }
  for (const auto& leaf : list.leaves) blocks.erase(leaf.tensor.impl()->storage.get());
  for (const Tensor& other : others) blocks.erase(other.impl()->storage.get());
  return std::accumulate(blocks.begin(), blocks.end(), size_t{0},
                         [](size_t sum, const auto& block) { return sum + block.second; });
}

bool is_recorded_result(const Tensor& tensor) {
  if (!tensor.defined()) fail_undefined();
  const TapeMark mark = tensor.impl()->mark.load(std::memory_order_relaxed);
  return current && mark.tape == current->uid && mark.slot >= 0;
}

bool is_tracked(const Tensor& tensor, std::string_view op) {
  return recording() && current->slot_of(tensor, op, 0) >= 0;
}

}  // namespace detail

Tape::Tape() {
  using detail::current;
  detail::stop_trace("opens a tape");
  if (current && current->depth == 0) detail::switch_to(nullptr);
  if (current && !detail::paused) {
    recording_ = detail::shared(current);
  } else if (current) {  // inside NoTape: on a list of its own, for which values around it are constants
    recording_ = std::make_shared<detail::Recording>();
    detail::enter(recording_, false);
    pauses_ = true;
  } else {  // the thread's first tape, or its last one has ended elsewhere
    recording_ = detail::thread_recording();
    pauses_ = detail::paused;
    detail::enter(recording_, false);
  }
  start_ = recording_->nodes.size();
  ++recording_->depth;
}

Tape::~Tape() {
  if (--recording_->depth > 0) return;
  if (detail::current == recording_.get()) {
    detail::switch_to(detail::shared(recording_->outer));
    detail::paused = pauses_;
  }
  recording_->clear();
}

detail::Recording& Tape::open(const char* caller) const {
  check(detail::current == recording_.get(),
        "[{}] the tape belongs to another thread, or to what lies around a checkpoint or NoTape", caller);
  return *recording_;
}

size_t Tape::size() const { return recording_->nodes.size() - start_; }

void Tape::watch(const Tensor& x) {
  check(is_floating(x.dtype()), "[watch] only floating dtypes have gradients; the tensor is {}", x);
  detail::Recording& list = open("watch");
  if (detail::is_recorded_result(x)) return;
  const detail::TapeMark mark = x.impl()->mark.load(std::memory_order_relaxed);
  check(mark.tape == 0 || mark.slot < 0 || x.requires_grad() || list.tracks(x),
        "[watch] the tensor {} was recorded on another tape, which has ended or is another thread's; "
        "detach() it",
        x);
  list.leaf_slot(x);
}

Scope::Scope(std::string_view label) : label_(label), outer_(detail::innermost_scope) {
  detail::innermost_scope = this;
  ++detail::scope_changes;
}

Scope::~Scope() {
  detail::innermost_scope = outer_;
  ++detail::scope_changes;
}

NoTape::NoTape() : before_(detail::recording_paused()) { detail::pause_recording(true); }
NoTape::~NoTape() { detail::pause_recording(before_); }

}  // namespace reel
