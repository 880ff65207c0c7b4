// Rows of the gradient table: mathematics, rounding, clamping, activations.
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/math.h"
#include "ops/rounding.h"
#include "tests/ops/gradient_table.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;
using Table = std::vector<GradientRow>;
using Unary = Tensor (*)(const Tensor&);
using Binary = Tensor (*)(const Tensor&, const Tensor&);

const std::vector<Shapes> two_arguments = {{{2, 3}, {2, 3}}, {{2, 3}, {3}},    {{2, 1}, {1, 3}},
                                           {{}, {3}},        {{0, 3}, {1, 3}}, {{}, {}}};
const std::vector<Shapes> three_arguments = {{{2, 3}, {2, 3}, {2, 3}},
                                             {{2, 3}, {3}, {}},
                                             {{2, 1}, {1, 3}, {2, 3}},
                                             {{0, 3}, {3}, {1, 3}},
                                             {{}, {}, {}}};

void add_math(Table& table) {
  const auto row = [&](const std::string& name, Unary f, const std::vector<Domain>& domains) {
    table.push_back({name, {name}, [f](const List& x) { return List{f(x[0])}; }, one_argument, domains});
  };
  const auto row2 = [&](const std::string& name, Binary f, const std::vector<Domain>& domains) {
    table.push_back(
        {name, {name}, [f](const List& x) { return List{f(x[0], x[1])}; }, two_arguments, domains});
  };
  row("log2", log2, {{0.3, 2}, {0.02, 1000}});
  row("log10", log10, {{0.3, 2}, {0.02, 1000}});
  row("tan", tan, {{-1.2, 1.2}, {2, 4}});
  row("asin", asin, {{-0.6, 0.6}});
  row("acos", acos, {{-0.6, 0.6}});
  row("atan", atan, {{-2, 2}, {-30, 30}});
  row("sinh", sinh, {{-2, 2}, {2, 7}});
  row("cosh", cosh, {{-2, 2}, {2, 7}});
  row("asinh", asinh, {{-2, 2}, {-1000, 1000}});
  row("acosh", acosh, {{1.1, 3}, {2, 1000}});
  row("atanh", atanh, {{-0.6, 0.6}});
  row("erfc", erfc, {{-2, 2}, {-30, 30}});
  row("floor", floor, {{-2.1, 2.2}, {0.3, 30}});
  row("ceil", ceil, {{-2.1, 2.2}, {0.3, 30}});
  row("round", round, {{-2.1, 2.2}, {0.3, 30.01}});
  row("trunc", trunc, {{-2.1, 2.2}, {0.3, 30}});
  row2("atan2", atan2, {{-2, 2}, {-30, 30}});
  row2("hypot", hypot, {{-2, 2}, {-30, 30}});
  row2("logaddexp", logaddexp, {{-2, 2}, {-30, 30}});
  row2("fmod", fmod, {{-2.1, 2.2}, {0.3, 7}});
  row2("remainder", remainder, {{-2.1, 2.2}, {0.3, 7}});
  row2("floor_divide", floor_divide, {{-2.1, 2.2}, {0.3, 7}});
  row2("clamp_min", clamp_min, {{-2, 2}});
  row2("clamp_max", clamp_max, {{-2, 2}});
}

void add_activations(Table& table) {
  const auto row = [&](const std::string& name, const TensorFunction& f) {
    table.push_back({name, {name}, f, one_argument, {{-2.1, 2.2}, {-30, 30}}});
  };
  const auto plain = [&](const std::string& name, Unary f) {
    row(name, [f](const List& x) { return List{f(x[0])}; });
  };
  plain("log_sigmoid", log_sigmoid);
  plain("selu", selu);
  plain("mish", mish);
  plain("hardsigmoid", hardsigmoid);
  plain("hardswish", hardswish);
  plain("softsign", softsign);
  row("leaky_relu", [](const List& x) { return List{leaky_relu(x[0]), leaky_relu(x[0], 0.3)}; });
  row("threshold", [](const List& x) { return List{threshold(x[0], 0.4, -1), threshold(x[0], -0.9, 2)}; });
  row("elu", [](const List& x) { return List{elu(x[0]), elu(x[0], 1.7)}; });
  row("celu", [](const List& x) { return List{celu(x[0]), celu(x[0], 0.7)}; });
  row("gelu", [](const List& x) { return List{gelu(x[0])}; });
  row("gelu_tanh", [](const List& x) { return List{gelu(x[0], GeluForm::tanh)}; });
  row("hardtanh", [](const List& x) { return List{hardtanh(x[0]), hardtanh(x[0], -0.8, 1.7)}; });
  table.push_back(
      {"tanhshrink", {"tanh", "sub"}, [](const List& x) { return List{tanhshrink(x[0])}; }, one_argument});
}

void add_bounds(Table& table) {
  table.push_back({"clamp",
                   {"clamp"},
                   [](const List& x) {
                     return List{clamp(x[0], -0.8, 1.3), clamp(x[0], {.min = 0.1}), clamp(x[0], {.max = 0.1}),
                                 clamp_min(x[0], 0.2), clamp_max(x[0], 0.2)};
                   },
                   one_argument,
                   {{-2, 2}, {-30, 30}}});
  table.push_back({"clamp between tensors",
                   {"clamp_min", "clamp_max"},
                   [](const List& x) { return List{clamp(x[0], x[1], x[2])}; },
                   three_arguments});
  table.push_back(
      {"nan_to_num", {"nan_to_num"}, [](const List& x) { return List{nan_to_num(x[0])}; }, one_argument});
  table.push_back(
      {"lerp", {"lerp"}, [](const List& x) { return List{lerp(x[0], x[1], x[2])}; }, three_arguments});
  table.push_back({"lerp_scalar",
                   {"lerp_scalar"},
                   [](const List& x) {
                     return List{lerp(x[0], x[1], 0.3), lerp(x[0], x[1], 0.8)};
                   },
                   two_arguments});
  table.push_back({"pow_of_scalar",
                   {"pow_of_scalar"},
                   [](const List& x) {
                     return List{pow(2.5, x[0]), pow(0.5, x[0]), pow(1.0, x[0])};
                   },
                   one_argument});
  table.push_back(
      {"scalars beside division",
       {"fmod", "remainder"},
       [](const List& x) {
         return List{fmod(x[0], 0.7), fmod(1.7, x[0]), remainder(x[0], 0.7), remainder(1.7, x[0])};
       },
       {{{2, 3}}, {{}}},
       {{0.3, 2.3}}});
  table.push_back({"where beside a scalar",
                   {"where"},
                   [](const List& x) {
                     return List{where(less(0.1, x[0]), x[0], 2), where(less(x[0], 0.1), 2, x[0])};
                   },
                   one_argument});
}

const RowSource rows([](Table& table) {
  add_math(table);
  add_activations(table);
  add_bounds(table);
});

const ExemptSource exempt([](std::vector<ExemptOp>& list) {
  list.push_back({"logical_xor", "of bool tensors",
                  [](const List& x) { return List{logical_xor(less(x[0], 0), less(x[1], 0))}; }});
});

}  // namespace
}  // namespace reel
