// Cells that nobody wrote: steps drawn at random over the public ops, run by the compiled loop and step by step. Values,
// gradients and second gradients must agree; a step that differs is printed as a program, with its seed.
#include <algorithm>
#include <array>
#include <string>

#include "framework/distributions.h"
#include "framework/tape.h"
#include "layers/compiled_scan.h"
#include "layers/linear.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/math.h"
#include "ops/matmul.h"
#include "ops/normalization.h"
#include "ops/reduction.h"
#include "ops/rounding.h"
#include "ops/slicing.h"
#include "ops/softmax.h"
#include "tests/catch.h"
#include "tests/layers/outcome.h"
#include "tests/reference.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;
constexpr TensorOptions in_double{.dtype = DType::float64};
constexpr int64_t input_width = 3;

struct Unary {
  const char* name;
  Tensor (*run)(const Tensor& x);
};
const std::vector<Unary> unary_ops{
    {"tanh", [](const Tensor& x) { return tanh(x); }},
    {"sigmoid", [](const Tensor& x) { return sigmoid(x); }},
    {"relu", [](const Tensor& x) { return relu(x); }},
    {"softplus", [](const Tensor& x) { return softplus(x); }},
    {"silu", [](const Tensor& x) { return silu(x); }},
    {"gelu", [](const Tensor& x) { return gelu(x); }},
    {"elu", [](const Tensor& x) { return elu(x, 0.7); }},
    {"leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.2); }},
    {"hardsigmoid", [](const Tensor& x) { return hardsigmoid(x); }},
    {"softsign", [](const Tensor& x) { return softsign(x); }},
    {"sin", [](const Tensor& x) { return sin(x); }},
    {"erf", [](const Tensor& x) { return erf(x); }},
    {"square(tanh)", [](const Tensor& x) { return square(tanh(x)); }},
    {"exp(-abs)", [](const Tensor& x) { return exp(-abs(x)); }},
    {"clamp", [](const Tensor& x) { return clamp(x, -0.8, 0.9); }},
    {"1 - x", [](const Tensor& x) { return 1 - x; }},
    {"-x", [](const Tensor& x) { return -x; }},
    {"0.5 x", [](const Tensor& x) { return 0.5 * x; }},
    {"x / 3 + 1", [](const Tensor& x) { return x / 3 + 1; }},
    {"sqrt(x^2 + 1)", [](const Tensor& x) { return sqrt(square(x) + 1); }},
};

struct Binary {
  const char* name;
  Tensor (*run)(const Tensor& a, const Tensor& b);
};
const std::vector<Binary> binary_ops{
    {"a + b", [](const Tensor& a, const Tensor& b) { return a + b; }},
    {"a - b", [](const Tensor& a, const Tensor& b) { return a - b; }},
    {"a * b", [](const Tensor& a, const Tensor& b) { return a * b; }},
    {"a / (1 + b^2)", [](const Tensor& a, const Tensor& b) { return a / (1 + square(b)); }},
    {"maximum", [](const Tensor& a, const Tensor& b) { return maximum(a, b); }},
    {"lerp", [](const Tensor& a, const Tensor& b) { return lerp(a, b, 0.3); }},
    {"atan2-like", [](const Tensor& a, const Tensor& b) { return atan(a) * sigmoid(b); }},
    {"where", [](const Tensor& a, const Tensor& b) { return where(greater(a, b), a, 0.5 * b); }},
};

/// What a loop cannot plan if it meets the state, and must leave to the steps.
const std::vector<Unary> row_ops{
    {"softmax", [](const Tensor& x) { return softmax(x, -1); }},
    {"layer_norm", [](const Tensor& x) { return layer_norm(x, {x.size(-1)}, {}, {}, 0.1); }},
    {"mean", [](const Tensor& x) { return x * 0.5 + mean(x, {-1}, true); }},
};

/// One line of a step: value number k is what instruction k gives.
struct Instruction {
  enum class Kind { unary, binary, row, linear, linear_bias, matmul, narrow, scale, join, state, input };
  Kind kind;
  size_t op = 0;
  size_t a = 0, b = 0;
  int64_t start = 0, width = 0;
  Tensor weight = {}, bias = {};
};

constexpr int64_t states = 3;

struct ManyStates {
  std::array<Tensor, states> tensors;
  REEL_FIELDS(tensors)
};

struct RandomCell : Cell {
  std::vector<Instruction> program;
  std::vector<size_t> next;  // the values that become the states
  size_t output = 0;
  List weights;
  REEL_FIELDS(weights)

  std::pair<Tensor, ManyStates> step(const Tensor& x, const ManyStates& state) const {
    using Kind = Instruction::Kind;
    List values;
    for (const Instruction& i : program) {
      const auto at = [&](size_t k) -> const Tensor& { return values[k]; };
      switch (i.kind) {
        case Kind::input:
          values.push_back(x);
          break;
        case Kind::state:
          values.push_back(state.tensors[i.op]);
          break;
        case Kind::unary:
          values.push_back(unary_ops[i.op].run(at(i.a)));
          break;
        case Kind::binary:
          values.push_back(binary_ops[i.op].run(at(i.a), at(i.b)));
          break;
        case Kind::row:
          values.push_back(row_ops[i.op].run(at(i.a)));
          break;
        case Kind::linear:
        case Kind::linear_bias:
          values.push_back(linear(at(i.a), i.weight, i.bias));
          break;
        case Kind::matmul:
          values.push_back(matmul(at(i.a), i.weight));
          break;
        case Kind::narrow:
          values.push_back(narrow(at(i.a), 1, i.start, i.width));
          break;
        case Kind::scale:
          values.push_back(at(i.a) * i.weight);
          break;
        case Kind::join:
          values.push_back(cat({at(i.a), at(i.b)}, 1));
          break;
      }
    }
    ManyStates after;
    for (size_t j = 0; j < next.size(); ++j) after.tensors[j] = values[next[j]];
    return {values[output], after};
  }
};

struct Drawn {
  RandomCell cell;
  List initial;
  std::string text;
};

/// `with_rows`: also ops that no plan takes.
Drawn draw_cell(uint64_t seed, int64_t batch, bool with_rows) {
  using Kind = Instruction::Kind;
  Random random(seed);
  const auto below = [&](int64_t n) { return randint(0, n, {1}, random).item<int64_t>(); };
  Drawn drawn;
  std::vector<int64_t> widths;
  const auto line = [&](Instruction i, int64_t width, const std::string& what) {
    drawn.text += "v" + std::to_string(widths.size()) + " [" + std::to_string(width) + "] = " + what + "\n";
    drawn.cell.program.push_back(std::move(i));
    widths.push_back(width);
  };
  const auto weight = [&](const Shape& shape) {
    const Tensor w = (randn(shape, in_double, random) * 0.6).requires_grad_();
    drawn.cell.weights.push_back(w);
    return w;
  };
  const auto name = [](size_t k) { return "v" + std::to_string(k); };
  const auto any = [&] { return static_cast<size_t>(below(static_cast<int64_t>(widths.size()))); };

  line({Kind::input}, input_width, "x");
  std::vector<int64_t> state_widths;
  for (int64_t j = 0; j < states; ++j) {
    state_widths.push_back(1 + below(6));
    line({.kind = Kind::state, .op = static_cast<size_t>(j)}, state_widths.back(), "s" + std::to_string(j));
    drawn.initial.push_back(randn({batch, state_widths.back()}, in_double, random));
  }
  const auto map_to = [&](size_t a, int64_t width) {
    const bool bias = below(2) == 0;
    Instruction i{
        .kind = bias ? Kind::linear_bias : Kind::linear, .a = a, .weight = weight({width, widths[a]})};
    if (bias) i.bias = weight({width});
    line(std::move(i), width, std::string(bias ? "linear_bias " : "linear ") + name(a));
  };
  const int64_t length = 4 + below(12);
  for (int64_t n = 0; n < length; ++n) {
    const size_t a = any();
    const int64_t choice = below(with_rows ? 16 : 13);
    if (choice < 4) {
      const auto op = static_cast<size_t>(below(static_cast<int64_t>(unary_ops.size())));
      line({.kind = Kind::unary, .op = op, .a = a}, widths[a],
           std::string(unary_ops[op].name) + " " + name(a));
    } else if (choice < 8) {
      std::vector<size_t> partners;
      for (size_t k = 0; k < widths.size(); ++k)
        if (widths[k] == widths[a]) partners.push_back(k);
      const size_t b = partners[static_cast<size_t>(below(static_cast<int64_t>(partners.size())))];
      const auto op = static_cast<size_t>(below(static_cast<int64_t>(binary_ops.size())));
      line({.kind = Kind::binary, .op = op, .a = a, .b = b}, widths[a],
           std::string(binary_ops[op].name) + " of " + name(a) + ", " + name(b));
    } else if (choice < 10) {
      map_to(a, 1 + below(8));
    } else if (choice == 10) {
      const int64_t width = 1 + below(6);
      line({.kind = Kind::matmul, .a = a, .weight = weight({widths[a], width})}, width, "matmul " + name(a));
    } else if (choice == 11) {
      const int64_t width = 1 + below(widths[a]), start = below(widths[a] - width + 1);
      line({.kind = Kind::narrow, .a = a, .start = start, .width = width}, width,
           "narrow " + name(a) + " from " + std::to_string(start));
    } else if (choice == 12) {
      const bool row = below(2) == 0;
      line({.kind = Kind::scale, .a = a, .weight = row ? weight({widths[a]}) : weight({})}, widths[a],
           std::string(row ? "row" : "number") + " times " + name(a));
    } else if (choice < 15) {
      const auto op = static_cast<size_t>(below(static_cast<int64_t>(row_ops.size())));
      line({.kind = Kind::row, .op = op, .a = a}, widths[a], std::string(row_ops[op].name) + " " + name(a));
    } else {
      const size_t b = any();
      line({.kind = Kind::join, .a = a, .b = b}, widths[a] + widths[b], "join " + name(a) + ", " + name(b));
    }
  }
  for (int64_t j = 0; j < states; ++j) {
    std::vector<size_t> fitting;
    for (size_t k = 0; k < widths.size(); ++k)
      if (widths[k] == state_widths[static_cast<size_t>(j)]) fitting.push_back(k);
    size_t from = fitting[static_cast<size_t>(below(static_cast<int64_t>(fitting.size())))];
    if (below(4) == 0) map_to(any(), state_widths[static_cast<size_t>(j)]), from = widths.size() - 1;
    if (below(4) != 0) {  // bounded, that long sequences stay in range
      line({.kind = Kind::unary, .op = 0, .a = from}, widths[from], "tanh " + name(from));
      from = widths.size() - 1;
    }
    drawn.cell.next.push_back(from);
    drawn.text += "s" + std::to_string(j) + " = " + name(from) + "\n";
  }
  drawn.cell.output = any();
  drawn.text += "output " + name(drawn.cell.output) + "\n";
  return drawn;
}

/// Returns whether the loop was compiled.
bool check_cell_of(uint64_t seed, bool with_rows) {
  Random random(seed + 7777);
  const auto below = [&](int64_t n) { return randint(0, n, {1}, random).item<int64_t>(); };
  const int64_t batch = 1 + below(5), steps = 1 + below(5);
  const Drawn drawn = draw_cell(seed, batch, with_rows);
  const bool reverse = below(2) == 0, with_states = below(3) == 0;
  std::vector<int64_t> lengths;
  for (int64_t n = 0; n < batch; ++n) lengths.push_back(below(steps + 1));
  const bool with_lengths = below(3) == 0 && *std::max_element(lengths.begin(), lengths.end()) > 0;
  INFO("seed " << seed << ", " << steps << " steps of " << batch << " rows" << (reverse ? ", reverse" : "")
               << (with_lengths ? ", with lengths" : "") << (with_states ? ", with states" : "") << "\n"
               << drawn.text);
  const Tensor x = randn({steps, batch, input_width}, in_double, random);
  List leaves = drawn.cell.weights;
  leaves.push_back(x);
  leaves.insert(leaves.end(), drawn.initial.begin(), drawn.initial.end());
  detail::ScanCall call{.step = detail::step_function(drawn.cell), .xs = x, .reverse = reverse};
  if (with_lengths) call.ragged = detail::ragged({.lengths = from_vector(lengths)}, steps, batch, "test");
  bool compiled = false;
  const auto outcome = [&](bool loop) {
    return differentiate(leaves, [&] {
      List state = drawn.initial;
      detail::ScanOutputs outputs;
      std::string reason;
      if (loop) compiled = detail::scan_compiled(call, state, with_states, outputs, reason);
      if (!loop || !compiled) outputs = detail::scan_eagerly(call, state, with_states);
      state.push_back(outputs.output);
      state.insert(state.end(), outputs.sequences.begin(), outputs.sequences.end());
      return state;
    });
  };
  const Outcome loop = outcome(true);
  if (!compiled) return false;
  const Outcome steps_alone = outcome(false);
  check_same(loop, steps_alone, 1e-12);
  return true;
}

}  // namespace

TEST_CASE("random cells give the same compiled and step by step", "[compiled]") {
  int64_t compiled = 0;
  for (uint64_t seed = 0; seed < 600; ++seed) compiled += check_cell_of(seed, false);
  CAPTURE(compiled);
  CHECK(compiled >= 500);
}

TEST_CASE("random cells with ops that look along rows give the same compiled and step by step",
          "[compiled]") {
  int64_t compiled = 0;
  for (uint64_t seed = 10000; seed < 10150; ++seed) compiled += check_cell_of(seed, true);
  CAPTURE(compiled);
  CHECK(compiled >= 30);
}

}  // namespace reel
