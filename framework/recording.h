// What a tape writes: nodes in one flat list, kept in an arena. Internal.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <reel/framework/memory.h>
#include <reel/framework/op.h>
#include <reel/framework/tape.h>
#include <reel/framework/tensor.h>

namespace reel::detail {

/// Bump allocation; everything goes at once, and the blocks are used again.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();
  void* take(size_t bytes, size_t alignment);
  template <class T> T* take_array(size_t count) {
    return static_cast<T*>(take(count * sizeof(T), alignof(T)));
  }
  void reset() { block_ = used_ = 0; }

 private:
  struct Block {
    std::byte* data;
    size_t bytes;
  };
  std::vector<Block> blocks_;
  size_t block_ = 0;
  size_t used_ = 0;
};

struct NodeInput {
  int32_t slot;  // -1: not tracked
  DType dtype;
  Shape shape;
};

struct NodeOutput {
  DType dtype;
  Shape shape;
};

struct SavedValue {
  static constexpr uint8_t output_bit = 0x80;
  Tensor tensor;
  uint32_t version;
  uint8_t which;  // index of the input, or of the output with output_bit
};

/// One op that ran.
struct Node {
  const OpRules* rules;
  void* op;
  NodeInput* inputs;
  NodeOutput* outputs;
  SavedValue* saved;
  uint32_t input_count;
  uint32_t output_count;
  uint32_t saved_count;
  int32_t first_output;  // slots of the outputs are consecutive
  int32_t scope;         // index in the recording's scopes, -1 outside of any
  bool released;         // backward has freed what was saved

  void release();
};

/// The list of a thread's outermost tape, of a tape inside NoTape, or of a Capture.
struct Recording : std::enable_shared_from_this<Recording> {
  uint32_t uid = 0;  // unique among all recordings of the process
  size_t depth = 0;  // open tapes
  Arena arena;
  std::vector<Node*> nodes;
  std::vector<int32_t> producer;  // by slot: index of the node, -1 for a leaf
  struct Leaf {
    int32_t slot;
    Tensor tensor;
  };
  std::vector<Leaf> leaves;
  std::unordered_map<const TensorImpl*, int32_t, std::hash<const TensorImpl*>, std::equal_to<>,
                     BlockAllocator<std::pair<const TensorImpl* const, int32_t>>>
      leaf_slots;
  struct Hook {
    int32_t slot;
    std::shared_ptr<GradientHook> hook;
  };
  std::vector<Hook> hooks;
  std::vector<std::string> scopes;  // label paths, in the order in which they came up
  uint64_t scope_generation = 0;    // state of the thread's scopes that scopes.back() tells
  Recording* outer = nullptr;       // the list around this one; its tensors are constants here, or leaves:
  std::string stopped;              // why a trace has ended before its step has
  std::vector<Tensor> traced;       // in a trace, what has memory and no values
  bool captures = false;            // a tensor that is tracked around this list becomes a leaf by being used

  Recording() = default;
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording() { clear(); }

  void begin();
  void clear();  // iteratively, latest first
  /// Slot of a tensor: -1 if it is neither on this list nor wants a gradient. Throws, naming `op`, on one
  /// that another tape recorded.
  int32_t slot_of(const Tensor& tensor, std::string_view op, size_t index);
  int32_t leaf_slot(const Tensor& tensor);
  /// Whether the tensor is a result or a leaf here or on a list around this one.
  bool tracks(const Tensor& tensor) const;
  int32_t scope();
  std::string_view scope_path(const Node& node) const;
};

/// Says, in its scope, whose vjp runs.
class WalkedNode {
 public:
  WalkedNode(const Recording& list, const Node& node);
  ~WalkedNode();
  WalkedNode(const WalkedNode&) = delete;
  WalkedNode& operator=(const WalkedNode&) = delete;

 private:
  const Node* before_;
  const Recording* list_before_;
};

/// Throws where a gradient that a vjp has given is not finite; only in anomaly mode.
void check_gradient(const Tensor& gradient, size_t input);

/// The labels of the scopes that the thread is in, "encoder/attention"; empty outside of any.
std::string scope_path();

/// In its scope ops are recorded in a list of their own, even where recording is paused. What is tracked
/// outside and used inside becomes a leaf of that list, in the order of first use.
class Capture {
 public:
  Capture();
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  Recording& list() { return *list_; }

 private:
  std::shared_ptr<Recording> list_;
  std::shared_ptr<Recording> before_;
  bool paused_before_;
};

/// Rows that belong to the gradient of a leaf.
struct SparsePart {
  int32_t slot;
  Tensor rows, values;
};

/// Gradients of the sum over i of <ys[i], seeds[i]> by slot, for the `wanted` slots at least; where
/// `recorded`, they are themselves on the list. With `rows`, those of leaves may come as rows there instead.
Scratch<Tensor> walk_back(Recording& list, size_t start, const char* caller, std::span<const Tensor> ys,
                          std::span<const Tensor> seeds, std::span<const int32_t> wanted,
                          const BackwardOptions& options, Scratch<SparsePart>* rows = nullptr);
/// Bytes of the memory that nodes from `start` on have saved, each block once; without that of leaves and of
/// `others`, which is there anyway.
size_t saved_bytes(const Recording& list, size_t start, std::span<const Tensor> others);

/// This thread's list while a tape is open, else null.
Recording* current_recording();
/// True in the scope of NoTape, and in a backward pass that is not recorded.
bool recording_paused();
void pause_recording(bool pause);

/// The state of one backward pass.
struct BackwardRun {
  Recording& recording;
  Scratch<Tensor> gradients;  // by slot
  Scratch<uint8_t> needed;    // by slot
  bool recorded;
  Scratch<SparsePart>* rows = nullptr;  // where rows of leaves' gradients may go instead

  void add(int32_t slot, Tensor gradient);
};

/// a + b of one shape and dtype. Recorded where a tape is open: the one addition that the tape itself needs.
Tensor accumulate(const Tensor& a, const Tensor& b);
/// a += b, contiguous.
void accumulate_in_place(Tensor& a, const Tensor& b);
/// Whether nobody but the holder sees the tensor's memory.
bool owns_memory_alone(const Tensor& tensor);

}  // namespace reel::detail
