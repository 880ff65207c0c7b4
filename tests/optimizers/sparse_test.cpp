// Update rules on gradients that are kept as rows.
#include <functional>
#include <memory>

#include "ops/shape.h"
#include "ops/slicing.h"
#include "optimizers/clip.h"
#include "tests/catch.h"
#include "tests/optimizers/rules.h"
#include "tests/reference.h"

namespace reel {
namespace {

using Make = std::function<std::unique_ptr<Optimizer>(const Tensor&)>;

const std::vector<std::pair<std::string, Make>> rules = {
    {"sgd",
     [](const Tensor& p) { return std::make_unique<SGD>(std::vector<Tensor>{p}, SGDOptions{.lr = 0.1}); }},
    {"adagrad",
     [](const Tensor& p) {
       return std::make_unique<Adagrad>(
           std::vector<Tensor>{p}, AdagradOptions{.lr = 0.1, .lr_decay = 0.05, .initial_accumulator = 0.1});
     }},
    {"sparse_adam",
     [](const Tensor& p) {
       return std::make_unique<SparseAdam>(
           std::vector<Tensor>{p}, SparseAdamOptions{.lr = 0.05, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3});
     }},
};

void run(Optimizer& optimizer, const SafetensorsFile& file, int64_t from, int64_t to,
         const std::function<void(int64_t)>& after = {}) {
  for (int64_t step = from; step < to; ++step) {
    Tensor p = optimizer.parameters()[0];
    p.set_sparse_grad(clone(select(file.at("indices"), 0, step)), select(file.at("rows"), 0, step));
    optimizer.step();
    CHECK_FALSE(p.sparse_grad().defined());
    if (after) after(step);
  }
}

}  // namespace

TEST_CASE("sparse rules are PyTorch's over 20 steps, and resume to the bit", "[optimizer][sparse]") {
  const SafetensorsFile file = load_reference("optimizers/sparse");
  for (const auto& [name, make] : rules) {
    Tensor table = clone(file.at("table")).requires_grad_();
    const auto optimizer = make(table);
    run(*optimizer, file, 0, 9);
    Tensor copy = clone(table).requires_grad_();
    const auto resumed = make(copy);
    resumed->load_state_dict(optimizer->state_dict());
    run(*optimizer, file, 9, 20, [&](int64_t step) {
      INFO(name << ", step " << step + 1);
      CHECK(difference(table, select(file.at(name), 0, step), 1e-12) == "");
    });
    run(*resumed, file, 9, 20);
    CHECK(difference(copy, table) == "");
  }
}

TEST_CASE("other rules refuse sparse gradients before anything changes", "[optimizer][sparse]") {
  const Tensor rows = from_vector(std::vector<int64_t>{1});
  for (const RuleCase& rule : all_rules()) {
    INFO(rule.name);
    Tensor a = ones({2, 2}).requires_grad_(), b = ones({3}).requires_grad_();
    const auto optimizer = rule.make({a, b}, false);
    if (optimizer->name() == "Adagrad" && rule.name == "adagrad") continue;
    a.set_grad(ones({2, 2}));
    b.set_sparse_grad(rows, ones({1}));
    CHECK_THROWS_WITH(optimizer->step(), contains_text("[" + optimizer->name() + "]") &&
                                             contains_text("dense") && contains_text("float32 [3]"));
    CHECK(difference(a, ones({2, 2})) == "");
    CHECK(b.sparse_grad().defined());
    CHECK(optimizer->steps() == 0);
  }
  Tensor p = ones({2}).requires_grad_();
  p.set_sparse_grad(rows, ones({1}));
  CHECK_THROWS_WITH(SGD({p}, {.momentum = 0.9}).step(), contains_text("momentum"));
  CHECK_THROWS_WITH(Adagrad({p}, {.weight_decay = 0.1}).step(), contains_text("decay"));
  p.set_grad(ones({2}));
  CHECK_THROWS_WITH(SparseAdam({p}).step(), contains_text("[SparseAdam]") && contains_text("sparse"));
  CHECK(difference(p, ones({2})) == "");
}

TEST_CASE("sparse gradients are clipped as the dense ones that they stand for", "[optimizer][sparse]") {
  Tensor table = zeros({4, 2}).requires_grad_();
  table.set_sparse_grad(from_vector(std::vector<int64_t>{2, 0, 2}), tensor({{1, 2}, {0, 4}, {2, 2}}));
  CHECK(clip_grad_norm({table}, 1e9) == Approx(std::sqrt(9 + 16 + 16)));
  clip_grad_value({table}, 3.5);
  scale_grad({table}, 2);
  CHECK(table.sparse_grad().defined());
  CHECK(difference(table.grad(), tensor({{0, 7}, {0, 0}, {6, 7}, {0, 0}})) == "");
}

}  // namespace reel
