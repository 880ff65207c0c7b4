// Rules that divide by the sizes of past gradients and keep no mean of the gradients themselves: RMSprop, Adagrad,
// Adadelta.
#pragma once

#include <reel/optimizers/optimizer.h>

namespace reel {

struct RMSpropOptions {
  double lr = 1e-2;
  double alpha = 0.99;  ///< Of the mean of squares; in [0, 1).
  double eps = 1e-8;
  double weight_decay = 0;  ///< Added to the gradient: weight_decay * p.
  double momentum = 0;      ///< In [0, 1).
  bool centered = false;    ///< Divide by the standard deviation (Graves, 2013).
  bool maximize = false;    ///< As in PyTorch 2; 1.13 has none.
};

/// v = alpha v + (1 - alpha) g^2;  p -= lr g / (sqrt(v) + eps), through a momentum if there is one; centered: v less
/// the square of the gradients' mean, and no less than 0, where PyTorch's rounding can end in a nan.
/// Hinton, "Neural networks for machine learning", lecture 6, 2012.
class RMSprop final : public Updating<RMSpropOptions> {
 public:
  using Updating::Updating;
};

struct AdagradOptions {
  double lr = 1e-2;
  double lr_decay = 0;      ///< The rate of update t is lr / (1 + (t - 1) lr_decay).
  double weight_decay = 0;  ///< Added to the gradient: weight_decay * p.
  double initial_accumulator = 0;
  double eps = 1e-10;
  bool maximize = false;
};

/// s += g^2;  p -= lr g / (sqrt(s) + eps). Duchi, Hazan and Singer, "Adaptive subgradient methods", 2011. Takes sparse
/// gradients where there is no decay: the rows that they have are updated.
class Adagrad final : public Updating<AdagradOptions> {
 public:
  using Updating::Updating;
};

struct AdadeltaOptions {
  double lr = 1;
  double rho = 0.9;  ///< In [0, 1].
  double eps = 1e-6;
  double weight_decay = 0;  ///< Added to the gradient: weight_decay * p.
  bool maximize = false;
};

/// v = rho v + (1 - rho) g^2;  d = sqrt(u + eps) / sqrt(v + eps) g;  u = rho u + (1 - rho) d^2;  p -= lr d.
/// Zeiler, "ADADELTA", 2012.
class Adadelta final : public Updating<AdadeltaOptions> {
 public:
  using Updating::Updating;
};

}  // namespace reel
