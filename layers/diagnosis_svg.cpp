// A Diagnosis as a plot.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "framework/atomic_file.h"
#include "layers/diagnose.h"

namespace reel {
namespace {

// The page, in pixels
constexpr double page_width = 900, left = 84, plot_width = 620, plot_height = 170, top = 104,
                 panel_pitch = 252;

// Colours that are told apart by those who see few of them: Okabe and Ito, 2008.
constexpr std::array<const char*, 7> colours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                "#e69f00", "#56b4e9", "#000000"};

std::string escaped(const std::string& text) {
  std::string result;
  for (char c : text) switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += static_cast<unsigned char>(c) < 32 ? ' ' : c;
    }
  return result;
}

std::string label(double x, double y, const std::string& style, const std::string& text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", x, y, style, escaped(text));
}

std::string line(double x1, double y1, double x2, double y2, const std::string& style) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1, x2, y2,
                     style);
}

/// An axis from the first tick to the last, of values or of their powers of ten.
struct Axis {
  bool logarithmic;
  std::vector<double> ticks;

  bool shows(double value) const { return std::isfinite(value) && (!logarithmic || value > 0); }
  double part(double value) const {
    const auto place = [&](double x) { return logarithmic ? std::log10(x) : x; };
    return (place(value) - place(ticks.front())) / (place(ticks.back()) - place(ticks.front()));
  }
  std::string text(double tick) const {
    if (!logarithmic) return fmt::format("{:.0f}%", 100 * tick);
    return tick >= 0.0009 && tick <= 9999 ? fmt::format("{:g}", tick) : fmt::format("{:.0e}", tick);
  }
};

using Values = std::vector<double> LayerDiagnosis::*;

/// 1, 2 and 5 times powers of ten, or powers alone, around all that there is to be shown; and around 1 where that is a
/// mark.
Axis powers(const std::vector<LayerDiagnosis>& layers, Values values, bool around_one) {
  double low = around_one ? 0.9 : 0, high = around_one ? 1.1 : 0;
  for (const LayerDiagnosis& layer : layers)
    for (double value : layer.*values) {
      if (!(value > 0) || !std::isfinite(value)) continue;
      low = low > 0 ? std::min(low, value) : value;
      high = std::max(high, value);
    }
  if (low == 0) low = high = 1;
  const double decades = std::log10(high / low);
  Axis axis{true, {}};
  const std::vector<double> steps = decades < 2 ? std::vector<double>{1, 2, 5} : std::vector<double>{1};
  const double stride = decades < 2 ? 1 : std::ceil(decades / 6);
  for (double power = std::floor(std::log10(low)); axis.ticks.size() < 2 || axis.ticks.back() < high;
       power += stride)
    for (double step : steps) {
      const double tick = step * std::pow(10.0, power);
      if (!axis.ticks.empty() && tick <= low * (1 + 1e-9)) axis.ticks.clear();
      if (axis.ticks.size() < 2 || axis.ticks.back() < high) axis.ticks.push_back(tick);
    }
  return axis;
}

struct Panel {
  const char* title;
  Values values;
  Axis axis;
  const char* group;
};

class Plot {
 public:
  explicit Plot(const Diagnosis& diagnosis) : diagnosis_(diagnosis) {
    for (const LayerDiagnosis& layer : diagnosis.layers)
      steps_ = std::max(steps_, static_cast<int64_t>(layer.gradients.size()));
  }

  std::string draw() {
    const auto& layers = diagnosis_.layers;
    const std::array<Panel, 3> panels = {
        {{"Norm of the loss's gradient with respect to the state, logarithmic", &LayerDiagnosis::gradients,
          powers(layers, &LayerDiagnosis::gradients, false), "gradients"},
         {"Share of saturated gates",
          &LayerDiagnosis::saturated,
          {false, {0, 0.25, 0.5, 0.75, 1}},
          "saturated"},
         {"Largest singular value of the step's Jacobian, logarithmic", &LayerDiagnosis::jacobians,
          powers(layers, &LayerDiagnosis::jacobians, true), "jacobians"}}};
    const double height = top + panel_pitch * static_cast<double>(panels.size());
    svg_ = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 "
        "{0:.0f} "
        "{1:.0f}\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#222\">\n"
        "<title>Recurrent layers, step by step</title>\n"
        "<rect width=\"{0:.0f}\" height=\"{1:.0f}\" fill=\"white\"/>\n",
        page_width, height);
    svg_ += label(left, 28, "font-size=\"19\" font-weight=\"bold\"",
                  fmt::format("Recurrent layers, step by step; loss {:.4g}", diagnosis_.loss));
    const auto finding = [](const char* what, const std::optional<NonFinite>& first) {
      return fmt::format("{}: {}.", what, first ? first->text() : "all finite");
    };
    svg_ += label(left, 47, "fill=\"#666\"", finding("Values", diagnosis_.forward));
    svg_ += label(left, 63, "fill=\"#666\"", finding("Gradients", diagnosis_.backward));
    for (size_t i = 0; i < panels.size(); ++i) panel(panels[i], top + panel_pitch * static_cast<double>(i));
    legend();
    return svg_ + "</svg>\n";
  }

 private:
  double x_of(double step) const {
    return left + plot_width * (steps_ > 1 ? step / static_cast<double>(steps_ - 1) : 0.5);
  }

  void panel(const Panel& panel, double y) {
    const auto y_of = [&](double part) { return y + plot_height * (1 - part); };
    svg_ += fmt::format("<g class=\"{}\">\n", panel.group);
    svg_ += label(left, y - 10, "font-weight=\"bold\"", panel.title);
    for (double tick : panel.axis.ticks) {
      const double height = y_of(panel.axis.part(tick));
      svg_ += line(left, height, left + plot_width, height, "stroke=\"#ddd\"");
      svg_ += label(left - 8, height + 4, "text-anchor=\"end\"", panel.axis.text(tick));
    }
    if (panel.values == &LayerDiagnosis::jacobians) {
      const double one = y_of(panel.axis.part(1));
      svg_ += line(left, one, left + plot_width, one, "stroke=\"#888\" stroke-dasharray=\"2 3\"");
    }
    step_axis(y + plot_height);
    if (diagnosis_.forward && diagnosis_.forward->step >= 0) {
      const double at = x_of(static_cast<double>(diagnosis_.forward->step));
      svg_ += line(at, y, at, y + plot_height, "stroke=\"#d00\" stroke-dasharray=\"5 3\"");
    }
    bool empty = true;
    for (size_t i = 0; i < diagnosis_.layers.size(); ++i)
      empty = !curve(diagnosis_.layers[i].*panel.values, panel.axis, y, i) && empty;
    if (empty)
      svg_ += label(left + plot_width / 2, y + plot_height / 2, "text-anchor=\"middle\" fill=\"#666\"",
                    "nothing that could be shown");
    svg_ += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"none\" "
        "stroke=\"#888\"/>\n</g>\n",
        left, y, plot_width, plot_height);
  }

  void step_axis(double y) {
    int64_t tick = 1;
    for (int64_t factor = 1; (steps_ - 1) / tick > 10; factor *= 10)
      for (int64_t digit : {1, 2, 5})
        if ((steps_ - 1) / tick > 10) tick = digit * factor;
    for (int64_t step = 0; step < steps_; step += tick) {
      const double x = x_of(static_cast<double>(step));
      svg_ += line(x, y, x, y + 4, "stroke=\"#888\"");
      svg_ += label(x, y + 18, "text-anchor=\"middle\"", std::to_string(step));
    }
    svg_ += label(left + plot_width / 2, y + 36, "text-anchor=\"middle\"", "step");
  }

  std::string stroke(size_t layer) const {
    return fmt::format("stroke=\"{}\" stroke-width=\"1.8\"{}",
                       colours[static_cast<size_t>(diagnosis_.layers[layer].layer) % colours.size()],
                       diagnosis_.layers[layer].reverse ? " stroke-dasharray=\"6 3\"" : "");
  }

  /// Lines through what the axis shows, broken where it shows nothing; false where that is everywhere.
  bool curve(const std::vector<double>& values, const Axis& axis, double y, size_t layer) {
    std::string points;
    bool any = false;
    const auto flush = [&] {
      any = any || !points.empty();
      if (!points.empty())
        svg_ += fmt::format("<polyline fill=\"none\" stroke-linecap=\"round\" {} points=\"{}\"/>\n",
                            stroke(layer), points);
      points.clear();
    };
    for (size_t t = 0; t < values.size(); ++t) {
      if (!axis.shows(values[t])) {
        flush();
        continue;
      }
      const double height = y + plot_height * (1 - axis.part(values[t]));
      points +=
          fmt::format("{}{:.1f},{:.1f}", points.empty() ? "" : " ", x_of(static_cast<double>(t)), height);
    }
    flush();
    return any;
  }

  void legend() {
    const double x = left + plot_width + 20;
    double y = top + 12;
    for (size_t i = 0; i < diagnosis_.layers.size(); ++i, y += 20) {
      svg_ += line(x, y - 4, x + 26, y - 4, stroke(i));
      svg_ += label(x + 34, y, "", diagnosis_.layers[i].name());
    }
    if (!diagnosis_.forward || diagnosis_.forward->step < 0) return;
    svg_ += line(x, y - 4, x + 26, y - 4, "stroke=\"#d00\" stroke-dasharray=\"5 3\"");
    svg_ += label(x + 34, y, "", "first " + diagnosis_.forward->value);
  }

  const Diagnosis& diagnosis_;
  int64_t steps_ = 1;
  std::string svg_;
};

}  // namespace

std::string Diagnosis::svg() const { return Plot(*this).draw(); }

void Diagnosis::save_svg(const std::filesystem::path& path) const {
  const std::string content = svg();
  detail::write_atomically(path, [&](detail::FileWriter& file) { file.write(content); });
}

}  // namespace reel
