// A Diagnosis as a chart in characters.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "layers/diagnose.h"

namespace reel {
namespace {

constexpr size_t line_width = 79, gradient_bar = 28, share_bar = 10;

/// The decades that hold all positive finite values; a whole one at least.
struct Decades {
  double low = 0, high = 1;

  explicit Decades(const std::vector<double>& values) {
    bool any = false;
    for (double value : values) {
      if (!(value > 0) || !std::isfinite(value)) continue;
      const double power = std::log10(value);
      low = any ? std::min(low, power) : power;
      high = any ? std::max(high, power) : power;
      any = true;
    }
    if (!any) low = high = 0;
    low = std::floor(low);
    high = std::max(std::ceil(high), low + 1);
  }
  double part(double value) const { return (std::log10(value) - low) / (high - low); }
};

/// `part` of `width` places filled; at least one for what is more than nothing.
std::string bar(double part, size_t width) {
  if (!std::isfinite(part)) return std::string(width, ' ');
  const auto filled =
      static_cast<size_t>(std::lround(std::clamp(part, 0.0, 1.0) * static_cast<double>(width)));
  return std::string(filled, '#') + std::string(width - filled, '.');
}

std::string number(double value) { return std::isnan(value) ? "-" : fmt::format("{:.3g}", value); }
std::string percent(double share) { return std::isnan(share) ? "-" : fmt::format("{:.0f}%", 100 * share); }

double mean_of(const std::vector<double>& values) {
  double sum = 0, count = 0;
  for (double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count > 0 ? sum / count : std::nan("");
}

/// Words after each other, in lines that fit.
std::string wrapped(const std::string& head, const std::vector<std::string>& parts) {
  std::string result, line = head;
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::string part = parts[i] + (i + 1 < parts.size() ? "," : "");
    if (line.size() + 1 + part.size() > line_width) {
      result += line + "\n";
      line = std::string(head.size(), ' ');
    }
    line += " " + part;
  }
  return result + line + "\n";
}

std::string row(const LayerDiagnosis& layer, const Decades& decades, size_t t) {
  const double gradient = layer.gradients[t];
  const std::string gradient_text = std::isnan(gradient) ? "nan" : fmt::format("{:.2g}", gradient);
  const double part = std::isfinite(gradient) ? (gradient > 0 ? decades.part(gradient) : 0) : std::nan("");
  return fmt::format("{:>6} {:>9} {} {:>5} {} {:>9}\n", t, gradient_text, bar(part, gradient_bar),
                     percent(layer.saturated[t]), bar(layer.saturated[t], share_bar),
                     number(layer.jacobians[t]));
}

std::string chart(const LayerDiagnosis& layer, size_t rows) {
  const size_t steps = layer.gradients.size();
  const Decades decades(layer.gradients);
  const size_t stride = std::max<size_t>(1, (steps + rows - 1) / rows);
  std::string result = fmt::format("\n{}: {} steps{}\n", layer.name(), steps,
                                   stride > 1 ? fmt::format(", one of {} shown", stride) : "");
  const double factor = layer.gradient_factor();
  if (!std::isnan(factor))
    result += fmt::format("  each step back in time multiplies the gradient's norm by {:.3g}\n", factor);
  result += fmt::format("{:>6} {:>9} {:<{}} {:<16} {:>10}\n", "step", "gradient",
                        fmt::format("from 1e{} to 1e{}", std::lround(decades.low), std::lround(decades.high)),
                        gradient_bar, "saturated gates", "Jacobian");
  for (size_t t = 0; t < steps; t += stride) {
    result += row(layer, decades, t);
    if (t + 1 < steps && t + stride >= steps) result += row(layer, decades, steps - 1);
  }
  if (layer.gates.empty()) return result;
  std::vector<std::string> gates;
  for (const GateDiagnosis& gate : layer.gates)
    gates.push_back(fmt::format("{} {}", gate.name, percent(mean_of(gate.saturated))));
  return result + wrapped("  saturated, by gate:", gates);
}

}  // namespace

std::string Diagnosis::text(int64_t rows) const {
  check(rows >= 1, "[Diagnosis] at least 1 row expected, got {}", rows);
  std::string result = fmt::format("loss {:.6g}\n", loss);
  result += forward ? "forward: " + forward->text() + "\n" : "forward: all values are finite\n";
  result += backward ? "backward: " + backward->text() + "\n" : "backward: all gradients are finite\n";
  for (const LayerDiagnosis& layer : layers) result += chart(layer, static_cast<size_t>(rows));
  return result;
}

}  // namespace reel
