// Update rules without a memory of the gradients' sizes, or with their signs alone: SGD, ASGD, Rprop, Lion.
#pragma once

#include <reel/optimizers/optimizer.h>

namespace reel {

struct SGDOptions {
  double lr = 1e-2;
  double momentum = 0;      ///< In [0, 1).
  double dampening = 0;     ///< Of the gradient that enters the momentum.
  double weight_decay = 0;  ///< Added to the gradient: weight_decay * p.
  bool nesterov = false;    ///< Needs a momentum and no dampening.
  bool maximize = false;    ///< Climb: the gradient's sign is turned.
};

/// v = momentum v + (1 - dampening) g;  p -= lr v, or lr (g + momentum v) with Nesterov. The first v is g.
/// Sutskever et al., "On the importance of initialization and momentum", 2013; in PyTorch's form. Takes sparse
/// gradients where there is neither momentum nor decay.
class SGD final : public Updating<SGDOptions> {
 public:
  using Updating::Updating;
};

struct ASGDOptions {
  double lr = 1e-2;
  double lambd = 1e-4;      ///< Decay term: p is shrunk by lambd * eta.
  double alpha = 0.75;      ///< Power of eta's decay.
  double t0 = 1e6;          ///< Updates before averaging begins.
  double weight_decay = 0;  ///< Added to the gradient: weight_decay * p.
  bool maximize = false;
};

/// eta = lr / (1 + lambd lr (t - 1))^alpha;  p = (1 - lambd eta) p - eta g; the state's "average" is the mean of the
/// p after t0 updates. Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992; in PyTorch's
/// form, save that eta follows a learning rate that has been changed at once, where PyTorch is one step late.
class ASGD final : public Updating<ASGDOptions> {
 public:
  using Updating::Updating;
};

struct RpropOptions {
  double lr = 1e-2;  ///< The first size of every element's step; later changes of the rate have no effect.
  double eta_minus = 0.5;  ///< Factor of a step's size after the gradient's sign has changed; in (0, 1).
  double eta_plus = 1.2;   ///< And after it has stayed; above 1.
  double min_step = 1e-6;
  double max_step = 50;
  bool maximize = false;
};

/// Steps by the signs of gradients, of a size that each element adapts; after a change of sign an element rests for one
/// update. Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning", 1993.
class Rprop final : public Updating<RpropOptions> {
 public:
  using Updating::Updating;
};

struct LionOptions {
  double lr = 1e-4;
  double beta1 = 0.9;       ///< Of the direction.
  double beta2 = 0.99;      ///< Of the momentum.
  double weight_decay = 0;  ///< p is shrunk by lr * weight_decay.
  bool maximize = false;
};

/// p -= lr (sign(b1 m + (1 - b1) g) + weight_decay p);  m = b2 m + (1 - b2) g.
/// Chen et al., "Symbolic discovery of optimization algorithms", 2023.
class Lion final : public Updating<LionOptions> {
 public:
  using Updating::Updating;
};

}  // namespace reel
