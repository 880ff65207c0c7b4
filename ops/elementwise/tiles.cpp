// Driving a formula's loops over tensors of any strides.
#include <algorithm>

#include "framework/parallel.h"
#include "ops/arithmetic.h"
#include "ops/elementwise/formula.h"
#include "ops/elementwise/strided_tiles.h"
#include "ops/reduction.h"
#include "ops/shape.h"

namespace reel::detail {
namespace {

// Below this, a second thread costs more than it brings (a fork and join is about 3 us).
constexpr int64_t parallel_elements = 1 << 14;
constexpr size_t max_operands =
    2 * max_arity;  // arguments, result and gradient of a slope, and what it writes

bool runs_straight(Inputs in, const Tensor& out) {
  for (size_t k = 0; k < in.size(); ++k)
    if (!in[k].is_contiguous() || in[k].numel() != out.numel()) return false;
  return true;
}

void run_straight(TileKernel kernel, const void* formula, Inputs in, Tensor& out) {
  parallel_for(out.numel(), parallel_elements, [&](int64_t begin, int64_t end) {
    const void* sources[max_operands];
    for (size_t k = 0; k < in.size(); ++k)
      sources[k] = static_cast<const std::byte*>(in[k].raw_bytes()) +
                   begin * static_cast<int64_t>(item_size(in[k].dtype()));
    kernel(formula, sources,
           static_cast<std::byte*>(out.raw_bytes()) + begin * static_cast<int64_t>(item_size(out.dtype())),
           end - begin);
  });
}

void run_strided(TileKernel kernel, const void* formula, Inputs in, Tensor& out) {
  std::array<Shape, max_operands> strides;
  strides[0] = out.strides();
  for (size_t k = 0; k + 1 < max_operands; ++k) {
    if (k < in.size())
      strides[k + 1] = broadcast_strides(in[k].shape(), in[k].strides(), out.shape());
    else
      strides[k + 1] = out.strides();
  }
  const StridedWalk<max_operands> walk(out.shape(), strides);
  const TilePlan<max_operands> plan(walk);
  const auto out_item = static_cast<int64_t>(item_size(out.dtype()));
  const int64_t tile = plan.tile_height * plan.tile_width;
  parallel_for(plan.tiles(), std::max<int64_t>(1, parallel_elements / tile), [&](int64_t begin, int64_t end) {
    std::array<TileSource, max_operands - 1> operands;
    for (size_t k = 0; k < in.size(); ++k)
      operands[k].begin(in[k].raw_bytes(), item_size(in[k].dtype()), plan.row_step(k + 1),
                        plan.column_step(k + 1));
    plan.for_tiles(begin, end, [&](const auto& at, int64_t rows, int64_t columns) {
      for (size_t k = 0; k < in.size(); ++k) operands[k].take(at[k + 1], rows, columns, plan.joined);
      auto* target = static_cast<std::byte*>(out.raw_bytes()) + at[0] * out_item;
      const int64_t runs = plan.joined ? 1 : rows, length = plan.joined ? rows * columns : columns;
      for (int64_t r = 0; r < runs; ++r) {
        const void* sources[max_operands];
        for (size_t k = 0; k < in.size(); ++k) sources[k] = operands[k].row(r);
        kernel(formula, sources, target + r * plan.row_step(0) * out_item, length);
      }
    });
  });
}

}  // namespace

Isa machine_isa() {
#if defined(__x86_64__)
  static const Isa isa = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
                             ? isa_avx512
                         : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? isa_avx2
                                                                                           : isa_baseline;
  return isa;
#else
  return isa_baseline;
#endif
}

TensorSpec elementwise_shape(std::string_view op, Inputs in, bool integers) {
  const DType dtype = in[0].dtype();
  Shape shape = in[0].shape();
  for (size_t k = 1; k < in.size(); ++k) {
    check(in[k].dtype() == dtype, "[{}] inputs of one dtype expected, got {} and {}; cast() converts", op,
          in[0], in[k]);
    shape = broadcast_shapes(op, shape, in[k].shape());
  }
  check(is_floating(dtype) || (integers && dtype == DType::int64), "[{}] expected {}, got {}", op,
        integers ? "float32, float64 or int64" : "float32 or float64", in[0]);
  return {shape, dtype};
}

void run_tiles(TileKernel kernel, const void* formula, Inputs in, Tensor& out) {
  if (out.numel() == 0) return;
  if (runs_straight(in, out))
    run_straight(kernel, formula, in, out);
  else
    run_strided(kernel, formula, in, out);
}

std::vector<Tensor> align_over_time(Inputs in, uint32_t stacked) {
  size_t rank = 0;  // of one step's inputs
  for (size_t i = 0; i < in.size(); ++i) rank = std::max(rank, in[i].rank() - (stacked >> i & 1U));
  std::vector<Tensor> result;
  for (size_t i = 0; i < in.size(); ++i) {
    Tensor x = in[i];
    if (stacked >> i & 1U)
      while (x.rank() < rank + 1) x = unsqueeze(x, 1);
    result.push_back(std::move(x));
  }
  return result;
}

void add_slope(Backward& b, size_t i, const Probe& probe, TileKernel kernel, const void* formula) {
  const Tensor gradient = b.grad();
  const Shape& shape = b.input_shape(i);
  if (probe.is_constant()) {
    if (probe.constant() == 0) return;
    const Tensor reduced = sum_to(gradient, shape);
    b.set(i, probe.constant() == 1 ? reduced : reduced * probe.constant());
    return;
  }
  // The loop takes arguments, result and gradient; what the slope does not read is never looked at, and the
  // gradient stands in for it.
  const Tensor* operands[max_operands];
  const size_t arguments = b.input_count();
  for (size_t k = 0; k < arguments; ++k) operands[k] = probe.reads(k) ? &b.input(k) : &gradient;
  operands[arguments] = probe.reads(arguments) ? &b.output() : &gradient;
  operands[arguments + 1] = &gradient;
  Tensor product = empty_like(gradient);
  run_tiles(kernel, formula, Inputs(std::span<const Tensor* const>(operands, arguments + 2)), product);
  b.set(i, sum_to(product, shape));
}

void add_recorded_slope(Backward& b, size_t i, const Symbolic& slope) {
  const Tensor gradient = b.grad();
  if (slope.is_constant()) {
    if (slope.constant() == 0) return;
    b.set(i, sum_to(slope.constant() == 1 ? gradient : gradient * slope.constant(), b.input_shape(i)));
  } else {
    b.set(i, sum_to(gradient * slope.tensor(), b.input_shape(i)));
  }
}

}  // namespace reel::detail
