#include "layers/module.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/core/demangle.hpp>
#include <map>
#include <set>
#include <typeinfo>
#include <unordered_set>

namespace reel {
namespace detail {

std::string_view next_name(std::string_view& names) {
  const size_t comma = names.find(',');
  std::string_view name = names.substr(0, comma);
  names.remove_prefix(comma == std::string_view::npos ? names.size() : comma + 1);
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\t'; };
  while (!name.empty() && is_space(name.front())) name.remove_prefix(1);
  while (!name.empty() && is_space(name.back())) name.remove_suffix(1);
  return name;
}

Tensor parameter(Tensor values) { return values.requires_grad_(); }

namespace {

/// Keeps the path of where the walk is.
class PathVisitor : public FieldVisitor {
 public:
  void enter(std::string_view name, Module* module) override {
    lengths_.push_back(path_.size());
    if (!name.empty()) path_ = join(name);
    if (module) entered(*module);
  }
  void leave() override {
    path_.resize(lengths_.back());
    lengths_.pop_back();
  }

 protected:
  virtual void entered(Module&) {}
  std::string join(std::string_view name) const {
    return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::vector<size_t> lengths_;
};

class Collector final : public PathVisitor {
 public:
  explicit Collector(bool with_buffers) : with_buffers_(with_buffers) {}
  void tensor(std::string_view name, Tensor& value) override {
    if (value.defined()) found.emplace_back(join(name), value);
  }
  void buffer(std::string_view name, Tensor& value) override {
    if (with_buffers_) tensor(name, value);
  }
  NamedTensors found;

 private:
  bool with_buffers_;
};

/// Replaces each tensor by f(tensor), the same one the same way wherever it stands.
template <class F> class Replacer final : public FieldVisitor {
 public:
  explicit Replacer(F f) : f_(f) {}
  void tensor(std::string_view, Tensor& value) override {
    if (!value.defined()) return;
    auto [entry, is_new] = replaced_.try_emplace(value.impl(), value, Tensor());
    if (is_new) entry->second.second = f_(value);
    value = entry->second.second;
  }

 private:
  F f_;
  std::map<const TensorImpl*, std::pair<Tensor, Tensor>>
      replaced_;  // the original is kept, so that its address stays its own
};

class SummaryVisitor final : public PathVisitor {
 public:
  struct Row {
    std::string path, type, shapes;
    int64_t count = 0;
  };
  void tensor(std::string_view name, Tensor& value) override {
    if (!value.defined()) return;
    Row& row = rows[open_.empty() ? 0 : open_.back()];
    row.shapes += fmt::format("{}{} {}", row.shapes.empty() ? "" : ", ", name, value.shape().str());
    if (seen_.insert(value.impl()).second)
      row.count += value.numel();
    else
      row.shapes += " (shared)";
  }
  void buffer(std::string_view, Tensor&) override {}
  void enter(std::string_view name, Module* module) override {
    PathVisitor::enter(name, module);
    if (module && !name.empty()) {
      open_.push_back(rows.size());
      rows.push_back({path(), type_name(*module), "", 0});
    } else {
      open_.push_back(open_.empty() ? 0 : open_.back());
    }
  }
  void leave() override {
    PathVisitor::leave();
    open_.pop_back();
  }
  static std::string type_name(const Module& module) {
    std::string name = boost::core::demangle(typeid(module).name());
    for (size_t at; (at = name.find("reel::")) != std::string::npos;) name.erase(at, 6);
    return name;
  }
  std::vector<Row> rows;

 private:
  std::vector<size_t> open_;
  std::unordered_set<const TensorImpl*> seen_;
};

NamedTensors collect(const Module& module, bool with_buffers) {
  Collector collector(with_buffers);
  // A walk only reads the fields; the visitor takes them as they are so that other walks can replace them.
  const_cast<Module&>(module).visit_fields(collector);
  return std::move(collector.found);
}

}  // namespace

std::string misfits(std::string_view op, const NamedTensors& own, const NamedTensors& tensors) {
  std::map<std::string_view, const Tensor*> given;
  for (const auto& [name, tensor] : tensors)
    check(given.emplace(name, &tensor).second, "[{}] the name {} is given twice", op, name);
  std::string table;
  std::set<std::string_view> names;
  for (const auto& [name, tensor] : own) {
    names.insert(name);
    const auto found = given.find(name);
    if (found == given.end())
      table += fmt::format("\n  missing     {}: {}", name, text(tensor));
    else if (found->second->shape() != tensor.shape() || found->second->dtype() != tensor.dtype())
      table +=
          fmt::format("\n  mismatched  {}: expected {}, got {}", name, text(tensor), text(*found->second));
  }
  for (const auto& [name, tensor] : given)
    if (!names.contains(name)) table += fmt::format("\n  unexpected  {}: {}", name, text(*tensor));
  return table;
}

class TrainVisitor final : public PathVisitor {
 public:
  explicit TrainVisitor(bool training) : training_(training) {}
  void tensor(std::string_view, Tensor&) override {}
  void entered(Module& module) override;

 private:
  bool training_;
};

}  // namespace detail

NamedTensors Module::named_parameters() const { return detail::collect(*this, false); }
NamedTensors Module::state_dict() const { return detail::collect(*this, true); }

std::vector<Tensor> Module::parameters() const {
  std::vector<Tensor> result;
  std::unordered_set<const detail::TensorImpl*> seen;
  for (auto& [name, tensor] : named_parameters())
    if (seen.insert(tensor.impl()).second) result.push_back(std::move(tensor));
  return result;
}

// NOLINTNEXTLINE(readability-make-member-function-const): it changes what the module holds
void Module::load_state_dict(const NamedTensors& tensors) {
  const NamedTensors own = state_dict();
  const std::string wrong = detail::misfits("load_state_dict", own, tensors);
  check(wrong.empty(), "[load_state_dict] the tensors do not fit the module:{}", wrong);
  std::map<std::string_view, const Tensor*> given;
  for (const auto& [name, tensor] : tensors) given.emplace(name, &tensor);
  for (const auto& [name, tensor] : own) Tensor(tensor).copy_(*given.at(name));
}

void detail::TrainVisitor::entered(Module& module) { module.training_ = training_; }

void Module::train(bool training) {
  training_ = training;
  detail::TrainVisitor visitor(training);
  visit_fields(visitor);
}

// NOLINTNEXTLINE(readability-make-member-function-const): it changes what the module holds
void Module::zero_grad() {
  for (Tensor& parameter : parameters()) parameter.zero_grad();
}

void Module::to(DType dtype) {
  detail::Replacer convert([dtype](const Tensor& value) {
    return is_floating(value.dtype())
               ? detail::cast_values(value, dtype).requires_grad_(value.requires_grad())
               : value;
  });
  visit_fields(convert);
}

void Module::clone_parameters() {
  detail::Replacer copy([](const Tensor& value) {
    Tensor result = empty_like(value);
    detail::copy_values(value, result);
    return result.requires_grad_(value.requires_grad());
  });
  visit_fields(copy);
}

int64_t Module::parameter_count() const {
  int64_t count = 0;
  for (const Tensor& parameter : parameters()) count += parameter.numel();
  return count;
}

std::string Module::summary() const {
  detail::SummaryVisitor visitor;
  visitor.rows.push_back({"(model)", detail::SummaryVisitor::type_name(*this), "", 0});
  const_cast<Module&>(*this).visit_fields(visitor);
  size_t path_width = 5, type_width = 4;
  for (const auto& row : visitor.rows) {
    path_width = std::max(path_width, row.path.size());
    type_width = std::max(type_width, row.type.size());
  }
  std::string table = fmt::format("{:<{}}  {:<{}}  {:>12}  {}\n", "layer", path_width, "type", type_width,
                                  "parameters", "shapes");
  for (const auto& row : visitor.rows)
    table += fmt::format("{:<{}}  {:<{}}  {:>12}  {}\n", row.path, path_width, row.type, type_width,
                         row.count ? fmt::format("{}", row.count) : "", row.shapes);
  return table +
         fmt::format("{:<{}}  {:<{}}  {:>12}\n", "total", path_width, "", type_width, parameter_count());
}

void save(const Module& module, const std::filesystem::path& path) {
  save_safetensors(path, module.state_dict());
}
void load(Module& module, const std::filesystem::path& path) {
  module.load_state_dict(load_safetensors(path).tensors);
}

}  // namespace reel
