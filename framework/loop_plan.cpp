#include "framework/loop_plan.h"

#include <algorithm>

#include "framework/loop_planner.h"

namespace reel::detail {
namespace {

[[noreturn]] void give_up(std::string_view message, std::initializer_list<std::string> args) {
  throw Unplannable{format(message, args)};
}

}  // namespace

std::unique_ptr<LoopPlan> Planner::run() {
  rows_ = shape(step_.x)[0];
  dtype_ = dtype(step_.x);
  plan_->dtype = dtype_;
  if (!is_floating(dtype_)) give_up("the input is {}", {text(dtype_)});
  for (int32_t slot : step_.states) {
    if (shape(slot).rank() != 2 || shape(slot)[0] != rows_ || dtype(slot) != dtype_)
      give_up("a state of shape {}, where [N, H] of the input's dtype can be planned", {text(shape(slot))});
    plan_->states.push_back(add_buffer({LoopBuffer::Kind::states, shape(slot)[1]}));
  }
  node_roles_.resize(list_.nodes.size());
  resolve_roots();
  assign_stages();
  find_needs();
  place_values();
  emit_forward();
  if (plan_->training) emit_backward();
  take_notes();
  fill_products();
  return std::move(plan_);
}

const Shape& Planner::shape(int32_t slot) const {
  const int32_t made_by = list_.producer[static_cast<size_t>(slot)];
  if (made_by < 0) return leaf(slot).shape();
  const Node& node = *list_.nodes[static_cast<size_t>(made_by)];
  return node.outputs[slot - node.first_output].shape;
}

DType Planner::dtype(int32_t slot) const {
  const int32_t made_by = list_.producer[static_cast<size_t>(slot)];
  if (made_by < 0) return leaf(slot).dtype();
  const Node& node = *list_.nodes[static_cast<size_t>(made_by)];
  return node.outputs[slot - node.first_output].dtype;
}

const Tensor& Planner::leaf(int32_t slot) const {
  for (const auto& entry : list_.leaves)
    if (entry.slot == slot) return entry.tensor;
  fail("[scan] slot {} of the trace is no leaf", {text(slot)});
}

int64_t Planner::width(int32_t slot) const { return shape(slot).rank() == 0 ? 1 : shape(slot).back(); }

Dependence Planner::depends(int32_t slot) const { return plan_->dependence[static_cast<size_t>(slot)]; }

const LoopRole& Planner::role(int32_t node) {
  auto& known = node_roles_[static_cast<size_t>(node)];
  if (!known) {
    const Node& n = *list_.nodes[static_cast<size_t>(node)];
    known = std::make_unique<LoopRole>(n.rules->loop ? n.rules->loop(n.op) : LoopRole{});
  }
  return *known;
}

int32_t Planner::add_buffer(LoopBuffer buffer) {
  plan_->buffers.push_back(buffer);
  return static_cast<int32_t>(plan_->buffers.size()) - 1;
}

Place Planner::given(int32_t slot, int64_t column, int64_t full) {
  const bool is_input = depends(slot) == Dependence::input;
  auto& operands = is_input ? plan_->inputs : plan_->fixed;
  const auto kind = is_input ? Place::Kind::input : Place::Kind::fixed;
  for (size_t i = 0; i < operands.size(); ++i)
    if (operands[i].slot == slot && operands[i].width == full) return {kind, static_cast<int32_t>(i), column};
  if (dtype(slot) != dtype_) give_up("an operand of dtype {} beside {}", {text(dtype(slot)), text(dtype_)});
  const Shape& s = shape(slot);
  if (s.rank() > 2 || (s.rank() == 2 && s[0] != rows_ && s[0] != 1) ||
      (width(slot) != full && width(slot) != 1))
    give_up("an operand of shape {} beside rows of {}", {text(s), text(full)});
  const bool one_row = s.rank() < 2 || s[0] == 1;
  const auto form = is_input  ? LoopBuffer::Kind::input
                    : one_row ? LoopBuffer::Kind::row
                              : LoopBuffer::Kind::matrix;
  LoopOperand operand;
  operand.slot = slot;
  operand.width = full;
  operand.buffer = add_buffer({form, full});
  operands.push_back(operand);
  return {kind, static_cast<int32_t>(operands.size()) - 1, column};
}

Place Planner::resolve(int32_t slot, int64_t column, int64_t count, int64_t full) {
  if (depends(slot) != Dependence::state) return given(slot, column, full);
  const Shape& s = shape(slot);
  if (s.rank() != 2 || s[0] != rows_ || dtype(slot) != dtype_)
    give_up("a value of shape {} that depends on the state, where [N, ...] can be planned", {text(s)});
  if (s[1] != full) give_up("a value of {} columns broadcast to {}", {text(s[1]), text(full)});
  for (size_t j = 0; j < step_.states.size(); ++j)
    if (step_.states[j] == slot) return {Place::Kind::state, static_cast<int32_t>(j), column};
  const int32_t made_by = list_.producer[static_cast<size_t>(slot)];
  const Node& node = *list_.nodes[static_cast<size_t>(made_by)];
  const LoopRole& r = role(made_by);
  switch (r.kind) {
    case LoopRole::Kind::elementwise:
      return elementwise(made_by, node, r.elementwise, column, count);
    case LoopRole::Kind::columns:
      if (r.columns.axis != 1) give_up("[{}] takes rows apart", {text(node.rules->name)});
      return resolve(node.inputs[0].slot, column + r.columns.start, count, width(node.inputs[0].slot));
    case LoopRole::Kind::product:
      return product(made_by, node, r.product, column, count);
    case LoopRole::Kind::opaque:
      break;
  }
  give_up("[{}] depends on the state and does not say how it works in a loop", {text(node.rules->name)});
}

Place Planner::add_value(Value value) {
  for (const Place& arg : value.args) value.earliest = std::max(value.earliest, available(arg));
  values_.push_back(std::move(value));
  return {Place::Kind::value, static_cast<int32_t>(values_.size()) - 1, 0};
}

int32_t Planner::available(const Place& place) const {
  if (place.kind == Place::Kind::value) return values_[static_cast<size_t>(place.index)].earliest;
  if (place.kind == Place::Kind::product) return products_[static_cast<size_t>(place.index)].level;
  return 0;
}

Place Planner::elementwise(int32_t index, const Node& node, const ElementwiseRole& r, int64_t column,
                           int64_t count) {
  const auto key = std::tuple(index, column, count);
  const auto known = value_of_.find(key);
  if (known != value_of_.end()) return known->second;
  Value value;
  value.role = r;
  value.width = count;
  const int64_t full = node.outputs[0].shape[1];
  for (uint32_t k = 0; k < node.input_count; ++k)
    value.args.push_back(resolve(node.inputs[k].slot, column, count, full));
  return value_of_[key] = add_value(std::move(value));
}

Place Planner::copy_of(const Place& place, int64_t count) {
  Value value;
  value.role = copy_role();
  value.width = count;
  value.args = {place};
  return add_value(std::move(value));
}

Place Planner::product(int32_t index, const Node& node, const ProductRole& r, int64_t column, int64_t count) {
  if (node.input_count > 2) {  // the bias is added by an elementwise pass
    const auto key = std::tuple(index, column, count);
    const auto known = value_of_.find(key);
    if (known != value_of_.end()) return known->second;
    const int64_t full = node.outputs[0].shape[1];
    Value value;
    value.role = r.add;
    value.width = count;
    value.args = {plain_product(index, node, r, column), resolve(node.inputs[2].slot, column, count, full)};
    return value_of_[key] = add_value(std::move(value));
  }
  return plain_product(index, node, r, column);
}

Place Planner::plain_product(int32_t index, const Node& node, const ProductRole& r, int64_t column) {
  const auto known = product_of_.find(index);
  if (known != product_of_.end())
    return {Place::Kind::product, known->second.first, known->second.second + column};
  const int32_t a = node.inputs[0].slot, b = node.inputs[1].slot;
  if (r.transpose_a || depends(a) != Dependence::state || depends(b) != Dependence::fixed)
    give_up("[{}] of {} and {}, where rows that depend on the state times a fixed matrix can be planned",
            {text(node.rules->name), text(node.inputs[0].shape), text(node.inputs[1].shape)});
  const int64_t inner = shape(a)[1];
  Place left = resolve(a, 0, inner, inner);
  const bool whole_state = left.kind == Place::Kind::state && left.column == 0 &&
                           shape(step_.states[static_cast<size_t>(left.index)])[1] == inner;
  if (left.kind != Place::Kind::value && !whole_state) left = copy_of(left, inner);
  int32_t at = -1;
  for (size_t i = 0; i < products_.size(); ++i)
    if (products_[i].left == left) at = static_cast<int32_t>(i);
  if (at < 0) {
    at = static_cast<int32_t>(products_.size());
    products_.push_back(
        {left, inner, left.kind == Place::Kind::value ? available(left) + 1 : 0, false, {}, 0, &r});
  }
  Product& joined = products_[static_cast<size_t>(at)];
  LoopOperand weight;
  weight.slot = b;
  plan_->weights.push_back(weight);
  const int64_t columns = node.outputs[0].shape[1];
  joined.parts.push_back(
      {static_cast<int32_t>(plan_->weights.size()) - 1, joined.columns, columns, r.transpose_b});
  product_of_[index] = {at, joined.columns};
  joined.columns += columns;
  return {Place::Kind::product, at, product_of_[index].second + column};
}

void Planner::resolve_roots() {
  for (size_t j = 0; j < step_.next.size(); ++j) {
    const int64_t count = shape(step_.states[j])[1];
    Place place = resolve_next(step_.next[j], count);
    if (place.kind != Place::Kind::value || value(place).state >= 0) place = copy_of(place, count);
    value(place).state = static_cast<int32_t>(j);
    value(place).buffer = plan_->states[j];
    value(place).shift = 1;
  }
  const Shape& out = shape(step_.output);
  if (out.rank() != 2 || out[0] != rows_ || dtype(step_.output) != dtype_)
    give_up("an output of shape {}, where [N, ...] can be planned", {text(out)});
  Place place = resolve_next(step_.output, out[1]);
  if (place.kind != Place::Kind::value) place = copy_of(place, out[1]);
  Value& root = value(place);
  root.is_output = true;
  if (root.buffer < 0) root.buffer = add_buffer({LoopBuffer::Kind::steps, out[1]});
  plan_->output = root.buffer;
  plan_->output_shift = root.shift;
}

Place Planner::resolve_next(int32_t slot, int64_t count) { return resolve(slot, 0, count, count); }

Value& Planner::value(const Place& place) { return values_[static_cast<size_t>(place.index)]; }

void Planner::assign_stages() {
  int32_t last = 0;
  for (const Value& v : values_) last = std::max(last, v.earliest);
  std::vector<int32_t> latest(values_.size(), -1);
  const auto needed_by = [&](const Place& place, int32_t stage) {
    if (place.kind != Place::Kind::value) return;
    int32_t& at = latest[static_cast<size_t>(place.index)];
    at = at < 0 ? stage : std::min(at, stage);
  };
  std::vector<bool> product_used(products_.size(), false);
  for (size_t i = values_.size(); i-- > 0;) {
    Value& v = values_[i];
    if (v.state >= 0 || v.is_output) needed_by({Place::Kind::value, static_cast<int32_t>(i), 0}, last);
    v.stage = latest[i];
    if (v.stage < 0) continue;
    for (const Place& arg : v.args) {
      needed_by(arg, v.stage);
      if (arg.kind == Place::Kind::product && !product_used[static_cast<size_t>(arg.index)]) {
        product_used[static_cast<size_t>(arg.index)] = true;
        const Product& p = products_[static_cast<size_t>(arg.index)];
        needed_by(p.left, p.level - 1);
      }
    }
  }
  plan_->stages.resize(static_cast<size_t>(last) + 1);
  for (size_t i = 0; i < products_.size(); ++i)
    if (product_used[i])
      plan_->stages[static_cast<size_t>(products_[i].level)].products.push_back(static_cast<int32_t>(i));
}

bool Planner::wanted(int32_t slot) const { return plan_->training && wanted_[static_cast<size_t>(slot)]; }

bool Planner::needs(const Place& place) const {
  switch (place.kind) {
    case Place::Kind::value:
      return values_[static_cast<size_t>(place.index)].needs;
    case Place::Kind::product: {
      const Product& p = products_[static_cast<size_t>(place.index)];
      return needs(p.left) || weights_wanted(p);
    }
    case Place::Kind::input:
      return wanted(plan_->inputs[static_cast<size_t>(place.index)].slot);
    case Place::Kind::fixed:
      return wanted(plan_->fixed[static_cast<size_t>(place.index)].slot);
    case Place::Kind::state:
      return plan_->training;
  }
  return false;
}

bool Planner::weights_wanted(const Product& p) const {
  return std::any_of(p.parts.begin(), p.parts.end(), [&](const LoopProduct::Part& part) {
    return wanted(plan_->weights[static_cast<size_t>(part.weight)].slot);
  });
}

bool Planner::passes(const SlopeRole& slope) { return !slope.constant || slope.value != 0; }

void Planner::find_needs() {
  if (!plan_->training) return;
  for (Value& v : values_)
    for (size_t k = 0; k < v.args.size(); ++k)
      v.needs = v.needs || (v.role.differentiable && passes(v.role.slopes[k]) && needs(v.args[k]));
  for (Value& v : values_) {
    if (!v.needs || v.stage < 0) continue;
    for (size_t k = 0; k < v.args.size(); ++k) {
      const SlopeRole& slope = v.role.slopes[k];
      if (slope.constant || !needs(v.args[k])) continue;
      for (size_t a = 0; a < v.args.size(); ++a)
        if (slope.reads >> a & 1U) keep(v.args[a]);
      if (slope.reads >> v.args.size() & 1U) v.kept = true;
    }
  }
  for (const Product& p : products_)
    if (p.left.kind == Place::Kind::value && weights_wanted(p)) keep(p.left);
}

void Planner::keep(const Place& place) {
  if (place.kind == Place::Kind::value) values_[static_cast<size_t>(place.index)].kept = true;
  if (place.kind == Place::Kind::product) products_[static_cast<size_t>(place.index)].kept = true;
}

void Planner::place_values() {
  std::vector<bool> shared(values_.size(), false);
  for (const Value& v : values_) {
    if (v.stage < 0) continue;
    for (const Place& arg : v.args)
      if (arg.kind == Place::Kind::value) {
        const Value& from = values_[static_cast<size_t>(arg.index)];
        if (from.stage != v.stage || from.width != v.width) shared[static_cast<size_t>(arg.index)] = true;
      }
  }
  for (const Product& p : products_)
    if (p.left.kind == Place::Kind::value) shared[static_cast<size_t>(p.left.index)] = true;
  for (size_t i = 0; i < values_.size(); ++i) {
    Value& v = values_[i];
    if (v.stage < 0 || v.buffer >= 0) continue;
    if (v.kept)
      v.buffer = add_buffer({LoopBuffer::Kind::steps, v.width});
    else if (shared[i])
      v.buffer = add_buffer({LoopBuffer::Kind::one_step, v.width});
  }
  for (Product& p : products_)
    product_out_.push_back(
        add_buffer({p.kept ? LoopBuffer::Kind::steps : LoopBuffer::Kind::one_step, p.columns}));
}

Access Planner::access(const Place& place) const {
  Access result;
  result.column = place.column;
  switch (place.kind) {
    case Place::Kind::value: {
      const Value& v = values_[static_cast<size_t>(place.index)];
      result.buffer = v.buffer < 0 ? place.index : v.buffer;
      result.scratch = v.buffer < 0;
      result.shift = v.shift;
      break;
    }
    case Place::Kind::product:
      result.buffer = product_out_[static_cast<size_t>(place.index)];
      break;
    case Place::Kind::input:
      result.buffer = plan_->inputs[static_cast<size_t>(place.index)].buffer;
      break;
    case Place::Kind::fixed:
      result.buffer = plan_->fixed[static_cast<size_t>(place.index)].buffer;
      break;
    case Place::Kind::state:
      result.buffer = plan_->states[static_cast<size_t>(place.index)];
      break;
  }
  return result;
}

TilePass& Planner::pass_of(std::vector<TilePass>& passes, int64_t columns) {
  for (TilePass& pass : passes)
    if (pass.width == columns) return pass;
  passes.push_back({columns, {}, 0});
  return passes.back();
}

void Planner::emit_forward() {
  for (size_t i = 0; i < values_.size(); ++i) {
    const Value& v = values_[i];
    if (v.stage < 0) continue;
    TileOp op;
    op.kernel = v.role.kernels->value(dtype_);
    op.formula = v.role.formula;
    for (const Place& arg : v.args) op.in[op.count++] = access(arg);
    op.out = access({Place::Kind::value, static_cast<int32_t>(i), 0});
    pass_of(plan_->stages[static_cast<size_t>(v.stage)].forward, v.width).ops.push_back(op);
  }
  for (LoopStage& stage : plan_->stages)
    for (TilePass& pass : stage.forward) finish(pass);
}

std::vector<Dependence> dependences(const StepTrace& trace) {
  const Recording& list = *trace.list;
  std::vector<Dependence> result(list.producer.size(), Dependence::fixed);
  result[static_cast<size_t>(trace.x)] = Dependence::input;
  for (int32_t slot : trace.states) result[static_cast<size_t>(slot)] = Dependence::state;
  for (const Node* node : list.nodes) {
    Dependence most = Dependence::fixed;
    for (uint32_t k = 0; k < node->input_count; ++k)
      most = std::max(most, result[static_cast<size_t>(node->inputs[k].slot)]);
    if (most == Dependence::input && !node->rules->over_time) most = Dependence::state;
    for (uint32_t k = 0; k < node->output_count; ++k)
      result[static_cast<size_t>(node->first_output) + k] = most;
  }
  return result;
}

bool same_program(const StepTrace& a, const StepTrace& b) {
  const Recording &left = *a.list, &right = *b.list;
  if (left.nodes.size() != right.nodes.size() || left.producer != right.producer || a.x != b.x ||
      a.states != b.states || a.next != b.next || a.output != b.output ||
      left.leaves.size() != right.leaves.size())
    return false;
  for (size_t i = 0; i < left.leaves.size(); ++i) {
    const Tensor &x = left.leaves[i].tensor, &y = right.leaves[i].tensor;
    if (left.leaves[i].slot != right.leaves[i].slot || !(x.shape() == y.shape()) || x.dtype() != y.dtype())
      return false;
  }
  for (size_t i = 0; i < left.nodes.size(); ++i) {
    const Node &m = *left.nodes[i], &n = *right.nodes[i];
    if (m.rules != n.rules || m.input_count != n.input_count || m.output_count != n.output_count ||
        !m.rules->same || !m.rules->same(m.op, n.op))
      return false;
    for (uint32_t k = 0; k < m.input_count; ++k)
      if (m.inputs[k].slot != n.inputs[k].slot) return false;
    for (uint32_t k = 0; k < m.output_count; ++k)
      if (!(m.outputs[k].shape == n.outputs[k].shape) || m.outputs[k].dtype != n.outputs[k].dtype)
        return false;
  }
  return true;
}

std::unique_ptr<LoopPlan> plan_loop(const StepTrace& trace, LoopWish wish, const std::vector<bool>& wanted,
                                    std::string& reason) {
  try {
    return Planner(trace, wish, wanted).run();
  } catch (const Unplannable& found) {
    reason = found.reason;
    return nullptr;
  }
}

}  // namespace reel::detail
