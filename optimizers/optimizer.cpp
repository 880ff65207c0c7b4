#include "optimizers/optimizer.h"

#include <map>
#include <unordered_set>

namespace reel {

Optimizer::Optimizer(std::string name, std::vector<Tensor> parameters, double learning_rate,
                     std::vector<std::string> slots)
    : name_(std::move(name)),
      parameters_(std::move(parameters)),
      entries_(parameters_.size()),
      slots_(std::move(slots)) {
  check(!parameters_.empty(), "[{}] at least one parameter expected, got none", name_);
  std::unordered_set<const detail::TensorImpl*> seen;
  for (const Tensor& parameter : parameters_) {
    check(parameter.requires_grad(), "[{}] parameters with requires_grad expected, got {} without", name_,
          parameter);
    check(parameter.is_contiguous(), "[{}] contiguous parameters expected, got a view {}", name_, parameter);
    check(seen.insert(parameter.impl()).second, "[{}] the parameter {} stands in the list twice", name_,
          parameter);
  }
  set_learning_rate(learning_rate);
}

void Optimizer::set_learning_rate(double rate) {
  check(rate >= 0, "[{}] expected a learning rate of at least 0, got {}", name_, rate);
  learning_rate_ = rate;
}

void Optimizer::step() {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor& parameter = parameters_[i];
    const Tensor gradient = parameter.grad();
    if (!gradient.defined()) continue;
    Entry& entry = entries_[i];
    if (entry.count == 0 && entry.moments.empty())
      for (size_t k = 0; k < slots_.size(); ++k) entry.moments.push_back(zeros_like(parameter));
    update(parameter, detail::contiguous_values(gradient), entry.moments, ++entry.count);
    parameter.changed("optimizer step");
    parameter.zero_grad();
  }
  ++steps_;
}

void Optimizer::zero_grad() {
  for (Tensor& parameter : parameters_) parameter.zero_grad();
}

std::vector<std::pair<std::string, Tensor>> Optimizer::state_dict() const {
  std::vector<std::pair<std::string, Tensor>> state;
  const auto number = [](int64_t value) { return from_vector(std::vector<int64_t>{value}, {}); };
  state.emplace_back("steps", number(steps_));
  state.emplace_back("learning_rate", scalar(learning_rate_, {.dtype = DType::float64}));
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].count == 0) continue;
    state.emplace_back(std::to_string(i) + ".count", number(entries_[i].count));
    for (size_t k = 0; k < slots_.size(); ++k) {
      Tensor copy = empty_like(entries_[i].moments[k]);
      detail::copy_values(entries_[i].moments[k], copy);
      state.emplace_back(std::to_string(i) + "." + slots_[k], std::move(copy));
    }
  }
  return state;
}

void Optimizer::load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state) {
  std::map<std::string, Tensor> given;
  for (const auto& [key, tensor] : state)
    check(given.emplace(key, tensor).second, "[{}] the state has {} twice", name_, key);
  const auto take = [&](const std::string& key, const Shape& shape, DType dtype) {
    const auto found = given.find(key);
    check(found != given.end(), "[{}] the state lacks {}", name_, key);
    check(found->second.shape() == shape && found->second.dtype() == dtype,
          "[{}] the state's {} should be {} {}, got {}", name_, key, dtype, shape, found->second);
    Tensor value = found->second;
    given.erase(found);
    return value;
  };
  const auto steps = take("steps", {}, DType::int64).item<int64_t>();
  const auto rate = take("learning_rate", {}, DType::float64).item();
  check(rate >= 0, "[{}] the state's learning_rate is {}", name_, rate);
  std::vector<Entry> entries(parameters_.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::string prefix = std::to_string(i) + ".";
    if (!given.contains(prefix + "count")) continue;
    entries[i].count = take(prefix + "count", {}, DType::int64).item<int64_t>();
    for (const std::string& slot : slots_) {
      const Tensor& parameter = parameters_[i];
      Tensor own = empty_like(parameter);
      detail::copy_values(take(prefix + slot, parameter.shape(), parameter.dtype()), own);
      entries[i].moments.push_back(std::move(own));
    }
  }
  check(given.empty(), "[{}] the state has {}, which belongs to nothing here", name_,
        given.empty() ? "" : given.begin()->first);
  steps_ = steps;
  learning_rate_ = rate;
  entries_ = std::move(entries);
}

}  // namespace reel
