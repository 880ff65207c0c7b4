// Probe: a number type that computes nothing and notes which arguments a formula's result depends on, and
// whether it is a constant. By it the framework learns from a slope itself what backward has to save.
#pragma once

#include <cstdint>

#include <reel/framework/op.h>
#include <reel/ops/elementwise/functions.h>

namespace reel::detail {

class Probe {
 public:
  Probe() = default;
  explicit Probe(double constant) : constant_(constant), known_(true) {}
  static Probe argument(size_t i) { return depends(1U << i); }
  static Probe depends(uint32_t arguments) {
    Probe probe;
    probe.arguments_ = arguments;
    return probe;
  }

  bool is_constant() const { return known_; }
  double constant() const { return constant_; }
  bool reads(size_t i) const { return (arguments_ >> i & 1U) != 0; }
  uint32_t arguments() const { return arguments_; }
  /// As what an op saves: arguments are its inputs, number `arity` is its result.
  Saves saves(size_t arity) const {
    Saves result;
    for (unsigned i = 0; i < arity; ++i)
      if (reads(i)) result = result | Saves::input(i);
    return reads(arity) ? result | Saves::output() : result;
  }

  friend Probe operator-(const Probe& a) { return a.known_ ? Probe(-a.constant_) : a; }
  friend Probe operator+(const Probe& a, const Probe& b) { return combine(a, b, a.constant_ + b.constant_); }
  friend Probe operator-(const Probe& a, const Probe& b) { return combine(a, b, a.constant_ - b.constant_); }
  friend Probe operator*(const Probe& a, const Probe& b) { return combine(a, b, a.constant_ * b.constant_); }
  friend Probe operator/(const Probe& a, const Probe& b) { return combine(a, b, a.constant_ / b.constant_); }
  // Conditions keep only what they depend on.
  friend Probe operator<(const Probe& a, const Probe& b) { return join(a, b); }
  friend Probe operator<=(const Probe& a, const Probe& b) { return join(a, b); }
  friend Probe operator>(const Probe& a, const Probe& b) { return join(a, b); }
  friend Probe operator>=(const Probe& a, const Probe& b) { return join(a, b); }
  friend Probe operator==(const Probe& a, const Probe& b) { return join(a, b); }
  friend Probe operator!=(const Probe& a, const Probe& b) { return join(a, b); }
  friend Probe operator|(const Probe& a, const Probe& b) { return join(a, b); }
  friend Probe operator&(const Probe& a, const Probe& b) { return join(a, b); }
  friend Probe select(const Probe& condition, const Probe& a, const Probe& b) {
    return join(condition, join(a, b));
  }

  static Probe call(Function, const Probe& x) { return join(x, x); }
  static Probe call(BinaryFunction, const Probe& a, const Probe& b) { return join(a, b); }

 private:
  static Probe join(const Probe& a, const Probe& b) { return depends(a.arguments_ | b.arguments_); }
  static Probe combine(const Probe& a, const Probe& b, double constant) {
    return a.known_ && b.known_ ? Probe(constant) : join(a, b);
  }

  uint32_t arguments_ = 0;
  double constant_ = 0;
  bool known_ = false;
};

}  // namespace reel::detail
