#include "layers/wrappers/weights.h"

#include <algorithm>
#include <limits>

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/dropout.h"
#include "ops/reduction.h"
#include "ops/shape.h"

namespace reel::detail {
namespace {

/// Walks over a cell's parameters with their paths in it.
template <class F> class ParameterVisitor final : public FieldVisitor {
 public:
  explicit ParameterVisitor(F f) : f_(std::move(f)) {}
  void tensor(std::string_view name, Tensor& value) override { f_(path_ + std::string(name), value); }
  void buffer(std::string_view, Tensor&) override {}
  void enter(std::string_view name, Module*) override {
    lengths_.push_back(path_.size());
    if (!name.empty()) path_ += std::string(name) + ".";
  }
  void leave() override {
    path_.resize(lengths_.back());
    lengths_.pop_back();
  }

 private:
  F f_;
  std::string path_;
  std::vector<size_t> lengths_;
};

template <class F> void for_each_parameter(Module& cell, F f) {
  ParameterVisitor<F> visitor(std::move(f));
  cell.visit_fields(visitor);
}

bool is_named(const std::string& path, const std::vector<std::string>& texts) {
  return std::any_of(texts.begin(), texts.end(),
                     [&](const std::string& text) { return path.find(text) != std::string::npos; });
}

template <class Weights> auto find_weight(Weights& weights, const std::string& path) {
  return std::find_if(weights.begin(), weights.end(),
                      [&](const NormedWeight& weight) { return weight.path == path; });
}

Tensor length_of_rows(const Tensor& v) {
  Shape axes;
  for (size_t i = 1; i < v.rank(); ++i) axes.insert(i - 1, static_cast<int64_t>(i));
  return sqrt(sum(square(v), Axes(axes), true));
}

}  // namespace

void check_weights(std::string_view wrapper, Module& cell, const std::vector<std::string>& texts) {
  check(!texts.empty(), "[{}] at least one text expected that names of weights contain, got none", wrapper);
  std::vector<std::string> names;
  std::string list;
  for_each_parameter(cell, [&](const std::string& path, Tensor&) {
    names.push_back(path);
    list += (list.empty() ? "" : ", ") + path;
  });
  for (const std::string& text : texts)
    check(std::any_of(names.begin(), names.end(),
                      [&](const std::string& name) { return is_named(name, {text}); }),
          "[{}] no name of a parameter of the cell contains \"{}\"; there are: {}", wrapper, text, list);
}

void drop_weights(Module& cell, const std::vector<std::string>& texts, double p) {
  if (p == 0) return;
  std::vector<std::pair<Tensor, Tensor>> dropped;  // a weight that stands in two places is one weight
  for_each_parameter(cell, [&](const std::string& path, Tensor& value) {
    if (!value.defined() || !is_named(path, texts)) return;
    for (const auto& [whole, rest] : dropped) {
      if (whole.impl() != value.impl()) continue;
      value = rest;
      return;
    }
    dropped.emplace_back(value, dropout(value, p));
    value = dropped.back().second;
  });
}

std::vector<NormedWeight> take_weights(Module& cell, const std::vector<std::string>& texts) {
  const NoTape values_only;
  std::vector<NormedWeight> weights;
  for_each_parameter(cell, [&](const std::string& path, Tensor& value) {
    if (!value.defined() || value.rank() < 2 || !is_named(path, texts)) return;
    const auto same = std::find_if(weights.begin(), weights.end(), [&](const NormedWeight& weight) {
      return weight.v.impl() == value.impl();
    });
    weights.push_back(
        {path, same != weights.end() ? same->g : length_of_rows(value).requires_grad_(), value});
  });
  check(!weights.empty(), "[WeightNorm] none of the parameters so named has several axes");
  // What is left in their places shows itself where it is used, and costs no memory.
  const Tensor nowhere = full({}, std::numeric_limits<double>::quiet_NaN());
  for_each_parameter(cell, [&](const std::string& path, Tensor& value) {
    if (find_weight(weights, path) != weights.end()) value = detach(broadcast_to(nowhere, value.shape()));
  });
  return weights;
}

void compute_weights(Module& cell, const std::vector<NormedWeight>& weights) {
  for_each_parameter(cell, [&](const std::string& path, Tensor& value) {
    const auto weight = find_weight(weights, path);
    if (weight != weights.end()) value = weight->v * (weight->g / length_of_rows(weight->v));
  });
}

void visit_normed(Module& cell, FieldVisitor& visitor, std::vector<NormedWeight>& weights) {
  class Visitor final : public FieldVisitor {
   public:
    Visitor(FieldVisitor& target, std::vector<NormedWeight>& weights) : target_(target), weights_(weights) {}
    void tensor(std::string_view name, Tensor& value) override {
      const auto weight = find_weight(weights_, path_ + std::string(name));
      if (weight == weights_.end()) return target_.tensor(name, value);
      target_.part(name, "_g", weight->g);
      target_.part(name, "_v", weight->v);
    }
    void part(std::string_view name, std::string_view part, Tensor& value) override {
      if (find_weight(weights_, path_ + std::string(name) + std::string(part)) != weights_.end())
        FieldVisitor::part(name, part, value);
      else
        target_.part(name, part, value);
    }
    void buffer(std::string_view name, Tensor& value) override { target_.buffer(name, value); }
    void enter(std::string_view name, Module* module) override {
      target_.enter(name, module);
      lengths_.push_back(path_.size());
      if (!name.empty()) path_ += std::string(name) + ".";
    }
    void leave() override {
      path_.resize(lengths_.back());
      lengths_.pop_back();
      target_.leave();
    }

   private:
    FieldVisitor& target_;
    std::vector<NormedWeight>& weights_;
    std::string path_;
    std::vector<size_t> lengths_;
  } shown(visitor, weights);
  // As visit_field would walk a field without a name: the paths are those of the cell itself.
  visitor.enter("", &cell);
  cell.visit_fields(shown);
  visitor.leave();
}

}  // namespace reel::detail
