// Update rules and clipping against PyTorch, and what every optimizer keeps to.
#include "optimizers/optimizer.h"

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "framework/random.h"
#include "framework/safetensors.h"
#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "optimizers/adam.h"
#include "optimizers/clip.h"
#include "optimizers/sgd.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

const std::vector<std::string> rules = {"sgd",  "sgd_momentum",      "sgd_nesterov", "sgd_weight_decay",
                                        "adam", "adam_weight_decay", "adam_amsgrad", "adamw"};

Tensor parameter(const Tensor& values) { return clone(values).requires_grad_(); }

/// The optimizer that a fixture's metadata describe.
std::unique_ptr<Optimizer> make_optimizer(const SafetensorsFile& file,
                                          const std::vector<Tensor>& parameters) {
  const auto number = [&](const std::string& key, double otherwise) {
    const auto found = file.metadata.find(key);
    return found == file.metadata.end() ? otherwise : std::stod(found->second);
  };
  const auto is_true = [&](const std::string& key) {
    const auto found = file.metadata.find(key);
    return found != file.metadata.end() && found->second == "true";
  };
  const std::string& kind = file.metadata.at("optimizer");
  if (kind == "sgd") {
    return std::make_unique<SGD>(parameters, SGDOptions{.lr = number("lr", 0),
                                                        .momentum = number("momentum", 0),
                                                        .dampening = number("dampening", 0),
                                                        .weight_decay = number("weight_decay", 0),
                                                        .nesterov = is_true("nesterov")});
  }
  const AdamOptions options{.lr = number("lr", 0),
                            .beta1 = number("beta1", 0),
                            .beta2 = number("beta2", 0),
                            .eps = number("eps", 0),
                            .weight_decay = number("weight_decay", 0),
                            .amsgrad = is_true("amsgrad")};
  if (kind == "adam") return std::make_unique<Adam>(parameters, options);
  REQUIRE(kind == "adamw");
  return std::make_unique<AdamW>(
      parameters, AdamWOptions{options.lr, options.beta1, options.beta2, options.eps, options.weight_decay,
                               options.amsgrad});
}

void steps(Optimizer& optimizer, const SafetensorsFile& file, DType dtype, int64_t from, int64_t to) {
  for (int64_t step = from; step < to; ++step) {
    Tensor a = optimizer.parameters()[0], b = optimizer.parameters()[1];
    a.set_grad(cast(select(file.at("grad_a"), 0, step), dtype));
    b.set_grad(cast(select(file.at("grad_b"), 0, step), dtype));
    optimizer.step();
  }
}

std::vector<Tensor> first_parameters(const SafetensorsFile& file, DType dtype) {
  return {parameter(cast(select(file.at("a"), 0, 0), dtype)),
          parameter(cast(select(file.at("b"), 0, 0), dtype))};
}

}  // namespace

TEST_CASE("update rules are PyTorch's over 50 steps", "[optimizer]") {
  for (const std::string& rule : rules) {
    const SafetensorsFile file = load_reference("optimizers/" + rule);
    for (DType dtype : {DType::float64, DType::float32}) {
      const double tolerance = dtype == DType::float64 ? 1e-12 : 1e-5;
      const std::vector<Tensor> parameters = first_parameters(file, dtype);
      const auto optimizer = make_optimizer(file, parameters);
      for (int64_t step = 0; step < 50; ++step) {
        steps(*optimizer, file, dtype, step, step + 1);
        INFO(rule << " " << detail::text(dtype) << ", step " << step + 1);
        REQUIRE(difference_in_value(parameters[0], select(file.at("a"), 0, step + 1), tolerance) == "");
        REQUIRE(difference_in_value(parameters[1], select(file.at("b"), 0, step + 1), tolerance) == "");
      }
      CHECK(optimizer->steps() == 50);
    }
  }
}

TEST_CASE("a resumed run is the uninterrupted one, bit for bit", "[optimizer]") {
  const auto path = std::filesystem::temp_directory_path() / ("reel_optimizer_" + std::to_string(getpid()));
  for (const std::string& rule : rules) {
    const SafetensorsFile file = load_reference("optimizers/" + rule);
    for (DType dtype : {DType::float32, DType::float64}) {
      INFO(rule << " " << detail::text(dtype));
      const std::vector<Tensor> whole = first_parameters(file, dtype);
      const auto uninterrupted = make_optimizer(file, whole);
      steps(*uninterrupted, file, dtype, 0, 20);
      const auto state = uninterrupted->state_dict();
      const std::vector<Tensor> resumed = {parameter(whole[0]), parameter(whole[1])};
      steps(*uninterrupted, file, dtype, 20, 50);

      // Through a file; what ran on has not reached the state.
      save_safetensors(path, state);
      const auto other = make_optimizer(file, resumed);
      other->load_state_dict(load_safetensors(path).tensors);
      CHECK(other->steps() == 20);
      steps(*other, file, dtype, 20, 50);
      CHECK(difference(resumed[0], whole[0]) == "");
      CHECK(difference(resumed[1], whole[1]) == "");
      CHECK(other->steps() == 50);
      const auto left = other->state_dict(), right = uninterrupted->state_dict();
      REQUIRE(left.size() == right.size());
      for (size_t i = 0; i < left.size(); ++i) {
        CHECK(left[i].first == right[i].first);
        CHECK(difference(left[i].second, right[i].second) == "");
      }
    }
  }
  std::filesystem::remove(path);
}

TEST_CASE("step uses up the gradients, and backward passes before it add up", "[optimizer]") {
  Tensor p = parameter(tensor({1, 2})), idle = parameter(tensor({5}));
  SGD optimizer({p, idle}, {.lr = 0.5});
  const auto backward = [&] {
    Tape tape;
    tape.backward(sum(p * tensor({1, 3})));
  };
  backward();
  backward();
  CHECK(difference(p.grad(), tensor({2, 6})) == "");
  optimizer.step();
  CHECK_FALSE(p.grad().defined());
  CHECK(difference(p, tensor({0, -1})) == "");
  CHECK(difference(idle, tensor({5})) == "");
  backward();
  CHECK(difference(p.grad(), tensor({1, 3})) == "");
  optimizer.zero_grad();
  CHECK_FALSE(p.grad().defined());
  optimizer.step();
  CHECK(difference(p, tensor({0, -1})) == "");
  CHECK(optimizer.steps() == 2);
}

TEST_CASE("set_learning_rate counts from the next step on", "[optimizer]") {
  Tensor p = parameter(tensor({1}));
  SGD optimizer({p}, {.lr = 0.5});
  CHECK(optimizer.learning_rate() == 0.5);
  optimizer.set_learning_rate(0.25);
  p.set_grad(tensor({2}));
  optimizer.step();
  CHECK(difference(p, tensor({0.5})) == "");
}

TEST_CASE("a parameter that joins late has its own count and moments", "[optimizer]") {
  Tensor early = parameter(tensor({1})), late = parameter(tensor({1}));
  Adam optimizer({early, late}, {.lr = 0.1});
  for (int step = 0; step < 3; ++step) {
    early.set_grad(tensor({1}));
    optimizer.step();
  }
  late.set_grad(tensor({1}));
  optimizer.step();
  Tensor alone = parameter(tensor({1}));
  Adam other({alone}, {.lr = 0.1});
  alone.set_grad(tensor({1}));
  other.step();
  CHECK(difference(late, alone) == "");
}

TEST_CASE("large parameters are updated as small ones are", "[optimizer]") {
  const Tensor values = randn({300, 1000}), gradient = randn({300, 1000});
  Tensor large = parameter(values);
  AdamW optimizer({large}, {.lr = 0.1, .weight_decay = 0.1});
  large.set_grad(gradient);
  optimizer.step();
  for (int64_t row : {0, 150, 299}) {
    Tensor small = parameter(select(values, 0, row));
    AdamW other({small}, {.lr = 0.1, .weight_decay = 0.1});
    small.set_grad(select(gradient, 0, row));
    other.step();
    CHECK(difference(select(large, 0, row), small, 1e-6, 1e-6) == "");
  }
}

TEST_CASE("a state that does not fit is refused before anything changes", "[optimizer]") {
  Tensor p = parameter(tensor({1, 2}));
  Adam optimizer({p}, {.lr = 0.1});
  const auto run = [&] {
    p.set_grad(tensor({1, -1}));
    optimizer.step();
  };
  run();
  const auto good = optimizer.state_dict();
  const auto same_as_before = [&] {
    const auto now = optimizer.state_dict();
    REQUIRE(now.size() == good.size());
    for (size_t i = 0; i < good.size(); ++i) CHECK(difference(now[i].second, good[i].second) == "");
  };
  for (size_t i = 0; i < good.size(); ++i) {
    INFO(good[i].first);
    auto lacking = good;
    lacking.erase(lacking.begin() + static_cast<std::ptrdiff_t>(i));
    CHECK_THROWS_AS(optimizer.load_state_dict(lacking), Error);
    auto misshapen = good;
    misshapen[i].second = zeros({3}, {.dtype = good[i].second.dtype()});
    CHECK_THROWS_AS(optimizer.load_state_dict(misshapen), Error);
    auto other_dtype = good;
    const DType other = good[i].second.dtype() == DType::float64 ? DType::float32 : DType::float64;
    other_dtype[i].second = zeros(good[i].second.shape(), {.dtype = other});
    CHECK_THROWS_AS(optimizer.load_state_dict(other_dtype), Error);
    same_as_before();
  }
  auto foreign = good;
  foreign.emplace_back("1.first", zeros({2}));
  CHECK_THROWS_WITH(optimizer.load_state_dict(foreign), contains_text("1.first"));
  SGD sgd({p}, {.momentum = 0.9});
  CHECK_THROWS_AS(sgd.load_state_dict(good), Error);
  same_as_before();
}

TEST_CASE("optimizers refuse what makes no sense", "[optimizer]") {
  const Tensor p = parameter(tensor({1, 2}));
  CHECK_THROWS_WITH(SGD(std::vector<Tensor>{}), contains_text("[SGD]"));
  CHECK_THROWS_WITH(SGD({tensor({1})}), contains_text("requires_grad"));
  CHECK_THROWS_WITH(SGD({p, p}), contains_text("twice"));
  CHECK_THROWS_WITH(SGD({Tensor()}), contains_text("undefined"));
  CHECK_THROWS_WITH(SGD({p}, {.lr = -1}), contains_text("learning rate"));
  CHECK_THROWS_WITH(SGD({p}, {.momentum = 1}), contains_text("momentum"));
  CHECK_THROWS_WITH(SGD({p}, {.weight_decay = -1}), contains_text("weight decay"));
  CHECK_THROWS_WITH(SGD({p}, {.nesterov = true}), contains_text("Nesterov"));
  CHECK_THROWS_WITH(SGD({p}, {.momentum = 0.9, .dampening = 0.1, .nesterov = true}),
                    contains_text("Nesterov"));
  CHECK_THROWS_WITH(Adam({p}, {.beta1 = 1}), contains_text("[Adam]") && contains_text("beta"));
  CHECK_THROWS_WITH(AdamW({p}, {.beta2 = -0.1}), contains_text("[AdamW]") && contains_text("beta"));
  CHECK_THROWS_WITH(Adam({p}, {.eps = -1}), contains_text("eps"));
  CHECK_THROWS_WITH(Adam({p}, {.weight_decay = -1}), contains_text("weight decay"));
  Adam optimizer({p});
  CHECK_THROWS_AS(optimizer.set_learning_rate(-1), Error);
  CHECK_THROWS_AS(optimizer.set_learning_rate(std::numeric_limits<double>::quiet_NaN()), Error);
  CHECK(optimizer.learning_rate() == 1e-3);
}

TEST_CASE("clipping is PyTorch's", "[optimizer][clip]") {
  const SafetensorsFile file = load_reference("optimizers/clip");
  const auto fresh = [&] {
    std::vector<Tensor> parameters;
    for (const char* name : {"grad_a", "grad_b"}) {
      parameters.push_back(parameter(zeros_like(file.at(name))));
      parameters.back().set_grad(clone(file.at(name)));
    }
    return parameters;
  };
  const auto check_gradients = [&](const std::vector<Tensor>& parameters, const std::string& name) {
    INFO(name);
    CHECK(difference(parameters[0].grad(), file.at(name + ".grad_a"), 1e-12) == "");
    CHECK(difference(parameters[1].grad(), file.at(name + ".grad_b"), 1e-12) == "");
  };
  for (const std::string order : {"2", "inf"}) {
    for (const std::string limit : {"0.5", "100"}) {
      const std::string name = "norm" + order + ".max" + limit;
      const std::vector<Tensor> parameters = fresh();
      const double norm = clip_grad_norm(parameters, std::stod(limit), std::stod(order));
      CHECK(std::abs(norm - file.at(name + ".total_norm").item()) < 1e-12);
      check_gradients(parameters, name);
    }
  }
  const std::vector<Tensor> parameters = fresh();
  clip_grad_value(parameters, 0.5);
  check_gradients(parameters, "value0.5");
}

TEST_CASE("clipping leaves parameters without gradients alone and shows a nan", "[optimizer][clip]") {
  Tensor p = parameter(tensor({0, 0})), idle = parameter(tensor({0}));
  CHECK(clip_grad_norm({p, idle}, 1) == 0);
  clip_grad_value({p, idle}, 1);
  CHECK_FALSE(idle.grad().defined());
  p.set_grad(tensor({3, 4}));
  CHECK(clip_grad_norm({p, idle}, 1) == 5);
  CHECK(difference(p.grad(), tensor({0.6, 0.8}), 1e-6) == "");
  p.set_grad(tensor({std::numeric_limits<double>::quiet_NaN(), 1}));
  CHECK(std::isnan(clip_grad_norm({p, idle}, 1)));
  CHECK(std::isnan(p.grad().to_vector<float>()[1]));
  CHECK_THROWS_AS(clip_grad_norm({p}, -1), Error);
  CHECK_THROWS_AS(clip_grad_norm({p}, 1, 0), Error);
  CHECK_THROWS_AS(clip_grad_value({p}, -1), Error);
}

TEST_CASE("AdamW decays by 0.01 whatever else is set", "[optimizer]") {
  Tensor p = ones({1}).requires_grad_();
  AdamW optimizer({p}, {.lr = 1.0});
  p.set_grad(zeros({1}));
  optimizer.step();
  CHECK(p.item() == Approx(0.99));
}

TEST_CASE("a restored optimizer has the learning rate of the saved one", "[optimizer]") {
  Tensor p = ones({1}).requires_grad_();
  SGD saved({p}, {.lr = 0.5}), restored({p}, {.lr = 0.25});
  saved.set_learning_rate(0.125);
  restored.load_state_dict(saved.state_dict());
  CHECK(restored.learning_rate() == 0.125);
}

}  // namespace reel
