// Rows of the gradient table for reductions, running results and sorting.
#include <limits>

#include "ops/aggregate.h"
#include "ops/arithmetic.h"
#include "ops/cumulative.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/sorting.h"
#include "ops/statistics.h"
#include "tests/ops/gradient_table.h"
#include "tests/reference.h"

namespace reel {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

using List = std::vector<Tensor>;
using Table = std::vector<GradientRow>;

const std::vector<Shapes> filled = {{{2, 3, 2}}, {{1, 3, 1}}, {{1, 1, 1}}, {{4, 1, 3}}};

std::vector<Shapes> and_empty(std::vector<Shapes> cases) {
  cases.push_back({{2, 0, 3}});
  return cases;
}

/// x, which is all zeros, plus a pattern with `zeros` zeros among its first elements.
Tensor with_zeros(const Tensor& x, int64_t zeros) {
  return x + build(x.shape(), DType::float64, [&](const Shape& i) {
           const int64_t place = 2 * i[0] + i[1];
           return place < zeros ? 0.0 : 0.5 + 0.25 * static_cast<double>(place % 5);
         });
}

void add_products(Table& table) {
  table.push_back({"prod",
                   {"cumprod", "linear_recurrence"},
                   [](const List& x) {
                     return List{prod(x[0]),
                                 prod(x[0], 0),
                                 prod(x[0], 1, true),
                                 prod(x[0], {0, 2}),
                                 prod(x[0], {2, 1}, true),
                                 prod(x[0], Axes(Shape{}))};
                   },
                   and_empty(filled),
                   {{-2, 2}, {0, 0}}});
  table.push_back({"prod of a scalar", {}, [](const List& x) { return List{prod(x[0])}; }, {{{}}}});
  for (const int64_t zeros : {1, 2, 3})
    table.push_back({"prod and cumprod with zeros: " + std::to_string(zeros),
                     {"cumprod", "linear_recurrence"},
                     [=](const List& x) {
                       const Tensor y = with_zeros(x[0], zeros);
                       return List{prod(y), prod(y, 0), prod(y, 1), cumprod(y, 0), cumprod(y, 1)};
                     },
                     {{{2, 3}}},
                     {{0, 0}}});
}

void add_aggregates(Table& table) {
  table.push_back(
      {"logsumexp",
       {},
       [](const List& x) {
         return List{logsumexp(x[0]), logsumexp(x[0], 0), logsumexp(x[0], 1, true), logsumexp(x[0], {0, 2})};
       },
       filled,
       {{-2, 2}, {-30, 30}}});
  for (const double p : {-inf, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, inf})
    table.push_back({"norm of order " + detail::text(p),
                     {},
                     [=](const List& x) {
                       return List{norm(x[0], p), norm(x[0], p, 0), norm(x[0], p, {0, 2}, true)};
                     },
                     filled,
                     {{-2, 1.7}, {0.1, 30}}});  // no two of one size
  for (const int64_t correction : {0, 1}) {
    const VarianceOptions options{.correction = correction}, kept{.correction = correction, .keepdim = true};
    table.push_back({"var and stddev, correction " + std::to_string(correction),
                     {"var", "stddev"},
                     [=](const List& x) {
                       return List{var(x[0]),    var(x[0], 1, options),         var(x[0], {0, 1}, kept),
                                   stddev(x[0]), stddev(x[0], {1, 0}, options), stddev(x[0], 1, kept)};
                     },
                     {{{2, 3, 2}}, {{1, 3, 1}}, {{2, 2, 1}}},
                     {{-2, 2}, {100, 130}}});
  }
}

void add_cumulative(Table& table) {
  for (const int64_t axis : {0, 1, -1}) {
    const std::string along = " along " + std::to_string(axis);
    table.push_back({"cumsum" + along,
                     {"cumsum"},
                     [=](const List& x) { return List{cumsum(x[0], axis)}; },
                     and_empty(filled)});
    table.push_back({"cumprod" + along,
                     {"cumprod"},
                     [=](const List& x) { return List{cumprod(x[0], axis)}; },
                     and_empty(filled)});
    table.push_back({"logcumsumexp" + along,
                     {"logcumsumexp"},
                     [=](const List& x) { return List{logcumsumexp(x[0], axis)}; },
                     and_empty(filled),
                     {{-2, 2}, {-30, 30}}});
    table.push_back({"cummax and cummin" + along,
                     {"embedding"},
                     [=](const List& x) {
                       return List{cummax(x[0], axis).values, cummin(x[0], axis).values};
                     },
                     and_empty(filled)});
    table.push_back(
        {"linear_recurrence" + along,
         {"linear_recurrence"},
         [=](const List& x) { return List{linear_recurrence(x[0], x[1], axis)}; },
         {{{2, 3, 2}, {2, 3, 2}}, {{3, 1}, {2, 3, 2}}, {{1, 1, 1}, {1, 1, 1}}, {{2, 0, 3}, {2, 0, 3}}}});
  }
}

void add_sorting(Table& table) {
  for (const int64_t axis : {0, 1, -1}) {
    const std::string along = " along " + std::to_string(axis);
    table.push_back({"sort" + along,
                     {"embedding"},
                     [=](const List& x) {
                       return List{sort(x[0], axis).values, sort(x[0], axis, true).values};
                     },
                     and_empty(filled)});
    table.push_back({"topk" + along,
                     {"embedding"},
                     [=](const List& x) {
                       const int64_t k = x[0].size(axis);
                       return List{topk(x[0], k, axis).values, topk(x[0], (k + 1) / 2, axis, false).values,
                                   topk(x[0], 1, axis).values, topk(x[0], 0, axis).values};
                     },
                     filled});
    table.push_back({"max_with_index, min_with_index, median, quantile" + along,
                     {"embedding"},
                     [=](const List& x) {
                       return List{max_with_index(x[0], axis).values,
                                   min_with_index(x[0], axis, true).values,
                                   median(x[0], axis),
                                   median(x[0]),
                                   quantile(x[0], 0.3, axis, true),
                                   quantile(x[0], 0.5),
                                   quantile(x[0], 1, axis)};
                     },
                     filled});
  }
  table.push_back({"sort and topk of a scalar",
                   {},
                   [](const List& x) {
                     return List{sort(x[0]).values, topk(x[0], 1).values};
                   },
                   {{{}}}});
}

const RowSource rows([](Table& table) {
  add_products(table);
  add_aggregates(table);
  add_cumulative(table);
  add_sorting(table);
});

const ExemptSource exempt([](std::vector<ExemptOp>& list) {
  const std::string index = "an index is constant but for jumps",
                    condition = "a condition is constant but for jumps";
  list.push_back({"argmin", index, [](const List& x) { return List{argmin(x[0])}; }});
  list.push_back({"argsort", index, [](const List& x) { return List{argsort(x[0])}; }});
  // Without the values, which are taken by the index.
  list.push_back({"cummax", index, [](const List& x) { return List{cummax(detach(x[0]), 0).indices}; }});
  list.push_back({"cummin", index, [](const List& x) { return List{cummin(detach(x[0]), 0).indices}; }});
  list.push_back({"all", condition, [](const List& x) { return List{all(x[0])}; }});
  list.push_back({"any", condition, [](const List& x) { return List{any(x[0])}; }});
  list.push_back({"prod", "that of floats is made of cumprod, this one is of integers",
                  [](const List& x) { return List{prod(cast(x[0], DType::int64))}; }});
});

}  // namespace
}  // namespace reel
