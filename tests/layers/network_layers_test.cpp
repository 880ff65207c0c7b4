// Layers of convolutions, normalisation and attention: PyTorch's names, shapes and first values, and that
// they compute what their ops do.
#include <algorithm>
#include <cmath>

#include "framework/random.h"
#include "layers/attention.h"
#include "layers/basic.h"
#include "layers/convolution.h"
#include "layers/normalization.h"
#include "ops/activation.h"
#include "ops/compare.h"
#include "ops/normalization.h"
#include "ops/slicing.h"
#include "tests/ops/network_fixtures.h"

namespace reel {
namespace {

using Shaped = std::vector<std::pair<std::string, Shape>>;

Shaped shapes_of(const NamedTensors& tensors) {
  Shaped result;
  for (const auto& [name, tensor] : tensors) result.emplace_back(name, tensor.shape());
  return result;
}

double largest(const Tensor& x) {
  double result = 0;
  for (double value : numbers(x)) result = std::max(result, std::abs(value));
  return result;
}

}  // namespace

TEST_CASE("convolution layers have PyTorch's parameters", "[layers]") {
  const Conv2d conv(6, 8, {3, 5}, {.groups = 2});
  CHECK(shapes_of(conv.state_dict()) == Shaped{{"weight", {8, 3, 3, 5}}, {"bias", {8}}});
  CHECK(largest(conv.weight) <= 1 / std::sqrt(45.0));
  CHECK(largest(conv.weight) > 0.9 / std::sqrt(45.0));
  CHECK(largest(conv.bias) <= 1 / std::sqrt(45.0));
  CHECK(shapes_of(Conv1d(2, 3, 4, {.bias = false}).state_dict()) == Shaped{{"weight", {3, 2, 4}}});
  CHECK(shapes_of(Conv3d(2, 4, 3).state_dict()) == Shaped{{"weight", {4, 2, 3, 3, 3}}, {"bias", {4}}});
  const ConvTranspose2d back(6, 8, 3, {.groups = 2});
  CHECK(shapes_of(back.state_dict()) == Shaped{{"weight", {6, 4, 3, 3}}, {"bias", {8}}});
  CHECK(largest(back.weight) <= 1.0 / 6);  // the fan-in of PyTorch is out / groups * kernel elements: 36
  CHECK(largest(back.weight) > 0.9 / 6);
}

TEST_CASE("convolution layers compute what the ops do", "[layers]") {
  const Conv2d conv(3, 4, 3, {.stride = 2, .padding = 1});
  const Tensor x = randn({2, 3, 8, 8});
  CHECK(difference(conv(x), conv2d(x, conv.weight, conv.bias, {.stride = 2, .padding = 1})) == "");
  const ConvTranspose2d back(4, 3, 3, {.stride = 2, .padding = 1, .output_padding = 1});
  CHECK(back(conv(x)).shape() == x.shape());
  CHECK(Conv1d(2, 5, 4, {.same = true})(randn({2, 9})).shape() == Shape{5, 9});
  CHECK(Conv3d(1, 2, 2)(randn({1, 1, 3, 3, 3})).shape() == Shape{1, 2, 2, 2, 2});
  CHECK(ConvTranspose1d(1, 2, 2)(randn({1, 1, 3})).shape() == Shape{1, 2, 4});
  CHECK(ConvTranspose3d(1, 2, 2)(randn({1, 1, 3, 3, 3})).shape() == Shape{1, 2, 4, 4, 4});
  const Sequential net(
      Conv2d(1, 2, 3, {.same = true}), [](const Tensor& t) { return relu(t); }, MaxPool2d(2),
      AvgPool2d({2, 1}));
  CHECK(net(randn({1, 1, 8, 8})).shape() == Shape{1, 2, 2, 4});
}

TEST_CASE("batch normalisation has PyTorch's buffers, and changes them in training only", "[layers]") {
  BatchNorm2d norm(3);
  CHECK(shapes_of(norm.state_dict()) == Shaped{{"weight", {3}},
                                               {"bias", {3}},
                                               {"running_mean", {3}},
                                               {"running_var", {3}},
                                               {"num_batches_tracked", {}}});
  CHECK(norm.parameters().size() == 2);
  const Tensor x = randn({4, 3, 2, 2}) + 5;
  const Tensor by_batch = norm(x);
  CHECK(std::abs(mean(by_batch).item()) < 1e-5);
  CHECK(norm.num_batches_tracked.value.item<int64_t>() == 1);
  const std::vector<double> moved = numbers(norm.running_mean.value);
  CHECK(moved[0] > 0.1);
  norm.eval();
  const Tensor by_running = norm(x);
  CHECK(numbers(norm.running_mean.value) == moved);
  CHECK(norm.num_batches_tracked.value.item<int64_t>() == 1);
  CHECK(difference(by_running, batch_norm(x, norm.running_mean.value, norm.running_var.value)) == "");
  BatchNorm1d untracked(2, {.affine = false, .track_running_stats = false});
  CHECK(untracked.state_dict().empty());
  untracked.eval();
  CHECK(std::abs(mean(untracked(randn({8, 2}) + 3)).item()) < 1e-5);
}

TEST_CASE("two batches may go through batch normalisation on one tape", "[layers]") {
  const BatchNorm1d norm(2);
  const Tensor x = randn({4, 2, 3}), z = randn({4, 2, 3});
  Tape tape;
  tape.backward(sum(square(norm(x)) * z) + sum(norm(norm(z)) * x));
  CHECK(norm.weight.grad().defined());
  CHECK(norm.num_batches_tracked.value.item<int64_t>() == 3);
}

TEST_CASE("group and root mean square layers compute what the ops do", "[layers]") {
  const Tensor x = randn({2, 4, 3});
  CHECK(shapes_of(GroupNorm(2, 4).state_dict()) == Shaped{{"weight", {4}}, {"bias", {4}}});
  CHECK(difference(GroupNorm(2, 4)(x), group_norm(x, 2)) == "");
  CHECK(shapes_of(RMSNorm(3).state_dict()) == Shaped{{"weight", {3}}});
  CHECK(difference(RMSNorm(3)(x), rms_norm(x, {3})) == "");
  CHECK(difference(LayerNorm(3)(x), layer_norm(x, {3})) == "");
}

TEST_CASE("multi-head attention is PyTorch's, loaded by PyTorch's names", "[layers]") {
  const SafetensorsFile file = load_reference("networks/multi_head");
  for (const FixtureCase& c : fixture_cases(file)) {
    INFO(c.name);
    MultiHeadAttention layer(c.options["embed_dim"].get<int64_t>(), c.options["num_heads"].get<int64_t>(),
                             {.bias = c.options.value("bias", true),
                              .key_size = c.options.value("kdim", int64_t{0}),
                              .value_size = c.options.value("vdim", int64_t{0}),
                              .batch_first = c.options.value("batch_first", false)});
    layer.to(DType::float64);
    NamedTensors parameters;
    const std::string prefix = c.name + ".param.";
    for (const auto& [name, tensor] : file.tensors)
      if (name.starts_with(prefix)) parameters.emplace_back(name.substr(prefix.size()), tensor);
    layer.load_state_dict(parameters);
    const Tensor query = c.at("query");
    const Tensor key = c.name == "alike" ? query : c.at("key"),
                 value = c.name == "alike" ? query : c.at("value");
    MultiHeadAttentionMasks masks;
    if (c.has("attn_mask")) masks.mask = logical_not(c.at("attn_mask"));
    if (c.has("key_padding_mask")) masks.keys = logical_not(c.at("key_padding_mask"));
    Tape tape;
    for (const Tensor& leaf : {query, key, value}) tape.watch(leaf);
    const Tensor output = layer(query, key, value, masks);
    CHECK(difference(output, c.at("output"), 1e-12, 1e-12) == "");
    const Tensor loss = sum(output * c.at("w"));
    const auto gradients = tape.gradient(loss, {query, key, value}, {.retain_graph = true});
    CHECK(difference(gradients[0], c.at("grad.query"), 1e-12, 1e-12) == "");
    CHECK(difference(gradients[1], c.at("grad.key"), 1e-12, 1e-12) == "");
    CHECK(difference(gradients[2], c.at("grad.value"), 1e-12, 1e-12) == "");
    tape.backward(loss);
    for (const auto& [name, parameter] : layer.named_parameters()) {
      INFO(name);
      CHECK(difference(parameter.grad(), c.at("grad.param." + name), 1e-11, 1e-12) == "");
    }
  }
}

TEST_CASE("masks of multi-head attention, in whichever form", "[layers]") {
  MultiHeadAttention layer(4, 2);
  const Tensor x = randn({3, 2, 4});
  const Tensor causal = layer(x, x, x, {.causal = true});
  const Tensor lower =
      reshape(from_vector<bool>({true, false, false, true, true, false, true, true, true}), {3, 3});
  CHECK(difference(layer(x, x, x, {.mask = lower}), causal, 1e-6) == "");
  const Tensor added = masked_fill(zeros({3, 3}), logical_not(lower), -INFINITY);
  CHECK(difference(layer(x, x, x, {.mask = added}), causal, 1e-6) == "");
  const Tensor each = reshape(broadcast_to(lower, {4, 3, 3}), {4, 3, 3});
  CHECK(difference(layer(x, x, x, {.mask = each}), causal, 1e-6) == "");
  // Keys that are padding: as if they were not there.
  const Tensor keys = reshape(from_vector<bool>({true, true, false, true, true, false}), {2, 3});
  const Tensor shorter = narrow(x, 0, 0, 2);
  const Tensor expected = layer(x, shorter, shorter);
  CHECK(difference(layer(x, x, x, {.keys = keys}), expected, 1e-6) == "");
  CHECK(difference(layer(x, x, x, {.mask = zeros({3, 3}), .keys = keys}), expected, 1e-6) == "");
}

TEST_CASE("dropout of multi-head attention ends with training", "[layers]") {
  MultiHeadAttention layer(4, 2, {.dropout = 0.5});
  const Tensor x = randn({6, 1, 4});
  CHECK(difference(layer(x, x, x), layer(x, x, x)) != "");
  layer.eval();
  CHECK(difference(layer(x, x, x), layer(x, x, x)) == "");
}

}  // namespace reel
