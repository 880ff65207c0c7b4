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
  friend Dual erfc(const Dual& x) {
    return chain(x, std::erfc(x.value), -2 * std::numbers::inv_sqrtpi * std::exp(-x.value * x.value));
  }
  friend Dual log2(const Dual& x) { return chain(x, std::log2(x.value), std::numbers::log2e / x.value); }
  friend Dual log10(const Dual& x) { return chain(x, std::log10(x.value), std::numbers::log10e / x.value); }
  friend Dual tan(const Dual& x) {
    const double c = std::cos(x.value);
    return chain(x, std::tan(x.value), 1 / (c * c));
  }
  friend Dual asin(const Dual& x) {
    return chain(x, std::asin(x.value), 1 / std::sqrt(1 - x.value * x.value));
  }
  friend Dual acos(const Dual& x) {
    return chain(x, std::acos(x.value), -1 / std::sqrt(1 - x.value * x.value));
  }
  friend Dual atan(const Dual& x) { return chain(x, std::atan(x.value), 1 / (1 + x.value * x.value)); }
  friend Dual sinh(const Dual& x) { return chain(x, std::sinh(x.value), std::cosh(x.value)); }
  friend Dual cosh(const Dual& x) { return chain(x, std::cosh(x.value), std::sinh(x.value)); }
  friend Dual asinh(const Dual& x) { return chain(x, std::asinh(x.value), 1 / std::hypot(1, x.value)); }
  friend Dual acosh(const Dual& x) {
    return chain(x, std::acosh(x.value), 1 / std::sqrt(x.value * x.value - 1));
  }
  friend Dual atanh(const Dual& x) { return chain(x, std::atanh(x.value), 1 / (1 - x.value * x.value)); }
  friend Dual floor(const Dual& x) { return chain(x, std::floor(x.value), 0); }
  friend Dual ceil(const Dual& x) { return chain(x, std::ceil(x.value), 0); }
  friend Dual trunc(const Dual& x) { return chain(x, std::trunc(x.value), 0); }
  friend Dual nearbyint(const Dual& x) { return chain(x, std::nearbyint(x.value), 0); }
  friend Dual atan2(const Dual& a, const Dual& b) {
    const double square = a.value * a.value + b.value * b.value;
    return {std::atan2(a.value, b.value), (a.derivative * b.value - a.value * b.derivative) / square};
  }
  friend Dual hypot(const Dual& a, const Dual& b) {
    const double length = std::hypot(a.value, b.value);
    return {length, (a.derivative * a.value + b.derivative * b.value) / length};
  }
  friend Dual fmod(const Dual& a, const Dual& b) {
    const double left = std::fmod(a.value, b.value);
    return {left, a.derivative - std::round((a.value - left) / b.value) * b.derivative};
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
