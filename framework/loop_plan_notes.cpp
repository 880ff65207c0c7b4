// A plan in words and numbers.
#include <algorithm>

#include "framework/loop_planner.h"

namespace reel::detail {

std::string Planner::describe(size_t node) const {
  const Node& n = *list_.nodes[node];
  const Dependence depends_on = depends(n.first_output);
  if (depends_on == Dependence::fixed)
    return "out of the loop: once per sequence, as it depends on parameters alone";
  if (depends_on == Dependence::input)
    return "out of the loop: once for all steps, as it depends on the inputs and not on the state";
  std::string result;
  const auto made = product_of_.find(static_cast<int32_t>(node));
  if (made != product_of_.end()) {
    const Product& p = products_[static_cast<size_t>(made->second.first)];
    result = format("product of {} rows, {} x {}, before the pass of stage {}",
                    {text(rows_), text(p.inner), text(n.outputs[0].shape[1]), text(p.level)});
    if (p.parts.size() > 1)
      result +=
          format(", one of {} joined to {} x {}", {text(p.parts.size()), text(p.inner), text(p.columns)});
    result += format("; {} flop a step", {text(2 * rows_ * p.inner * n.outputs[0].shape[1])});
  }
  std::set<int32_t> stages;
  int64_t pieces = 0;
  for (const auto& [key, place] : value_of_) {
    if (std::get<0>(key) != static_cast<int32_t>(node)) continue;
    const Value& v = values_[static_cast<size_t>(place.index)];
    if (v.stage < 0) continue;
    stages.insert(v.stage);
    ++pieces;
  }
  for (int32_t stage : stages)
    result += format("{}fused into the pass of stage {}", {result.empty() ? "" : "; ", text(stage)});
  if (pieces > 1) result += format(", as {} parts", {text(pieces)});
  if (!result.empty()) return result;
  const auto& known = node_roles_[node];
  return known && known->kind == LoopRole::Kind::columns ? "no work: columns are read where they lie"
                                                         : "nothing needs it";
}

void Planner::take_notes() {
  for (size_t i = 0; i < list_.nodes.size(); ++i) {
    const Node& n = *list_.nodes[i];
    plan_->notes += format("{} {}: {}\n", {text(n.rules->name), text(n.outputs[0].shape), describe(i)});
  }
  take_counts();
}

namespace {

/// 1234567 as "1.23 M".
std::string millions(int64_t count) {
  const std::string digits = std::to_string((count + 5000) / 10000);
  const std::string padded = std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits;
  return padded.substr(0, padded.size() - 2) + "." + padded.substr(padded.size() - 2) + " M";
}

}  // namespace

/// Numbers of a step, where each multiplication and each addition is one operation, and each formula one on every
/// element.
void Planner::take_counts() {
  const auto item = static_cast<int64_t>(item_size(dtype_));
  int64_t products = 0, product_bytes = 0, back = 0, back_bytes = 0, weights = 0;
  for (size_t i = 0; i < products_.size(); ++i) {
    const Product& p = products_[i];
    const int64_t work = 2 * rows_ * p.inner * p.columns;
    const int64_t bytes = (p.inner * p.columns + rows_ * (p.inner + p.columns)) * item;
    products += work;
    product_bytes += bytes;
    if (!plan_->training || out_gradient_[i] < 0) continue;
    weights += work;
    if (left_gradient_[i] >= 0) back += work, back_bytes += bytes;
  }
  int64_t elements[2] = {0, 0}, element_bytes[2] = {0, 0};
  const auto count = [&](const TilePass& pass, size_t way) {
    for (const TileOp& op : pass.ops) {
      int64_t accesses = op.out.scratch ? 0 : 1;
      for (uint32_t k = 0; k < op.count; ++k) accesses += op.in[k].scratch ? 0 : 1;
      elements[way] += rows_ * pass.width;
      element_bytes[way] += accesses * rows_ * pass.width * item;
    }
  };
  for (const LoopStage& stage : plan_->stages) {
    for (const TilePass& pass : stage.forward) count(pass, 0);
    for (const TilePass& pass : stage.backward) count(pass, 1);
  }
  int64_t outside = 0;
  for (size_t i = 0; i < list_.nodes.size(); ++i) {
    const Node& n = *list_.nodes[i];
    if (depends(n.first_output) != Dependence::input) continue;
    const bool product = role(static_cast<int32_t>(i)).kind == LoopRole::Kind::product;
    outside += n.outputs[0].shape.numel() * (product ? 2 * n.inputs[0].shape.back() : 1);
  }
  plan_->notes += format(
      "for a step of {} rows, in the loop: {}flop in products, {} in formulas, {}B read and written\n",
      {text(rows_), millions(products), millions(elements[0]), millions(product_bytes + element_bytes[0])});
  plan_->notes += format("out of the loop, for all steps at once: {}flop a step\n", {millions(outside)});
  if (!plan_->training) return;
  plan_->notes += format("back, in the loop: {}flop in products, {} in formulas, {}B read and written\n",
                         {millions(back), millions(elements[1]), millions(back_bytes + element_bytes[1])});
  plan_->notes +=
      format("back, out of the loop: {}flop a step, for the gradients of weights\n", {millions(weights)});
}

}  // namespace reel::detail
