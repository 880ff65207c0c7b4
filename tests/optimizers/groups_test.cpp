// Groups of parameters with options of their own, and rules by name.
#include "optimizers/adam.h"
#include "optimizers/clip.h"
#include "optimizers/muon.h"
#include "optimizers/sgd.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

Tensor parameter(double value, const Shape& shape = {1}) {
  return full(shape, value, {.dtype = DType::float64}).requires_grad_();
}
void give_ones(const Optimizer& optimizer) {
  for (Tensor p : optimizer.parameters()) p.set_grad(ones_like(p));
}

using Named = std::vector<std::pair<std::string, Tensor>>;

}  // namespace

TEST_CASE("each group is updated by its own options", "[optimizer][groups]") {
  Tensor a = parameter(1), b = parameter(1), c = parameter(1);
  SGD optimizer({{.parameters = {a, b}, .options = {.lr = 0.5}},
                 {.parameters = {c}, .options = {.lr = 0.25, .momentum = 0.5, .weight_decay = 1}}});
  CHECK(optimizer.group_count() == 2);
  CHECK(optimizer.parameters().size() == 3);
  CHECK(optimizer.group(0).size() == 2);
  CHECK(optimizer.group(1)[0].impl() == c.impl());
  CHECK(optimizer.options(1).weight_decay == 1);
  CHECK(optimizer.learning_rate(1) == 0.25);
  give_ones(optimizer);
  optimizer.step();
  CHECK(a.item() == 0.5);
  CHECK(b.item() == 0.5);
  CHECK(c.item() == 0.5);  // 1 - 0.25 * (1 + 1)
  optimizer.set_learning_rate(0.125, 1);
  give_ones(optimizer);
  optimizer.step();
  CHECK(a.item() == 0);
  CHECK(c.item() == 0.5 - 0.125 * (1.5 + 0.5 * 2));
  CHECK(optimizer.initial_learning_rate(1) == 0.25);
  optimizer.set_learning_rate(1);
  CHECK(optimizer.learning_rate(0) == 1);
  CHECK(optimizer.learning_rate(1) == 1);
}

TEST_CASE("rules by name decide about decay and rates; the first that matches counts",
          "[optimizer][groups]") {
  const Named named = {{"0.weight", parameter(1, {2, 2})},
                       {"0.bias", parameter(1, {2})},
                       {"norm.weight", parameter(1, {2})},
                       {"head.weight", parameter(1, {2, 2})}};
  AdamW optimizer(named, {.lr = 0.1, .weight_decay = 0.5},
                  {{.pattern = "*bias", .weight_decay = 0},
                   {.pattern = "head.*", .lr = 0.01},
                   {.max_rank = 1, .weight_decay = 0.25}});
  CHECK(optimizer.group_count() == 4);
  CHECK(optimizer.group(0)[0].impl() == named[0].second.impl());
  CHECK(optimizer.group(1)[0].impl() == named[1].second.impl());
  CHECK(optimizer.group(3)[0].impl() == named[2].second.impl());
  CHECK(optimizer.options(2).weight_decay == 0.5);
  CHECK(optimizer.learning_rate(2) == 0.01);
  CHECK(optimizer.parameters()[3].impl() == named[3].second.impl());  // in the order of the names
  for (Tensor p : optimizer.parameters()) p.set_grad(zeros_like(p));
  optimizer.step();
  CHECK(element(named[0].second, {0, 0}) == Approx(1 - 0.1 * 0.5));
  CHECK(element(named[1].second, {0}) == 1);
  CHECK(element(named[2].second, {0}) == Approx(1 - 0.1 * 0.25));
  CHECK(element(named[3].second, {0, 0}) == Approx(1 - 0.01 * 0.5));
  AdamW plain(named);
  CHECK(plain.group_count() == 1);
}

TEST_CASE("patterns", "[optimizer][groups]") {
  CHECK(matches("a.bias", "*bias"));
  CHECK(matches("a.bias", "a?bias"));
  CHECK(matches("layer.10.norm.weight", "layer.*.norm*"));
  CHECK(matches("abcabd", "*ab?"));
  CHECK(matches("", "*"));
  CHECK_FALSE(matches("a.bias", "bias"));
  CHECK_FALSE(matches("a.bias.x", "*bias"));
  CHECK_FALSE(matches("", "?"));
}

TEST_CASE("groups resume to the bit, and a state of other groups is refused", "[optimizer][groups]") {
  const auto make = [](const Tensor& a, const Tensor& b) {
    return std::make_unique<SGD>(
        std::vector<ParameterGroup<SGDOptions>>{{{a}, {.lr = 0.5}}, {{b}, {.lr = 0.25, .momentum = 0.5}}});
  };
  Tensor a = parameter(1), b = parameter(1);
  const auto optimizer = make(a, b);
  optimizer->set_momentum(0.75, 1);
  optimizer->set_learning_rate(0.125, 1);
  give_ones(*optimizer);
  optimizer->step();
  const auto state = optimizer->state_dict();
  Tensor a2 = full_like(a, a.item()).requires_grad_(), b2 = full_like(b, b.item()).requires_grad_();
  const auto other = make(a2, b2);
  other->load_state_dict(state);
  CHECK(other->momentum(1) == 0.75);
  CHECK(other->learning_rate(0) == 0.5);
  CHECK(other->learning_rate(1) == 0.125);
  for (const auto& o : {optimizer.get(), other.get()}) {
    give_ones(*o);
    o->step();
  }
  CHECK(difference(a2, a) == "");
  CHECK(difference(b2, b) == "");

  // A momentum that the state does not name is that of the options.
  auto without = state;
  std::erase_if(without, [](const auto& entry) { return entry.first == "momentum.1"; });
  REQUIRE(without.size() + 1 == state.size());
  other->load_state_dict(without);
  CHECK(other->momentum(1) == 0.5);

  SGD one({a, b}, {.lr = 0.5, .momentum = 0.5});
  CHECK_THROWS_WITH(one.load_state_dict(state), contains_text("[SGD]"));
  CHECK_THROWS_WITH(optimizer->load_state_dict(one.state_dict()), contains_text("learning_rate.1"));
}

TEST_CASE("groups and rules that make no sense are refused", "[optimizer][groups]") {
  Tensor a = parameter(1), b = parameter(1);
  using Groups = std::vector<ParameterGroup<SGDOptions>>;
  CHECK_THROWS_WITH(SGD(Groups{{{a}, {}}, {{}, {}}}), contains_text("group 1"));
  CHECK_THROWS_WITH(SGD(Groups{{{a}, {}}, {{a}, {}}}), contains_text("twice"));
  CHECK_THROWS_WITH(SGD(Groups{{{a}, {}}, {{b}, {.momentum = 2}}}), contains_text("momentum"));
  CHECK_THROWS_WITH(SGD(Named{{"a", a}}, {}, {{.pattern = "*biass"}}), contains_text("*biass"));
  CHECK_THROWS_WITH(Rprop(Named{{"a", a}}, {}, {{.pattern = "a", .weight_decay = 0}}),
                    contains_text("[Rprop]") && contains_text("weight decay"));
  SGD optimizer({a, b}, {.lr = 0.5});
  CHECK_THROWS_WITH(optimizer.learning_rate(1), contains_text("group 1"));
  CHECK_THROWS_WITH(optimizer.set_learning_rate(1, 3), contains_text("group 3"));
  CHECK_THROWS_WITH(optimizer.set_momentum(0.5, 0), contains_text("[SGD]") && contains_text("momentum"));
  Adam adam({a});
  CHECK(adam.momentum() == 0.9);
  CHECK_THROWS_WITH(adam.set_momentum(1, 0), contains_text("[0, 1)"));
}

TEST_CASE("muon_groups takes the matrices inside", "[optimizer][groups]") {
  const Named named = {{"embed.weight", parameter(1, {4, 2})},
                       {"0.weight", parameter(1, {2, 2})},
                       {"0.bias", parameter(1, {2})}};
  Muon optimizer(muon_groups(named, {"embed*"}, {.lr = 0.02}, {.lr = 0.003}));
  REQUIRE(optimizer.group_count() == 2);
  CHECK(optimizer.group(0).size() == 1);
  CHECK(optimizer.group(0)[0].impl() == named[1].second.impl());
  CHECK(optimizer.options(1).adamw);
  CHECK(optimizer.learning_rate(1) == 0.003);
  CHECK(muon_groups({named[2]}, {}).size() == 1);
}

}  // namespace reel
