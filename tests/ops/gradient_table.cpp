#include "tests/ops/gradient_table.h"

#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/math.h"
#include "ops/reduction.h"
#include "ops/shape.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;
using Table = std::vector<GradientRow>;

const std::vector<Shapes> two_arguments = {
    {{2, 3}, {2, 3}}, {{2, 3}, {3}},    {{2, 3}, {2, 1}},    {{2, 3}, {}},  {{3}, {2, 3}}, {{}, {3}},
    {{2, 1}, {1, 3}}, {{0, 3}, {1, 3}}, {{2, 3, 2}, {3, 1}}, {{1}, {1, 1}}, {{}, {}}};

/// A fixed pattern of three false in seven.
Tensor pattern(const Shape& shape) {
  std::vector<bool> values;
  for (int64_t i = 0; i < shape.numel(); ++i) values.push_back(i % 7 % 2 == 0);
  return from_vector(values, shape);
}

GradientRow unary(const std::string& name, Tensor (*f)(const Tensor&), Domain usual, Domain extreme) {
  return {name, {name}, [f](const List& x) { return List{f(x[0])}; }, one_argument, {usual, extreme}};
}

GradientRow binary(const std::string& name, Tensor (*f)(const Tensor&, const Tensor&), Domain usual,
                   Domain extreme) {
  return {name, {name}, [f](const List& x) { return List{f(x[0], x[1])}; }, two_arguments, {usual, extreme}};
}

void add_elementwise(Table& table) {
  const Domain both = {-2, 2}, wide = {-30, 30}, positive = {0.3, 2}, wide_positive = {0.02, 1000};
  for (GradientRow& row : Table{
           // Apart, for large values drown the differences of small ones.
           unary("exp", exp, {-30, 2}, {2, 7}),
           unary("expm1", expm1, {-30, 2}, {2, 7}),
           unary("log", log, positive, wide_positive),
           unary("log1p", log1p, {-0.7, 2}, {-0.98, 1000}),
           unary("sin", sin, both, wide),
           unary("cos", cos, both, wide),
           unary("erf", erf, both, wide),
           unary("tanh", tanh, both, wide),
           unary("sigmoid", sigmoid, both, wide),
           unary("relu", relu, both, wide),
           unary("softplus", softplus, both, wide),
           unary("silu", silu, both, wide),
           unary("neg", operator-, both, wide),
           unary("abs", abs, both, wide),
           unary("sign", sign, both, wide),
           unary("square", square, both, wide),
           unary("sqrt", sqrt, positive, wide_positive),
           unary("rsqrt", rsqrt, positive, wide_positive),
           unary("reciprocal", reciprocal, positive, {-1000, -0.5}),
           binary("add", operator+, both, wide),
           binary("sub", operator-, both, wide),
           binary("mul", operator*, both, wide),
           binary("div", operator/, both, wide),
           binary("pow", pow, positive, {0.2, 4}),
           binary("maximum", maximum, both, wide),
           binary("minimum", minimum, both, wide),
       })
    table.push_back(std::move(row));
}

void add_scalar_forms(Table& table) {
  const auto row = [&](const std::string& name, const TensorFunction& f, Domain domain = {}) {
    table.push_back({name, {name}, f, one_argument, {domain}});
  };
  row("add_scalar", [](const List& x) { return List{x[0] + 1.5, 1.5 + x[0], x[0] - 1.5}; });
  row("sub_from_scalar", [](const List& x) { return List{1.5 - x[0]}; });
  row("mul_scalar", [](const List& x) { return List{x[0] * -2.5, 2.5 * x[0], x[0] * 0}; });
  row("div_scalar", [](const List& x) { return List{x[0] / 2.5}; });
  row("div_into_scalar", [](const List& x) { return List{2.5 / x[0]}; });
  row("pow_scalar",
      [](const List& x) {
        return List{pow(x[0], 0.5), pow(x[0], -1.5), pow(x[0], 0), pow(x[0], 1), pow(x[0], 2), pow(x[0], 3)};
      },
      {0.3, 2});
  table.push_back({"pow_scalar of negative numbers",
                   {"pow_scalar"},
                   [](const List& x) {
                     return List{pow(x[0], 3), pow(x[0], 2), pow(x[0], -1)};
                   },
                   one_argument,
                   {{-2, 2}}});
  table.push_back({"pow to whole numbers",
                   {"pow"},
                   [](const List& x) {
                     return List{pow(x[0], scalar(3, {.dtype = DType::float64})),
                                 pow(x[0], scalar(0, {.dtype = DType::float64}))};
                   },
                   one_argument,
                   {{-2, 2}}});
  table.push_back({"maximum and minimum at ties",
                   {"maximum", "minimum"},
                   [](const List& x) {
                     return List{maximum(x[0], x[0]), minimum(x[0], x[0])};
                   },
                   one_argument});
  table.push_back({"one tensor used several times",
                   {"mul", "accumulate"},
                   [](const List& x) { return List{x[0] * x[0] * x[0] + x[0]}; },
                   one_argument});
  table.push_back({"where",
                   {"where"},
                   [](const List& x) {
                     return List{where(pattern({2, 3}), x[0], x[1]), where(pattern({3}), x[0], x[1]),
                                 where(pattern({}), x[0], x[1])};
                   },
                   {{{2, 3}, {2, 3}}, {{3}, {2, 3}}, {{2, 1}, {1, 3}}, {{}, {3}}, {{}, {}}}});
  table.push_back({"where over nothing",
                   {"where"},
                   [](const List& x) {
                     return List{where(pattern({0, 3}), x[0], x[1])};
                   },
                   {{{0, 3}, {1, 3}}, {{3}, {}}}});
  table.push_back({"masked_fill",
                   {"where"},
                   [](const List& x) { return List{masked_fill(x[0], pattern({3}), 4)}; },
                   {{{2, 3}}, {{3}}, {{1, 3}}, {{0, 3}}}});
}

const RowSource rows([](Table& table) {
  add_elementwise(table);
  add_scalar_forms(table);
});

void add_exempt(std::vector<ExemptOp>& list) {
  const auto comparison = [&](const std::string& name, Tensor (*f)(const Tensor&, const Tensor&)) {
    list.push_back(
        {name, "a condition is constant but for jumps", [f](const List& x) { return List{f(x[0], x[1])}; }});
  };
  comparison("equal", equal);
  comparison("not_equal", not_equal);
  comparison("less", less);
  comparison("less_equal", less_equal);
  comparison("greater", greater);
  comparison("greater_equal", greater_equal);
  list.push_back({"logical_and", "of bool tensors",
                  [](const List& x) { return List{logical_and(less(x[0], 0), less(x[1], 0))}; }});
  list.push_back({"logical_or", "of bool tensors",
                  [](const List& x) { return List{logical_or(less(x[0], 0), less(x[1], 0))}; }});
  list.push_back(
      {"argmax", "an index is constant but for jumps", [](const List& x) { return List{argmax(x[0])}; }});
}

const ExemptSource exempt(add_exempt);

/// What the sources have added, in a function so that it is there before they are.
template <class T> std::vector<T>& collected() {
  static std::vector<T> all;
  return all;
}

}  // namespace

RowSource::RowSource(void (*add)(Table& table)) { add(collected<GradientRow>()); }
ExemptSource::ExemptSource(void (*add)(std::vector<ExemptOp>& list)) { add(collected<ExemptOp>()); }

const std::vector<GradientRow>& gradient_table() { return collected<GradientRow>(); }
const std::vector<ExemptOp>& exempt_ops() { return collected<ExemptOp>(); }

}  // namespace reel
