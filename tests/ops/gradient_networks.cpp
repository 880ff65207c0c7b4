// Rows of the gradient table for convolutions, poolings, normalisation and attention.
#include <cmath>

#include "framework/functional.h"
#include "ops/arithmetic.h"
#include "ops/attention.h"
#include "ops/compare.h"
#include "ops/convolution.h"
#include "ops/normalization.h"
#include "ops/pooling.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "tests/ops/gradient_table.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;
using Table = std::vector<GradientRow>;

void add_convolutions(Table& table) {
  const std::set<std::string> family = {"convolution", "convolution_input", "convolution_weight"};
  using Conv = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, const ConvOptions&);
  const auto conv = [&](const std::string& name, Conv f, const ConvOptions& options,
                        const std::vector<Shapes>& cases) {
    table.push_back(
        {name, family,
         [=](const List& x) { return List{f(x[0], x[1], x.size() > 2 ? x[2] : Tensor(), options)}; }, cases});
  };
  conv("conv1d", conv1d, {},
       {{{2, 2, 4}, {2, 2, 3}, {2}}, {{2, 4}, {1, 2, 2}, {1}}, {{1, 1, 1}, {1, 1, 1}, {1}}});
  conv("conv1d without bias", conv1d, {.padding = 1}, {{{1, 2, 3}, {2, 2, 2}}, {{2, 1, 1}, {1, 1, 3}}});
  conv("conv1d of nothing", conv1d, {}, {{{0, 2, 3}, {2, 2, 2}, {2}}});
  conv("conv1d, same", conv1d, {.dilation = 2, .same = true}, {{{1, 1, 3}, {2, 1, 2}, {2}}});
  conv("conv1d, stride, dilation, unequal padding", conv1d,
       {.stride = 2, .padding = 1, .padding_end = 3, .dilation = 2}, {{{1, 2, 5}, {1, 2, 2}, {1}}});
  conv("conv2d", conv2d, {.stride = {1, 2}, .padding = {1, 0}, .dilation = {2, 1}},
       {{{1, 2, 3, 3}, {2, 2, 2, 2}, {2}}, {{2, 3, 3}, {1, 2, 2, 1}, {1}}});
  conv("conv2d in groups", conv2d, {.groups = 2},
       {{{2, 4, 2, 2}, {2, 2, 2, 1}, {2}}, {{1, 2, 2, 2}, {2, 1, 1, 1}, {2}}});
  conv("conv2d, rows that no window reads", conv2d, {.stride = 3}, {{{1, 1, 3, 2}, {1, 1, 2, 1}, {1}}});
  conv("conv3d", conv3d, {.stride = {2, 1, 1}, .padding = {1, 0, 0}},
       {{{1, 1, 2, 2, 2}, {2, 1, 2, 1, 2}, {2}}, {{2, 1, 1, 1}, {1, 2, 1, 1, 1}, {1}}});

  using Transposed = Tensor (*)(const Tensor&, const Tensor&, const Tensor&, const ConvTransposeOptions&);
  const auto transposed = [&](const std::string& name, Transposed f, const ConvTransposeOptions& options,
                              const std::vector<Shapes>& cases) {
    table.push_back(
        {name, family,
         [=](const List& x) { return List{f(x[0], x[1], x.size() > 2 ? x[2] : Tensor(), options)}; }, cases});
  };
  transposed("conv_transpose1d", conv_transpose1d,
             {.stride = 2, .padding = 1, .output_padding = 1, .dilation = 2},
             {{{2, 2, 3}, {2, 1, 2}, {1}}, {{1, 2}, {1, 2, 3}, {2}}});
  transposed("conv_transpose1d without bias", conv_transpose1d, {},
             {{{1, 2, 2}, {2, 2, 2}}, {{0, 1, 2}, {1, 1, 1}}});
  transposed("conv_transpose2d in groups", conv_transpose2d, {.stride = {2, 1}, .groups = 2},
             {{{1, 2, 2, 2}, {2, 2, 2, 1}, {4}}});
  transposed("conv_transpose3d", conv_transpose3d, {.padding = {1, 0, 0}},
             {{{1, 1, 3, 1, 2}, {1, 2, 1, 2, 1}, {2}}});
}

void add_poolings(Table& table) {
  const std::set<std::string> largest = {"max_pool", "pool_scatter"};
  const std::set<std::string> average = {"avg_pool", "avg_spread"};
  table.push_back({"max_pool1d",
                   largest,
                   [](const List& x) {
                     return List{max_pool1d(x[0], 2), max_pool1d(x[0], 3, {.stride = 1, .padding = 1}),
                                 max_pool1d(x[0], 2, {.stride = 2, .dilation = 2, .ceil_mode = true}),
                                 adaptive_max_pool1d(x[0], 2)};
                   },
                   {{{2, 1, 5}}, {{2, 4}}, {{0, 2, 5}}}});
  table.push_back({"max_pool2d and max_pool3d",
                   largest,
                   [](const List& x) {
                     return List{max_pool2d(x[0], {2, 1}, {.stride = 1}), max_pool3d(x[0], {1, 2, 2}),
                                 adaptive_max_pool2d(x[0], {2, 1}), adaptive_max_pool3d(x[0], {1, 3, 2})};
                   },
                   {{{2, 2, 2, 3}}, {{1, 1, 3, 2}}}});
  table.push_back({"gradient of max_pool1d",
                   {"max_pool", "pool_scatter", "pool_gather"},
                   [](const List& x) {
                     const auto energy = [](const Tensor& t) {
                       return sum(square(max_pool1d(t, 3, {.stride = 1})));
                     };
                     return List{value_and_grad(energy, x[0]).gradient};
                   },
                   {{{2, 1, 5}}, {{2, 4}}}});
  table.push_back({"avg_pool1d",
                   average,
                   [](const List& x) {
                     return List{avg_pool1d(x[0], 2), adaptive_avg_pool1d(x[0], 3),
                                 avg_pool1d(x[0], 3, {.stride = 2, .padding = 1, .ceil_mode = true}),
                                 avg_pool1d(x[0], 3, {.padding = 1, .count_include_pad = false}),
                                 avg_pool1d(x[0], 2, {.stride = 1, .divisor_override = 3})};
                   },
                   {{{2, 1, 5}}, {{2, 4}}, {{0, 2, 5}}}});
  table.push_back({"avg_pool2d and avg_pool3d",
                   average,
                   [](const List& x) {
                     return List{avg_pool2d(x[0], {2, 1}, {.stride = 1}), avg_pool3d(x[0], {1, 2, 2}),
                                 adaptive_avg_pool2d(x[0], 1), adaptive_avg_pool3d(x[0], {1, 3, 2})};
                   },
                   {{{2, 2, 2, 3}}, {{1, 1, 3, 2}}}});
}

void add_normalisations(Table& table) {
  const std::set<std::string> one = {"normalize"};
  constexpr double eps = 0.1;
  table.push_back({"layer_norm",
                   one,
                   [](const List& x) { return List{layer_norm(x[0], x[1].shape(), x[1], x[2], eps)}; },
                   {{{3, 4}, {4}, {4}},
                    {{2, 2, 3}, {2, 3}, {2, 3}},
                    {{4}, {4}, {4}},
                    {{2, 1}, {1}, {1}},
                    {{0, 3}, {3}, {3}}}});
  table.push_back({"layer_norm without weight, without bias, without both",
                   one,
                   [](const List& x) {
                     const Shape shape = x[1].shape();
                     return List{layer_norm(x[0], shape, x[1], {}, eps),
                                 layer_norm(x[0], shape, {}, x[1], eps),
                                 layer_norm(x[0], shape, {}, {}, 1e-5)};
                   },
                   {{{3, 4}, {4}}}});
  table.push_back({"rms_norm",
                   one,
                   [](const List& x) {
                     return List{rms_norm(x[0], x[1].shape(), x[1]), rms_norm(x[0], x[1].shape(), {}, eps)};
                   },
                   {{{3, 4}, {4}}, {{2, 2, 3}, {2, 3}}, {{2, 1}, {1}}, {{0, 2}, {2}}}});
  table.push_back(
      {"group_norm",
       one,
       [](const List& x) {
         return List{group_norm(x[0], 2, x[1], x[2], eps), group_norm(x[0], 1, x[1], {}, eps),
                     group_norm(x[0], 2, {}, x[2], eps)};
       },
       {{{2, 4, 2}, {4}, {4}}, {{2, 2, 1, 3}, {2}, {2}}, {{3, 4}, {4}, {4}}, {{0, 2, 3}, {2}, {2}}}});
  table.push_back({"group_norm of one channel",
                   one,
                   [](const List& x) { return List{group_norm(x[0], 1, x[1], x[2], eps)}; },
                   {{{2, 1, 3}, {1}, {1}}}});
  table.push_back({"instance_norm",
                   one,
                   [](const List& x) {
                     return List{instance_norm(x[0], x[1], x[2], eps), instance_norm(x[0])};
                   },
                   {{{2, 2, 3}, {2}, {2}}, {{1, 2, 2, 2}, {2}, {2}}}});
  table.push_back(
      {"batch_norm in training",
       one,
       [](const List& x) {
         const BatchNormOptions training{.training = true, .eps = eps};
         return List{batch_norm(x[0], {}, {}, x[1], x[2], training),
                     batch_norm(x[0], {}, {}, x[1], {}, training),
                     batch_norm(x[0], {}, {}, {}, x[2], training)};
       },
       {{{3, 2}, {2}, {2}}, {{2, 2, 3}, {2}, {2}}, {{1, 2, 2, 2}, {2}, {2}}, {{2, 1, 2}, {1}, {1}}}});
  table.push_back(
      {"batch_norm by running statistics",
       {"mul"},
       [](const List& x) {
         const Tensor mean = linspace(-1, 1, 2, {.dtype = DType::float64});
         const Tensor variance = linspace(0.5, 2, 2, {.dtype = DType::float64});
         return List{batch_norm(x[0], mean, variance, x[1], x[2]), batch_norm(x[0], mean, variance)};
       },
       {{{3, 2}, {2}, {2}}, {{2, 2, 3}, {2}, {2}}, {{0, 2, 3}, {2}, {2}}}});
}

void add_attention(Table& table) {
  const std::vector<Shapes> shapes = {
      {{2, 3, 2}, {2, 3, 2}, {2, 3, 2}}, {{2, 3, 1}, {3, 1}, {1, 3, 2}}, {{1, 2}, {3, 2}, {3, 1}}};
  // Scores kept apart, so that the softmax is not flat.
  table.push_back(
      {"attention",
       {"matmul", "softmax"},
       [](const List& x) {
         Random random(3);
         return List{scaled_dot_product_attention(x[0], x[1], x[2]),
                     scaled_dot_product_attention(x[0], x[1], x[2], {.causal = true, .scale = 0.4}),
                     scaled_dot_product_attention(x[0], x[1], x[2], {.dropout_p = 0.4, .random = &random})};
       },
       shapes});
  table.push_back(
      {"attention with masks",
       {"where"},
       [](const List& x) {
         // The first query may attend to nothing.
         const Tensor mask =
             reshape(from_vector<bool>({false, false, false, true, false, true, true, true, true}), {3, 3});
         return List{
             scaled_dot_product_attention(x[0], x[1], x[2], {.mask = mask}),
             scaled_dot_product_attention(x[0], x[1], x[2], {.mask = x[3], .causal = true}),
             scaled_dot_product_attention(x[0], x[1], x[2], {.mask = masked_fill(x[3], mask, -INFINITY)})};
       },
       {{{2, 3, 2}, {2, 3, 2}, {2, 3, 2}, {3, 3}}}});
}

const RowSource rows([](Table& table) {
  add_convolutions(table);
  add_poolings(table);
  add_normalisations(table);
  add_attention(table);
});

}  // namespace
}  // namespace reel
