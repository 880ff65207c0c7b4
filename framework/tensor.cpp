#include "framework/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "framework/memory.h"
#include "framework/recording.h"

namespace reel {
namespace detail {

void TensorImpl::destroy(TensorImpl* impl) noexcept {
  impl->~TensorImpl();
  deallocate(impl, sizeof(TensorImpl));
}

void fail_undefined() {
  throw Error("[tensor] an undefined tensor was used where one with values is needed");
}

namespace {

Handle<TensorImpl> make_impl() { return Handle<TensorImpl>(new (allocate(sizeof(TensorImpl))) TensorImpl); }

Tensor make(Handle<Storage> storage, const Shape& shape, DType dtype, int64_t numel) {
  auto impl = make_impl();
  impl->dtype = dtype;
  impl->data = storage->data;
  impl->storage = std::move(storage);
  impl->shape = shape;
  impl->strides = contiguous_strides(shape);
  impl->numel = numel;
  return Tensor(std::move(impl));
}

int64_t checked_numel(const Shape& shape, DType dtype) {
  const int64_t limit = std::numeric_limits<int64_t>::max() / static_cast<int64_t>(item_size(dtype)) / 2;
  bool has_empty_axis = false;
  int64_t n = 1;  // of the axes that are not empty: their strides must be countable as well
  for (int64_t extent : shape) {
    check(extent >= 0, "[empty] expected extents of at least 0, got shape {}", shape);
    has_empty_axis |= extent == 0;
  }
  for (int64_t extent : shape) {
    if (extent == 0) continue;
    check(extent <= limit / n, "[empty] a {} tensor of shape {} does not fit any memory", dtype, shape);
    n *= extent;
  }
  return has_empty_axis ? 0 : n;
}

/// Throws where an integer dtype does not have the value exactly.
void check_fits(std::string_view op, double value, DType dtype) {
  dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    // The largest int64 is no double: 2^63, the next one, is already too large.
    if constexpr (std::is_integral_v<T>)
      check(
          value == std::trunc(value) && value >= static_cast<double>(std::numeric_limits<T>::lowest()) &&
              (sizeof(T) == 8 ? value < 0x1p63 : value <= static_cast<double>(std::numeric_limits<T>::max())),
          "[{}] {} is no value of dtype {}", op, value, dtype);
  });
}

/// Whether two elements of a view may lie at one place: an axis steps over less than the axes of smaller steps span.
bool may_overlap(const Shape& shape, const Shape& strides) {
  std::vector<std::pair<int64_t, int64_t>> axes;  // step, span
  for (size_t i = 0; i < shape.rank(); ++i)
    if (shape[i] > 1) axes.emplace_back(std::abs(strides[i]), std::abs(strides[i]) * (shape[i] - 1));
  std::sort(axes.begin(), axes.end());
  int64_t reach = 0;
  for (const auto& [step, span] : axes) {
    if (step <= reach) return true;
    reach += span;
  }
  return false;
}

bool rows_without_gaps(const Shape& shape, const Shape& strides) {
  int64_t step = 1;
  for (size_t i = shape.rank(); i-- > 0;) {
    if (shape[i] == 0) return true;
    if (shape[i] != 1 && strides[i] != step) return false;
    step *= shape[i];
  }
  return true;
}

}  // namespace

Tensor view(const Tensor& tensor, const Shape& shape, const Shape& strides, int64_t offset) {
  auto impl = make_impl();
  const TensorImpl& base = *tensor.impl();
  impl->dtype = base.dtype;
  impl->storage = base.storage;
  impl->data = base.data + offset * static_cast<int64_t>(item_size(base.dtype));
  impl->shape = shape;
  impl->strides = strides;
  impl->numel = shape.numel();
  impl->contiguous = rows_without_gaps(shape, strides);
  return Tensor(std::move(impl));
}

std::string text(DType dtype) { return std::string(name(dtype)); }

std::string text(const Tensor& tensor) {
  return tensor.defined() ? format("{} {}", {text(tensor.dtype()), tensor.shape().str()})
                          : std::string("undefined");
}

}  // namespace detail

int64_t Tensor::size(int64_t axis) const { return shape()[detail::normalize_axis("size", axis, rank())]; }

void* Tensor::typed(std::string_view caller, DType wanted, bool contiguous) const {
  check(dtype() == wanted, "[{}] asked for {}, but the tensor is {}", caller, wanted, *this);
  check(!contiguous || is_contiguous(), "[{}] the tensor {} is a view with gaps; use contiguous() first",
        caller, *this);
  if (detail::op_flags & detail::flag_tracing) detail::stop_trace("reads the values of a tensor");
  return raw_bytes();
}

double Tensor::scalar() const {
  if (detail::op_flags & detail::flag_tracing) detail::stop_trace("reads the value of a tensor");
  check(numel() == 1, "[item] expected a tensor of one element, got {}", *this);
  return detail::dispatch(dtype(), [&](auto zero) { return static_cast<double>(*raw<decltype(zero)>()); });
}

int64_t Tensor::integer() const {
  if (detail::op_flags & detail::flag_tracing) detail::stop_trace("reads the value of a tensor");
  check(numel() == 1, "[item] expected a tensor of one element, got {}", *this);
  check(!is_floating(dtype()), "[item] asked for an integer, but the tensor is {}", *this);
  return detail::dispatch(dtype(), [&](auto zero) { return static_cast<int64_t>(*raw<decltype(zero)>()); });
}

void Tensor::copy_out(void* to) const {
  const Tensor flat = detail::contiguous_values(*this);
  if (flat.numel() > 0)
    std::memcpy(to, flat.raw_bytes(), static_cast<size_t>(flat.numel()) * item_size(dtype()));
}

std::vector<std::byte> Tensor::to_bytes() const {
  std::vector<std::byte> bytes(static_cast<size_t>(numel()) * item_size(dtype()));
  copy_out(bytes.data());
  return bytes;
}

Tensor& Tensor::requires_grad_(bool value) {
  get();
  check(!value || is_floating(dtype()),
        "[requires_grad_] only floating dtypes have gradients; the tensor is {}", *this);
  check(!detail::is_recorded_result(*this),
        "[requires_grad_] the tensor {} is the result of a recorded op; only leaves "
        "can ask for gradients (detach() makes one)",
        *this);
  impl_->requires_grad = value;
  return *this;
}

void Tensor::set_grad(Tensor gradient) {
  if (gradient.defined())
    check(gradient.shape() == shape() && gradient.dtype() == dtype(),
          "[set_grad] expected a gradient like the tensor, {}, got {}", *this, gradient);
  get();
  impl_->grad = std::move(gradient);
  impl_->grad_rows = Tensor();
}

void Tensor::zero_grad() {
  get();
  impl_->grad = Tensor();
  impl_->grad_rows = Tensor();
}

void Tensor::changed(const char* who) {
  get();
  if (detail::op_flags & detail::flag_tracing) detail::stop_trace("changes a tensor in place");
  ++impl_->storage->version;
  impl_->storage->last_change = who;
}

Tensor& Tensor::fill_(double value) {
  copy_(full({}, value, {.dtype = dtype()}));
  impl_->storage->last_change = "fill_";
  return *this;
}

Tensor& Tensor::copy_(const Tensor& from) {
  check(from.dtype() == dtype(), "[copy_] expected values of dtype {}, got {}", dtype(), from);
  check(detail::broadcast_shapes("copy_", from.shape(), shape()) == shape(),
        "[copy_] shape {} does not broadcast to {}", from.shape(), shape());
  check(!detail::is_recorded_result(*this),
        "[copy_] the tensor {} was recorded by a tape that is still open: changing it "
        "in place would not be seen by backward",
        *this);
  check(!detail::is_tracked(from, "copy_"),
        "[copy_] the values, {}, are on a tape: their gradient would be lost. detach() them, or build the "
        "result with "
        "stack() or cat()",
        from);
  if (numel() == 0) return *this;
  for (size_t axis = 0; axis < rank(); ++axis)
    check(strides()[axis] != 0 || shape()[axis] <= 1,
          "[copy_] axis {} of {} repeats one place in memory (strides {}): clone() "
          "gives each element its own",
          axis, *this, strides());
  check(is_contiguous() || !detail::may_overlap(shape(), strides()),
        "[copy_] elements of {} share places in memory (strides {}): clone() gives each its own", *this,
        strides());
  Tensor values = from;
  if (from.impl()->storage.get() == impl_->storage.get() && from.impl() != impl_.get())
    detail::copy_values(from, values = empty_like(from));  // the two may overlap
  detail::copy_values(values, *this);
  changed("copy_");
  return *this;
}

Tensor empty(const Shape& shape, TensorOptions options) {
  const int64_t n = detail::checked_numel(shape, options.dtype);
  return detail::make(detail::Storage::create(static_cast<size_t>(n) * item_size(options.dtype)), shape,
                      options.dtype, n);
}

Tensor zeros(const Shape& shape, TensorOptions options) {
  Tensor result = empty(shape, options);
  if (result.numel() > 0)
    std::memset(result.raw_bytes(), 0, static_cast<size_t>(result.numel()) * item_size(options.dtype));
  return result;
}

Tensor full(const Shape& shape, double value, TensorOptions options) {
  Tensor result = empty(shape, options);
  detail::dispatch(options.dtype, [&](auto zero) {
    using T = decltype(zero);
    detail::check_fits("full", value, options.dtype);
    std::fill_n(result.raw<T>(), result.numel(), static_cast<T>(value));
  });
  return result;
}

Tensor ones(const Shape& shape, TensorOptions options) { return full(shape, 1.0, options); }
Tensor empty_like(const Tensor& tensor) { return empty(tensor.shape(), {.dtype = tensor.dtype()}); }
Tensor zeros_like(const Tensor& tensor) { return zeros(tensor.shape(), {.dtype = tensor.dtype()}); }
Tensor ones_like(const Tensor& tensor) { return ones(tensor.shape(), {.dtype = tensor.dtype()}); }
Tensor full_like(const Tensor& tensor, double value) {
  return full(tensor.shape(), value, {.dtype = tensor.dtype()});
}
Tensor scalar(double value, TensorOptions options) { return full({}, value, options); }

Tensor arange(int64_t start, int64_t stop, int64_t step, TensorOptions options) {
  check(step != 0, "[arange] the step must not be 0");
  int64_t span = 0;
  const bool countable =
      step != std::numeric_limits<int64_t>::min() &&
      !(step > 0 ? __builtin_sub_overflow(stop, start, &span) : __builtin_sub_overflow(start, stop, &span));
  check(countable, "[arange] from {} to {} by {} is too long to count", start, stop, step);
  const int64_t size = step > 0 ? step : -step;
  const int64_t n = span <= 0 ? 0 : (span - 1) / size + 1;
  Tensor result = empty({n}, options);
  detail::dispatch(options.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < n; ++i) result.raw<T>()[i] = static_cast<T>(start + i * step);
  });
  return result;
}

Tensor arange(int64_t stop) { return arange(0, stop); }

Tensor detail::arange_floating(double start, double stop, double step, TensorOptions options) {
  check(step != 0, "[arange] the step must not be 0");
  check(is_floating(options.dtype), "[arange] from {} to {} by {}: expected a floating dtype, got {}", start,
        stop, step, options.dtype);
  const double count = std::ceil((stop - start) / step);
  check(std::isfinite(start) && std::isfinite(step) && std::isfinite(count) && count < 0x1p53,
        "[arange] from {} to {} by {} is too long to count", start, stop, step);
  Tensor result = empty({count > 0 ? static_cast<int64_t>(count) : 0}, options);
  dispatch_floating("arange", options.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < result.numel(); ++i)
      result.raw<T>()[i] = static_cast<T>(start + static_cast<double>(i) * step);
  });
  return result;
}

namespace {

/// f of `count` values evenly spaced.
template <class F>
Tensor spaced(const char* op, double start, double stop, int64_t count, TensorOptions options, F f) {
  check(count >= 0, "[{}] expected a count of at least 0, got {}", op, count);
  check(is_floating(options.dtype), "[{}] expected a floating dtype, got {}", op, options.dtype);
  Tensor result = empty({count}, options);
  detail::dispatch_floating(op, options.dtype, [&](auto zero) {
    using T = decltype(zero);
    // Counted from the nearer end, so that both ends are exact.
    for (int64_t i = 0; i < count; ++i) {
      const double step = count > 1 ? (stop - start) / static_cast<double>(count - 1) : 0.0;
      const double value = i < count / 2 || count == 1 ? start + step * static_cast<double>(i)
                                                       : stop - step * static_cast<double>(count - 1 - i);
      result.raw<T>()[i] = static_cast<T>(f(value));
    }
  });
  return result;
}

}  // namespace

Tensor linspace(double start, double stop, int64_t count, TensorOptions options) {
  return spaced("linspace", start, stop, count, options, [](double value) { return value; });
}

Tensor logspace(double start, double stop, int64_t count, double base, TensorOptions options) {
  return spaced("logspace", start, stop, count, options,
                [base](double value) { return std::pow(base, value); });
}

Tensor eye(int64_t n, TensorOptions options) {
  Tensor result = zeros({n, n}, options);
  detail::dispatch(options.dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < n; ++i) result.raw<T>()[i * n + i] = T(1);
  });
  return result;
}

template <class T> Tensor from_vector(const std::vector<T>& values, const Shape& shape) {
  check(static_cast<int64_t>(values.size()) == detail::checked_numel(shape, detail::dtype_of<T>()),
        "[from_vector] {} values do not fill shape {}", values.size(), shape);
  Tensor result = empty(shape, {.dtype = detail::dtype_of<T>()});
  std::copy(values.begin(), values.end(), result.raw<T>());
  return result;
}
template Tensor from_vector(const std::vector<float>&, const Shape&);
template Tensor from_vector(const std::vector<double>&, const Shape&);
template Tensor from_vector(const std::vector<int64_t>&, const Shape&);
template Tensor from_vector(const std::vector<uint8_t>&, const Shape&);
template Tensor from_vector(const std::vector<bool>&, const Shape&);

Tensor tensor(std::initializer_list<detail::Number> values, TensorOptions options) {
  std::vector<double> numbers;
  for (detail::Number number : values) {
    detail::check_fits("tensor", number.value, options.dtype);
    numbers.push_back(number.value);
  }
  return detail::cast_values(from_vector(numbers), options.dtype);
}

Tensor tensor(std::initializer_list<std::initializer_list<double>> rows, TensorOptions options) {
  std::vector<double> values;
  const auto columns = rows.size() ? rows.begin()->size() : 0;
  for (const auto& row : rows) {
    check(row.size() == columns, "[tensor] rows of {} and {} values", columns, row.size());
    for (double value : row) detail::check_fits("tensor", value, options.dtype);
    values.insert(values.end(), row.begin(), row.end());
  }
  const Shape shape{static_cast<int64_t>(rows.size()), static_cast<int64_t>(columns)};
  return detail::cast_values(from_vector(values, shape), options.dtype);
}

Tensor from_blob(void* data, const Shape& shape, DType dtype, std::shared_ptr<void> owner) {
  const int64_t n = detail::checked_numel(shape, dtype);
  check(data != nullptr || n == 0, "[from_blob] there is no memory at a null pointer for shape {}", shape);
  return detail::make(
      detail::Storage::wrap(data, static_cast<size_t>(n) * item_size(dtype), std::move(owner)), shape, dtype,
      n);
}

}  // namespace reel
