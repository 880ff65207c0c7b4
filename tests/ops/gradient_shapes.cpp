// Rows of the gradient table for shapes, layouts and indexing.
#include "ops/arithmetic.h"
#include "ops/compare.h"
#include "ops/diagonal.h"
#include "ops/flip.h"
#include "ops/gather.h"
#include "ops/index.h"
#include "ops/pad.h"
#include "ops/reduction.h"
#include "ops/repeat.h"
#include "ops/rows.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "ops/windows.h"
#include "tests/ops/gradient_table.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;
using Table = std::vector<GradientRow>;

Tensor places(const std::vector<int64_t>& values) { return from_vector(values); }

/// Every third element.
Tensor mask_of(const Shape& shape) {
  std::vector<bool> values;
  for (int64_t i = 0; i < shape.numel(); ++i) values.push_back(i % 3 == 1);
  return from_vector(values, shape);
}

/// Indices below `bound`, with repeats.
Tensor scattered(const Shape& shape, int64_t bound) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < shape.numel(); ++i) values.push_back((5 * i + 2) % bound);
  return from_vector(values, shape);
}

void add_views(Table& table) {
  table.push_back({"rows in other places",
                   {"place_rows"},
                   [](const List& x) {
                     const int64_t rows = x[0].shape()[0];
                     std::vector<int64_t> there{-1};
                     for (int64_t i = rows - 1; i > 0; --i) there.push_back(i);  // row 0 goes nowhere
                     const auto map = detail::row_map(there, rows);
                     return List{detail::place_rows(x[0], map),
                                 detail::place_rows(detail::place_rows(x[0], map) * 2, map, true)};
                   },
                   {{{4, 3}}, {{3}}, {{2, 0}}, {{0, 2}}}});
  table.push_back({"expand, squeeze, movedim",
                   {"broadcast_to", "reshape", "permute"},
                   [](const List& x) {
                     return List{expand(x[0], {2, -1, 4, -1}), squeeze(x[0] * 2),
                                 movedim(x[0], {0, 2}, {2, 1}), movedim(x[0], 1, 0), swapaxes(x[0], 0, -1)};
                   },
                   {{{3, 1, 2}}, {{1, 1, 1}}, {{0, 1, 3}}}});
  table.push_back({"tensor_split",
                   {"split", "slice"},
                   [](const List& x) {
                     List parts = tensor_split(x[0], 3, 0);
                     for (const Tensor& part : tensor_split(x[0], {1, 3}, 1)) parts.push_back(part);
                     return parts;
                   },
                   {{{4, 4}}, {{2, 3}}, {{0, 4}}}});
  table.push_back(
      {"diagonal, diag, diag_embed",
       {"diagonal", "place_diagonal"},
       [](const List& x) {
         return List{
             diagonal(x[0]),   diagonal(x[0], 1),         diagonal(x[0], -1, 1, 0),   diagonal(x[0], 9),
             diag_embed(x[0]), diag_embed(x[0], 1, 0, 1), diag_embed(x[0], -2, -1, 0)};
       },
       {{{3, 4}}, {{1, 1}}, {{2, 3, 2}}, {{0, 2}}}});
  table.push_back({"diag",
                   {"place_diagonal"},
                   [](const List& x) {
                     return List{diag(x[0]), diag(diag(x[0] * x[0], -1), -1)};
                   },
                   {{{3}}, {{1}}, {{0}}}});
  table.push_back({"tril and triu",
                   {"where"},
                   [](const List& x) {
                     return List{tril(x[0]), triu(x[0]), tril(x[0], -1), triu(x[0], 2), tril(x[0], 9)};
                   },
                   {{{3, 4}}, {{2, 3, 2}}, {{1, 1}}, {{0, 2}}}});
  table.push_back({"unfold",
                   {"unfold", "sum_windows"},
                   [](const List& x) {
                     return List{unfold(x[0], 0, 3, 1), unfold(x[0], 0, 2, 2), unfold(x[0], 0, 1, 3),
                                 unfold(x[0] * x[0], 0, 2, 1), unfold(x[0], 0, 0, 1)};
                   },
                   {{{5}}, {{4, 2}}, {{3, 1}}, {{3, 0}}}});
}

void add_copies(Table& table) {
  table.push_back({"repeat and tile",
                   {"broadcast_to", "reshape"},
                   [](const List& x) {
                     return List{
                         repeat(x[0], {2, 3}), repeat(x[0], {2, 1, 3}),       tile(x[0], {2}),
                         tile(x[0], {2, 0}),   repeat_interleave(x[0], 2, 0), repeat_interleave(x[0], 3, -1)};
                   },
                   {{{2, 3}}, {{1, 1}}, {{0, 3}}}});
  table.push_back({"repeat_interleave by counts",
                   {"take_blocks", "add_blocks"},
                   [](const List& x) {
                     return List{repeat_interleave(x[0], places({2, 0, 3}), 1)};
                   },
                   {{{2, 3}}, {{1, 3, 2}}, {{0, 3}}}});
  table.push_back({"meshgrid",
                   {"broadcast_to"},
                   [](const List& x) {
                     List grids = meshgrid({x[0], x[1]});
                     for (const Tensor& grid : meshgrid({x[0], x[1]}, Indexing::xy)) grids.push_back(grid);
                     return grids;
                   },
                   {{{2}, {3}}, {{1}, {}}, {{0}, {2}}}});
  table.push_back({"flip",
                   {"flip"},
                   [](const List& x) {
                     return List{flip(x[0], 0), flip(x[0], {0, -1}), flip(x[0], {})};
                   },
                   {{{3, 2}}, {{2, 3, 2}}, {{1, 1}}, {{0, 3}}}});
  table.push_back({"roll",
                   {"cat"},
                   [](const List& x) {
                     return List{roll(x[0], 1, 0), roll(x[0], {-1, 5}, {1, 0}), roll(x[0], 2)};
                   },
                   {{{3, 2}}, {{1, 1}}, {{0, 3}}}});
  table.push_back({"pad with a constant",
                   {"pad"},
                   [](const List& x) {
                     return List{pad(x[0], {{-1, 2, 1}}), pad(x[0], {{0, 1, 0}, {1, 0, 2}}, {.value = 3}),
                                 pad(x[0], {{0, 0, 2}, {1, -1, 1}}), pad(x[0], {{1, -1, -1}})};
                   },
                   {{{2, 3}}, {{1, 2}}, {{0, 2}}}});
  for (const auto& [mode, text] :
       {std::pair{PadMode::reflect, "reflect"}, std::pair{PadMode::replicate, "replicate"},
        std::pair{PadMode::circular, "circular"}})
    table.push_back({std::string("pad, ") + text,
                     {"take_blocks", "add_blocks"},
                     [mode = mode](const List& x) {
                       return List{pad(x[0], {{-1, 2, 1}}, {.mode = mode}),
                                   pad(x[0], {{1, 0, 1}, {-1, 2, 2}}, {.mode = mode})};
                     },
                     {{{2, 2, 3}}, {{0, 2, 3}}}});
}

void add_one_axis(Table& table) {
  const std::vector<Shapes> shapes = {{{3, 4}}, {{3, 4, 2}}, {{3, 1}}, {{3, 0}}};
  table.push_back({"index_select",
                   {"take_blocks", "add_blocks"},
                   [](const List& x) {
                     return List{index_select(x[0], 0, places({2, 0, 2, 2})),
                                 index_select(x[0], 0, places({})),
                                 index_select(transpose(x[0], 0, 1), 1, places({1, 1}))};
                   },
                   shapes});
  table.push_back({"index_add",
                   {"add_blocks", "take_blocks"},
                   [](const List& x) {
                     return List{index_add(x[0], 1, places({2, 0, 2}), x[1])};
                   },
                   {{{2, 3}, {2, 3}}, {{2, 3, 2}, {2, 3, 2}}, {{0, 3}, {0, 3}}}});
  table.push_back({"gather and take_along_axis",
                   {"take_blocks", "add_blocks"},
                   [](const List& x) {
                     return List{
                         gather(x[0], 0, scattered({5, 1}, 3)), gather(x[0], 1, scattered({2, 4}, 2)),
                         take_along_axis(x[0], scattered({1, 4}, 2), 1),
                         take_along_axis(x[0], places({-1}) * ones({4, 1}, {.dtype = DType::int64}), 0)};
                   },
                   {{{3, 2}}, {{3, 3}}}});
  table.push_back({"take_along_axis of rows that repeat",
                   {"take_blocks", "add_blocks"},
                   [](const List& x) {
                     return List{take_along_axis(x[0], scattered({4, 2}, 3), 1)};
                   },
                   {{{1, 3}}, {{4, 3}}}});
  table.push_back({"gather of nothing",
                   {"take_blocks"},
                   [](const List& x) {
                     return List{gather(x[0], 0, scattered({0, 2}, 1))};
                   },
                   {{{3, 2}}, {{0, 2}}}});
  table.push_back(
      {"scatter",
       {"put_blocks", "take_blocks"},
       [](const List& x) {
         return List{scatter(x[0], 0, scattered({4, 2}, 3), x[1]), scatter(x[0], 0, scattered({4, 2}, 3), 7)};
       },
       {{{3, 2}, {4, 2}}, {{3, 3}, {2}}, {{3, 2}, {}}}});
  table.push_back({"scatter_add",
                   {"add_blocks", "take_blocks"},
                   [](const List& x) {
                     return List{scatter_add(x[0], 1, scattered({2, 4}, 3), x[1])};
                   },
                   {{{2, 3}, {2, 4}}, {{3, 3}, {4}}, {{2, 3}, {2, 1}}}});
}

void add_several_axes(Table& table) {
  table.push_back({"index by tensors",
                   {"take_blocks", "add_blocks"},
                   [](const List& x) {
                     const Tensor column = reshape(places({0, -1}), {2, 1}), row = places({1, 0, 1});
                     return List{index(x[0], {row}),
                                 index(x[0], {column, row}),
                                 index(x[0], {Index::all, row, column}),
                                 index(x[0], {column, Index::all, row}),
                                 index(x[0], {Index::all, -1}),
                                 index(x[0], {0, Index::all, 1}),
                                 index(x[0], {Index::all, Index::all, row}),
                                 index(x[0], {places({})})};
                   },
                   {{{2, 3, 2}}, {{2, 2, 2, 2}}, {{2, 2, 3, 0}}}});
  table.push_back({"index by masks",
                   {"take_blocks", "add_blocks"},
                   [](const List& x) {
                     return List{index(x[0], {mask_of({2, 3})}), index(x[0], {0, mask_of({3})}),
                                 index(x[0], {mask_of({2}), Index::all, Index::all}),
                                 masked_select(x[0], mask_of({3, 2})),
                                 masked_select(x[0], mask_of({4, 1, 1, 1}))};
                   },
                   {{{2, 3, 2}}, {{2, 3, 1}}}});
  table.push_back({"index_put",
                   {"put_blocks", "add_blocks"},
                   [](const List& x) {
                     const Tensor row = places({1, 0, 1});
                     return List{index_put(x[0], {row}, x[1]),
                                 index_put(x[0], {row}, x[1], {.accumulate = true}),
                                 index_put(x[0], {row, Index::all, 1}, x[1]),
                                 index_put(x[0], {0, Index::all, row}, x[1], {.accumulate = true}),
                                 index_put(x[0], {mask_of({2, 3})}, x[1])};
                   },
                   {{{2, 3, 2}, {}}, {{2, 3, 3}, {1}}}});
  table.push_back({"index_put of rows",
                   {"put_blocks", "take_blocks"},
                   [](const List& x) {
                     return List{index_put(x[0], {places({1, 0, 1})}, x[1]),
                                 index_put(x[0], {places({1, 0, 1})}, x[1], {.accumulate = true})};
                   },
                   {{{2, 3}, {3, 3}}, {{2, 3}, {3}}, {{2, 0}, {3, 0}}}});
  table.push_back({"masked_scatter and masked_fill",
                   {"put_blocks", "where"},
                   [](const List& x) {
                     return List{masked_scatter(x[0], mask_of({2, 3}), x[1]),
                                 masked_scatter(x[0], mask_of({3}), x[1]),
                                 masked_fill(x[0], mask_of({3}), sum(x[1])),
                                 masked_fill(x[0], mask_of({2, 3}), narrow(reshape(x[1], {4}), 0, 0, 3))};
                   },
                   {{{2, 3}, {4}}, {{2, 3}, {2, 2}}}});
}

const RowSource rows([](Table& table) {
  add_views(table);
  add_copies(table);
  add_one_axis(table);
  add_several_axes(table);
});

}  // namespace
}  // namespace reel
