#include "framework/loop_run.h"

#include <algorithm>
#include <cstring>

#include "framework/loop_tiles.h"
#include "framework/parallel.h"

namespace reel::detail {
namespace {

// A share of fewer rows makes products that no longer fill the machine (measured with 200 x 800: 4 rows reach its
// best rate, 2 rows three quarters of it).
constexpr int64_t least_rows_of_a_share = 4;

// Where the rows make one share, the products of every step are divided between threads only from so many
// multiplications on: a meeting of threads costs 5 us, and far more while others want their cores.
constexpr int64_t least_work_to_divide = 1 << 21;

/// Rows [begin, begin + count) for one thread, through all steps.
struct Share {
  int64_t begin, count;
};

/// Shares of equal work.
std::vector<Share> shares_of(const LoopExtent& extent) {
  const int64_t rows = extent.rows;
  const int64_t parts = std::max<int64_t>(1, std::min<int64_t>(num_threads(), rows / least_rows_of_a_share));
  std::vector<Share> shares;
  int64_t begin = 0, done = 0;
  for (int64_t i = 1; i <= parts; ++i) {
    int64_t end = rows * i / parts;
    if (extent.is_ragged() && i < parts) {
      for (end = begin; end < rows && done < extent.total() * i / parts; ++end) done += extent.length_of(end);
    }
    if (i == parts) end = rows;
    if (end > begin) shares.push_back({begin, end - begin});
    begin = end;
  }
  return shares;
}

/// The products of one LoopProduct, by share and by rows.
using ShareProducts = std::vector<std::vector<std::unique_ptr<RowProduct>>>;

/// Everything that one direction of a run needs, for all shares.
class Runner {
 public:
  Runner(const LoopPlan& plan, const LoopExtent& extent, DType dtype, std::vector<Tensor>& buffers)
      : plan_(plan),
        extent_(extent),
        dtype_(dtype),
        item_(static_cast<int64_t>(item_size(dtype))),
        buffers_(buffers),
        shares_(shares_of(extent)) {
    for (const LoopProduct& product : plan.products)
      divides_ = divides_ || extent.rows * product.inner * product.columns >= least_work_to_divide;
    divides_ = divides_ && shares_.size() == 1;
  }

  const std::vector<Share>& shares() const { return shares_; }

  /// Rows of a share that take part in step t.
  int64_t active(size_t share, int64_t t) const {
    const Share& s = shares_[share];
    return std::clamp<int64_t>(extent_.active_at(t) - s.begin, 0, s.count);
  }

  Tensor make(const LoopBuffer& buffer) const {
    const int64_t n = extent_.rows, w = buffer.width;
    Shape shape;
    switch (buffer.kind) {
      case LoopBuffer::Kind::states:
        shape = {n + extent_.total(), w};
        break;
      case LoopBuffer::Kind::steps:
        shape = {extent_.total(), w};
        break;
      case LoopBuffer::Kind::carried:
        shape = {2, n, w};
        break;
      case LoopBuffer::Kind::row_sum:
        shape = {static_cast<int64_t>(shares_.size()), w};
        break;
      default:
        shape = {n, w};
    }
    return buffer.zeroed ? zeros(shape, {.dtype = dtype_}) : empty(shape, {.dtype = dtype_});
  }

  std::vector<BufferPlace> places(size_t share) const {
    std::vector<BufferPlace> result(buffers_.size());
    for (size_t i = 0; i < buffers_.size(); ++i) {
      if (!buffers_[i].defined()) continue;
      const LoopBuffer& buffer = plan_.buffers[i];
      BufferPlace& place = result[i];
      place.base = static_cast<std::byte*>(buffers_[i].raw_bytes());
      const int64_t row = buffer.width * item_;
      using Kind = LoopBuffer::Kind;
      if (buffer.kind == Kind::row) continue;
      if (buffer.kind == Kind::row_sum) {
        place.base += static_cast<int64_t>(share) * row;
        continue;
      }
      place.base += shares_[share].begin * row;
      place.row_bytes = row;
      if (buffer.kind == Kind::carried) place.half_bytes[1] = extent_.rows * row;
      const bool states = buffer.kind == Kind::states;
      if (!states && buffer.kind != Kind::input && buffer.kind != Kind::steps) continue;
      if (states) place.ahead[extent_.reverse ? 0 : 1] = 1;
      if (extent_.is_ragged())
        place.offsets = (states ? extent_.places : extent_.offsets).data();
      else
        place.step_bytes = extent_.rows * row;
    }
    return result;
  }

  /// The products of each share, for every number of rows that it comes to.
  std::vector<ShareProducts> pack(const std::vector<Tensor>& weights, bool backward) const {
    const OneThread alone(!divides_);
    std::vector<int64_t> rows;
    std::vector<std::pair<size_t, int64_t>> owners;
    for (size_t share = 0; share < shares_.size(); ++share) {
      int64_t last = 0;
      for (int64_t t = extent_.steps; t-- > 0;) {  // a share's rows grow towards the first step
        const int64_t count = active(share, t);
        if (count == last) continue;
        last = count;
        rows.push_back(count);
        owners.emplace_back(share, count);
        if (!extent_.is_ragged()) break;
      }
    }
    std::vector<ShareProducts> result;
    for (const LoopProduct& product : plan_.products) {
      ShareProducts& made = result.emplace_back(shares_.size());
      if (backward && product.left_gradient < 0) continue;
      for (size_t share = 0; share < shares_.size(); ++share)
        made[share].resize(static_cast<size_t>(shares_[share].count) + 1);
      std::vector<MatrixPart> parts;
      for (const LoopProduct::Part& part : product.parts)
        parts.push_back({weights[static_cast<size_t>(part.weight)], part.transposed});
      auto packed = product.role->pack(parts, backward, rows);
      for (size_t i = 0; i < packed.size(); ++i)
        made[owners[i].first][static_cast<size_t>(owners[i].second)] = std::move(packed[i]);
    }
    return result;
  }

  /// Calls body(share, places, scratch) for each share, on a thread of its own.
  template <class Body> void for_shares(int32_t tiles, const Body& body) const {
    const OneThread alone(shares_.size() == 1 && !divides_);
    parallel_for(static_cast<int64_t>(shares_.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const auto share = static_cast<size_t>(i);
        std::vector<BufferPlace> at = places(share);
        const Tensor scratch = empty({std::max<int64_t>(1, tiles) * loop_tile}, {.dtype = dtype_});
        body(share, at, static_cast<std::byte*>(scratch.raw_bytes()));
      }
    });
  }

  void run_passes(const std::vector<TilePass>& passes, const std::vector<BufferPlace>& at, int64_t first,
                  int64_t end, int64_t t, std::byte* scratch) const {
    for (const TilePass& pass : passes) run_pass(pass, at.data(), first, end, t, item_, scratch);
  }

  std::byte* find(const std::vector<BufferPlace>& at, const Access& access, int64_t t) const {
    return locate(at[static_cast<size_t>(access.buffer)], access, t, item_);
  }

  void clear_step(std::vector<BufferPlace>& at, int64_t rows) const {
    for (size_t i = 0; i < at.size(); ++i) {
      const LoopBuffer& buffer = plan_.buffers[i];
      if (!buffer.cleared || !at[i].base) continue;
      const bool carried = buffer.kind == LoopBuffer::Kind::carried;
      std::memset(at[i].base + at[i].half_bytes[carried ? 1 : 0], 0,
                  static_cast<size_t>(rows * buffer.width * item_));
    }
  }

  void exchange_carried(std::vector<BufferPlace>& at) const {
    for (size_t i = 0; i < at.size(); ++i)
      if (plan_.buffers[i].kind == LoopBuffer::Kind::carried)
        std::swap(at[i].half_bytes[0], at[i].half_bytes[1]);
  }

 private:
  const LoopPlan& plan_;
  const LoopExtent& extent_;
  DType dtype_;
  int64_t item_;
  std::vector<Tensor>& buffers_;
  std::vector<Share> shares_;
  bool divides_ = false;  // threads divide each product, as they cannot divide the rows
};

int32_t most_tiles(const LoopPlan& plan, bool backward) {
  int32_t most = 0;
  for (const LoopStage& stage : plan.stages)
    for (const TilePass& pass : backward ? stage.backward : stage.forward) most = std::max(most, pass.tiles);
  if (backward)
    for (const TilePass& pass : plan.tail) most = std::max(most, pass.tiles);
  return most;
}

/// Rows [first, first + count) of [.., W].
Tensor rows_of(const Tensor& matrix, int64_t first, int64_t count) {
  return view(matrix, {count, matrix.shape()[1]}, matrix.strides(), first * matrix.strides()[0]);
}

Tensor half_of(const Tensor& carried, int64_t half) {
  const Shape& s = carried.shape();
  return view(carried, {s[1], s[2]}, {s[2], 1}, half * s[1] * s[2]);
}

/// Memory of its own: the sequence must neither change with it nor stay alive for it.
Tensor copy_of(const Tensor& tensor) {
  Tensor result = empty_like(tensor);
  copy_values(tensor, result);
  return result;
}

/// Calls f(first row, count, place) for the rows that end in the same step, of which `place` is where a sequence of
/// states ends: forward the place of their last states, in reverse that of their first.
template <class F> void for_each_length(const LoopExtent& extent, const F& f) {
  int64_t begin = 0;
  for (int64_t p = extent.steps; p >= 0; --p) {
    const int64_t end = p == 0 ? extent.rows : extent.active_at(p - 1);
    if (end > begin) f(begin, end - begin, extent.place(p) + begin);
    begin = std::max(begin, end);
  }
}

/// The rows of a sequence of states that a step sees `shift` ahead, step after step without gaps.
Tensor states_of_steps(const Tensor& states, const LoopExtent& extent, uint8_t shift) {
  const bool after = shift != static_cast<uint8_t>(extent.reverse);  // place t + 1, or t
  if (after || !extent.is_ragged()) return rows_of(states, after ? extent.rows : 0, extent.total());
  const Tensor result = empty({extent.total(), states.shape()[1]}, {.dtype = states.dtype()});
  for (int64_t t = 0; t < extent.steps; ++t) {
    const int64_t count = extent.active_at(t);
    copy_values(rows_of(states, extent.place(t), count),
                rows_of(result, extent.offsets[static_cast<size_t>(t)], count));
  }
  return result;
}

void fill_zero(const Tensor& tensor) { copy_values(zeros({}, {.dtype = tensor.dtype()}), tensor); }

/// The buffers of a forward run that backward looks at.
std::vector<bool> read_by_backward(const LoopPlan& plan) {
  std::vector<bool> read(plan.buffers.size(), false);
  if (!plan.training) return read;
  for (const LoopStage& stage : plan.stages)
    for (const TilePass& pass : stage.backward)
      for (const TileOp& op : pass.ops)
        for (uint32_t k = 0; k < op.count; ++k)
          if (!op.in[k].scratch) read[static_cast<size_t>(op.in[k].buffer)] = true;
  for (const LoopProduct& product : plan.products) read[static_cast<size_t>(product.left.buffer)] = true;
  return read;
}

}  // namespace

LoopExtent LoopExtent::whole(int64_t steps, int64_t rows, bool reverse) {
  return {steps, rows, reverse, {}, {}, {}};
}

LoopExtent LoopExtent::ragged(std::vector<int64_t> active, int64_t rows, bool reverse) {
  LoopExtent extent{static_cast<int64_t>(active.size()), rows, reverse, std::move(active), {0}, {0}};
  for (int64_t count : extent.active) {
    extent.places.push_back(rows + extent.offsets.back());
    extent.offsets.push_back(extent.offsets.back() + count);
  }
  return extent;
}

int64_t LoopExtent::length_of(int64_t row) const {
  if (!is_ragged()) return steps;
  return std::partition_point(active.begin(), active.end(), [&](int64_t count) { return count > row; }) -
         active.begin();
}

LoopRun run_forward(const LoopPlan& plan, LoopGiven given, const LoopExtent& extent) {
  auto memory = std::make_shared<LoopMemory>();
  for (auto* list : {&given.inputs, &given.fixed, &given.weights})
    for (Tensor& tensor : *list) tensor = contiguous_values(tensor);
  memory->buffers.resize(plan.buffers.size());
  Runner runner(plan, extent, plan.dtype, memory->buffers);
  for (size_t i = 0; i < plan.inputs.size(); ++i)
    memory->buffers[static_cast<size_t>(plan.inputs[i].buffer)] = given.inputs[i];
  for (size_t i = 0; i < plan.fixed.size(); ++i)
    memory->buffers[static_cast<size_t>(plan.fixed[i].buffer)] = given.fixed[i];
  for (size_t i = 0; i < plan.buffers.size(); ++i)
    if (!plan.buffers[i].backward && !memory->buffers[i].defined())
      memory->buffers[i] = runner.make(plan.buffers[i]);
  for (size_t j = 0; j < plan.states.size(); ++j) {
    const Tensor& places = memory->buffers[static_cast<size_t>(plan.states[j])];
    if (!extent.reverse)
      copy_values(given.states[j], rows_of(places, 0, extent.rows));
    else
      for_each_length(extent, [&](int64_t row, int64_t count, int64_t place) {
        copy_values(rows_of(given.states[j], row, count), rows_of(places, place, count));
      });
  }

  const auto products = runner.pack(given.weights, false);
  runner.for_shares(most_tiles(plan, false),
                    [&](size_t share, std::vector<BufferPlace>& at, std::byte* scratch) {
                      for (int64_t i = 0; i < extent.steps; ++i) {
                        const int64_t t = extent.reverse ? extent.steps - 1 - i : i;
                        const int64_t rows = runner.active(share, t);
                        if (rows == 0) continue;
                        for (const LoopStage& stage : plan.stages) {
                          for (int32_t p : stage.products) {
                            const LoopProduct& product = plan.products[static_cast<size_t>(p)];
                            products[static_cast<size_t>(p)][share][static_cast<size_t>(rows)]->run(
                                runner.find(at, product.left, t), runner.find(at, {product.out}, t));
                          }
                          runner.run_passes(stage.forward, at, 0, rows, t, scratch);
                        }
                      }
                    });

  LoopRun result;
  const auto over_steps = [&](int32_t buffer) {
    const Tensor& sequence = memory->buffers[static_cast<size_t>(buffer)];
    const bool of_state = plan.buffers[static_cast<size_t>(buffer)].kind == LoopBuffer::Kind::states;
    const Tensor rows =
        of_state ? states_of_steps(sequence, extent, 1) : rows_of(sequence, 0, extent.total());
    if (extent.is_ragged()) return rows;
    const int64_t width = sequence.shape()[1];
    return view(rows, {extent.steps, extent.rows, width}, {extent.rows * width, width, 1});
  };
  result.output = over_steps(plan.output);
  if (plan.has_states)
    for (int32_t buffer : plan.states) result.sequences.push_back(over_steps(buffer));
  for (int32_t buffer : plan.states) {
    const Tensor& places = memory->buffers[static_cast<size_t>(buffer)];
    if (extent.reverse || !extent.is_ragged()) {
      result.finals.push_back(
          copy_of(rows_of(places, extent.reverse ? 0 : extent.place(extent.steps), extent.rows)));
      continue;
    }
    Tensor& last = result.finals.emplace_back(empty({extent.rows, places.shape()[1]}, {.dtype = plan.dtype}));
    for_each_length(extent, [&](int64_t row, int64_t count, int64_t place) {
      copy_values(rows_of(places, place, count), rows_of(last, row, count));
    });
  }
  // Only what backward reads stays.
  memory->weights = std::move(given.weights);
  const std::vector<bool> read = read_by_backward(plan);
  for (size_t i = 0; i < memory->buffers.size(); ++i)
    if (!read[i]) memory->buffers[i] = Tensor();
  result.memory = std::move(memory);
  return result;
}

namespace {

/// The gradients of a product's weights, each as one product over all steps.
void weight_gradients(const LoopProduct& product, const LoopExtent& extent,
                      const std::vector<Tensor>& buffers, const LoopPlan& plan,
                      const std::vector<Tensor>& weights, std::vector<Tensor>& gradients) {
  const Tensor& lefts = buffers[static_cast<size_t>(product.left.buffer)];
  const bool of_state =
      plan.buffers[static_cast<size_t>(product.left.buffer)].kind == LoopBuffer::Kind::states;
  const Tensor left = of_state ? states_of_steps(lefts, extent, product.left.shift) : lefts;
  const Tensor& out = buffers[static_cast<size_t>(product.out_gradient)];
  const auto columns_of = [&](const LoopProduct::Part& part) {
    return view(out, {out.shape()[0], part.columns}, out.strides(), part.column);
  };
  const bool as_one =
      product.parts.size() > 1 && std::all_of(product.parts.begin(), product.parts.end(),
                                              [](const LoopProduct::Part& part) { return part.transposed; });
  const TensorOptions options{.dtype = out.dtype()};
  if (as_one) {
    const Tensor whole = empty({product.columns, product.inner}, options);
    product.role->gemm(out, true, left, false, whole, false);
    for (const LoopProduct::Part& part : product.parts)
      gradients[static_cast<size_t>(part.weight)] =
          view(whole, {part.columns, product.inner}, whole.strides(), part.column * product.inner);
    return;
  }
  for (const LoopProduct::Part& part : product.parts) {
    Tensor& gradient = gradients[static_cast<size_t>(part.weight)];
    gradient = empty(weights[static_cast<size_t>(part.weight)].shape(), options);
    if (part.transposed)
      product.role->gemm(columns_of(part), true, left, false, gradient, false);
    else
      product.role->gemm(left, true, columns_of(part), false, gradient, false);
  }
}

/// Sums over the shares: [shares, W] to [W].
Tensor sum_of_shares(const Tensor& parts) {
  const int64_t width = parts.shape()[1];
  const auto share = [&](int64_t i) { return view(parts, {width}, {1}, i * width); };
  Tensor sum = share(0);
  for (int64_t i = 1; i < parts.shape()[0]; ++i) sum = accumulate(sum, share(i));
  return sum;
}

}  // namespace

LoopGiven run_backward(const LoopPlan& plan, const LoopMemory& memory, const LoopExtent& extent,
                       const LoopGradients& above) {
  std::vector<Tensor> buffers = memory.buffers;
  const DType dtype = plan.dtype;
  Runner runner(plan, extent, dtype, buffers);
  const auto give = [&](int32_t buffer, const Tensor& gradient) {
    const int64_t width = plan.buffers[static_cast<size_t>(buffer)].width;
    buffers[static_cast<size_t>(buffer)] =
        gradient.defined() ? contiguous_values(gradient) : zeros({extent.total(), width}, {.dtype = dtype});
  };
  if (plan.output_gradient >= 0) give(plan.output_gradient, above.output);
  for (size_t j = 0; j < plan.state_gradients.size(); ++j) give(plan.state_gradients[j], above.sequences[j]);
  for (size_t i = 0; i < plan.buffers.size(); ++i)
    if (plan.buffers[i].backward && !buffers[i].defined()) buffers[i] = runner.make(plan.buffers[i]);
  for (size_t j = 0; j < plan.states.size(); ++j) {
    const auto index = static_cast<size_t>(plan.final_gradients[j]);
    const Tensor whole = buffers[index];
    // Both halves: a row that comes in later finds it in either.
    const bool carried = plan.buffers[index].kind == LoopBuffer::Kind::carried;
    for (int64_t half = 0; half < (carried && extent.is_ragged() ? 2 : 1); ++half) {
      const Tensor target = carried ? half_of(whole, half) : whole;
      if (above.finals[j].defined())
        copy_values(above.finals[j], target);
      else
        fill_zero(target);
    }
  }

  const auto products = runner.pack(memory.weights, true);
  runner.for_shares(
      most_tiles(plan, true), [&](size_t share, std::vector<BufferPlace>& at, std::byte* scratch) {
        // Rows from here on have come to their first step.
        int64_t through = runner.shares()[share].count;
        const auto end_rows_from = [&](int64_t first) {
          if (first < through) runner.run_passes(plan.tail, at, first, through, 0, scratch);
          through = std::min(through, first);
        };
        for (int64_t i = extent.steps; i-- > 0;) {
          const int64_t t = extent.reverse ? extent.steps - 1 - i : i;
          const int64_t rows = runner.active(share, t);
          if (extent.reverse) end_rows_from(rows);
          if (rows == 0) continue;
          runner.clear_step(at, rows);
          for (size_t s = plan.stages.size(); s-- > 0;) {
            runner.run_passes(plan.stages[s].backward, at, 0, rows, t, scratch);
            for (int32_t p : plan.stages[s].products) {
              const LoopProduct& product = plan.products[static_cast<size_t>(p)];
              if (product.left_gradient < 0) continue;
              products[static_cast<size_t>(p)][share][static_cast<size_t>(rows)]->run(
                  runner.find(at, {product.out_gradient}, t), runner.find(at, {product.left_gradient}, t));
            }
          }
          runner.exchange_carried(at);
        }
        end_rows_from(0);
      });

  LoopGiven gradients;
  gradients.weights.resize(plan.weights.size());
  for (const LoopProduct& product : plan.products)
    if (product.out_gradient >= 0)
      weight_gradients(product, extent, buffers, plan, memory.weights, gradients.weights);
  const auto over_steps = [&](const Tensor& x) {
    const int64_t steps = extent.is_ragged() ? 1 : extent.steps, row = x.strides()[0];
    const int64_t rows = extent.is_ragged() ? extent.total() : extent.rows;
    return view(x, {steps, rows, x.shape()[1]}, {rows * row, row, 1});
  };
  for (const LoopOperand& input : plan.inputs) {
    if (input.aliased >= 0) {
      const Tensor& out =
          buffers[static_cast<size_t>(plan.products[static_cast<size_t>(input.aliased)].out_gradient)];
      gradients.inputs.push_back(
          over_steps(view(out, {extent.total(), input.width}, out.strides(), input.alias_column)));
    } else {
      gradients.inputs.push_back(
          input.gradient < 0 ? Tensor() : over_steps(buffers[static_cast<size_t>(input.gradient)]));
    }
  }
  for (const LoopOperand& fixed : plan.fixed) {
    if (fixed.gradient < 0) {
      gradients.fixed.emplace_back();
      continue;
    }
    const Tensor& sums = buffers[static_cast<size_t>(fixed.gradient)];
    const bool row = plan.buffers[static_cast<size_t>(fixed.gradient)].kind == LoopBuffer::Kind::row_sum;
    gradients.fixed.push_back(row ? sum_of_shares(sums) : sums);
  }
  for (int32_t buffer : plan.initial_gradients)
    gradients.states.push_back(buffers[static_cast<size_t>(buffer)]);
  return gradients;
}

}  // namespace reel::detail
