// The planner: what it knows while it makes a LoopPlan. Internal to loop_plan.cpp, where the step is taken apart and
// its forward passes are written, and loop_plan_backward.cpp.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <reel/framework/loop_plan.h>
#include <reel/framework/loop_tiles.h>

namespace reel::detail {

/// What keeps a step from being planned.
struct Unplannable {
  std::string reason;
};

/// An operand of a value: another value, columns of a product, or something given.
struct Place {
  enum class Kind : uint8_t { value, product, input, fixed, state };
  Kind kind;
  int32_t index;
  int64_t column;
  auto operator<=>(const Place&) const = default;
};

/// An elementwise op on [N, width], or on columns of what the cell's author wrote.
struct Value {
  ElementwiseRole role;
  std::vector<Place> args;
  int64_t width = 0;
  int32_t earliest = 0;
  int32_t stage = -1;   // -1: nothing needs it
  int32_t buffer = -1;  // -1: a scratch tile
  uint8_t shift = 0;
  bool is_output = false;
  int32_t state = -1;  // whose next value it is
  bool needs = false;  // a gradient
  bool kept = false;   // over all steps, for backward
};

struct Product {
  Place left;
  int64_t inner = 0;
  int32_t level = 0;
  bool kept = false;
  std::vector<LoopProduct::Part> parts;
  int64_t columns = 0;
  const ProductRole* role = nullptr;
};

class Planner {
 public:
  Planner(const StepTrace& step, LoopWish wish, const std::vector<bool>& wanted)
      : step_(step), list_(*step.list), wanted_(wanted), plan_(std::make_unique<LoopPlan>()) {
    plan_->trace = step;
    plan_->training = wish.training;
    plan_->has_states = wish.states;
    plan_->dependence = dependences(step);
  }

  std::unique_ptr<LoopPlan> run();

 private:
  // The trace

  const Shape& shape(int32_t slot) const;
  DType dtype(int32_t slot) const;
  const Tensor& leaf(int32_t slot) const;
  int64_t width(int32_t slot) const;
  Dependence depends(int32_t slot) const;

  const LoopRole& role(int32_t node);

  // From slots to places

  int32_t add_buffer(LoopBuffer buffer);

  /// A tensor given from outside, as operand of values of `full` columns.
  Place given(int32_t slot, int64_t column, int64_t full);

  /// Columns [column, column + width) of a slot, as operand of values that were written with `full` columns.
  Place resolve(int32_t slot, int64_t column, int64_t count, int64_t full);

  Place add_value(Value value);

  int32_t available(const Place& place) const;

  Place elementwise(int32_t index, const Node& node, const ElementwiseRole& r, int64_t column, int64_t count);

  Place copy_of(const Place& place, int64_t count);

  Place product(int32_t index, const Node& node, const ProductRole& r, int64_t column, int64_t count);

  Place plain_product(int32_t index, const Node& node, const ProductRole& r, int64_t column);

  void resolve_roots();

  /// A root may be a state as it was, an input, or fixed.
  Place resolve_next(int32_t slot, int64_t count);

  Value& value(const Place& place);

  // Stages: as late as what needs them allows, so that fewer values wait between stages

  void assign_stages();

  // Gradients

  bool wanted(int32_t slot) const;

  bool needs(const Place& place) const;

  bool weights_wanted(const Product& p) const;

  static bool passes(const SlopeRole& slope);

  void find_needs();

  void keep(const Place& place);

  // Memory

  void place_values();

  Access access(const Place& place) const;

  // Forward

  static TilePass& pass_of(std::vector<TilePass>& passes, int64_t columns);

  void emit_forward();

  // In words

  std::string describe(size_t node) const;
  void take_notes();
  void take_counts();

  // Backward

  /// Which columns of a buffer have been written so far in one step back.
  struct Written {
    std::vector<std::pair<int64_t, int64_t>> ranges;  // column and width
    int64_t total() const {
      int64_t sum = 0;
      for (const auto& range : ranges) sum += range.second;
      return sum;
    }
  };

  int32_t gradient_buffer(std::map<int32_t, int32_t>& known, int32_t index, LoopBuffer buffer);

  void emit_backward();

  void emit_backward_with(std::set<int32_t>& zeroed);

  /// For each state, the buffers that bring its gradient from the step after; at least one.
  void state_sources();

  int32_t new_scratch();

  Access add_up(const std::vector<Access>& sources, std::vector<TileOp>& ops);

  void back_through(int32_t id, TilePass& pass);

  /// Brings a part of the gradient to an argument of `v`.
  void deliver(const Value& v, const Place& to, const Access& part, TilePass& pass);

  void add(const Access& part, const Access& target, TilePass& pass);

  void write(const Access& part, const Access& target, int64_t count, TilePass& pass);

  /// Buffers of which columns stay unwritten begin with zeros.
  void check_coverage();

  void tail();

  /// An input that is only added to a product has that product's gradient: no second copy is written.
  void find_aliases();

  static bool unit(const Value& v, size_t k);

  /// How many operands see these columns of a product, in whole or in part.
  int64_t uses_of_product(int32_t index, int64_t column, int64_t count) const;

  // Passes, made ready

  static bool same(const Access& a, const Access& b);

  /// Writes results where they are copied to, and numbers the scratch tiles so that few are used.
  void finish(TilePass& pass) const;

  void forward_copies(TilePass& pass) const;

  void fill_products();

  const StepTrace& step_;
  const Recording& list_;
  const std::vector<bool>& wanted_;
  std::unique_ptr<LoopPlan> plan_;
  int64_t rows_ = 0;
  DType dtype_ = DType::float32;
  std::vector<std::unique_ptr<LoopRole>> node_roles_;
  std::vector<Value> values_;
  std::vector<Product> products_;
  std::map<std::tuple<int32_t, int64_t, int64_t>, Place> value_of_;
  std::map<int32_t, std::pair<int32_t, int64_t>> product_of_;
  std::vector<int32_t> product_out_;

  std::set<int32_t>* zeroed_ = nullptr;
  std::map<int32_t, Written> written_;
  std::map<int32_t, int32_t> cross_, carried_, input_gradient_, fixed_gradient_;
  std::vector<std::vector<Access>> contributions_, sources_of_state_;
  std::vector<int32_t> out_gradient_, left_gradient_;
  int32_t next_scratch_ = 0;
};

}  // namespace reel::detail
