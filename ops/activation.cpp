#include "ops/activation.h"

#include "ops/arithmetic.h"

namespace reel {

Tensor exp(const Tensor& x) { return apply(Exp{}, x); }
Tensor expm1(const Tensor& x) { return apply(Expm1{}, x); }
Tensor log(const Tensor& x) { return apply(Log{}, x); }
Tensor log1p(const Tensor& x) { return apply(Log1p{}, x); }
Tensor tanh(const Tensor& x) { return apply(Tanh{}, x); }
Tensor sigmoid(const Tensor& x) { return apply(Sigmoid{}, x); }
Tensor relu(const Tensor& x) { return apply(Relu{}, x); }
Tensor softplus(const Tensor& x) { return apply(Softplus{}, x); }
Tensor silu(const Tensor& x) { return apply(Silu{}, x); }
Tensor logaddexp(const Tensor& a, const Tensor& b) { return apply(LogAddExp{}, a, b); }
Tensor log_sigmoid(const Tensor& x) { return apply(LogSigmoid{}, x); }
Tensor leaky_relu(const Tensor& x, double negative_slope) { return apply(LeakyRelu{negative_slope}, x); }
Tensor threshold(const Tensor& x, double threshold, double value) {
  return apply(Threshold{threshold, value}, x);
}
Tensor elu(const Tensor& x, double alpha) { return apply(Elu{alpha}, x); }
Tensor selu(const Tensor& x) { return apply(Selu{}, x); }
Tensor celu(const Tensor& x, double alpha) {
  check(alpha != 0, "[celu] an alpha other than 0 expected, got 0 for {}", x);
  return apply(Celu{alpha}, x);
}
Tensor gelu(const Tensor& x, GeluForm form) {
  return form == GeluForm::erf ? apply(Gelu{}, x) : apply(GeluTanh{}, x);
}
Tensor mish(const Tensor& x) { return apply(Mish{}, x); }
Tensor hardtanh(const Tensor& x, double min, double max) {
  check(min < max, "[hardtanh] min < max expected, got {} and {} for {}", min, max, x);
  return apply(Hardtanh{min, max}, x);
}
Tensor hardsigmoid(const Tensor& x) { return apply(Hardsigmoid{}, x); }
Tensor hardswish(const Tensor& x) { return apply(Hardswish{}, x); }
Tensor softsign(const Tensor& x) { return apply(Softsign{}, x); }
Tensor tanhshrink(const Tensor& x) { return x - tanh(x); }

}  // namespace reel
