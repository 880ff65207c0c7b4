#include "optimizers/averaging.h"

#include <algorithm>
#include <unordered_set>

#include "optimizers/fused/formulas.h"
#include "optimizers/fused/update.h"
#include "optimizers/state.h"

namespace reel {

WeightAverage::WeightAverage(std::string name, std::vector<Tensor> parameters)
    : name_(std::move(name)), parameters_(std::move(parameters)) {
  check(!parameters_.empty(), "[{}] at least one parameter expected, got none", name_);
  std::unordered_set<const detail::TensorImpl*> seen;
  for (const Tensor& parameter : parameters_) {
    check(is_floating(parameter.dtype()) && parameter.is_contiguous(),
          "[{}] contiguous parameters of a floating dtype expected, got {}", name_, parameter);
    check(seen.insert(parameter.impl()).second, "[{}] the parameter {} stands in the list twice", name_,
          parameter);
    averages_.push_back(detail::copied(parameter));
  }
}

void WeightAverage::check_in_place(const char* what) const {
  check(!swapped_, "[{}] {} while the averages stand in the parameters' place; swap() them back before",
        name_, what);
}

void WeightAverage::update() {
  check_in_place("update()");
  const double part = weight(updates_);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (part == 1)
      detail::copy_values(parameters_[i], averages_[i]);
    else
      detail::fused(detail::LerpStep{part}, averages_[i], parameters_[i]);
    averages_[i].changed("average update");
  }
  ++updates_;
}

void WeightAverage::swap() {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    auto* a = static_cast<std::byte*>(parameters_[i].raw_bytes());
    auto* b = static_cast<std::byte*>(averages_[i].raw_bytes());
    std::swap_ranges(a, a + static_cast<size_t>(parameters_[i].numel()) * item_size(parameters_[i].dtype()),
                     b);
    parameters_[i].changed("swap of averages");
    averages_[i].changed("swap of averages");
  }
  swapped_ = !swapped_;
}

void WeightAverage::copy_to(const std::vector<Tensor>& parameters) const {
  check_in_place("copy_to()");
  check(parameters.size() == averages_.size(), "[{}] {} tensors to copy to expected, got {}", name_,
        averages_.size(), parameters.size());
  for (size_t i = 0; i < averages_.size(); ++i)
    check(parameters[i].shape() == averages_[i].shape() && parameters[i].dtype() == averages_[i].dtype(),
          "[{}] a tensor like average {}, {}, expected, got {}", name_, i, averages_[i], parameters[i]);
  for (size_t i = 0; i < averages_.size(); ++i) {
    detail::copy_values(averages_[i], parameters[i]);
    Tensor(parameters[i]).changed("copy of averages");
  }
}

std::vector<std::pair<std::string, Tensor>> WeightAverage::state_dict() const {
  check_in_place("state_dict()");
  std::vector<std::pair<std::string, Tensor>> state{{"updates", detail::number(updates_)}};
  for (size_t i = 0; i < averages_.size(); ++i)
    state.emplace_back(std::to_string(i) + ".average", detail::copied(averages_[i]));
  return state;
}

void WeightAverage::load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state) {
  check_in_place("load_state_dict()");
  detail::StateReader reader(name_, state);
  const int64_t updates = reader.take_count("updates", 0);
  std::vector<Tensor> values;
  for (size_t i = 0; i < averages_.size(); ++i)
    values.push_back(reader.take(std::to_string(i) + ".average", averages_[i].shape(), averages_[i].dtype()));
  reader.finish();
  for (size_t i = 0; i < averages_.size(); ++i) {
    detail::copy_values(values[i], averages_[i]);
    averages_[i].changed("load_state_dict");
  }
  updates_ = updates;
}

EMA::EMA(std::vector<Tensor> parameters, EMAOptions options)
    : WeightAverage("EMA", std::move(parameters)), options_(options) {
  check(options.decay >= 0 && options.decay <= 1, "[EMA] expected a decay in [0, 1], got {}", options.decay);
}

double EMA::weight(int64_t updates) const {
  const auto t = static_cast<double>(updates);
  return 1 - (options_.warm_up ? std::min(options_.decay, (1 + t) / (10 + t)) : options_.decay);
}

SWA::SWA(std::vector<Tensor> parameters) : WeightAverage("SWA", std::move(parameters)) {}

double SWA::weight(int64_t updates) const { return 1 / static_cast<double>(updates + 1); }

WithAverages::WithAverages(WeightAverage& average) : average_(average) {
  check(!average.swapped(), "[WithAverages] the averages stand in the parameters' place already");
  average_.swap();
}

WithAverages::~WithAverages() {
  if (average_.swapped()) average_.swap();
}

}  // namespace reel
