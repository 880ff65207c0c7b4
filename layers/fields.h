// REEL_FIELDS: the names and the order of a struct's fields, said once. From it follow parameters(),
// state_dict(), train() and summary() of modules, and the walking over states of recurrent cells.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <reel/framework/tensor.h>
#include <reel/ops/shape.h>

namespace reel {

class Module;

/// A tensor that belongs to a module's state without being trained: saved and loaded, but no parameter.
struct Buffer {
  Tensor value;
};

/// Sees the fields of a struct in order. A tensor may be undefined (a bias that was left out).
class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  virtual void tensor(std::string_view name, Tensor& value) = 0;
  virtual void buffer(std::string_view name, Tensor& value) { tensor(name, value); }
  /// One of the tensors that stand for `name`, which is computed from them: weight_g and weight_v, of `part` "_g"
  /// and "_v".
  virtual void part(std::string_view name, std::string_view part, Tensor& value) {
    tensor(std::string(name) + std::string(part), value);
  }
  /// Before the fields of a nested module (`module`) or of a nested struct or container (null). An empty name
  /// adds nothing to the path.
  virtual void enter(std::string_view /*name*/, Module* /*module*/) {}
  virtual void leave() {}
};

namespace detail {

template <class T>
concept HasFields = requires(T& value, FieldVisitor& visitor) {
  value.visit_fields(visitor);
};

template <class T>
concept Sequence = requires(T& value) {
  value.begin();
  value.end();
  typename T::value_type;
}
&&!std::convertible_to<T, std::string_view>;

template <class T>
concept Pointer = requires(T& value) {
  {static_cast<bool>(value)};
  *value;
}
&&!std::same_as<T, Tensor>;

template <class T> void visit_field(FieldVisitor& visitor, std::string_view name, T& field) {
  if constexpr (std::same_as<T, Tensor>) {
    visitor.tensor(name, field);
  } else if constexpr (std::same_as<T, Buffer>) {
    visitor.buffer(name, field.value);
  } else if constexpr (HasFields<T>) {
    if constexpr (std::derived_from<T, Module>)
      visitor.enter(name, &field);
    else
      visitor.enter(name, nullptr);
    field.visit_fields(visitor);
    visitor.leave();
  } else if constexpr (Sequence<T>) {
    visitor.enter(name, nullptr);
    size_t index = 0;
    for (auto& element : field) visit_field(visitor, std::to_string(index++), element);
    visitor.leave();
  } else if constexpr (Pointer<T>) {
    if (field) visit_field(visitor, name, *field);
  } else {
    static_assert(sizeof(T) == 0,
                  "REEL_FIELDS lists a field that is no Tensor, Buffer, Module, struct with REEL_FIELDS, or "
                  "container or "
                  "pointer of these; leave plain numbers out of the list");
  }
}

/// The next name of a comma-separated list, which is shortened by it.
std::string_view next_name(std::string_view& names);

template <class... T>
void visit_named([[maybe_unused]] FieldVisitor& visitor, [[maybe_unused]] std::string_view names,
                 T&... fields) {
  (visit_field(visitor, next_name(names), fields), ...);
}

/// Every tensor of any structure of fields, in order.
template <class T> std::vector<Tensor> tensors_of(const T& value);
/// Calls f(Tensor&) on every tensor of any structure of fields, in order.
template <class T, class F> void for_each_tensor(T& value, F&& f) {
  struct Visitor final : FieldVisitor {
    F& f;
    explicit Visitor(F& function) : f(function) {}
    void tensor(std::string_view, Tensor& tensor) override { f(tensor); }
  } visitor(f);
  visit_field(visitor, "", value);
}

template <class T> std::vector<Tensor> tensors_of(const T& value) {
  std::vector<Tensor> result;
  T copy = value;
  for_each_tensor(copy, [&](Tensor& tensor) { result.push_back(tensor); });
  return result;
}

}  // namespace detail

/// The same structure with every tensor detached from the tape: the state that truncated back-propagation
/// carries on.
template <class State>
requires(!std::convertible_to<State, Tensor> && detail::HasFields<State>) State detach(State state) {
  detail::for_each_tensor(state, [](Tensor& tensor) {
    if (tensor.defined()) tensor = detach(tensor);
  });
  return state;
}

}  // namespace reel

/// Lists a struct's fields: REEL_FIELDS(embed, lstm, head). For a Module it also answers the base's pure
/// virtual function.
#define REEL_FIELDS(...)                                                           \
  void visit_fields(::reel::FieldVisitor& visitor) {                               \
    ::reel::detail::visit_named(visitor, #__VA_ARGS__ __VA_OPT__(, ) __VA_ARGS__); \
  }
