// Rows of the gradient table for the losses other than cross-entropy of indices, and for distances.
#include <limits>

#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/distance.h"
#include "ops/loss.h"
#include "ops/loss_formulas.h"
#include "ops/shape.h"
#include "ops/softmax.h"
#include "tests/ops/gradient_table.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;
using Table = std::vector<GradientRow>;

constexpr Reduction reductions[] = {Reduction::none, Reduction::mean, Reduction::sum};
const std::vector<Shapes> pairs = {{{2, 3}, {2, 3}}, {{1}, {1}}, {{}, {}}, {{2, 1, 3}, {2, 1, 3}}};

/// A loss of two tensors under every reduction.
template <class F> TensorFunction of_two(F loss) {
  return [=](const List& x) {
    List results;
    for (Reduction r : reductions) results.push_back(loss(x[0], x[1], r));
    return results;
  };
}

Tensor alternating(const Shape& shape) {
  std::vector<double> values;
  for (int64_t i = 0; i < shape.numel(); ++i) values.push_back(i % 3 == 1 ? -1 : 1);
  return from_vector(values, shape);
}

Tensor labels(const Shape& shape, int64_t bound) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < shape.numel(); ++i) values.push_back((5 * i + 2) % bound);
  return from_vector(values, shape);
}

void add_regression(Table& table) {
  const std::vector<Domain> domains = {{-2, 2}, {-30, 30}};
  const auto row = [&](const std::string& name, const TensorFunction& f) {
    table.push_back({name, {name}, f, pairs, domains});
  };
  row("mse_loss",
      of_two([](const Tensor& x, const Tensor& t, Reduction r) { return mse_loss(x, t, {.reduction = r}); }));
  row("l1_loss", of_two([](const Tensor& x, const Tensor& t, Reduction r) {
        return l1_loss(x, t, {.reduction = r}) + smooth_l1_loss(x, t, {.reduction = r, .beta = 0});
      }));
  for (double at : {0.45, 3.3}) {
    row("smooth_l1_loss", of_two([=](const Tensor& x, const Tensor& t, Reduction r) {
          return smooth_l1_loss(x, t, {.reduction = r, .beta = at});
        }));
    row("huber_loss", of_two([=](const Tensor& x, const Tensor& t, Reduction r) {
          return huber_loss(x, t, {.reduction = r, .delta = at});
        }));
  }
  table.push_back({"losses of differences of nothing",
                   {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"},
                   [](const List& x) {
                     return List{mse_loss(x[0], x[1], {.reduction = Reduction::sum}),
                                 l1_loss(x[0], x[1], {.reduction = Reduction::none}),
                                 smooth_l1_loss(x[0], x[1], {.reduction = Reduction::sum}),
                                 huber_loss(x[0], x[1], {.reduction = Reduction::none})};
                   },
                   {{{0, 3}, {0, 3}}}});
  for (bool log_input : {true, false})
    for (bool full : {true, false})
      table.push_back(
          {std::string("poisson_nll_loss") + (log_input ? " of logarithms" : "") + (full ? ", full" : ""),
           {"mul"},
           of_two([=](const Tensor& x, const Tensor& t, Reduction r) {
             return poisson_nll_loss(x, t, {.reduction = r, .log_input = log_input, .full = full});
           }),
           {{{2, 3}, {2, 3}}, {{2, 3}, {3}}, {{}, {}}},
           {{0.3, 3}}});
  for (bool full : {true, false})
    table.push_back({std::string("gaussian_nll_loss") + (full ? ", full" : ""),
                     {"div"},
                     [=](const List& x) {
                       List results;
                       for (Reduction r : reductions)
                         results.push_back(
                             gaussian_nll_loss(x[0], x[1], x[2], {.reduction = r, .full = full}));
                       return results;
                     },
                     {{{2, 3}, {2, 3}, {2, 3}},
                      {{2, 3}, {3}, {2, 1}},
                      {{2, 3}, {2, 3}, {2}},
                      {{}, {}, {}},
                      {{1}, {1}, {1}}},
                     {{0.3, 2}}});
}

void add_probability(Table& table) {
  table.push_back({"binary_cross_entropy",
                   {"binary_cross_entropy"},
                   [](const List& x) {
                     List results;
                     for (Reduction r : reductions) {
                       results.push_back(binary_cross_entropy(x[0], x[1], {.reduction = r}));
                       results.push_back(binary_cross_entropy(x[0], x[1], {.reduction = r, .weight = x[2]}));
                     }
                     return results;
                   },
                   {{{2, 3}, {2, 3}, {3}}, {{}, {}, {}}, {{1, 2}, {1, 2}, {1, 1}}},
                   {{0.1, 0.9}}});
  table.push_back({"binary_cross_entropy_with_logits",
                   {"binary_cross_entropy_with_logits", "binary_cross_entropy_with_pos_weight"},
                   [](const List& x) {
                     List results;
                     for (Reduction r : reductions) {
                       results.push_back(binary_cross_entropy_with_logits(x[0], x[1], {.reduction = r}));
                       results.push_back(binary_cross_entropy_with_logits(
                           x[0], x[1], {.reduction = r, .weight = x[2], .pos_weight = x[3]}));
                     }
                     return results;
                   },
                   {{{2, 3}, {2, 3}, {3}, {2, 1}}, {{}, {}, {}, {}}, {{1, 2}, {1, 2}, {2}, {}}},
                   {{-2, 2}, {-10, 10}}});
  table.push_back({"binary_cross_entropy of nothing",
                   {"binary_cross_entropy", "binary_cross_entropy_with_logits"},
                   [](const List& x) {
                     return List{
                         binary_cross_entropy(x[0], x[1], {.reduction = Reduction::sum}),
                         binary_cross_entropy_with_logits(x[0], x[1], {.reduction = Reduction::none})};
                   },
                   {{{0, 3}, {0, 3}}}});
  for (const auto& [alpha, gamma] : {std::pair{0.25, 2.0}, {-1.0, 1.5}, {0.6, 0.0}})
    table.push_back({"sigmoid_focal_loss, gamma " + detail::text(gamma),
                     {},
                     of_two([alpha = alpha, gamma = gamma](const Tensor& x, const Tensor& t, Reduction r) {
                       return sigmoid_focal_loss(x, t, {.reduction = r, .alpha = alpha, .gamma = gamma});
                     }),
                     pairs,
                     {{0.1, 0.9}}});
  table.push_back({"multilabel_soft_margin_loss",
                   {"binary_cross_entropy_with_logits"},
                   [](const List& x) {
                     List results;
                     for (Reduction r : reductions)
                       results.push_back(
                           multilabel_soft_margin_loss(x[0], x[1], {.reduction = r, .weight = x[2]}));
                     return results;
                   },
                   {{{2, 3}, {2, 3}, {3}}, {{3}, {3}, {3}}, {{2, 1}, {2, 1}, {1}}}});
  table.push_back({"kl_div",
                   {"log"},
                   [](const List& x) {
                     List results;
                     for (KlReduction r :
                          {KlReduction::none, KlReduction::mean, KlReduction::sum, KlReduction::batchmean}) {
                       results.push_back(kl_div(x[0], x[1], {.reduction = r}));
                       results.push_back(kl_div(x[0], x[1], {.reduction = r, .log_target = true}));
                     }
                     return results;
                   },
                   {{{2, 3}, {2, 3}}, {{2, 3}, {3}}, {{1}, {1}}},
                   {{0.2, 2}}});
}

void add_classes(Table& table) {
  for (const double smoothing : {0.0, 0.2}) {
    const std::string suffix = ", smoothing " + detail::text(smoothing);
    table.push_back(
        {"cross_entropy of probabilities, with weights" + suffix,
         {"log_softmax"},
         [=](const List& x) {
           List results;
           for (Reduction r : reductions) {
             results.push_back(
                 cross_entropy(x[0], x[1], {.reduction = r, .weight = x[2], .label_smoothing = smoothing}));
             results.push_back(cross_entropy(transpose(x[0], 0, -1), transpose(x[1], 0, -1),
                                             {.reduction = r, .label_smoothing = smoothing, .axis = 0}));
           }
           return results;
         },
         {{{2, 3}, {2, 3}, {3}}, {{3}, {3}, {3}}, {{2, 1}, {2, 1}, {1}}}});
    table.push_back(
        {"cross_entropy of indices, with weights" + suffix,
         {"log_softmax", "pick"},
         [=](const List& x) {
           List results;
           for (Reduction r : reductions)
             results.push_back(cross_entropy(
                 x[0], labels({4}, 3),
                 {.reduction = r, .weight = x[1], .ignore_index = 1, .label_smoothing = smoothing}));
           return results;
         },
         {{{4, 3}, {3}}},
         {{0.3, 2}}});
  }
  table.push_back({"nll_loss",
                   {"pick"},
                   [=](const List& x) {
                     List results;
                     for (Reduction r : reductions) {
                       results.push_back(nll_loss(x[0], labels({4}, 3), {.reduction = r, .weight = x[1]}));
                       results.push_back(nll_loss(transpose(x[0]), labels({4}, 3),
                                                  {.reduction = r, .ignore_index = 1, .axis = 0}));
                     }
                     return results;
                   },
                   {{{4, 3}, {3}}},
                   {{0.3, 2}}});
  for (int p : {1, 2})
    table.push_back({"multi_margin_loss, p " + std::to_string(p),
                     {"relu", "pick"},
                     [=](const List& x) {
                       List results;
                       for (Reduction r : reductions)
                         results.push_back(multi_margin_loss(
                             x[0], labels({4}, 3), {.reduction = r, .weight = x[1], .p = p, .margin = 0.91}));
                       return results;
                     },
                     {{{4, 3}, {3}}}});
  table.push_back({"multilabel_margin_loss",
                   {"relu", "pick"},
                   [](const List& x) {
                     const Tensor target = from_vector<int64_t>({2, 0, -1, -1, 1, 1, 0, 1, 2}, {3, 3});
                     List results;
                     for (Reduction r : reductions)
                       results.push_back(multilabel_margin_loss(x[0] * 1.07, target, {.reduction = r}));
                     return results;
                   },
                   {{{3, 3}}}});
}

void add_margins(Table& table) {
  // The squares and factors keep distances apart, for the arguments are evenly spaced: no ties in the norm of infinity.
  const auto row = [&](const std::string& name, auto loss, const std::vector<Shapes>& cases,
                       double low = -2) {
    table.push_back({name,
                     {},
                     [=](const List& x) {
                       List results;
                       for (Reduction r : reductions) results.push_back(loss(x, r));
                       return results;
                     },
                     cases,
                     {{low, 2}}});
  };
  row("margin_ranking_loss",
      [](const List& x, Reduction r) {
        return margin_ranking_loss(x[0], x[1], x[2], {.reduction = r, .margin = 0.317});
      },
      {{{2, 3}, {2, 3}, {2, 3}}, {{2, 3}, {1, 3}, {2, 1}}, {{}, {}, {}}});
  row("hinge_embedding_loss",
      [](const List& x, Reduction r) {
        return hinge_embedding_loss(x[0], alternating(x[0].shape()), {.reduction = r, .margin = 0.917});
      },
      {{{2, 3}}, {{}}});
  row("soft_margin_loss",
      [](const List& x, Reduction r) { return soft_margin_loss(x[0], x[1], {.reduction = r}); },
      {{{2, 3}, {2, 3}}, {{2, 3}, {3}}, {{}, {}}});
  row("cosine_embedding_loss",
      [](const List& x, Reduction r) {
        Shape rows = x[0].shape();
        rows.erase(rows.rank() - 1);
        return cosine_embedding_loss(x[0], x[1], alternating(rows), {.reduction = r, .margin = -0.95});
      },
      {{{3, 4}, {3, 4}}, {{4}, {4}}, {{3, 4}, {1, 4}}});
  for (double p : {1.0, 2.0, 3.0, std::numeric_limits<double>::infinity()}) {
    for (bool swap : {false, true})
      row("triplet_margin_loss, p " + detail::text(p) + (swap ? ", swapped" : ""),
          [=](const List& x, Reduction r) {
            return triplet_margin_loss(square(x[0]), x[1] * 0.83, x[2] * 1.31,
                                       {.reduction = r, .margin = 9.3, .p = p, .swap = swap});
          },
          {{{2, 3}, {2, 3}, {2, 3}}, {{3}, {3}, {3}}, {{2, 3}, {1, 3}, {1, 3}}});
    row("pairwise_distance, p " + detail::text(p),
        [=](const List& x, Reduction r) {
          return pairwise_distance(square(x[0]), x[1] * 0.83,
                                   {.p = p, .eps = 1e-3, .keepdim = r == Reduction::mean});
        },
        {{{2, 3}, {2, 3}}, {{3}, {3}}, {{2, 3}, {1, 3}}, {{0, 3}, {0, 3}}});
  }
  row("cosine_similarity",
      [](const List& x, Reduction r) {
        return cosine_similarity(x[0], x[1], {.axis = r == Reduction::none ? 0 : -1});
      },
      {{{2, 3}, {2, 3}}, {{3}, {3}}, {{2, 3}, {3}}, {{0, 3}, {0, 3}}});
}

void add_ctc(Table& table) {
  table.push_back({"log_add_exp3",
                   {"log_add_exp3"},
                   [](const List& x) { return List{apply(LogAddExp3{}, x[0], x[1], x[2])}; },
                   {{{2, 3}, {2, 3}, {2, 3}}, {{2, 3}, {3}, {}}, {{0, 3}, {0, 3}, {0, 3}}},
                   {{-2, 2}, {-30, 30}}});
  table.push_back(
      {"ctc_loss",
       {"ctc_loss", "log_add_exp3"},
       [](const List& x) {
         const Tensor targets = from_vector<int64_t>({1, 1, 2, 1, 3, 0}, {2, 3});
         List results;
         for (Reduction r : reductions)
           results.push_back(ctc_loss(x[0], targets, {5, 3}, {3, 2}, {.reduction = r}));
         results.push_back(ctc_loss(log_softmax(x[0]), targets, {5, 2}, {2, 0}, {.zero_infinity = true}));
         // The second one is impossible.
         results.push_back(ctc_loss(x[0], targets, {4, 1}, {3, 2}, {.zero_infinity = true}));
         return results;
       },
       {{{5, 2, 4}}}});
  table.push_back({"ctc_loss of one sequence, the blank last",
                   {"ctc_loss"},
                   [](const List& x) {
                     return List{ctc_loss(x[0], from_vector<int64_t>({0, 0}), {4}, {2}, {.blank = 2}),
                                 ctc_loss(x[0], zeros({0}, {.dtype = DType::int64}), {3}, {0}, {.blank = 2})};
                   },
                   {{{4, 3}}}});
  table.push_back(
      {"ctc_loss of no time",
       {"ctc_loss"},
       [](const List& x) {
         return List{ctc_loss(x[0], from_vector<int64_t>({0, 0}, {2, 1}), {0, 0}, {0, 0}, {.blank = 2})};
       },
       {{{0, 2, 3}}, {{1, 2, 3}}}});
}

const RowSource rows([](Table& table) {
  add_regression(table);
  add_probability(table);
  add_classes(table);
  add_margins(table);
  add_ctc(table);
});

}  // namespace
}  // namespace reel
