#include "ops/pad.h"

#include <algorithm>
#include <cmath>

#include "framework/op.h"
#include "ops/gather.h"
#include "ops/slicing.h"

namespace reel {
namespace {

/// y = value but for y[before : before + extent of x, ...] = x
struct Pad {
  static constexpr std::string_view name = "pad";
  Shape before, whole;
  double value;
  TensorSpec shape(Inputs in) const { return {whole, in[0].dtype()}; }
  void forward(Inputs in, Tensor& out) const {
    detail::copy_values(full({}, value, {.dtype = out.dtype()}), out);
    int64_t offset = 0;
    for (size_t i = 0; i < before.rank(); ++i) offset += before[i] * out.strides()[i];
    if (in[0].numel() > 0)
      detail::copy_values(in[0], detail::view(out, in[0].shape(), out.strides(), offset));
  }
  void vjp(Backward& b) const {
    Tensor gradient = b.grad();
    for (size_t i = 0; i < before.rank(); ++i)
      if (whole[i] != b.input_shape(0)[i])
        gradient = narrow(gradient, static_cast<int64_t>(i), before[i], b.input_shape(0)[i]);
    b.set(0, gradient);
  }
};

struct Sides {
  Shape before, after;
};

Sides sides_of(const Tensor& x, const std::vector<PadAmount>& amounts, PadMode mode) {
  Sides sides{x.shape(), x.shape()};
  std::fill(sides.before.begin(), sides.before.end(), 0);
  std::fill(sides.after.begin(), sides.after.end(), 0);
  uint32_t seen = 0;
  for (const PadAmount& amount : amounts) {
    const size_t axis = detail::normalize_axis("pad", amount.axis, x.rank());
    check((seen >> axis & 1U) == 0, "[pad] axis {} is given twice", amount.axis);
    seen |= 1U << axis;
    const int64_t extent = x.shape()[axis], before = amount.before, after = amount.after;
    int64_t whole = extent;
    check(!__builtin_add_overflow(whole, before, &whole) && !__builtin_add_overflow(whole, after, &whole),
          "[pad] {} and {} elements beside axis {} of {} fit no memory", before, after, axis, x);
    if (mode == PadMode::constant) {
      check(before >= -extent && after >= -extent && whole >= 0,
            "[pad] amounts {} and {} cut more off axis {} of {} than it has", before, after, axis, x);
    } else {
      check(before >= 0 && after >= 0,
            "[pad] expected amounts of at least 0 in modes other than constant, got {} and {} for axis {} of "
            "{}",
            before, after, axis, x);
      const int64_t most = mode == PadMode::reflect    ? extent - 1
                           : mode == PadMode::circular ? extent
                                                       : INT64_MAX;
      check((before == 0 && after == 0) || (extent > 0 && before <= most && after <= most),
            "[pad] axis {} of {} is too short to take {} and {} elements from it in mode {}", axis, x, before,
            after,
            mode == PadMode::reflect    ? "reflect"
            : mode == PadMode::circular ? "circular"
                                        : "replicate");
    }
    sides.before[axis] = before;
    sides.after[axis] = after;
  }
  return sides;
}

/// The elements of an axis that stand at -before ... extent + after - 1.
Tensor sources(int64_t extent, int64_t before, int64_t after, PadMode mode) {
  Tensor places = empty({before + extent + after}, {.dtype = DType::int64});
  for (int64_t i = 0; i < places.numel(); ++i) {
    int64_t at = i - before;
    if (mode == PadMode::replicate)
      at = std::clamp<int64_t>(at, 0, extent - 1);
    else if (mode == PadMode::circular)
      at = (at + extent) % extent;
    else
      at = at < 0 ? -at : at >= extent ? 2 * (extent - 1) - at : at;
    places.raw<int64_t>()[i] = at;
  }
  return places;
}

Tensor pad_constant(const Tensor& x, const Sides& sides, double value) {
  check(is_floating(x.dtype()) || value == std::trunc(value), "[pad] the value {} is no value of dtype {}",
        value, x.dtype());
  Tensor y = x;
  Shape before = sides.before, whole = x.shape();
  for (size_t i = 0; i < x.rank(); ++i) {
    const int64_t cut_before = std::max<int64_t>(0, -before[i]),
                  cut_after = std::max<int64_t>(0, -sides.after[i]);
    whole[i] += before[i] + sides.after[i];
    if (cut_before + cut_after > 0)
      y = narrow(y, static_cast<int64_t>(i), cut_before, x.shape()[i] - cut_before - cut_after);
    before[i] = std::max<int64_t>(0, before[i]);
  }
  return whole == y.shape() ? y : apply(Pad{before, whole, value}, y);
}

}  // namespace

Tensor pad(const Tensor& x, const std::vector<PadAmount>& amounts, const PadOptions& options) {
  const Sides sides = sides_of(x, amounts, options.mode);
  if (options.mode == PadMode::constant) return pad_constant(x, sides, options.value);
  Tensor y = x;
  for (size_t i = 0; i < x.rank(); ++i)
    if (sides.before[i] > 0 || sides.after[i] > 0)
      y = index_select(y, static_cast<int64_t>(i),
                       sources(x.shape()[i], sides.before[i], sides.after[i], options.mode));
  return y;
}

}  // namespace reel
