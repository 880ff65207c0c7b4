#include "optimizers/optimizer.h"

#include <cmath>
#include <unordered_set>

#include "optimizers/state.h"

namespace reel {

using detail::number;

namespace {

/// "learning_rate", "learning_rate.1": the first group's name is that of optimizers that have one.
std::string group_key(const char* what, size_t group) {
  return group == 0 ? what : what + ("." + std::to_string(group));
}

Shape slot_shape(const detail::Slot& slot, const Tensor& parameter) {
  return slot.scalar ? Shape{} : parameter.shape();
}
DType slot_dtype(const detail::Slot& slot, const Tensor& parameter) {
  return slot.scalar ? DType::float64 : parameter.dtype();
}

}  // namespace

Optimizer::Optimizer(std::string name, std::vector<Tensor> parameters, std::vector<size_t> group_of,
                     std::vector<GroupSpec> groups)
    : name_(std::move(name)), parameters_(std::move(parameters)) {
  check(!parameters_.empty(), "[{}] at least one parameter expected, got none", name_);
  std::unordered_set<const detail::TensorImpl*> seen;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor& parameter = parameters_[i];
    check(parameter.requires_grad(), "[{}] parameters with requires_grad expected, got {} without", name_,
          parameter);
    check(parameter.is_contiguous(), "[{}] contiguous parameters expected, got a view {}", name_, parameter);
    check(seen.insert(parameter.impl()).second, "[{}] the parameter {} stands in the list twice", name_,
          parameter);
    entries_.push_back({group_of[i], {}, 0});
  }
  for (GroupSpec& group : groups) {
    groups_.push_back({group.learning_rate, 0, std::move(group.slots), group.has_momentum, {}});
    set_learning_rate(group.learning_rate, groups_.size() - 1);
  }
}

void Optimizer::check_group(const char* caller, size_t group) const {
  check(group < groups_.size(), "[{}] {} of group {} asked for, and there are {} groups", name_, caller,
        group, groups_.size());
}

double Optimizer::learning_rate(size_t group) const {
  check_group("learning_rate", group);
  return groups_[group].rate;
}

double Optimizer::initial_learning_rate(size_t group) const {
  check_group("initial_learning_rate", group);
  return groups_[group].initial_rate;
}

void Optimizer::set_learning_rate(double rate) {
  for (size_t i = 0; i < groups_.size(); ++i) set_learning_rate(rate, i);
}

void Optimizer::set_learning_rate(double rate, size_t group) {
  check_group("set_learning_rate", group);
  check(rate >= 0 && std::isfinite(rate), "[{}] expected a learning rate of at least 0, got {}", name_, rate);
  groups_[group].rate = rate;
}

double& Optimizer::momentum_of(size_t group) {
  check_group("momentum", group);
  check(groups_[group].has_momentum, "[{}] group {} has no momentum that could be read or set", name_, group);
  return *momentum_option(group);
}

double Optimizer::momentum(size_t group) const { return const_cast<Optimizer*>(this)->momentum_of(group); }

void Optimizer::set_momentum(double momentum, size_t group) {
  double& option = momentum_of(group);
  check(momentum >= 0 && momentum < 1, "[{}] expected a momentum in [0, 1), got {}", name_, momentum);
  if (!groups_[group].first_momentum) groups_[group].first_momentum = option;
  option = momentum;
}

std::vector<Tensor> Optimizer::group(size_t index) const {
  check_group("group", index);
  std::vector<Tensor> result;
  for (size_t i = 0; i < entries_.size(); ++i)
    if (entries_[i].group == index) result.push_back(parameters_[i]);
  return result;
}

void Optimizer::check_gradient(const Tensor& parameter, bool sparse, size_t) const {
  check(!sparse, "[{}] dense gradients expected, got a sparse one of {}", name_, parameter);
}

void Optimizer::step() {
  for (size_t i = 0; i < parameters_.size(); ++i)
    if (detail::gradient_values(parameters_[i]).defined())
      check_gradient(parameters_[i], parameters_[i].sparse_grad().defined(), entries_[i].group);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor& parameter = parameters_[i];
    const Tensor gradient = detail::gradient_values(parameter);
    if (!gradient.defined()) continue;
    Entry& entry = entries_[i];
    const Group& group = groups_[entry.group];
    if (entry.count == 0 && entry.moments.empty())
      for (const detail::Slot& slot : group.slots)
        entry.moments.push_back(
            full(slot_shape(slot, parameter), slot.initial, {.dtype = slot_dtype(slot, parameter)}));
    const Tensor values = detail::contiguous_values(gradient), rows = parameter.sparse_grad().rows;
    update({parameter, values, rows, entry.moments, ++entry.count, group.rate}, entry.group);
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
  state.emplace_back("steps", number(steps_));
  for (size_t k = 0; k < groups_.size(); ++k) {
    state.emplace_back(group_key("learning_rate", k), number(groups_[k].rate));
    if (groups_[k].first_momentum) state.emplace_back(group_key("momentum", k), number(momentum(k)));
  }
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    if (entry.count == 0) continue;
    const std::vector<detail::Slot>& slots = groups_[entry.group].slots;
    state.emplace_back(std::to_string(i) + ".count", number(entry.count));
    for (size_t k = 0; k < slots.size(); ++k)
      state.emplace_back(std::to_string(i) + "." + slots[k].name, detail::copied(entry.moments[k]));
  }
  return state;
}

void Optimizer::load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state) {
  detail::StateReader reader(name_, state);
  const int64_t steps = reader.take_count("steps", 0);
  std::vector<double> rates;
  std::vector<std::optional<double>> momenta;
  for (size_t k = 0; k < groups_.size(); ++k) {
    const std::string key = group_key("learning_rate", k), other = group_key("momentum", k);
    rates.push_back(reader.take_number(key));
    check(rates[k] >= 0 && std::isfinite(rates[k]), "[{}] the state's {} is {}", name_, key, rates[k]);
    momenta.emplace_back();
    if (!reader.has(other)) continue;
    momenta[k] = reader.take_number(other);
    check(groups_[k].has_momentum && *momenta[k] >= 0 && *momenta[k] < 1, "[{}] the state's {} is {}", name_,
          other, *momenta[k]);
  }
  std::vector<Entry> entries;
  for (size_t i = 0; i < entries_.size(); ++i) {
    Entry entry{entries_[i].group, {}, 0};
    const std::string prefix = std::to_string(i) + ".";
    if (reader.has(prefix + "count")) {
      entry.count = reader.take_count(prefix + "count", 1);
      for (const detail::Slot& slot : groups_[entry.group].slots) {
        const Tensor& parameter = parameters_[i];
        entry.moments.push_back(detail::copied(
            reader.take(prefix + slot.name, slot_shape(slot, parameter), slot_dtype(slot, parameter))));
      }
    }
    entries.push_back(std::move(entry));
  }
  reader.finish();
  steps_ = steps;
  for (size_t k = 0; k < groups_.size(); ++k) {
    groups_[k].rate = rates[k];
    if (momenta[k]) {
      set_momentum(*momenta[k], k);
    } else if (groups_[k].first_momentum) {
      *momentum_option(k) = *groups_[k].first_momentum;
      groups_[k].first_momentum.reset();
    }
  }
  entries_ = std::move(entries);
}

bool matches(const std::string& name, const std::string& pattern) {
  // On a mismatch the last star takes one character more.
  size_t at = 0, star = std::string::npos, resume = 0, p = 0;
  while (at < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = at;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[at])) {
      ++p;
      ++at;
    } else if (star != std::string::npos) {
      p = star + 1;
      at = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

namespace detail {

std::vector<size_t> groups_by_name(std::string_view optimizer,
                                   const std::vector<std::pair<std::string, Tensor>>& parameters,
                                   const std::vector<NameRule>& rules) {
  std::vector<size_t> groups;
  std::vector<bool> matched(rules.size(), false);
  for (const auto& [name, tensor] : parameters) {
    size_t group = 0;
    for (size_t k = rules.size(); k-- > 0;) {
      if (tensor.rank() > rules[k].max_rank || !matches(name, rules[k].pattern)) continue;
      matched[k] = true;
      group = k + 1;
    }
    groups.push_back(group);
  }
  for (size_t k = 0; k < rules.size(); ++k)
    check(matched[k], "[{}] the rule for \"{}\" (of at most {} axes) matches none of {} parameters",
          optimizer, rules[k].pattern, rules[k].max_rank, parameters.size());
  return groups;
}

}  // namespace detail
}  // namespace reel
