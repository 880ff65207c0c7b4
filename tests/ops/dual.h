// Dual: a number with its derivative, and the functions that formulas use. A formula evaluated with it gives
// its exact slope by the chain rule, which is what the slope that the formula states is held to.
#pragma once

#include <cmath>
#include <numbers>

namespace reel::detail {

struct Dual {
  double value = 0;
  double derivative = 0;

  Dual() = default;
  explicit Dual(double constant) : value(constant) {}
  Dual(double v, double d) : value(v), derivative(d) {}

  friend Dual operator-(const Dual& a) { return {-a.value, -a.derivative}; }
  friend Dual operator+(const Dual& a, const Dual& b) {
    return {a.value + b.value, a.derivative + b.derivative};
  }
  friend Dual operator-(const Dual& a, const Dual& b) {
    return {a.value - b.value, a.derivative - b.derivative};
  }
  friend Dual operator*(const Dual& a, const Dual& b) {
    return {a.value * b.value, a.derivative * b.value + a.value * b.derivative};
  }
  friend Dual operator/(const Dual& a, const Dual& b) {
    return {a.value / b.value, a.derivative / b.value - a.value / b.value * b.derivative / b.value};
  }
  friend bool operator<(const Dual& a, const Dual& b) { return a.value < b.value; }
  friend bool operator<=(const Dual& a, const Dual& b) { return a.value <= b.value; }
  friend bool operator>(const Dual& a, const Dual& b) { return a.value > b.value; }
  friend bool operator>=(const Dual& a, const Dual& b) { return a.value >= b.value; }
  friend bool operator==(const Dual& a, const Dual& b) { return a.value == b.value; }
  friend bool operator!=(const Dual& a, const Dual& b) { return a.value != b.value; }
  friend Dual select(bool condition, const Dual& a, const Dual& b) { return condition ? a : b; }

  friend Dual exp(const Dual& x) { return chain(x, std::exp(x.value), std::exp(x.value)); }
  friend Dual expm1(const Dual& x) { return chain(x, std::expm1(x.value), std::exp(x.value)); }
  friend Dual log(const Dual& x) { return chain(x, std::log(x.value), 1 / x.value); }
  friend Dual log1p(const Dual& x) { return chain(x, std::log1p(x.value), 1 / (1 + x.value)); }
  friend Dual sqrt(const Dual& x) { return chain(x, std::sqrt(x.value), 0.5 / std::sqrt(x.value)); }
  friend Dual sin(const Dual& x) { return chain(x, std::sin(x.value), std::cos(x.value)); }
  friend Dual cos(const Dual& x) { return chain(x, std::cos(x.value), -std::sin(x.value)); }
  friend Dual tanh(const Dual& x) {
    const double c = std::cosh(x.value);
    return chain(x, std::tanh(x.value), 1 / (c * c));
  }
  friend Dual abs(const Dual& x) {
    return chain(x, std::abs(x.value), x.value > 0 ? 1 : x.value < 0 ? -1 : 0);
  }
  friend Dual erf(const Dual& x) {
    return chain(x, std::erf(x.value), 2 * std::numbers::inv_sqrtpi * std::exp(-x.value * x.value));
  }
  friend Dual pow(const Dual& a, const Dual& b) {
    Dual result =
        chain(a, std::pow(a.value, b.value), b.value == 0 ? 0 : b.value * std::pow(a.value, b.value - 1));
    if (b.derivative != 0) result.derivative += result.value * std::log(a.value) * b.derivative;
    return result;
  }

 private:
  static Dual chain(const Dual& x, double value, double slope) { return {value, slope * x.derivative}; }
};

}  // namespace reel::detail
