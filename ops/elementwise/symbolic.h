// Symbolic: a tensor or a constant, with the arithmetic that formulas use, done by public ops. A slope
// evaluated with it is recorded on the tape like any other computation: this is how second derivatives come
// from the same formula.
#pragma once

#include <reel/framework/tensor.h>
#include <reel/ops/elementwise/functions.h>

namespace reel::detail {

class Symbolic {
 public:
  Symbolic() = default;
  explicit Symbolic(double constant) : constant_(constant) {}
  explicit Symbolic(Tensor tensor) : tensor_(std::move(tensor)), dtype_(tensor_.dtype()) {}
  /// A condition on values of `dtype`.
  Symbolic(Tensor condition, DType dtype) : tensor_(std::move(condition)), dtype_(dtype) {}

  bool is_constant() const { return !tensor_.defined(); }
  double constant() const { return constant_; }
  const Tensor& tensor() const { return tensor_; }
  DType dtype() const { return dtype_; }  ///< Of the values; for a condition, of the values it compares.

  static Symbolic call(Function function, const Symbolic& x);
  static Symbolic call(BinaryFunction function, const Symbolic& a, const Symbolic& b);

 private:
  Tensor tensor_;
  DType dtype_ = DType::float32;
  double constant_ = 0;
};

Symbolic operator-(const Symbolic& a);
Symbolic operator+(const Symbolic& a, const Symbolic& b);
Symbolic operator-(const Symbolic& a, const Symbolic& b);
Symbolic operator*(const Symbolic& a, const Symbolic& b);
Symbolic operator/(const Symbolic& a, const Symbolic& b);
// Conditions are bool tensors.
Symbolic operator<(const Symbolic& a, const Symbolic& b);
Symbolic operator<=(const Symbolic& a, const Symbolic& b);
Symbolic operator>(const Symbolic& a, const Symbolic& b);
Symbolic operator>=(const Symbolic& a, const Symbolic& b);
Symbolic operator==(const Symbolic& a, const Symbolic& b);
Symbolic operator!=(const Symbolic& a, const Symbolic& b);
Symbolic operator|(const Symbolic& a, const Symbolic& b);
Symbolic operator&(const Symbolic& a, const Symbolic& b);
Symbolic select(const Symbolic& condition, const Symbolic& a, const Symbolic& b);

}  // namespace reel::detail
