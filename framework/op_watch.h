// OpWatch: somebody who looks on while ops run, forward and backward. By it diagnostics see every op without the
// program being written for them. Internal.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <reel/framework/op.h>

namespace reel::detail {

/// In the scope of an object of a derived class, this thread's ops tell it what they have done. The latest one
/// is told alone.
class OpWatch {
 public:
  OpWatch();
  virtual ~OpWatch();
  OpWatch(const OpWatch&) = delete;
  OpWatch& operator=(const OpWatch&) = delete;

  /// An op ran; it has not been recorded yet.
  virtual void ran(std::string_view op, Inputs inputs, std::span<const Tensor> outputs) = 0;
  /// The vjp of a recorded op has given its part of the gradient with respect to one of its inputs.
  virtual void went_back(const Node& node, size_t input, const Tensor& gradient) = 0;

 private:
  OpWatch* outer_;
};

/// "nan", "inf", "-inf": the first that is not finite among the elements. Empty where there is none.
std::string first_anomaly(const Tensor& tensor, bool infinities);

}  // namespace reel::detail
