// The backward plan, from the slopes of the step's ops.
#include <algorithm>

#include "framework/loop_planner.h"

namespace reel::detail {

int32_t Planner::gradient_buffer(std::map<int32_t, int32_t>& known, int32_t index, LoopBuffer buffer) {
  const auto found = known.find(index);
  if (found != known.end()) return found->second;
  buffer.backward = true;
  return known[index] = add_buffer(buffer);
}

void Planner::emit_backward() {
  find_aliases();
  const size_t buffers_before = plan_->buffers.size();
  // Where columns of a buffer overlap or are left out, it begins with zeros and everything is added: which
  // ones, shows only while emitting.
  std::set<int32_t> zeroed;
  for (;;) {
    plan_->buffers.resize(buffers_before);
    const size_t before = zeroed.size();
    emit_backward_with(zeroed);
    for (int32_t index : zeroed) {
      LoopBuffer& buffer = plan_->buffers[static_cast<size_t>(index)];
      (buffer.kind == LoopBuffer::Kind::steps ? buffer.zeroed : buffer.cleared) = true;
    }
    if (zeroed.size() == before) break;
  }
  for (LoopStage& stage : plan_->stages)
    for (TilePass& pass : stage.backward) finish(pass);
  for (TilePass& pass : plan_->tail) finish(pass);
}

void Planner::emit_backward_with(std::set<int32_t>& zeroed) {
  zeroed_ = &zeroed;
  written_.clear();
  cross_.clear();
  carried_.clear();
  input_gradient_.clear();
  fixed_gradient_.clear();
  next_scratch_ = static_cast<int32_t>(values_.size());
  contributions_.assign(values_.size(), {});
  for (LoopStage& stage : plan_->stages) stage.backward.clear();
  plan_->tail.clear();
  out_gradient_.assign(products_.size(), -1);
  left_gradient_.assign(products_.size(), -1);
  for (size_t i = 0; i < products_.size(); ++i) {
    const Product& p = products_[i];
    if (!needs({Place::Kind::product, static_cast<int32_t>(i), 0})) continue;
    out_gradient_[i] = add_buffer({LoopBuffer::Kind::steps, p.columns, true});
    // That of a state comes in the step after: before the first step back there is none.
    if (needs(p.left))
      left_gradient_[i] =
          add_buffer({LoopBuffer::Kind::one_step, p.inner, true, p.left.kind == Place::Kind::state});
  }
  plan_->output_gradient = -1;
  plan_->state_gradients.clear();
  if (plan_->has_states)
    for (int32_t slot : step_.states)
      plan_->state_gradients.push_back(add_buffer({LoopBuffer::Kind::steps, shape(slot)[1], true}));
  state_sources();
  for (size_t s = plan_->stages.size(); s-- > 0;) {
    LoopStage& stage = plan_->stages[s];
    for (size_t i = values_.size(); i-- > 0;)
      if (values_[i].stage == static_cast<int32_t>(s) && values_[i].needs)
        back_through(static_cast<int32_t>(i), pass_of(stage.backward, values_[i].width));
  }
  check_coverage();
  tail();
}

void Planner::state_sources() {
  const size_t count = step_.states.size();
  sources_of_state_.assign(count, {});
  std::vector<bool> used(count, false);
  for (const Value& v : values_) {
    if (v.stage < 0 || !v.needs) continue;
    for (size_t k = 0; k < v.args.size(); ++k)
      if (v.args[k].kind == Place::Kind::state && passes(v.role.slopes[k]))
        used[static_cast<size_t>(v.args[k].index)] = true;
  }
  for (size_t i = 0; i < products_.size(); ++i)
    if (products_[i].left.kind == Place::Kind::state && left_gradient_[i] >= 0)
      sources_of_state_[static_cast<size_t>(products_[i].left.index)].push_back({left_gradient_[i]});
  plan_->final_gradients.clear();
  for (size_t j = 0; j < count; ++j) {
    auto& sources = sources_of_state_[j];
    if (used[j] || sources.empty()) {
      const int32_t buffer = add_buffer({LoopBuffer::Kind::carried, shape(step_.states[j])[1], true, false});
      carried_[static_cast<int32_t>(j)] = buffer;
      sources.insert(sources.begin(), {buffer});
    }
    plan_->final_gradients.push_back(sources.front().buffer);
  }
}

int32_t Planner::new_scratch() { return next_scratch_++; }

Access Planner::add_up(const std::vector<Access>& sources, std::vector<TileOp>& ops) {
  Access sum = sources.front();
  for (size_t i = 1; i < sources.size(); ++i) {
    TileOp op;
    op.kernel = add_kernel(dtype_);
    op.in[op.count++] = sum;
    op.in[op.count++] = sources[i];
    op.out = {new_scratch(), true, 0, 0};
    ops.push_back(op);
    sum = op.out;
  }
  return sum;
}

void Planner::back_through(int32_t id, TilePass& pass) {
  Value& v = values_[static_cast<size_t>(id)];
  std::vector<Access> sources = contributions_[static_cast<size_t>(id)];
  if (v.state >= 0)
    for (const Access& source : sources_of_state_[static_cast<size_t>(v.state)]) sources.push_back(source);
  if (v.state >= 0 && plan_->has_states)
    sources.push_back({plan_->state_gradients[static_cast<size_t>(v.state)]});
  if (v.is_output) {
    if (plan_->output_gradient < 0)
      plan_->output_gradient = add_buffer({LoopBuffer::Kind::steps, v.width, true});
    sources.push_back({plan_->output_gradient});
  }
  for (size_t i = 0; i < products_.size(); ++i)
    if (products_[i].left == Place{Place::Kind::value, id, 0} && left_gradient_[i] >= 0)
      sources.push_back({left_gradient_[i]});
  if (const auto cross = cross_.find(id); cross != cross_.end()) sources.push_back({cross->second});
  if (sources.empty()) return;
  const Access g = add_up(sources, pass.ops);
  for (size_t k = 0; k < v.args.size(); ++k) {
    const SlopeRole& slope = v.role.slopes[k];
    if (!passes(slope) || !needs(v.args[k])) continue;
    if (slope.constant && slope.value == 1) {
      deliver(v, v.args[k], g, pass);
      continue;
    }
    TileOp op;
    op.kernel = v.role.kernels->slope(k, dtype_);
    op.formula = v.role.formula;
    // What the slope does not read is never looked at, and the gradient stands in for it.
    for (size_t a = 0; a < v.args.size(); ++a)
      op.in[op.count++] = !slope.constant && (slope.reads >> a & 1U) ? access(v.args[a]) : g;
    op.in[op.count++] =
        !slope.constant && (slope.reads >> v.args.size() & 1U) ? access({Place::Kind::value, id, 0}) : g;
    op.in[op.count++] = g;
    op.out = {new_scratch(), true, 0, 0};
    pass.ops.push_back(op);
    deliver(v, v.args[k], op.out, pass);
  }
}

void Planner::deliver(const Value& v, const Place& to, const Access& part, TilePass& pass) {
  Access target;
  target.column = to.column;
  switch (to.kind) {
    case Place::Kind::value: {
      const Value& from = values_[static_cast<size_t>(to.index)];
      if (from.stage == v.stage && from.width == v.width) {
        contributions_[static_cast<size_t>(to.index)].push_back(part);
        return;
      }
      target.buffer = gradient_buffer(cross_, to.index, {LoopBuffer::Kind::one_step, from.width});
      break;
    }
    case Place::Kind::product:
      target.buffer = out_gradient_[static_cast<size_t>(to.index)];
      break;
    case Place::Kind::input: {
      LoopOperand& operand = plan_->inputs[static_cast<size_t>(to.index)];
      if (operand.aliased >= 0) return;
      operand.gradient = gradient_buffer(input_gradient_, to.index, {LoopBuffer::Kind::steps, operand.width});
      target.buffer = operand.gradient;
      break;
    }
    case Place::Kind::fixed: {
      LoopOperand& operand = plan_->fixed[static_cast<size_t>(to.index)];
      const bool row = plan_->buffers[static_cast<size_t>(operand.buffer)].kind == LoopBuffer::Kind::row;
      operand.gradient = gradient_buffer(
          fixed_gradient_, to.index,
          {row ? LoopBuffer::Kind::row_sum : LoopBuffer::Kind::matrix_sum, operand.width, true, true});
      target.buffer = operand.gradient;
      add(part, target, pass);
      return;
    }
    case Place::Kind::state:
      target.buffer = carried_.at(to.index);
      target.shift = 1;  // for the step before
      break;
  }
  write(part, target, v.width, pass);
}

void Planner::add(const Access& part, const Access& target, TilePass& pass) {
  TileOp op;
  op.kernel = add_kernel(dtype_);
  op.in[op.count++] = target;
  op.in[op.count++] = part;
  op.out = target;
  pass.ops.push_back(op);
}

void Planner::write(const Access& part, const Access& target, int64_t count, TilePass& pass) {
  auto& ranges = written_[target.buffer].ranges;
  const std::pair<int64_t, int64_t> range{target.column, count};
  const bool again = std::find(ranges.begin(), ranges.end(), range) != ranges.end();
  if (!again) {
    const bool overlaps = std::any_of(ranges.begin(), ranges.end(), [&](const auto& other) {
      return other.first < range.first + range.second && range.first < other.first + other.second;
    });
    if (overlaps) zeroed_->insert(target.buffer);
    ranges.push_back(range);
  }
  if (again || zeroed_->count(target.buffer) != 0) return add(part, target, pass);
  TileOp op;
  op.kernel = copy_role().kernels->value(dtype_);
  op.in[op.count++] = part;
  op.out = target;
  pass.ops.push_back(op);
}

void Planner::check_coverage() {
  for (size_t i = 0; i < plan_->buffers.size(); ++i) {
    LoopBuffer& buffer = plan_->buffers[i];
    const bool gradient_of_product = std::find(left_gradient_.begin(), left_gradient_.end(),
                                               static_cast<int32_t>(i)) != left_gradient_.end();
    if (!buffer.backward || gradient_of_product || static_cast<int32_t>(i) == plan_->output_gradient ||
        std::find(plan_->state_gradients.begin(), plan_->state_gradients.end(), static_cast<int32_t>(i)) !=
            plan_->state_gradients.end())
      continue;
    if (buffer.kind != LoopBuffer::Kind::steps && buffer.kind != LoopBuffer::Kind::one_step &&
        buffer.kind != LoopBuffer::Kind::carried)
      continue;
    if (written_[static_cast<int32_t>(i)].total() < buffer.width) zeroed_->insert(static_cast<int32_t>(i));
  }
}

void Planner::tail() {
  plan_->initial_gradients.clear();
  for (size_t j = 0; j < step_.states.size(); ++j) {
    const int64_t columns = shape(step_.states[j])[1];
    const int32_t buffer = add_buffer({LoopBuffer::Kind::one_step, columns, true});
    plan_->initial_gradients.push_back(buffer);
    TilePass& pass = pass_of(plan_->tail, columns);
    const Access sum = add_up(sources_of_state_[j], pass.ops);
    TileOp op;
    op.kernel = copy_role().kernels->value(dtype_);
    op.in[op.count++] = sum;
    op.out = {buffer};
    pass.ops.push_back(op);
  }
}

void Planner::find_aliases() {
  for (size_t i = 0; i < plan_->inputs.size(); ++i) {
    LoopOperand& operand = plan_->inputs[i];
    operand.aliased = -1;
    if (!wanted(operand.slot)) continue;
    int32_t with = -1;
    int64_t shift = 0, covered = 0;
    bool possible = true;
    for (const Value& v : values_) {
      if (v.stage < 0 || !possible) continue;
      for (size_t k = 0; k < v.args.size(); ++k) {
        if (v.args[k].kind != Place::Kind::input || v.args[k].index != static_cast<int32_t>(i)) continue;
        const Place* partner = v.args.size() == 2 ? &v.args[1 - k] : nullptr;
        possible = possible && partner && partner->kind == Place::Kind::product && unit(v, 0) && unit(v, 1) &&
                   uses_of_product(partner->index, partner->column, v.width) == 1;
        if (!possible) break;
        const int64_t offset = partner->column - v.args[k].column;
        possible = with < 0 || (with == partner->index && shift == offset);
        with = partner->index;
        shift = offset;
        covered += v.width;
      }
    }
    if (possible && with >= 0 && covered == operand.width) {
      operand.aliased = with;
      operand.alias_column = shift;
    }
  }
}

bool Planner::unit(const Value& v, size_t k) {
  return v.role.differentiable && v.role.slopes[k].constant && v.role.slopes[k].value == 1;
}

int64_t Planner::uses_of_product(int32_t index, int64_t column, int64_t count) const {
  int64_t uses = 0;
  for (const Value& v : values_) {
    if (v.stage < 0) continue;
    for (const Place& arg : v.args)
      uses += arg.kind == Place::Kind::product && arg.index == index && arg.column < column + count &&
              column < arg.column + v.width;
  }
  return uses;
}

bool Planner::same(const Access& a, const Access& b) {
  return a.buffer == b.buffer && a.scratch == b.scratch && a.shift == b.shift && a.column == b.column;
}

void Planner::finish(TilePass& pass) const {
  forward_copies(pass);
  std::map<int32_t, size_t> last;
  for (size_t i = 0; i < pass.ops.size(); ++i)
    for (uint32_t k = 0; k < pass.ops[i].count; ++k)
      if (pass.ops[i].in[k].scratch) last[pass.ops[i].in[k].buffer] = i;
  std::map<int32_t, int32_t> tile_of;
  std::vector<int32_t> free;
  for (size_t i = 0; i < pass.ops.size(); ++i) {
    TileOp& op = pass.ops[i];
    std::set<int32_t> ended;
    for (uint32_t k = 0; k < op.count; ++k) {
      if (!op.in[k].scratch) continue;
      const int32_t id = op.in[k].buffer;
      op.in[k].buffer = tile_of.at(id);
      if (last.at(id) == i) ended.insert(tile_of.at(id));
    }
    free.insert(free.end(), ended.begin(), ended.end());  // a loop may write over what it reads
    if (!op.out.scratch) continue;
    int32_t tile = pass.tiles;
    if (free.empty()) {
      ++pass.tiles;
    } else {
      tile = free.back();
      free.pop_back();
    }
    tile_of[op.out.buffer] = tile;
    op.out.buffer = tile;
  }
}

void Planner::forward_copies(TilePass& pass) const {
  const TileKernel copy = copy_role().kernels->value(dtype_);
  for (size_t i = 0; i < pass.ops.size(); ++i) {
    const TileOp op = pass.ops[i];
    if (op.kernel != copy || !op.in[0].scratch) continue;
    size_t made = i;
    while (made-- > 0)
      if (same(pass.ops[made].out, op.in[0])) break;
    if (made >= i) continue;
    // Not where the target is added to later on: who reads the scratch tile after that wants it as it was.
    const bool written_again = std::any_of(pass.ops.begin() + static_cast<int64_t>(i) + 1, pass.ops.end(),
                                           [&](const TileOp& later) { return same(later.out, op.out); });
    if (written_again) continue;
    pass.ops[made].out = op.out;
    for (size_t j = made + 1; j < pass.ops.size(); ++j)
      for (uint32_t k = 0; k < pass.ops[j].count; ++k)
        if (same(pass.ops[j].in[k], op.in[0])) pass.ops[j].in[k] = op.out;
    pass.ops.erase(pass.ops.begin() + static_cast<int64_t>(i));
    --i;
  }
}

void Planner::fill_products() {
  for (size_t i = 0; i < products_.size(); ++i) {
    const Product& p = products_[i];
    LoopProduct product;
    product.parts = p.parts;
    product.left = access(p.left);
    product.inner = p.inner;
    product.columns = p.columns;
    product.out = product_out_[i];
    product.role = p.role;
    if (plan_->training) {
      product.out_gradient = out_gradient_[i];
      product.left_gradient = left_gradient_[i];
    }
    plan_->products.push_back(std::move(product));
  }
  plan_->roles_kept = std::move(node_roles_);
}

}  // namespace reel::detail
