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

std::vector<Share> shares_of(int64_t rows) {
  const int64_t parts = std::max<int64_t>(1, std::min<int64_t>(num_threads(), rows / least_rows_of_a_share));
  std::vector<Share> shares;
  for (int64_t i = 0; i < parts; ++i) {
    const int64_t begin = rows * i / parts, end = rows * (i + 1) / parts;
    shares.push_back({begin, end - begin});
  }
  return shares;
}

/// Everything that one direction of a run needs, for all shares.
class Runner {
 public:
  Runner(const LoopPlan& plan, const LoopExtent& extent, DType dtype, std::vector<Tensor>& buffers)
      : plan_(plan),
        extent_(extent),
        dtype_(dtype),
        item_(static_cast<int64_t>(item_size(dtype))),
        buffers_(buffers),
        shares_(shares_of(extent.rows)) {
    for (const LoopProduct& product : plan.products)
      divides_ = divides_ || extent.rows * product.inner * product.columns >= least_work_to_divide;
    divides_ = divides_ && shares_.size() == 1;
  }

  const std::vector<Share>& shares() const { return shares_; }

  Tensor make(const LoopBuffer& buffer) const {
    const int64_t t = extent_.steps, n = extent_.rows, w = buffer.width;
    Shape shape;
    switch (buffer.kind) {
      case LoopBuffer::Kind::states:
        shape = {t + 1, n, w};
        break;
      case LoopBuffer::Kind::steps:
        shape = {t, n, w};
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
      const int64_t row = buffer.width * item_, step = extent_.rows * row;
      using Kind = LoopBuffer::Kind;
      if (buffer.kind == Kind::row) continue;
      if (buffer.kind == Kind::row_sum) {
        place.base += static_cast<int64_t>(share) * row;
        continue;
      }
      place.base += shares_[share].begin * row;
      place.row_bytes = row;
      if (buffer.kind == Kind::input || buffer.kind == Kind::steps || buffer.kind == Kind::states)
        place.step_bytes = step;
      if (buffer.kind == Kind::states) place.shift_bytes[extent_.reverse ? 0 : 1] = step;
      if (buffer.kind == Kind::carried) place.shift_bytes[1] = step;
    }
    return result;
  }

  /// For every product those of each share.
  std::vector<std::vector<std::unique_ptr<RowProduct>>> pack(const std::vector<Tensor>& weights,
                                                             bool backward) const {
    const OneThread alone(!divides_);
    std::vector<int64_t> rows;
    for (const Share& share : shares_) rows.push_back(share.count);
    std::vector<std::vector<std::unique_ptr<RowProduct>>> result;
    for (const LoopProduct& product : plan_.products) {
      result.emplace_back();
      if (backward && product.left_gradient < 0) continue;
      std::vector<MatrixPart> parts;
      for (const LoopProduct::Part& part : product.parts)
        parts.push_back({weights[static_cast<size_t>(part.weight)], part.transposed});
      result.back() = product.role->pack(parts, backward, rows);
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

  void run_passes(const std::vector<TilePass>& passes, const std::vector<BufferPlace>& at, int64_t rows,
                  int64_t t, std::byte* scratch) const {
    for (const TilePass& pass : passes) run_pass(pass, at.data(), rows, t, item_, scratch);
  }

  std::byte* find(const std::vector<BufferPlace>& at, const Access& access, int64_t t) const {
    return locate(at[static_cast<size_t>(access.buffer)], access, t, item_);
  }

  void clear_step(std::vector<BufferPlace>& at, int64_t rows) const {
    for (size_t i = 0; i < at.size(); ++i) {
      const LoopBuffer& buffer = plan_.buffers[i];
      if (!buffer.cleared || !at[i].base) continue;
      const bool carried = buffer.kind == LoopBuffer::Kind::carried;
      std::memset(at[i].base + at[i].shift_bytes[carried ? 1 : 0], 0,
                  static_cast<size_t>(rows * buffer.width * item_));
    }
  }

  void exchange_carried(std::vector<BufferPlace>& at) const {
    for (size_t i = 0; i < at.size(); ++i)
      if (plan_.buffers[i].kind == LoopBuffer::Kind::carried)
        std::swap(at[i].shift_bytes[0], at[i].shift_bytes[1]);
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

/// Steps [first, first + count) of a sequence [.., N, W].
Tensor steps_of(const Tensor& sequence, int64_t first, int64_t count) {
  Shape shape = sequence.shape();
  shape[0] = count;
  return view(sequence, shape, sequence.strides(), first * sequence.strides()[0]);
}

Tensor step_of(const Tensor& sequence, int64_t at) {
  Shape shape = sequence.shape(), strides = sequence.strides();
  const int64_t offset = at * strides[0];
  shape.erase(0);
  strides.erase(0);
  return view(sequence, shape, strides, offset);
}

/// Rows of all steps as one matrix.
Tensor as_rows(const Tensor& sequence) {
  const Shape& s = sequence.shape();
  return view(sequence, {s[0] * s[1], s[2]}, {sequence.strides()[1], 1});
}

/// Memory of its own: the sequence must neither change with it nor stay alive for it.
Tensor copy_of(const Tensor& tensor) {
  Tensor result = empty_like(tensor);
  copy_values(tensor, result);
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
  const int64_t first = extent.reverse ? extent.steps : 0, last = extent.reverse ? 0 : extent.steps;
  for (size_t j = 0; j < plan.states.size(); ++j)
    copy_values(given.states[j], step_of(memory->buffers[static_cast<size_t>(plan.states[j])], first));

  const auto products = runner.pack(given.weights, false);
  runner.for_shares(most_tiles(plan, false),
                    [&](size_t share, std::vector<BufferPlace>& at, std::byte* scratch) {
                      const int64_t rows = runner.shares()[share].count;
                      for (int64_t i = 0; i < extent.steps; ++i) {
                        const int64_t t = extent.reverse ? extent.steps - 1 - i : i;
                        for (const LoopStage& stage : plan.stages) {
                          for (int32_t p : stage.products) {
                            const LoopProduct& product = plan.products[static_cast<size_t>(p)];
                            products[static_cast<size_t>(p)][share]->run(runner.find(at, product.left, t),
                                                                         runner.find(at, {product.out}, t));
                          }
                          runner.run_passes(stage.forward, at, rows, t, scratch);
                        }
                      }
                    });

  LoopRun result;
  const Tensor& sequence = memory->buffers[static_cast<size_t>(plan.output)];
  const bool of_state = plan.buffers[static_cast<size_t>(plan.output)].kind == LoopBuffer::Kind::states;
  result.output = of_state ? steps_of(sequence, extent.reverse ? 0 : 1, extent.steps)
                           : view(sequence, sequence.shape(), sequence.strides());
  for (int32_t buffer : plan.states)
    result.finals.push_back(copy_of(step_of(memory->buffers[static_cast<size_t>(buffer)], last)));
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
  // The state before step t: one place earlier in the sequence, or later in reverse. A value may be a state after
  // the step, too.
  const int64_t first = !of_state ? 0 : product.left.shift != static_cast<uint8_t>(extent.reverse) ? 1 : 0;
  const Tensor left = as_rows(steps_of(lefts, first, extent.steps));
  const Tensor out = as_rows(buffers[static_cast<size_t>(product.out_gradient)]);
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
  Tensor sum = step_of(parts, 0);
  for (int64_t i = 1; i < parts.shape()[0]; ++i) sum = accumulate(sum, step_of(parts, i));
  return sum;
}

}  // namespace

LoopGiven run_backward(const LoopPlan& plan, const LoopMemory& memory, const LoopExtent& extent,
                       const Tensor& output, const std::vector<Tensor>& finals) {
  std::vector<Tensor> buffers = memory.buffers;
  const DType dtype = plan.dtype;
  Runner runner(plan, extent, dtype, buffers);
  if (plan.output_gradient >= 0)
    buffers[static_cast<size_t>(plan.output_gradient)] =
        output.defined()
            ? contiguous_values(output)
            : zeros({extent.steps, extent.rows, plan.buffers[static_cast<size_t>(plan.output)].width},
                    {.dtype = dtype});
  for (size_t i = 0; i < plan.buffers.size(); ++i)
    if (plan.buffers[i].backward && !buffers[i].defined()) buffers[i] = runner.make(plan.buffers[i]);
  for (size_t j = 0; j < plan.states.size(); ++j) {
    const auto index = static_cast<size_t>(plan.final_gradients[j]);
    const Tensor whole = buffers[index];
    const Tensor first = plan.buffers[index].kind == LoopBuffer::Kind::carried ? step_of(whole, 0) : whole;
    if (finals[j].defined())
      copy_values(finals[j], first);
    else
      fill_zero(first);
  }

  const auto products = runner.pack(memory.weights, true);
  runner.for_shares(
      most_tiles(plan, true), [&](size_t share, std::vector<BufferPlace>& at, std::byte* scratch) {
        const int64_t rows = runner.shares()[share].count;
        for (int64_t i = extent.steps; i-- > 0;) {
          const int64_t t = extent.reverse ? extent.steps - 1 - i : i;
          runner.clear_step(at, rows);
          for (size_t s = plan.stages.size(); s-- > 0;) {
            runner.run_passes(plan.stages[s].backward, at, rows, t, scratch);
            for (int32_t p : plan.stages[s].products) {
              const LoopProduct& product = plan.products[static_cast<size_t>(p)];
              if (product.left_gradient < 0) continue;
              products[static_cast<size_t>(p)][share]->run(runner.find(at, {product.out_gradient}, t),
                                                           runner.find(at, {product.left_gradient}, t));
            }
          }
          runner.exchange_carried(at);
        }
        runner.run_passes(plan.tail, at, rows, 0, scratch);
      });

  LoopGiven gradients;
  gradients.weights.resize(plan.weights.size());
  for (const LoopProduct& product : plan.products)
    if (product.out_gradient >= 0)
      weight_gradients(product, extent, buffers, plan, memory.weights, gradients.weights);
  for (const LoopOperand& input : plan.inputs) {
    if (input.aliased >= 0) {
      const Tensor& out =
          buffers[static_cast<size_t>(plan.products[static_cast<size_t>(input.aliased)].out_gradient)];
      gradients.inputs.push_back(
          view(out, {extent.steps, extent.rows, input.width}, out.strides(), input.alias_column));
    } else {
      gradients.inputs.push_back(input.gradient < 0 ? Tensor()
                                                    : buffers[static_cast<size_t>(input.gradient)]);
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
