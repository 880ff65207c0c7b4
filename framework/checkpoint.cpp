#include "framework/checkpoint.h"

#include "framework/random.h"
#include "framework/recording.h"

namespace reel::detail {
namespace {

/// ys = f(xs), where input i is the i-th tracked tensor that f reads
struct Checkpoint {
  static constexpr std::string_view name = "checkpoint";

  std::shared_ptr<KeptFunction> function;
  TensorList arguments;
  std::vector<uint32_t> versions;  // of the arguments
  std::vector<RandomJournal::Entry> streams;

  Saves saves(uint32_t) const { return {}; }  // what f reads is held by `inputs`, of which there may be many

  TensorList inputs;
  std::vector<uint32_t> input_versions;

  void vjp(Backward& b) const {
    check_unchanged(arguments, versions);
    check_unchanged(inputs, input_versions);
    TensorList given;
    for (size_t i = 0; i < b.output_count(); ++i) given.push_back(b.has_grad(i) ? b.grad(i) : Tensor());
    const TensorList gradients = b.recorded() ? recorded_gradients(given) : gradients_again(given);
    for (size_t i = 0; i < inputs.size(); ++i)
      if (gradients[i].defined()) b.set(i, gradients[i]);
  }

 private:
  static void check_unchanged(const TensorList& tensors, const std::vector<uint32_t>& at) {
    for (size_t i = 0; i < tensors.size(); ++i)
      check(tensors[i].version() == at[i],
            "[checkpoint] {}, which the function reads, has been changed in place since, last by [{}]; it "
            "cannot be run again",
            tensors[i], tensors[i].impl()->storage->last_change);
  }

  TensorList run_again() const {
    const RandomJournal replay(streams);
    return function->call(arguments);
  }

  /// Results with a gradient from above, and these.
  static std::pair<TensorList, TensorList> pairs(const TensorList& ys, const TensorList& given,
                                                 Recording& list) {
    check(ys.size() == given.size(),
          "[checkpoint] the function returned {} tensors the first time and {} now", given.size(), ys.size());
    std::pair<TensorList, TensorList> result;
    for (size_t i = 0; i < ys.size(); ++i) {
      if (!given[i].defined() || list.slot_of(ys[i], name, i) < 0) continue;
      check(ys[i].shape() == given[i].shape() && ys[i].dtype() == given[i].dtype(),
            "[checkpoint] result {} was {} the first time and is {} now", i, given[i], ys[i]);
      result.first.push_back(ys[i]);
      result.second.push_back(given[i]);
    }
    return result;
  }

  TensorList gradients_again(const TensorList& given) const {
    Capture capture;
    Recording& list = capture.list();
    const TensorList all = run_again();
    const auto [ys, seeds] = pairs(all, given, list);
    std::vector<int32_t> wanted;
    for (const Tensor& input : inputs) wanted.push_back(list.leaf_slot(input));
    check(list.leaves.size() == inputs.size(),
          "[checkpoint] the function reads other tracked tensors than the first time: {} instead of {}",
          list.leaves.size(), inputs.size());
    const Scratch<Tensor> by_slot = walk_back(list, 0, "checkpoint", ys, seeds, wanted, {});
    TensorList result;
    for (int32_t slot : wanted) result.push_back(by_slot[static_cast<size_t>(slot)]);
    return result;
  }

  TensorList recorded_gradients(const TensorList& given) const {
    Tape tape;
    const TensorList all = run_again();
    const auto [ys, seeds] = pairs(all, given, *current_recording());
    return tape.gradient(ys, seeds, inputs, {.create_graph = true});
  }
};

}  // namespace

TensorList run_checkpoint(std::shared_ptr<KeptFunction> f, const TensorList& inputs) {
  if (!recording()) return f->call(inputs);
  Checkpoint op{std::move(f), inputs, {}, {}, {}, {}};
  TensorList outputs;
  {
    RandomJournal journal;
    Capture capture;
    outputs = op.function->call(inputs);
    op.streams = journal.take();
    for (const auto& leaf : capture.list().leaves) op.inputs.push_back(leaf.tensor);
    // Handles of their own: the function's own ones lead to the list that ends here.
    for (Tensor& output : outputs) output = view(output, output.shape(), output.strides());
  }
  for (const Tensor& input : inputs) op.versions.push_back(input.version());
  for (const Tensor& input : op.inputs) op.input_versions.push_back(input.version());
  if (op.inputs.empty()) return outputs;
  std::vector<const Tensor*> pointers;
  for (const Tensor& input : op.inputs) pointers.push_back(&input);
  record(rules_of<Checkpoint>, &op, Inputs(pointers), outputs);
  return outputs;
}

}  // namespace reel::detail
