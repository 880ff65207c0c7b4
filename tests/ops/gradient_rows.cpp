// Rows of the gradient table for what is not elementwise: products, reductions, shapes, slices, indexing,
// losses.
#include "ops/arithmetic.h"
#include "ops/dropout.h"
#include "ops/indexing.h"
#include "ops/loss.h"
#include "ops/matmul.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "ops/softmax.h"
#include "tests/ops/gradient_table.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;
using Table = std::vector<GradientRow>;

/// Indices below `bound`, with repeats.
Tensor indices(const Shape& shape, int64_t bound) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < shape.numel(); ++i) values.push_back((5 * i + 2) % bound);
  return from_vector(values, shape);
}

/// The same, every third one ignored.
Tensor indices_with_ignored(const Shape& shape, int64_t bound) {
  Tensor result = indices(shape, bound);
  for (int64_t i = 0; i < shape.numel(); i += 3) result.mutable_data<int64_t>()[i] = -100;
  return result;
}

/// Shapes of a product's two sides, stored exchanged where the flags say so.
std::vector<Shapes> matrix_shapes(const MatmulOptions& flags) {
  std::vector<Shapes> cases;
  const int64_t extents[][3] = {{2, 3, 4}, {1, 3, 1}, {3, 1, 2}, {1, 1, 1}, {0, 3, 2}, {2, 0, 3}, {2, 3, 0}};
  for (const auto [m, k, n] : extents)
    cases.push_back(
        {flags.transpose_a ? Shape{k, m} : Shape{m, k}, flags.transpose_b ? Shape{n, k} : Shape{k, n}});
  return cases;
}

void add_products(Table& table) {
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      const MatmulOptions flags{transpose_a, transpose_b};
      const std::string suffix =
          std::string(transpose_a ? ", a transposed" : "") + (transpose_b ? ", b transposed" : "");
      const auto sides = matrix_shapes(flags);
      table.push_back({"matmul" + suffix,
                       {"matmul"},
                       [=](const List& x) { return List{matmul(x[0], x[1], flags)}; },
                       sides});
      for (Shapes bias : {Shapes{{}}, Shapes{{1}}, Shapes{{1, 1}}}) {
        std::vector<Shapes> cases;
        for (const Shapes& side : sides) cases.push_back({bias[0], side[0], side[1]});
        table.push_back({"addmm" + suffix,
                         {"matmul"},
                         [=](const List& x) { return List{addmm(x[0], x[1], x[2], flags)}; },
                         cases});
      }
      const auto exchanged = [](Shape s, bool yes) {
        if (yes) std::swap(s[s.rank() - 1], s[s.rank() - 2]);
        return s;
      };
      std::vector<Shapes> stacks;
      for (const Shapes& side : std::vector<Shapes>{{{2, 2, 3}, {2, 3, 2}},
                                                    {{2, 1, 2, 3}, {3, 3, 2}},
                                                    {{2, 2, 3}, {3, 2}},
                                                    {{2, 3}, {2, 3, 2}},
                                                    {{1, 1, 3}, {2, 3, 1}},
                                                    {{0, 2, 3}, {3, 2}},
                                                    {{0, 2, 3}, {1, 3, 2}},
                                                    {{2, 2, 0}, {2, 0, 2}}})
        stacks.push_back({exchanged(side[0], transpose_a), exchanged(side[1], transpose_b)});
      table.push_back({"matmul of stacks" + suffix,
                       {},
                       [=](const List& x) { return List{matmul(x[0], x[1], flags)}; },
                       stacks});
    }
  }
  table.push_back({"matmul with vectors",
                   {},
                   [](const List& x) { return List{matmul(x[0], x[1])}; },
                   {{{3}, {3}},
                    {{3}, {3, 2}},
                    {{2, 3}, {3}},
                    {{3}, {2, 3, 2}},
                    {{2, 2, 3}, {3}},
                    {{1}, {1}},
                    {{0}, {0}},
                    {{0}, {0, 2}}}});
  table.push_back({"matmul of a matrix with itself",
                   {"matmul"},
                   [](const List& x) {
                     return List{matmul(x[0], x[0]), matmul(x[0], x[0], {.transpose_b = true})};
                   },
                   {{{3, 3}}, {{1, 1}}}});
  table.push_back(
      {"addmm, bias by rows, columns and whole",
       {"matmul"},
       [](const List& x) { return List{addmm(x[0], x[1], x[2])}; },
       {{{4}, {2, 3}, {3, 4}}, {{2, 1}, {2, 3}, {3, 4}}, {{2, 4}, {2, 3}, {3, 4}}, {{4}, {0, 3}, {3, 4}}}});
  table.push_back({"addmm of stacks of rows",
                   {},
                   [](const List& x) { return List{addmm(x[0], x[1], x[2])}; },
                   {{{4}, {2, 2, 3}, {3, 4}}, {{}, {1, 2, 3}, {3, 4}}, {{4}, {2, 0, 3}, {3, 4}}}});
}

void add_reductions(Table& table) {
  const std::vector<Shapes> filled = {{{2, 3, 2}}, {{1, 3, 1}}, {{1, 1, 1}}, {{4, 1, 3}}};
  std::vector<Shapes> any = filled;
  any.push_back({{2, 0, 3}});
  table.push_back({"sum",
                   {"sum"},
                   [](const List& x) {
                     return List{sum(x[0]),     sum(x[0], 0),      sum(x[0], 1, true),
                                 sum(x[0], -1), sum(x[0], {0, 2}), sum(x[0], {1, 0}, true)};
                   },
                   any});
  table.push_back({"mean",
                   {"sum"},
                   [](const List& x) {
                     return List{mean(x[0]), mean(x[0], 0), mean(x[0], 1, true), mean(x[0], {0, 2}),
                                 mean(x[0], {1, 2}, true)};
                   },
                   filled});
  table.push_back(
      {"max",
       {"max"},
       [](const List& x) {
         return List{max(x[0]), max(x[0], 0), max(x[0], 1, true), max(x[0], {0, 2}), max(x[0], {1, 2}, true)};
       },
       filled});
  table.push_back(
      {"min",
       {"min"},
       [](const List& x) {
         return List{min(x[0]), min(x[0], 0), min(x[0], 1, true), min(x[0], {0, 2}), min(x[0], {1, 2}, true)};
       },
       filled});
  table.push_back({"max and min of no rows",
                   {"max", "min"},
                   [](const List& x) {
                     return List{max(x[0], 1), min(x[0], 1)};
                   },
                   {{{0, 3}}}});
  table.push_back({"sums of scalars",
                   {"sum", "max"},
                   [](const List& x) {
                     return List{sum(x[0]), mean(x[0]), max(x[0])};
                   },
                   {{{}}}});
  table.push_back({"sum_to",
                   {"sum"},
                   [](const List& x) {
                     return List{sum_to(x[0], {}), sum_to(x[0], {3, 1}), sum_to(x[0], {1, 1, 1}),
                                 sum_to(x[0], x[0].shape())};
                   },
                   {{{2, 3, 2}}, {{1, 3, 1}}, {{0, 3, 2}}}});
}

void add_shapes(Table& table) {
  table.push_back({"reshape",
                   {"reshape"},
                   [](const List& x) {
                     return List{
                         reshape(x[0], {-1}), reshape(x[0], {3, 2, 2}),           reshape(x[0], {2, -1}),
                         flatten(x[0], 1),    squeeze(unsqueeze(x[0], 1) * 2, 1), unsqueeze(x[0], -1)};
                   },
                   {{{2, 3, 2}}, {{12, 1}}, {{4, 3}}}});
  table.push_back({"reshape of nothing",
                   {"reshape"},
                   [](const List& x) {
                     return List{reshape(x[0], {3, 0}), flatten(x[0])};
                   },
                   {{{0, 2}}, {{0}}}});
  table.push_back({"broadcast_to",
                   {"broadcast_to"},
                   [](const List& x) {
                     return List{broadcast_to(x[0], {2, 3, 4})};
                   },
                   {{{3, 1}}, {{1, 1, 4}}, {{}}, {{2, 3, 4}}, {{2, 1, 4}}}});
  table.push_back({"broadcast_to nothing",
                   {"broadcast_to"},
                   [](const List& x) {
                     return List{broadcast_to(x[0], {0, 3})};
                   },
                   {{{3}}, {{1, 3}}, {{}}}});
  table.push_back({"permute",
                   {"permute"},
                   [](const List& x) {
                     return List{permute(x[0], {2, 0, 1}), permute(x[0], {-1, 1, 0}), transpose(x[0]),
                                 transpose(x[0], 0, 1)};
                   },
                   {{{2, 3, 2}}, {{1, 3, 1}}, {{0, 2, 3}}}});
  table.push_back({"clone",
                   {"clone"},
                   [](const List& x) {
                     return List{clone(x[0]), contiguous(x[0])};
                   },
                   one_argument});
  // Through float32 the differences carry its rounding: 2^-24 over a step of 2^-7.
  table.push_back({"cast",
                   {"cast"},
                   [](const List& x) { return List{cast(cast(x[0], DType::float32), DType::float64)}; },
                   one_argument,
                   {{}},
                   {.step = 0x1p-7, .absolute = 3e-5}});
}

void add_slices(Table& table) {
  table.push_back({"slice",
                   {"slice", "place"},
                   [](const List& x) {
                     return List{slice(x[0], 0, {.start = 1}),
                                 slice(x[0], 1, {.step = 2}),
                                 slice(x[0], -1, {.start = -4, .stop = -1, .step = 3}),
                                 slice(x[0], 1, {.start = 3, .stop = 1}),
                                 narrow(x[0], 0, 1, 2),
                                 narrow(x[0], 1, 0, 0)};
                   },
                   {{{4, 5}}, {{3, 1}}, {{3, 5, 2}}}});
  table.push_back({"slice of nothing",
                   {"slice"},
                   [](const List& x) {
                     return List{slice(x[0], 0, {.step = 2}), narrow(x[0], 1, 1, 2)};
                   },
                   {{{0, 3}}}});
  table.push_back({"select",
                   {"slice"},
                   [](const List& x) {
                     return List{select(x[0], 0, 1), select(x[0], -1, -1)};
                   },
                   {{{2, 3}}, {{2, 1}}, {{2, 3, 2}}}});
  const std::vector<Shapes> joined = {{{2, 3}, {2, 3}}, {{1, 1}, {1, 1}}, {{0, 3}, {0, 3}}};
  table.push_back({"cat",
                   {"cat"},
                   [](const List& x) {
                     return List{cat({x[0], x[1]}, 0), cat({x[0], x[1], x[0]}, 1), cat({x[1]}, -1)};
                   },
                   joined});
  table.push_back({"cat of unequal lengths",
                   {"cat"},
                   [](const List& x) {
                     return List{cat({x[0], x[1], x[0]}, 0)};
                   },
                   {{{2, 3}, {1, 3}}, {{0, 3}, {2, 3}}, {{2}, {0}}}});
  table.push_back({"stack",
                   {"stack"},
                   [](const List& x) {
                     return List{stack({x[0], x[1]}), stack({x[0], x[1], x[0]}, 1), stack({x[1]}, -1)};
                   },
                   joined});
  table.push_back({"split",
                   {"split"},
                   [](const List& x) {
                     List parts = split(x[0], {1, 0, 2}, 1);
                     for (const Tensor& part : split(x[0], 2, -1)) parts.push_back(part);
                     return parts;
                   },
                   {{{2, 3}}, {{2, 3, 3}}, {{1, 3}}}});
  table.push_back({"split, one part used",
                   {"split"},
                   [](const List& x) {
                     return List{split(x[0], {1, 2}, 0)[1]};
                   },
                   {{{3, 2}}, {{3}}}});
  table.push_back({"chunk",
                   {"split"},
                   [](const List& x) { return chunk(x[0], 2, 0); },
                   {{{3, 2}}, {{2}}, {{1, 2}}, {{0, 2}}}});
  table.push_back({"unbind",
                   {"unbind"},
                   [](const List& x) { return unbind(x[0], 0); },
                   {{{3, 2}}, {{1, 2}}, {{2}}, {{2, 0}}}});
  table.push_back({"unbind, one part used",
                   {"unbind"},
                   [](const List& x) { return List{unbind(x[0], 1)[1]}; },
                   {{{3, 2}}, {{2, 3, 2}}}});
  table.push_back({"unbind, parts used together",
                   {"unbind"},
                   [](const List& x) {
                     const List parts = unbind(x[0], 0);
                     return List{parts[0] * parts[2]};
                   },
                   {{{3, 2}}, {{4}}}});
}

void add_indexing(Table& table) {
  table.push_back({"embedding",
                   {"embedding", "scatter_rows"},
                   [](const List& x) {
                     return List{embedding(x[0], indices({2, 3}, 4)), embedding(x[0], indices({}, 4)),
                                 embedding(x[0], indices({0, 2}, 4))};
                   },
                   {{{4, 3}}, {{4}}, {{4, 2, 2}}, {{4, 0}}, {{4, 1}}}});
  table.push_back({"embedding of one row",
                   {"embedding"},
                   [](const List& x) { return List{embedding(x[0], indices({3}, 1))}; },
                   {{{1, 3}}}});
  table.push_back(
      {"scatter_rows",
       {"scatter_rows", "embedding"},
       [](const List& x) {
         return List{scatter_rows(x[0], indices({3, 2}, 4), 4), scatter_rows(x[0], indices({3}, 2), 2)};
       },
       {{{3, 2}}, {{3, 2, 2}}}});
  table.push_back({"scatter_rows of nothing",
                   {"scatter_rows"},
                   [](const List& x) { return List{scatter_rows(x[0], indices({0}, 1), 3)}; },
                   {{{0, 2}}}});
  table.push_back({"pick",
                   {"pick", "put_back"},
                   [](const List& x) {
                     Shape leading = x[0].shape();
                     const int64_t classes = leading.back();
                     leading.erase(leading.rank() - 1);
                     return List{pick(x[0], indices(leading, classes)),
                                 pick(x[0], indices_with_ignored(leading, classes))};
                   },
                   {{{3, 4}}, {{4}}, {{2, 2, 3}}, {{3, 1}}, {{0, 3}}}});
}

void add_losses(Table& table) {
  const auto softmax_row = [&](const std::string& name, Tensor (*f)(const Tensor&, int64_t)) {
    table.push_back({name,
                     {name},
                     [f](const List& x) {
                       return List{f(x[0], -1), f(x[0], 0)};
                     },
                     {{{3, 4}}, {{4}}, {{1, 3}}, {{3, 1}}, {{2, 3, 2}}, {{0, 3}}, {{2, 0}}},
                     {{-2, 2}, {-30, 30}}});
  };
  softmax_row("softmax", softmax);
  softmax_row("log_softmax", log_softmax);
  for (const double smoothing : {0.0, 0.1, 1.0}) {
    for (const bool ignoring : {false, true}) {
      const auto losses = [=](const List& x, int64_t axis) {
        Shape leading = x[0].shape();
        const int64_t classes = x[0].size(axis);
        leading.erase(detail::normalize_axis("test", axis, leading.rank()));
        const Tensor targets = ignoring ? indices_with_ignored(leading, classes) : indices(leading, classes);
        List results;
        for (Reduction reduction : {Reduction::none, Reduction::mean, Reduction::sum})
          results.push_back(cross_entropy(
              x[0], targets, {.reduction = reduction, .label_smoothing = smoothing, .axis = axis}));
        return results;
      };
      const std::string suffix =
          ", smoothing " + detail::text(smoothing) + (ignoring ? ", some ignored" : "");
      table.push_back({"cross_entropy" + suffix,
                       {"log_softmax", "pick"},
                       [=](const List& x) { return losses(x, -1); },
                       {{{5, 3}}, {{2, 2, 3}}, {{4, 1}}},
                       {{-2, 2}, {-30, 30}}});
      table.push_back({"cross_entropy, classes on axis 1" + suffix,
                       {"log_softmax", "pick"},
                       [=](const List& x) { return losses(x, 1); },
                       {{{2, 3, 2}}, {{2, 3}}}});
    }
  }
  table.push_back(
      {"dropout",
       {"mul"},
       [](const List& x) {
         Random random(5);
         return List{dropout(x[0], 0.4, random), dropout(x[0], 0.0, random), dropout(x[0], 1.0, random)};
       },
       one_argument});
}

const RowSource rows([](Table& table) {
  add_products(table);
  add_reductions(table);
  add_shapes(table);
  add_slices(table);
  add_indexing(table);
  add_losses(table);
});

}  // namespace
}  // namespace reel
