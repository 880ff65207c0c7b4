// Values that parameters begin with. Each function fills a tensor in place and returns it: xavier_uniform_(net.weight).
// Throws on what a tape has recorded, on dtypes that are not floating, and, where weights are needed, on fewer than two
// axes.
#pragma once

#include <reel/framework/random.h>

namespace reel {

/// Inputs and outputs of one unit of a weight [O, I, k...]: I and O times the product of k.
struct Fans {
  int64_t in, out;
};
Fans fans(const Tensor& weight);

/// What a gain is for.
enum class GainFor { linear, sigmoid, tanh, relu, leaky_relu, selu };
/// The factor that keeps the variance of a layer's results through its non-linearity, by PyTorch's table: 1, 1, 5/3,
/// sqrt(2), sqrt(2 / (1 + slope^2)), 3/4.
double calculate_gain(GainFor nonlinearity, double slope = 0.01);

Tensor constant_(Tensor x, double value);
Tensor zeros_(Tensor x);
Tensor uniform_(Tensor x, double low = 0, double high = 1, Random& random = default_random());
Tensor normal_(Tensor x, double mean = 0, double deviation = 1, Random& random = default_random());
/// See truncated_normal(): `low` and `high` are values.
Tensor truncated_normal_(Tensor x, double mean = 0, double deviation = 1, double low = -2, double high = 2,
                         Random& random = default_random());
/// U(-1/sqrt(fan_in), 1/sqrt(fan_in)): what Linear begins with.
Tensor uniform_fan_in_(Tensor weight, Random& random = default_random());

/// Variance gain^2 * 2 / (fan_in + fan_out). Glorot and Bengio, "Understanding the difficulty of training deep
/// feedforward neural networks", 2010, equation 16.
Tensor xavier_uniform_(Tensor weight, double gain = 1, Random& random = default_random());
Tensor xavier_normal_(Tensor weight, double gain = 1, Random& random = default_random());

enum class FanMode { in, out };
struct KaimingOptions {
  FanMode mode = FanMode::in;  ///< Keeps the variance forward (in) or backward (out).
  GainFor nonlinearity = GainFor::leaky_relu;
  double slope = 0;  ///< Of leaky_relu's negative side; at 0 it is relu.
};
/// Variance gain^2 / fan. He et al., "Delving deep into rectifiers", 2015, equations 10 and 14.
Tensor kaiming_uniform_(Tensor weight, const KaimingOptions& options = {}, Random& random = default_random());
Tensor kaiming_normal_(Tensor weight, const KaimingOptions& options = {}, Random& random = default_random());

struct OrthogonalOptions {
  double gain = 1;
  int64_t blocks =
      1;  ///< The first axis falls into so many parts, each orthogonal: 4 for an LSTM's weight_hh.
};
/// The weight, seen as a matrix [O, rest], has orthonormal rows, or columns where it has more rows, times `gain`; drawn
/// evenly from all such. Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural
/// networks", 2013; Mezzadri, "How to generate random matrices from the classical compact groups", 2007.
Tensor orthogonal_(Tensor weight, const OrthogonalOptions& options = {}, Random& random = default_random());

/// Normal with the given deviation, but for a share `sparsity` of each column of a matrix, rounded up, which is 0. Martens,
/// "Deep learning via Hessian-free optimization", 2010.
Tensor sparse_(Tensor weight, double sparsity, double deviation = 0.01, Random& random = default_random());

/// Ones on the main diagonal of a matrix, else zeros.
Tensor identity_(Tensor weight);

}  // namespace reel
