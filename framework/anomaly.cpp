#include "framework/anomaly.h"

#include <cmath>

#include "framework/op_watch.h"
#include "framework/recording.h"

namespace reel {
namespace detail {
namespace {

enum : uint8_t { anomaly_off, anomaly_nan, anomaly_nan_and_infinity };
thread_local uint8_t anomaly = anomaly_off;
thread_local const Node* walked_node = nullptr;  // whose vjp runs on this thread
thread_local const Recording* walked_list = nullptr;
thread_local OpWatch* watch = nullptr;

/// Ops look at nothing but their flags where neither is there.
void set_flag() {
  if (anomaly != anomaly_off || watch)
    op_flags |= flag_anomalies;
  else
    op_flags &= static_cast<uint8_t>(~flag_anomalies);
}

std::string within(std::string_view path) {
  return path.empty() ? std::string() : ", within " + std::string(path);
}

std::string walked_op() {
  if (!walked_node) return {};
  return ", in the backward pass of [" + std::string(walked_node->rules->name) + "]" +
         within(walked_list->scope_path(*walked_node));
}

}  // namespace

constinit thread_local uint8_t op_flags = 0;

std::string first_anomaly(const Tensor& tensor, bool infinities) {
  if (!tensor.defined() || !is_floating(tensor.dtype())) return {};
  const Tensor values = contiguous_values(tensor);
  return dispatch_floating("anomaly", values.dtype(), [&](auto zero) -> std::string {
    using T = decltype(zero);
    const T* from = values.raw<T>();
    for (int64_t i = 0; i < values.numel(); ++i) {
      if (std::isnan(from[i])) return "nan";
      if (infinities && std::isinf(from[i])) return from[i] > 0 ? "inf" : "-inf";
    }
    return {};
  });
}

OpWatch::OpWatch() : outer_(watch) {
  watch = this;
  set_flag();
}

OpWatch::~OpWatch() {
  watch = outer_;
  set_flag();
}

void check_results(std::string_view op, Inputs inputs, std::span<const Tensor> outputs) {
  if (watch) watch->ran(op, inputs, outputs);
  if (anomaly == anomaly_off) return;
  for (const Tensor& output : outputs) {
    const std::string found = first_anomaly(output, anomaly == anomaly_nan_and_infinity);
    if (found.empty()) continue;
    std::string given;
    bool had_one = false;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const std::string before = first_anomaly(inputs[i], true);
      had_one = had_one || !before.empty();
      given += (i == 0 ? "" : ", ") + text(inputs[i]) + (before.empty() ? "" : " with " + before);
    }
    fail("[{}] gave {} in its result {} for the {} ({}){}{}",
         {text(op), found, text(output), had_one ? "inputs" : "finite inputs", given,
          walked_node ? std::string() : within(scope_path()), walked_op()});
  }
}

void check_gradient(const Tensor& gradient, size_t input) {
  if (watch) watch->went_back(*walked_node, input, gradient);
  if (anomaly == anomaly_off) return;
  const std::string found = first_anomaly(gradient, anomaly == anomaly_nan_and_infinity);
  if (found.empty()) return;
  fail("[{}] the gradient with respect to input {}, {}, has {}{}",
       {text(walked_node->rules->name), text(input), text(gradient), found, walked_op()});
}

WalkedNode::WalkedNode(const Recording& list, const Node& node)
    : before_(walked_node), list_before_(walked_list) {
  walked_node = &node;
  walked_list = &list;
}

WalkedNode::~WalkedNode() {
  walked_node = before_;
  walked_list = list_before_;
}

}  // namespace detail

AnomalyMode::AnomalyMode(AnomalyOptions options) : before_(detail::anomaly) {
  detail::anomaly = options.infinities ? detail::anomaly_nan_and_infinity : detail::anomaly_nan;
  detail::set_flag();
}

AnomalyMode::~AnomalyMode() {
  detail::anomaly = before_;
  detail::set_flag();
}

}  // namespace reel
