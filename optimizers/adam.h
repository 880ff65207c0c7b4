// Adam and its family: a mean of the gradients divided by a mean of their sizes. In all of them t counts the updates of
// a parameter, m and v are zero at first, and g is the gradient, its sign turned where `maximize` is set.
#pragma once

#include <reel/optimizers/optimizer.h>

namespace reel {

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;       ///< Added to the gradient: weight_decay * p.
  bool amsgrad = false;          ///< Divide by the largest second moment so far (Reddi et al., 2018).
  bool maximize = false;         ///< Climb: the gradient's sign is turned.
  bool decoupled_decay = false;  ///< Decay as AdamW's: p is shrunk by lr * weight_decay.
};

/// m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p -= lr / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps).
/// Kingma and Ba, "Adam", 2015, Algorithm 1.
class Adam final : public Updating<AdamOptions> {
 public:
  using Updating::Updating;
};

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;  ///< p is shrunk by lr * weight_decay.
  bool amsgrad = false;
  bool maximize = false;
};

/// Adam with decoupled weight decay. Loshchilov and Hutter, "Decoupled weight
/// decay regularization", 2019.
class AdamW final : public Updating<AdamWOptions> {
 public:
  using Updating::Updating;
};

struct AdamaxOptions {
  double lr = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  ///< Added to the gradient: weight_decay * p.
  bool maximize = false;
};

/// u = max(b2 u, |g| + eps);  p -= lr / (1 - b1^t) m / u. Kingma and Ba, 2015, Algorithm 2; eps as PyTorch has it.
class Adamax final : public Updating<AdamaxOptions> {
 public:
  using Updating::Updating;
};

struct NAdamOptions {
  double lr = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;       ///< Added to the gradient: weight_decay * p.
  double momentum_decay = 4e-3;  ///< mu_t = b1 (1 - 0.5 * 0.96^(t momentum_decay)).
  bool decoupled_decay = false;  ///< Decay as AdamW's. As in PyTorch 2; 1.13 has none.
  bool maximize = false;         ///< As in PyTorch 2; 1.13 has none.
};

/// p -= lr ((1 - mu_t) / (1 - prod_t) g + mu_(t+1) / (1 - prod_(t+1)) m) / (sqrt(v / (1 - b2^t)) + eps), prod_t the
/// product of mu_1 to mu_t. Dozat, "Incorporating Nesterov momentum into Adam", 2016. As in PyTorch 2; 1.13 counts mu_t
/// twice in prod_(t+1).
class NAdam final : public Updating<NAdamOptions> {
 public:
  using Updating::Updating;
};

struct RAdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;       ///< Added to the gradient: weight_decay * p.
  bool decoupled_decay = false;  ///< Decay as AdamW's. As in PyTorch 2; 1.13 has none.
  bool maximize = false;         ///< As in PyTorch 2; 1.13 has none.
};

/// Adam that leaves v out until enough gradients have been seen for its variance to be bounded, rho_t > 5.
/// Liu et al., "On the variance of the adaptive learning rate and beyond", 2020, Algorithm 2.
class RAdam final : public Updating<RAdamOptions> {
 public:
  using Updating::Updating;
};

struct SparseAdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  bool maximize = false;
};

/// Adam for sparse gradients: only the rows that a gradient has are moved, and only their moments. As in PyTorch, t
/// counts the updates of the whole parameter, and eps is added before the correction of v. Dense gradients are refused.
class SparseAdam final : public Updating<SparseAdamOptions> {
 public:
  using Updating::Updating;
};

}  // namespace reel
