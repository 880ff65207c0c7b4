// Rows of the gradient table for einsum and the linear algebra made of products.
#include "ops/einsum.h"
#include "ops/linalg.h"
#include "ops/matmul.h"
#include "tests/ops/gradient_table.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;
using Table = std::vector<GradientRow>;

void add_einsum(Table& table) {
  const auto row = [&](const char* equation, const std::vector<Shapes>& cases) {
    table.push_back({std::string("einsum ") + equation,
                     {},
                     [=](const List& x) { return List{einsum(equation, x)}; },
                     cases});
  };
  row("ij,jk->ik", {{{2, 3}, {3, 2}}, {{2, 1}, {3, 2}}, {{1, 1}, {1, 1}}, {{2, 0}, {0, 3}}});
  row("ij->ji", {{{2, 3}}, {{0, 2}}});
  row("ij->j", {{{2, 3}}, {{0, 2}}});
  row("ii", {{{3, 3}}, {{1, 1}}, {{0, 0}}});
  row("iji->ij", {{{2, 3, 2}}});
  row("i,j->ij", {{{2}, {3}}, {{0}, {3}}});
  row("...ij,...jk", {{{2, 2, 3}, {3, 2}}, {{2, 3}, {1, 3, 2}}});
  row("bi,bi->b", {{{2, 3}, {2, 3}}, {{2, 3}, {1, 3}}});
  row("ni,oij,nj->no", {{{2, 3}, {2, 3, 2}, {2, 2}}});
  row("a,a,a,->a", {{{3}, {3}, {1}, {}}});
  row(",->", {{{}, {}}});
}

void add_linalg(Table& table) {
  table.push_back({"outer",
                   {},
                   [](const List& x) { return List{outer(x[0], x[1])}; },
                   {{{2}, {3}}, {{1}, {1}}, {{0}, {2}}}});
  table.push_back(
      {"dot", {}, [](const List& x) { return List{dot(x[0], x[1])}; }, {{{3}, {3}}, {{1}, {1}}, {{0}, {0}}}});
  table.push_back({"trace",
                   {},
                   [](const List& x) { return List{trace(x[0])}; },
                   {{{3, 3}}, {{2, 4}}, {{4, 2}}, {{1, 1}}, {{0, 2}}}});
  table.push_back(
      {"tensordot",
       {},
       [](const List& x) {
         return List{tensordot(x[0], x[1]), tensordot(x[0], x[1], 0), tensordot(x[0], x[1], {2, 1}, {1, 0})};
       },
       {{{2, 3, 3}, {3, 3, 2}}, {{1, 1, 1}, {1, 1, 1}}, {{2, 0, 0}, {0, 0, 2}}}});
  table.push_back({"bilinear",
                   {},
                   [](const List& x) {
                     return List{bilinear(x[0], x[1], x[2]), bilinear(x[0], x[1], x[2], x[3])};
                   },
                   {{{2, 2}, {2, 3}, {4, 2, 3}, {4}},
                    {{2}, {3}, {2, 2, 3}, {2}},
                    {{2, 1, 2}, {2, 1, 1}, {1, 2, 1}, {1}},
                    {{0, 2}, {0, 3}, {2, 2, 3}, {2}}}});
  table.push_back(
      {"matmul with one matrix for a whole stack",
       {"matmul"},
       [](const List& x) { return List{matmul(x[0], x[1])}; },
       {{{3, 2, 3}, {1, 3, 2}}, {{2, 3}, {1, 1, 3, 2}}, {{2, 1, 2, 3}, {1, 3, 1}}, {{0, 2, 3}, {1, 3, 2}}}});
}

const RowSource rows([](Table& table) {
  add_einsum(table);
  add_linalg(table);
});

}  // namespace
}  // namespace reel
