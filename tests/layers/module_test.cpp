// Modules: what follows from a list of fields. And the small layers.
#include "layers/module.h"

#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "framework/random.h"
#include "framework/tape.h"
#include "layers/basic.h"
#include "layers/recurrent.h"
#include "ops/activation.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

struct TiedModel : Module {
  Embedding embed{7, 4};
  Linear head{4, 7};
  TiedModel() { head.weight = embed.weight; }
  REEL_FIELDS(embed, head)
};

struct Block : Module {
  Linear map{3, 3};
  Dropout dropout{0.5};
  REEL_FIELDS(map, dropout)
};

struct DeepModel : Module {
  std::vector<Block> blocks = std::vector<Block>(2);
  std::unique_ptr<Block> owned = std::make_unique<Block>();
  std::optional<Linear> absent;
  Sequential<Dropout, Linear> tail{Dropout(0.5), Linear(3, 2)};
  GRU gru{3, 2};
  Buffer average{tensor({1, 2})};
  REEL_FIELDS(blocks, owned, absent, tail, gru, average)
};

std::vector<std::string> names_of(const NamedTensors& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("parameters come once, names come all", "[module]") {
  TiedModel model;
  CHECK(names_of(model.named_parameters()) == Names{"embed.weight", "head.weight", "head.bias"});
  CHECK(model.parameters().size() == 2);
  CHECK(model.parameter_count() == 7 * 4 + 7);
  model.to(DType::float64);
  CHECK(model.parameters().size() == 2);
  CHECK(model.head.weight.dtype() == DType::float64);
  CHECK(model.head.weight.requires_grad());
  model.clone_parameters();
  CHECK(model.parameters().size() == 2);
}

TEST_CASE("names follow containers, pointers and positions; buffers are no parameters", "[module]") {
  const DeepModel model;
  const Names parameters = {"blocks.0.map.weight", "blocks.0.map.bias", "blocks.1.map.weight",
                            "blocks.1.map.bias",   "owned.map.weight",  "owned.map.bias",
                            "tail.1.weight",       "tail.1.bias",       "gru.weight_ih_l0",
                            "gru.weight_hh_l0",    "gru.bias_ih_l0",    "gru.bias_hh_l0"};
  CHECK(names_of(model.named_parameters()) == parameters);
  Names all = parameters;
  all.emplace_back("average");
  CHECK(names_of(model.state_dict()) == all);
}

TEST_CASE("a bias that was left out has no name", "[module]") {
  CHECK(names_of(Linear(2, 3, {.bias = false}).named_parameters()) == Names{"weight"});
  CHECK(names_of(LayerNorm(3, {.affine = false}).named_parameters()).empty());
}

TEST_CASE("train and eval reach every module", "[module]") {
  DeepModel model;
  const auto all_are = [&](bool training) {
    bool same = model.is_training() == training && model.tail.is_training() == training;
    for (const Block* block : {&model.blocks[0], &model.blocks[1], model.owned.get()})
      same = same && block->is_training() == training && block->dropout.is_training() == training &&
             block->map.is_training() == training;
    same = same && std::get<0>(model.tail.layers).is_training() == training;
    return same && model.gru.is_training() == training && model.gru.cells[0].is_training() == training;
  };
  CHECK(all_are(true));
  model.eval();
  CHECK(all_are(false));
  model.train();
  CHECK(all_are(true));
  model.owned->eval();
  CHECK(model.is_training());
  CHECK_FALSE(model.owned->dropout.is_training());
}

TEST_CASE("zero_grad forgets all gradients", "[module]") {
  Linear layer(3, 2);
  {
    Tape tape;
    tape.backward(sum(layer(ones({4, 3}))));
  }
  CHECK(layer.weight.grad().defined());
  CHECK(difference(layer.bias.grad(), tensor({4, 4})) == "");
  layer.zero_grad();
  CHECK_FALSE(layer.weight.grad().defined());
  CHECK_FALSE(layer.bias.grad().defined());
}

TEST_CASE("copies share parameters until clone_parameters", "[module]") {
  Linear layer(3, 2);
  Linear copy = layer;
  copy.bias.fill_(7);
  CHECK(layer.bias.to_vector<float>() == std::vector<float>{7, 7});
  copy.clone_parameters();
  CHECK(difference(copy.weight, layer.weight) == "");
  CHECK(copy.weight.requires_grad());
  copy.bias.fill_(1);
  CHECK(layer.bias.to_vector<float>() == std::vector<float>{7, 7});
  CHECK(difference(copy(ones({1, 3})) + 6, layer(ones({1, 3})), 1e-5) == "");
}

TEST_CASE("to converts parameters and buffers, and the model computes on", "[module]") {
  DeepModel model;
  model.to(DType::float64);
  for (const auto& [name, tensor] : model.state_dict()) {
    INFO(name);
    CHECK(tensor.dtype() == DType::float64);
    CHECK(tensor.requires_grad() == (name != "average"));
  }
  CHECK(model.gru(zeros({2, 1, 3}, {.dtype = DType::float64})).output.dtype() == DType::float64);
}

TEST_CASE("summary tells layers, shapes and the total", "[module]") {
  const std::string tied = TiedModel().summary();
  INFO(tied);
  for (const char* part : {"TiedModel", "embed", "Embedding", "head", "Linear", "[7, 4]", "(shared)", "35"})
    CHECK_THAT(tied, contains_text(part));
  const DeepModel model;
  const std::string deep = model.summary();
  INFO(deep);
  for (const std::string& part :
       {std::string("blocks.1.map"), std::string("owned.dropout"), std::string("tail.1"),
        std::string("weight_ih_l0"), std::to_string(model.parameter_count())})
    CHECK_THAT(deep, contains_text(part));
}

TEST_CASE("Sequential runs layers and functions in a row, named by position", "[module]") {
  manual_seed(1);
  const Sequential net(
      Linear(3, 4), [](const Tensor& x) { return tanh(x); }, Linear(4, 1));
  CHECK(names_of(net.named_parameters()) == Names{"0.weight", "0.bias", "2.weight", "2.bias"});
  const Tensor x = randn({5, 3});
  CHECK(difference(net(x), std::get<2>(net.layers)(tanh(std::get<0>(net.layers)(x)))) == "");
}

TEST_CASE("Linear takes any leading axes and refuses another width", "[module]") {
  const Linear layer(3, 2);
  CHECK(layer(zeros({4, 5, 3})).shape() == Shape{4, 5, 2});
  CHECK(difference(layer(zeros({3})), layer.bias) == "");
  CHECK_THROWS_WITH(layer(zeros({4, 2})), contains_text("[..., 3]") && contains_text("[4, 2]"));
  CHECK_THROWS_AS(Linear(0, 2), Error);
}

TEST_CASE("Embedding looks up rows and refuses indices outside", "[module]") {
  const Embedding embed(5, 2);
  const Tensor indices = from_vector(std::vector<int64_t>{4, 0, 4, 1, 2, 3}, Shape{2, 3});
  const Tensor rows = embed(indices);
  CHECK(rows.shape() == Shape{2, 3, 2});
  CHECK(element(rows, {0, 2, 1}) == element(embed.weight, {4, 1}));
  CHECK_THROWS_AS(embed(from_vector(std::vector<int64_t>{5})), Error);
  CHECK_THROWS_AS(embed(from_vector(std::vector<int64_t>{-1})), Error);
  CHECK_THROWS_AS(Embedding(0, 2), Error);
}

TEST_CASE("LayerNorm is PyTorch's, in values and gradients", "[module]") {
  const SafetensorsFile file = load_reference("ops/layer_norm");
  for (DType dtype : {DType::float64, DType::float32}) {
    const double tolerance = dtype == DType::float64 ? 1e-12 : 1e-5;
    INFO(detail::text(dtype));
    LayerNorm layer(5, {.eps = std::stod(file.metadata.at("eps"))});
    layer.to(dtype);
    layer.load_state_dict(
        {{"weight", cast(file.at("weight"), dtype)}, {"bias", cast(file.at("bias"), dtype)}});
    const Tensor x = cast(file.at("x"), dtype);
    Tape tape;
    tape.watch(x);
    const Tensor value = layer(x);
    CHECK(difference_in_value(value, file.at("value"), tolerance) == "");
    const auto gradients =
        tape.gradient(sum(value * cast(file.at("w"), dtype)), {x, layer.weight, layer.bias});
    CHECK(difference_in_value(gradients[0], file.at("grad.x"), tolerance) == "");
    CHECK(difference_in_value(gradients[1], file.at("grad.weight"), tolerance) == "");
    CHECK(difference_in_value(gradients[2], file.at("grad.bias"), tolerance) == "");
  }
}

TEST_CASE("LayerNorm over several axes has mean 0 and variance 1 over them", "[module]") {
  manual_seed(2);
  const LayerNorm layer(Shape{4, 5}, {.affine = false});
  const Tensor y = layer(randn({3, 4, 5}) * 3 + 2);
  CHECK(difference(mean(y, {1, 2}), zeros({3}), 1e-5) == "");
  CHECK(difference(mean(square(y), {1, 2}), ones({3}), 1e-4) == "");
  CHECK_THROWS_WITH(layer(zeros({5, 4})), contains_text("[4, 5]"));
  CHECK_THROWS_AS(layer(zeros({5})), Error);
}

TEST_CASE("Dropout drops while training and passes through otherwise", "[module]") {
  manual_seed(3);
  Dropout layer(0.25);
  const Tensor x = ones({1000});
  int64_t dropped = 0;
  for (double value : numbers(layer(x))) {
    if (value == 0)
      ++dropped;
    else
      CHECK(value == Approx(1 / 0.75));
  }
  CHECK(dropped > 200);
  CHECK(dropped < 300);
  layer.eval();
  CHECK(difference(layer(x), x) == "");
  CHECK_THROWS_AS(Dropout(1.5), Error);
  CHECK_THROWS_AS(Dropout(-0.1), Error);
}

}  // namespace reel
