// Rows of the gradient table for the ops of the tape itself.
#include "framework/checkpoint.h"
#include "framework/functional.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "tests/ops/gradient_table.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;

const RowSource rows([](std::vector<GradientRow>& table) {
  table.push_back(
      {"alias", {"alias"}, [](const List& x) { return List{detail::alias(x[0])}; }, one_argument});
  table.push_back({"checkpoint",
                   {"checkpoint"},
                   [](const List& x) {
                     return checkpoint(
                         [w = x[1]](const List& t) {
                           return List{tanh(t[0]) * w, t[0], sum(w)};
                         },
                         List{x[0]});
                   },
                   {{{2, 3}, {3}}, {{}, {}}, {{0, 3}, {1}}}});
});

}  // namespace
}  // namespace reel
