// Tensor: a cheap shared handle on strided storage, and the ways to make one. Ops on tensors live in ops/.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <reel/framework/dtype.h>
#include <reel/framework/shape.h>
#include <reel/framework/storage.h>

namespace reel {

class Tensor;
struct SparseGradient;

namespace detail {
struct TensorImpl;

/// What a tensor is on the tape that recorded it. Packed in one word, so that threads with tapes of their own
/// can share parameters.
struct TapeMark {
  uint32_t tape = 0;  // 0: on none
  int32_t slot = -1;
};
}  // namespace detail

/// An n-dimensional array. Copies share the data; views share it too. A default-constructed Tensor is
/// undefined, and every use of it but `defined()` throws.
class Tensor {
 public:
  Tensor() = default;

  bool defined() const { return static_cast<bool>(impl_); }

  const Shape& shape() const;
  const Shape& strides() const;  ///< In elements.
  size_t rank() const { return shape().rank(); }
  int64_t size(int64_t axis) const;  ///< Extent of `axis`, which may count from the end.
  int64_t numel() const;
  DType dtype() const;
  bool is_contiguous() const;  ///< Row-major without gaps.

  /// First element of a contiguous tensor of element type T; throws on any other.
  template <class T> const T* data() const {
    return static_cast<const T*>(typed("data", detail::dtype_of<T>(), true));
  }
  /// The same for writing; counts as an in-place change.
  template <class T> T* mutable_data() {
    void* pointer = typed("mutable_data", detail::dtype_of<T>(), true);
    changed("mutable_data");
    return static_cast<T*>(pointer);
  }
  /// The value of a one-element tensor; asked for as an integer, the dtype must be one.
  template <class T = double> T item() const {
    if constexpr (std::is_floating_point_v<T>)
      return static_cast<T>(scalar());
    else
      return static_cast<T>(integer());
  }
  /// All elements in row-major order.
  template <class T> std::vector<T> to_vector() const {
    typed("to_vector", detail::dtype_of<T>(), false);
    std::vector<T> values(static_cast<size_t>(numel()));
    if constexpr (std::is_same_v<T, bool>) {
      const auto bytes = to_bytes();
      for (size_t i = 0; i < values.size(); ++i) values[i] = bytes[i] != std::byte{0};
    } else {
      copy_out(values.data());
    }
    return values;
  }

  /// True for what gradients are wanted of; set on leaves (parameters), floating dtypes only.
  bool requires_grad() const;
  Tensor& requires_grad_(bool value = true);
  /// What Tape::backward left here; undefined before. One that is sparse becomes dense by this call.
  Tensor grad() const;
  void set_grad(Tensor gradient);
  /// The gradient as rows, where all of it came from uses that ask for that (Embedding's `sparse`); else two undefined
  /// tensors.
  SparseGradient sparse_grad() const;
  /// Sets a gradient that is zero but for some rows, the slices along axis 0: int64 `rows` [count], in any order,
  /// `values` [count, width...]. Values of rows that stand twice add up. Throws on a row outside of the tensor.
  void set_sparse_grad(const Tensor& rows, const Tensor& values);
  /// Forgets the gradient; grad() is undefined afterwards.
  void zero_grad();

  Tensor& fill_(double value);        ///< In place. Throws on a tensor that a live tape has recorded.
  Tensor& copy_(const Tensor& from);  ///< In place, `from` broadcast; dtypes must agree.
  uint32_t version() const;           ///< Number of in-place changes of the storage.

  /// As NumPy prints it, with dtype and shape.
  std::string str() const;

  // Internal from here on: the framework's and the ops' way in.
  explicit Tensor(detail::Handle<detail::TensorImpl> impl) : impl_(std::move(impl)) {}
  detail::TensorImpl* impl() const { return impl_.get(); }
  detail::Handle<detail::TensorImpl>& handle() { return impl_; }
  /// First element, whatever the strides.
  template <class T> T* raw() const { return static_cast<T*>(raw_bytes()); }
  void* raw_bytes() const;
  /// Notes an in-place change by `who` (a string that lives for ever).
  void changed(const char* who);

 private:
  const detail::TensorImpl& get() const;
  void* typed(std::string_view caller, DType wanted, bool contiguous) const;
  double scalar() const;
  int64_t integer() const;
  void copy_out(void* to) const;
  std::vector<std::byte> to_bytes() const;

  detail::Handle<detail::TensorImpl> impl_;
};

/// A gradient that is zero but for some rows.
struct SparseGradient {
  Tensor rows;    ///< int64 [count], ascending, each once.
  Tensor values;  ///< [count, width...]
  bool defined() const { return rows.defined(); }
};

std::ostream& operator<<(std::ostream& stream, const Tensor& tensor);

namespace detail {
/// A number of any type. Its being a class makes tensor({{2}, {6}}) a column and no list of two numbers in
/// braces.
struct Number {
  double value;
  template <class T>
  requires std::is_arithmetic_v<T> Number(T number)
      : value(static_cast<double>(number)) {}  // NOLINT(google-explicit-constructor): a list of numbers
};
}  // namespace detail

/// Options of the factories.
struct TensorOptions {
  DType dtype = DType::float32;
};

Tensor empty(const Shape& shape, TensorOptions options = {});  ///< Uninitialised.
Tensor zeros(const Shape& shape, TensorOptions options = {});
Tensor ones(const Shape& shape, TensorOptions options = {});
Tensor full(const Shape& shape, double value, TensorOptions options = {});
Tensor empty_like(const Tensor& tensor);
Tensor zeros_like(const Tensor& tensor);
Tensor ones_like(const Tensor& tensor);
Tensor full_like(const Tensor& tensor, double value);
/// start, start + step, ... below `stop`; int64 by default.
Tensor arange(int64_t start, int64_t stop, int64_t step = 1, TensorOptions options = {.dtype = DType::int64});
Tensor arange(int64_t stop);
namespace detail {
Tensor arange_floating(double start, double stop, double step, TensorOptions options);
}
/// The same with a fraction among the numbers: start + i * step for i below (stop - start) / step, rounded up, each
/// computed in double; float32 by default. Rounding decides about an element that falls on `stop`: see linspace.
template <class A, class B, class C = int>
requires std::is_floating_point_v<A> || std::is_floating_point_v<B> || std::is_floating_point_v<C> Tensor
arange(A start, B stop, C step = 1, TensorOptions options = {}) {
  return detail::arange_floating(static_cast<double>(start), static_cast<double>(stop),
                                 static_cast<double>(step), options);
}
/// `count` values evenly spaced from `start` to `stop`, both included.
Tensor linspace(double start, double stop, int64_t count, TensorOptions options = {});
/// base to the powers of linspace(start, stop, count).
Tensor logspace(double start, double stop, int64_t count, double base = 10, TensorOptions options = {});
Tensor eye(int64_t n, TensorOptions options = {});

/// From values given in row-major order.
template <class T> Tensor from_vector(const std::vector<T>& values, const Shape& shape);
template <class T> Tensor from_vector(const std::vector<T>& values) {
  return from_vector(values, Shape{static_cast<int64_t>(values.size())});
}
/// From nested lists: tensor({1, 2, 3}), tensor({{1, 2}, {3, 4}}). float32 unless said otherwise.
Tensor tensor(std::initializer_list<detail::Number> values, TensorOptions options = {});
Tensor tensor(std::initializer_list<std::initializer_list<double>> rows, TensorOptions options = {});
/// A tensor of no axes.
Tensor scalar(double value, TensorOptions options = {});

/// Memory that somebody else owns, as a tensor; `owner` is kept alive with it.
Tensor from_blob(void* data, const Shape& shape, DType dtype, std::shared_ptr<void> owner);

namespace detail {

struct TensorImpl {
  std::atomic<int32_t> references{1};
  DType dtype = DType::float32;
  bool requires_grad = false;
  bool contiguous = true;
  Handle<Storage> storage;
  std::byte* data = nullptr;
  int64_t numel = 0;
  Shape shape;
  Shape strides;
  std::atomic<TapeMark> mark{};
  Tensor grad;
  Tensor grad_rows;  // defined: `grad` holds these rows only

  static void destroy(TensorImpl* impl) noexcept;
};

[[noreturn]] void fail_undefined();

/// What is kept of the gradient: all of it, or the values of its rows. To be changed in place, element by element.
Tensor gradient_values(const Tensor& tensor);
/// Adds `values` at `rows`, as set_sparse_grad takes them, to what gradient the tensor has.
void add_sparse_grad(Tensor& tensor, const Tensor& rows, const Tensor& values);

/// A view: other extents and strides on the same storage, `offset` elements further on.
Tensor view(const Tensor& tensor, const Shape& shape, const Shape& strides, int64_t offset = 0);

/// `to` = `from`, which broadcasts to it; same dtype. Not recorded.
void copy_values(const Tensor& from, const Tensor& to);
/// The tensor itself if contiguous, else a contiguous copy. Not recorded.
Tensor contiguous_values(const Tensor& tensor);
/// The values in another dtype. Not recorded.
Tensor cast_values(const Tensor& tensor, DType dtype);
}  // namespace detail

inline const detail::TensorImpl& Tensor::get() const {
  if (!impl_) detail::fail_undefined();
  return *impl_;
}
inline const Shape& Tensor::shape() const { return get().shape; }
inline const Shape& Tensor::strides() const { return get().strides; }
inline int64_t Tensor::numel() const { return get().numel; }
inline DType Tensor::dtype() const { return get().dtype; }
inline bool Tensor::is_contiguous() const { return get().contiguous; }
inline bool Tensor::requires_grad() const { return get().requires_grad; }
inline uint32_t Tensor::version() const { return get().storage->version; }
inline void* Tensor::raw_bytes() const { return get().data; }

}  // namespace reel
