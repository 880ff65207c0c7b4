// Rows of the gradient table for the compiled loop.
#include "layers/scan.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/matmul.h"
#include "tests/ops/gradient_table.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;

/// Every kind of operand: rows and whole matrices that are fixed, products, inputs, both states, a constant.
struct TableState {
  Tensor h, c;
  REEL_FIELDS(h, c)
};
struct TableCell : Cell {
  Tensor w, u, b;
  REEL_FIELDS(w, u, b)
  TableState step(const Tensor& x, const TableState& s) const {
    const Tensor f = sigmoid(matmul(x, w) + addmm(b, s.h, u));
    const Tensor c = f * s.c + (1 - f) * tanh(matmul(f * s.h, u) * b + x);
    return {tanh(c) * 0.5 + s.h, c};
  }
};

const RowSource rows([](std::vector<GradientRow>& table) {
  for (const bool reverse : {false, true})
    table.push_back({reverse ? "scan in reverse" : "scan",
                     {"scan"},
                     [reverse](const List& x) {
                       TableCell cell;
                       cell.w = x[1];
                       cell.u = x[2];
                       cell.b = x[3];
                       const auto [y, state] = scan(cell, x[0], TableState{x[4], x[5]}, {.reverse = reverse});
                       return List{y, state.h, state.c};
                     },
                     {{{3, 2, 2}, {2, 2}, {2, 2}, {2}, {2, 2}, {2, 2}},
                      {{1, 1, 2}, {2, 2}, {2, 2}, {1, 2}, {1, 2}, {1, 2}},
                      {{2, 3, 2}, {2, 2}, {2, 2}, {}, {3, 2}, {3, 2}}},
                     {{-1, 1}}});
});

}  // namespace
}  // namespace reel
