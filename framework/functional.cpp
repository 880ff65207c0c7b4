#include "framework/functional.h"

#include "framework/op.h"

namespace reel::detail {
namespace {

/// y = x
struct Alias {
  static constexpr std::string_view name = "alias";
  Tensor view(Inputs in) const { return detail::view(in[0], in[0].shape(), in[0].strides()); }
  void vjp(Backward& b) const { b.set(0, b.grad()); }
};

void check_arguments(const char* caller, const TensorList& xs) {
  for (const Tensor& x : xs)
    check(is_floating(x.dtype()), "[{}] floating arguments expected, got {}", caller, x);
}

void check_like(const char* caller, const char* what, const TensorList& got, const TensorList& expected) {
  check(got.size() == expected.size(), "[{}] {} {} expected, got {}", caller, expected.size(), what,
        got.size());
  for (size_t i = 0; i < got.size(); ++i)
    check(got[i].shape() == expected[i].shape() && got[i].dtype() == expected[i].dtype(),
          "[{}] number {} of the {} must be like {}, got {}", caller, i, what, expected[i], got[i]);
}

TensorList aliases(const TensorList& xs) {
  TensorList result;
  result.reserve(xs.size());
  for (const Tensor& x : xs) result.push_back(alias(x));
  return result;
}

void watch_all(Tape& tape, const TensorList& xs) {
  for (const Tensor& x : xs)
    if (!x.requires_grad()) tape.watch(x);
}

TensorList call(const char* caller, FunctionRef f, const TensorList& xs) {
  TensorList ys = f(xs);
  check(!ys.empty(), "[{}] the function returned no tensor", caller);
  return ys;
}

TensorList call_for_scalar(const char* caller, FunctionRef f, const TensorList& xs) {
  TensorList ys = call(caller, f, xs);
  check(ys.size() == 1 && ys[0].numel() == 1 && is_floating(ys[0].dtype()),
        "[{}] the function must return one floating tensor of one element, got {} tensors, the first {}",
        caller, ys.size(), ys[0]);
  return ys;
}

TensorList ones_for(const TensorList& ys) {
  TensorList result;
  for (const Tensor& y : ys) result.push_back(ones_like(y));
  return result;
}

}  // namespace

Tensor alias(const Tensor& x) { return apply(Alias{}, x); }

std::pair<TensorList, TensorList> value_and_vjp(const char* caller, FunctionRef f, const TensorList& xs,
                                                const TensorList* vs, bool closure) {
  check_arguments(caller, xs);
  const bool nested = recording();
  const TensorList arguments = closure ? xs : aliases(xs);
  Tape tape;
  watch_all(tape, arguments);
  TensorList ys = vs ? call(caller, f, arguments) : call_for_scalar(caller, f, arguments);
  if (vs) check_like(caller, "vectors", *vs, ys);
  TensorList gradients = tape.gradient(ys, vs ? *vs : ones_for(ys), arguments, {.create_graph = nested});
  return {std::move(ys), std::move(gradients)};
}

std::pair<TensorList, TensorList> value_and_jvp(FunctionRef f, const TensorList& xs,
                                                const TensorList& tangents) {
  check_arguments("jvp", xs);
  check_like("jvp", "tangents", tangents, xs);
  const bool nested = recording();
  const TensorList arguments = aliases(xs);
  Tape tape;
  watch_all(tape, arguments);
  TensorList ys = call("jvp", f, arguments);
  TensorList seeds;
  for (const Tensor& y : ys) {
    check(is_floating(y.dtype()), "[jvp] the function must return floating tensors, got {}", y);
    seeds.push_back(zeros_like(y));
  }
  watch_all(tape, seeds);
  const TensorList gradients = tape.gradient(ys, seeds, arguments, {.create_graph = true});
  TensorList products = tape.gradient(gradients, tangents, seeds, {.create_graph = nested});
  return {std::move(ys), std::move(products)};
}

TensorList hessian_product(FunctionRef f, const TensorList& xs, const TensorList& vs) {
  check_arguments("hvp", xs);
  check_like("hvp", "vectors", vs, xs);
  const bool nested = recording();
  const TensorList arguments = aliases(xs);
  Tape tape;
  watch_all(tape, arguments);
  const TensorList ys = call_for_scalar("hvp", f, arguments);
  const TensorList gradients = tape.gradient(ys, ones_for(ys), arguments, {.create_graph = true});
  return tape.gradient(gradients, vs, arguments, {.create_graph = nested});
}

}  // namespace reel::detail
