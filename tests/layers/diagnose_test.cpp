// What diagnose() says of layers of which it is known.
#include "layers/diagnose.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "framework/anomaly.h"
#include "framework/random.h"
#include "framework/tape.h"
#include "layers/initializers.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/dropout.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/framework/files.h"
#include "tests/framework/misuse.h"

namespace reel {
namespace {

constexpr TensorOptions wide{.dtype = DType::float64};

/// h' = x + h W^T, W orthogonal times `scale`.
struct LinearCell : Cell {
  Tensor weight;
  REEL_FIELDS(weight)
  LinearCell(int64_t, int64_t hidden) : weight(orthogonal_(empty({hidden, hidden})).requires_grad_()) {}
  Tensor step(const Tensor& x, const Tensor& h) const { return x + linear(h, weight); }
};

Recurrent<LinearCell> linear_layer(double scale, RecurrentOptions options = {}) {
  manual_seed(3);
  Recurrent<LinearCell> layer({4, 4}, options);
  layer.to(DType::float64);
  for (LinearCell& cell : layer.cells) {
    cell.weight = orthogonal_(empty({4, 4}, wide));
    cell.weight = (cell.weight * scale).requires_grad_();
  }
  return layer;
}

/// Takes the logarithm of x[.., 0] by the side; its slope at 0 is endless, of what is below 0 there is none.
struct LogCell : Cell {
  Linear in{2, 3}, rec{3, 3};
  REEL_FIELDS(in, rec)
  Tensor step(const Tensor& x, const Tensor& h) const {
    const Tensor next = tanh(in(x) + rec(h));
    const Scope scope("side");
    return next + 0.01 * log(narrow(x, -1, 0, 1));
  }
};

/// sqrt(0 * h): a value that is finite, with a gradient that is not.
struct RootCell : Cell {
  Linear in{2, 3}, rec{3, 3};
  REEL_FIELDS(in, rec)
  Tensor step(const Tensor& x, const Tensor& h) const {
    return tanh(in(x) + rec(h)) + pow(square(h) * narrow(x, -1, 0, 1), 0.5);
  }
};

struct NoisyCell : Cell {
  Linear in, rec;
  REEL_FIELDS(in, rec)
  Tensor step(const Tensor& x, const Tensor& h) const {
    return tanh(in(x) + rec(is_training() ? dropout(h, 0.5) : h));
  }
};

struct MaskedCell : Cell {
  Linear in, rec;
  Tensor mask;
  REEL_FIELDS(in, rec)
  MaskedCell begin(const SequenceStart& start) const {
    MaskedCell begun = *this;
    begun.mask = bernoulli({start.batch, 3}, 0.5, {.dtype = start.dtype});
    return begun;
  }
  Tensor step(const Tensor& x, const Tensor& h) const {
    return tanh(in(x) + rec(mask.defined() ? h * mask : h));
  }
};

struct CountedState {
  Tensor h, count;
  REEL_FIELDS(h, count)
};
/// A state that is an integer, and one that is handed on as it is.
struct CountedCell : Cell {
  Linear in{2, 3};
  REEL_FIELDS(in)
  CountedState initial_state(int64_t batch) const {
    return {zeros({batch, 3}), zeros({batch, 1}, {.dtype = DType::int64})};
  }
  CountedState step(const Tensor& x, const CountedState& s) const {
    return {tanh(in(x)) + 0.5 * s.h, s.count + 1};
  }
};

Tensor loss_of_last(const Tensor& output) { return sum(select(output, 0, -1)); }
Tensor mean_square(const Tensor& output) { return mean(square(output)); }

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

/// Points of all lines of a group of the plot.
size_t points_in(const std::string& svg, const std::string& group) {
  const size_t begin = svg.find("<g class=\"" + group + "\">");
  const std::string part = svg.substr(begin, svg.find("</g>", begin) - begin);
  size_t n = 0;
  for (size_t at = part.find("points=\""); at != std::string::npos; at = part.find("points=\"", at + 1)) {
    const size_t end = part.find('"', at + 8);
    n += count(part.substr(at, end - at), ",");
  }
  return n;
}

/// Whether every tag is closed in its turn, and all that must be is escaped.
bool is_well_formed(const std::string& xml) {
  std::vector<std::string> open;
  for (size_t at = 0; at < xml.size();) {
    if (xml[at] == '&' && xml.substr(at, 5) != "&amp;" && xml.substr(at, 4) != "&lt;" &&
        xml.substr(at, 4) != "&gt;" && xml.substr(at, 6) != "&quot;")
      return false;
    if (xml[at] == '>') return false;
    if (xml[at] != '<') {
      ++at;
      continue;
    }
    const size_t end = xml.find('>', at);
    if (end == std::string::npos) return false;
    const std::string tag = xml.substr(at + 1, end - at - 1);
    if (tag.find('<') != std::string::npos || count(tag, "\"") % 2 != 0) return false;
    const std::string name = tag.substr(tag[0] == '/', tag.find_first_of(" /", 1) - (tag[0] == '/'));
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    at = end + 1;
  }
  return open.empty();
}

}  // namespace

TEST_CASE("gradients of a linear layer change by the scale of its weight, which is its singular value",
          "[diagnose]") {
  for (const double scale : {0.5, 1.0, 2.0}) {
    const Recurrent<LinearCell> layer = linear_layer(scale);
    const Tensor x = randn({9, 3, 4}, wide);
    const Diagnosis found = diagnose(layer, x, loss_of_last, {.jacobian_steps = {0, 4, 8}});
    REQUIRE(found.layers.size() == 1);
    const LayerDiagnosis& one = found.layers[0];
    CHECK(one.name() == "layer 0");
    REQUIRE(one.gradients.size() == 9);
    CHECK(one.gradients[8] == Approx(std::sqrt(12.0)).epsilon(1e-12));  // of a sum over 3 x 4 numbers
    for (size_t t = 0; t < 8; ++t)
      CHECK(one.gradients[t] == Approx(scale * one.gradients[t + 1]).epsilon(1e-12));
    CHECK(one.tensor_gradients == std::vector<std::vector<double>>{one.gradients});
    CHECK(one.gradient_factor() == Approx(scale).epsilon(1e-12));
    for (size_t t = 0; t < 9; ++t)
      if (t % 4 == 0)
        CHECK(one.jacobians[t] == Approx(scale).epsilon(1e-12));
      else
        CHECK(std::isnan(one.jacobians[t]));
    CHECK(one.gates.empty());
    CHECK(std::isnan(one.saturated[0]));
    CHECK(found.loss == Approx(loss_of_last(layer(x).output).item()).epsilon(1e-12));
    CHECK_FALSE(found.forward);
    CHECK_FALSE(found.backward);
  }
}

TEST_CASE("the backward direction's gradients shrink towards its own first step, the last", "[diagnose]") {
  const Recurrent<LinearCell> layer = linear_layer(0.5, {.bidirectional = true});
  const Diagnosis found =
      diagnose(layer, randn({6, 2, 4}, wide), [](const Tensor& output) { return sum(select(output, 0, 0)); },
               {.jacobian_iterations = 0});
  REQUIRE(found.layers.size() == 2);
  CHECK(found.layers[1].name() == "layer 0 reverse");
  for (size_t t = 0; t < 5; ++t)
    CHECK(found.layers[1].gradients[t + 1] == Approx(0.5 * found.layers[1].gradients[t]).epsilon(1e-12));
  CHECK(found.layers[1].gradient_factor() == Approx(0.5).epsilon(1e-12));
  CHECK(found.layers[0].gradients[0] > 0);
  CHECK(found.layers[0].gradients[1] == 0);
  CHECK(std::isnan(found.layers[0].gradient_factor()));
}

TEST_CASE("gradients with respect to states are those of the plain tape", "[diagnose]") {
  manual_seed(4);
  LSTM lstm(3, 5, {.layers = 2});
  lstm.to(DType::float64);
  const Tensor x = randn({4, 2, 3}, wide);
  const Diagnosis found = diagnose(lstm, x, mean_square);
  CHECK(found.loss == Approx(mean_square(lstm(x).output).item()).epsilon(1e-12));
  Tape tape;
  std::vector<std::vector<LSTMState>> states(2);
  std::vector<Tensor> outputs;
  LSTMState s[2] = {{zeros({2, 5}, wide), zeros({2, 5}, wide)}, {zeros({2, 5}, wide), zeros({2, 5}, wide)}};
  for (int64_t t = 0; t < 4; ++t) {
    s[0] = lstm.cells[0].step(select(x, 0, t), s[0]);
    s[1] = lstm.cells[1].step(s[0].h, s[1]);
    for (size_t i = 0; i < 2; ++i) states[i].push_back(s[i]);
    outputs.push_back(s[1].h);
  }
  std::vector<Tensor> wanted;
  for (const auto& layer : states)
    for (const LSTMState& one : layer) wanted.insert(wanted.end(), {one.h, one.c});
  const std::vector<Tensor> gradients = tape.gradient(mean_square(stack(outputs, 0)), wanted);
  for (size_t i = 0; i < gradients.size(); ++i) {
    const size_t layer = i / 8, t = i % 8 / 2;
    const double norm = std::sqrt(sum(square(gradients[i])).item());
    CHECK(found.layers[layer].tensor_gradients[i % 2][t] == Approx(norm).epsilon(1e-10));
  }
  const LayerDiagnosis& one = found.layers[1];
  CHECK(one.gradients[2] == Approx(std::hypot(one.tensor_gradients[0][2], one.tensor_gradients[1][2])));
}

TEST_CASE("the singular value of an LSTM's step is that of the Jacobian, row by row", "[diagnose]") {
  manual_seed(5);
  LSTM lstm(2, 2);
  lstm.to(DType::float64);
  const Tensor x = randn({1, 2, 2}, wide);
  const Diagnosis found = diagnose(lstm, x, mean_square, {.jacobian_iterations = 200});
  // The Jacobian of each row by rows of its own, and its largest singular value by the trace of (J^T J)^64.
  double largest = 0;
  for (int64_t n = 0; n < 2; ++n) {
    Tape tape;
    const LSTMState start{zeros({1, 2}, wide), zeros({1, 2}, wide)};
    tape.watch(start.h);
    tape.watch(start.c);
    const LSTMState next = lstm.cells[0].step(narrow(select(x, 0, 0), 0, n, 1), start);
    std::vector<Tensor> rows;
    for (const Tensor& part : {next.h, next.c})
      for (int64_t k = 0; k < 2; ++k) {
        const auto row = tape.gradient(sum(select(part, 1, k)), {start.h, start.c}, {.retain_graph = true});
        rows.push_back(cat({select(row[0], 0, 0), select(row[1], 0, 0)}, 0));
      }
    const Tensor jacobian = stack(rows, 0);
    Tensor power = matmul(transpose(jacobian), jacobian);
    double scale = 1, log_trace = 0;
    for (int i = 0; i < 6; ++i, scale *= 2) {
      double trace = 0;
      for (int64_t k = 0; k < 4; ++k) trace += element(power, {k, k});
      log_trace += std::log(trace) / scale;
      power = power / trace;
      power = matmul(power, power);
    }
    double trace = 0;
    for (int64_t k = 0; k < 4; ++k) trace += element(power, {k, k});
    log_trace += std::log(trace) / scale;
    largest = std::max(largest, std::exp(log_trace / 2));
  }
  CHECK(found.layers[0].jacobians[0] == Approx(largest).epsilon(1e-3));
}

TEST_CASE("large biases saturate all gates, small ones none", "[diagnose]") {
  manual_seed(6);
  for (const double bias : {50.0, -50.0, 0.0}) {
    const GRU gru(3, 4);
    for (auto& [name, tensor] : gru.named_parameters())
      Tensor(tensor).fill_(name.starts_with("bias_ih") ? bias : 0);
    const Diagnosis found = diagnose(gru, randn({5, 2, 3}), mean_square, {.jacobian_iterations = 0});
    const LayerDiagnosis& one = found.layers[0];
    const double share = bias == 0 ? 0 : 1;
    CHECK(one.saturated == std::vector<double>(5, share));
    REQUIRE(one.gates.size() == 3);
    CHECK(one.gates[0].name == "sigmoid 0");
    CHECK(one.gates[1].name == "sigmoid 1");
    CHECK(one.gates[2].name == "tanh 0");
    for (const GateDiagnosis& gate : one.gates) CHECK(gate.saturated == std::vector<double>(5, share));
  }
  // Half of one gate's elements, a quarter of all.
  LSTM lstm(1, 2);
  for (auto& [name, tensor] : lstm.named_parameters()) Tensor(tensor).fill_(0);
  lstm.cells[0].bias_ih.copy_(tensor({4, 0, 0, 0, 0, 0, 0, 0}));  // the input gate, of the first unit
  const Diagnosis found = diagnose(lstm, zeros({2, 3, 1}), mean_square, {.jacobian_iterations = 0});
  CHECK(found.layers[0].saturated == std::vector<double>(2, 0.1));
  CHECK(diagnose(lstm, zeros({2, 3, 1}), mean_square, {.sigmoid_high = 0.99, .jacobian_iterations = 0})
            .layers[0]
            .saturated == std::vector<double>(2, 0));
}

TEST_CASE("the first nan is found by step, layer and op", "[diagnose]") {
  manual_seed(7);
  const Recurrent<LogCell> layer(2, 3);
  for (const double value : {-1.0, 0.0}) {
    Tensor x = rand({6, 2, 2}) + 0.5;
    narrow(select(x, 0, 3), -1, 0, 1).fill_(value);
    const Diagnosis found = diagnose(layer, x, mean_square, {.jacobian_iterations = 0});
    REQUIRE(found.forward);
    CHECK(found.forward->value == (value < 0 ? "nan" : "-inf"));
    CHECK(found.forward->layer == 0);
    CHECK(found.forward->step == 3);
    CHECK(found.forward->op == "side/log 0");
    CHECK_FALSE(found.forward->inherited);
    CHECK(found.backward);
    CHECK_THAT(found.text(), contains_text(found.forward->value + " at step 3 of layer 0, in side/log 0"));
    CHECK_THAT(found.svg(), contains_text("at step 3 of layer 0, in side/log 0"));
  }
  // One that x brings along, to the second layer.
  RNN stack(2, 3, {.layers = 2});
  stack.cells[1].bias_ih.fill_(std::numeric_limits<double>::infinity());
  const Diagnosis brought = diagnose(stack, rand({4, 2, 2}), mean_square, {.jacobian_iterations = 0});
  REQUIRE(brought.forward);
  CHECK(brought.forward->layer == 1);
  CHECK(brought.forward->step == 0);
  CHECK(brought.forward->value == "inf");
  CHECK(brought.forward->inherited);
  CHECK_FALSE(
      diagnose(stack, rand({4, 2, 2}), mean_square, {.jacobian_iterations = 0, .infinities = false}).forward);

  // One in the data: the step that takes it up is named.
  Tensor spoilt = rand({4, 2, 2});
  select(spoilt, 0, 2).fill_(std::numeric_limits<double>::quiet_NaN());
  const Diagnosis from_data = diagnose(RNN(2, 3), spoilt, mean_square, {.jacobian_iterations = 0});
  REQUIRE(from_data.forward);
  CHECK(from_data.forward->step == 2);
  CHECK(from_data.forward->inherited);
  CHECK(from_data.layers[0].saturated[1] >= 0);
  CHECK(std::isnan(from_data.layers[0].saturated[2]));  // a nan is neither
  const Diagnosis from_target = diagnose(
      RNN(2, 3), rand({4, 2, 2}), [&](const Tensor& output) { return sum(narrow(output, 2, 0, 2) * spoilt); },
      {.jacobian_iterations = 0});
  REQUIRE(from_target.forward);
  CHECK(from_target.forward->text() == "nan outside of the steps, in mul, which was given one");

  // One outside of the steps.
  const Diagnosis outside =
      diagnose(RNN(2, 3), rand({4, 2, 2}), [](const Tensor& output) { return mean(log(output * 0)); },
               {.jacobian_iterations = 0});
  REQUIRE(outside.forward);
  CHECK(outside.forward->layer == -1);
  CHECK(outside.forward->text() == "-inf outside of the steps, in log");
}

TEST_CASE("the first gradient that is not finite is found where the values are", "[diagnose]") {
  manual_seed(8);
  const Recurrent<RootCell> layer(2, 3);
  Tensor x = rand({6, 2, 2}) + 0.5;
  for (const int64_t t : {2, 4}) narrow(select(x, 0, t), -1, 0, 1).fill_(0);
  const Diagnosis found = diagnose(layer, x, mean_square, {.jacobian_iterations = 0});
  INFO(found.text());
  CHECK_FALSE(found.forward);
  REQUIRE(found.backward);
  CHECK(found.backward->step == 4);  // backward comes from the end
  CHECK(found.backward->layer == 0);
  CHECK_THAT(found.backward->op, contains_text("pow"));
  CHECK(std::isfinite(found.layers[0].gradients[5]));
  CHECK_FALSE(std::isfinite(found.layers[0].gradients[3]));
}

TEST_CASE("diagnose leaves everything as it was, and draws as the layer does", "[diagnose]") {
  manual_seed(9);
  const Recurrent<NoisyCell> layer({3, 4}, {.layers = 2, .dropout = 0.5});
  const Tensor x = randn({5, 2, 3});
  manual_seed(10);
  const double expected = mean_square(layer(x).output).item();
  const std::vector<double> next = numbers(rand({3}));
  manual_seed(10);
  Tape tape;
  const Diagnosis found = diagnose(layer, x, mean_square);
  CHECK(found.loss == Approx(expected).epsilon(1e-6));
  CHECK(numbers(rand({3})) == next);
  CHECK(tape.size() == 0);
  for (const Tensor& parameter : layer.parameters()) CHECK_FALSE(parameter.grad().defined());
  CHECK(found.layers[0].jacobians[4] > 0);
}

TEST_CASE("any program with recurrent layers in it can be diagnosed", "[diagnose]") {
  manual_seed(11);
  const LSTM first({3, 4}, {.bidirectional = true});
  const GRU second(8, 5);
  const Tensor x = randn({7, 2, 3});
  const Diagnosis found = diagnose([&] { return mean(square(second(first(x).output).output)); });
  REQUIRE(found.layers.size() == 3);
  CHECK(found.layers[0].name() == "layer 0");
  CHECK(found.layers[1].name() == "layer 0 reverse");
  CHECK(found.layers[2].name() == "layer 1");
  CHECK(found.layers[0].tensor_gradients.size() == 2);
  CHECK(found.layers[2].tensor_gradients.size() == 1);

  // A memory budget, a state that is an integer, parameters that want no gradient, a loss of the state.
  Recurrent<CountedCell> counted({2, 3}, {.memory_budget = 100});
  for (Tensor& parameter : counted.parameters()) parameter.requires_grad_(false);
  const Diagnosis of_state = diagnose(
      counted, randn({6, 2, 2}), [](const Tensor&, const auto& state) { return sum(state.layers[0].h); });
  const LayerDiagnosis& one = of_state.layers[0];
  CHECK(one.tensor_gradients[1] == std::vector<double>(6, 0));
  CHECK(one.gradient_factor() == Approx(0.5));
  CHECK(one.jacobians[0] == Approx(0.5));
}

TEST_CASE("steps that do not count are left out", "[diagnose]") {
  const Recurrent<LinearCell> layer = linear_layer(0.5);
  const Tensor x = randn({6, 2, 4}, wide);
  const Padding padding{.lengths = from_vector(std::vector<int64_t>{2, 4})};
  const auto loss = [](const Tensor&, const auto& state) { return sum(state.layers[0]); };
  const LayerDiagnosis one = diagnose(layer, x, loss, {}, padding).layers[0];
  REQUIRE(one.gradients.size() == 4);
  CHECK(one.gradients[3] == Approx(2));  // of a sum over 4 numbers, of the longer row alone
  CHECK(one.gradients[2] == Approx(1));
  CHECK(one.gradients[1] == Approx(std::hypot(2, 0.5)));
  CHECK(one.jacobians[3] == Approx(0.5));
  // Backwards the longer row begins.
  const Recurrent<LinearCell> back = linear_layer(0.5, {.reverse = true});
  const LayerDiagnosis other = diagnose(back, x, loss, {}, padding).layers[0];
  REQUIRE(other.gradients.size() == 4);
  CHECK(other.name() == "layer 0 reverse");
  CHECK(other.gradients[3] == Approx(0.25));
  CHECK(other.gradients[0] == Approx(std::hypot(2, 2)));
  // A cell that prepares itself, rows without steps, and no steps at all.
  const Recurrent<MaskedCell> masked(2, 3);
  const Tensor y = randn({5, 2, 2});
  const Padding short_one{.lengths = from_vector(std::vector<int64_t>{0, 3})};
  CHECK(diagnose(masked, y, mean_square, {}, short_one).layers[0].gradients[2] > 0);
  CHECK(diagnose(masked, y, mean_square, {}, short_one).layers[0].gradients[3] == 0);
  const Padding nothing{.lengths = from_vector(std::vector<int64_t>{0, 0})};
  CHECK_THROWS_WITH(diagnose(masked, y, mean_square, {}, nothing), contains_text("no recurrent layer"));
}

TEST_CASE("what a stateful layer carries is not changed by a diagnosis", "[diagnose]") {
  manual_seed(14);
  const LSTM lstm({2, 3}, {.stateful = true});
  const Tensor x = randn({4, 2, 2});
  lstm(x);
  const Tensor h = lstm.carried().layers[0].h;
  diagnose(lstm, x, mean_square);
  CHECK(lstm.carried().layers[0].h.impl() == h.impl());
}

TEST_CASE("the chart has rows of at most 79 ASCII characters", "[diagnose]") {
  manual_seed(12);
  const LSTM lstm({3, 4}, {.layers = 2, .bidirectional = true});
  const std::string text = diagnose(lstm, randn({50, 2, 3}), mean_square).text(10);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    CHECK(end - begin <= 79);
    begin = end + 1;
  }
  CHECK(std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= 32 && c < 127); }));
  for (const char* part : {"layer 0: 50 steps, one of 5 shown", "layer 1 reverse", "all values are finite",
                           "saturated, by gate: ", "sigmoid 2 0%", "\n    45 ", "\n    49 "})
    CHECK_THAT(text, contains_text(part));
  CHECK(count(text, "\n    49 ") == 4);
  // The bars of a layer whose gradient halves with each step: over three decades from 1e-3.
  Diagnosis halves;
  halves.layers.emplace_back();
  halves.layers[0].gradients = {0.001, 0.01, 0.1, 1};
  halves.layers[0].saturated = {0, 0.5, 1, 0};
  halves.layers[0].jacobians = {0.1, 0.1, 0.1, 0.1};
  const std::string bars = halves.text();
  CHECK_THAT(bars, contains_text("multiplies the gradient's norm by 0.1"));
  CHECK_THAT(bars, contains_text("0.01 " + std::string(9, '#') + std::string(19, '.') + "   50% #####....."));
  CHECK_THAT(bars, contains_text("   1 " + std::string(28, '#')));
  CHECK_THROWS_WITH(halves.text(0), contains_text("at least 1 row"));
}

TEST_CASE("the plot is well-formed, and has a point for each step", "[diagnose]") {
  manual_seed(13);
  const GRU gru({3, 4}, {.layers = 2, .bidirectional = true});
  Diagnosis found = diagnose(gru, randn({30, 2, 3}), mean_square, {.jacobian_steps = {0, 1, 2, 20}});
  const std::string svg = found.svg();
  CHECK(is_well_formed(svg));
  CHECK(points_in(svg, "gradients") == 4 * 30);
  CHECK(points_in(svg, "saturated") == 4 * 30);
  CHECK(points_in(svg, "jacobians") == 4 * 4);
  CHECK(count(svg, ">layer 1 reverse<") == 1);
  CHECK(count(svg, ">step<") == 3);
  CHECK(count(svg, ">Largest singular value") == 1);
  CHECK(count(svg, "nothing that could be shown") == 0);

  found.forward =
      NonFinite{.value = "nan", .layer = 0, .reverse = false, .step = 3, .op = "a<b & \"c\"/log 0"};
  found.layers[0].gradients[7] = std::numeric_limits<double>::quiet_NaN();
  found.layers[0].gradients[9] = 0;
  const std::string marked = found.svg();
  CHECK(is_well_formed(marked));
  CHECK(points_in(marked, "gradients") == 4 * 30 - 2);
  CHECK_THAT(marked, contains_text("in a&lt;b &amp; &quot;c&quot;/log 0"));

  const TemporaryFolder folder;
  found.save_svg(folder / "plot.svg");
  CHECK(read_bytes(folder / "plot.svg") == marked);
  CHECK_THROWS_AS(found.save_svg(folder / "absent" / "plot.svg"), FileError);
}

TEST_CASE("diagnose says what does not fit", "[diagnose]") {
  const RNN rnn(2, 3);
  const Tensor x = randn({4, 2, 2});
  refused({x}, {"[diagnose]", "one floating number", "[4, 2, 3]"},
          [&] { diagnose(rnn, x, [](const Tensor& y) { return y; }); });
  refused({x}, {"[diagnose]", "does not depend"},
          [&] { diagnose(rnn, x, [](const Tensor&) { return scalar(1); }); });
  refused({x}, {"[diagnose]", "no recurrent layer"}, [&] { diagnose([&] { return sum(x); }); });
  refused({x}, {"[diagnose]", "iterations", "-1"},
          [&] { diagnose(rnn, x, mean_square, {.jacobian_iterations = -1}); });
  refused({x}, {"[diagnose]", "steps", "-2"},
          [&] { diagnose(rnn, x, mean_square, {.jacobian_steps = {-2}}); });
  refused({x}, {"[diagnose]", "sigmoid_low 0.9"},
          [&] { diagnose(rnn, x, mean_square, {.sigmoid_low = 0.9, .sigmoid_high = 0.1}); });
  refused({x}, {"[diagnose]", "step 4", "4 steps"},
          [&] { diagnose(rnn, x, mean_square, {.jacobian_steps = {4}}); });
  refused({x}, {"[Recurrent]", "[4, 2, 5]"}, [&] { diagnose(rnn, zeros({4, 2, 5}), mean_square); });
  // After all of that the layers go as before.
  CHECK(rnn(x).output.shape() == Shape{4, 2, 3});
}

}  // namespace reel
