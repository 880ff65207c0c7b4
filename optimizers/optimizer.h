// Update rules. An optimizer takes a list of parameters; each step() is one pass over the memory of each
// parameter and its own state, and uses up the gradients: grad() of every parameter is undefined afterwards,
// so that the next backward begins anew, and several backward passes before a step add up.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

/// Base of all update rules.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Updates every parameter that has a gradient, and clears the gradients.
  void step();
  /// Forgets the gradients without a step.
  void zero_grad();

  double learning_rate() const { return learning_rate_; }
  void set_learning_rate(double rate);
  int64_t steps() const { return steps_; }  ///< Steps made so far.
  const std::vector<Tensor>& parameters() const { return parameters_; }

  /// Everything that a resumed run needs to go on bit for bit: "steps" and each parameter's moments,
  /// "0.momentum".
  std::vector<std::pair<std::string, Tensor>> state_dict() const;
  /// Restores what state_dict gave for the same list of parameters. Throws, before anything is changed, where
  /// names, shapes or dtypes do not agree.
  void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state);

 protected:
  /// `slots` names the moments that the rule keeps beside each parameter; they are made, zero, at its first
  /// update.
  Optimizer(std::string name, std::vector<Tensor> parameters, double learning_rate,
            std::vector<std::string> slots);

  /// Updates one parameter in place. `moments` are in the order of the slots; `count` is the number of this
  /// parameter's updates, from 1.
  virtual void update(Tensor& parameter, const Tensor& gradient, std::vector<Tensor>& moments,
                      int64_t count) = 0;

 private:
  struct Entry {
    std::vector<Tensor> moments;
    int64_t count = 0;
  };
  std::string name_;
  std::vector<Tensor> parameters_;
  std::vector<Entry> entries_;
  std::vector<std::string> slots_;
  double learning_rate_;
  int64_t steps_ = 0;
};

struct SGDOptions {
  double lr = 1e-2;
  double momentum = 0;      ///< In [0, 1).
  double dampening = 0;     ///< Of the gradient that enters the momentum.
  double weight_decay = 0;  ///< Added to the gradient: weight_decay * p.
  bool nesterov = false;    ///< Needs a momentum and no dampening.
};

/// v = momentum v + (1 - dampening) g;  p -= lr v, or lr (g + momentum v) with Nesterov. The first v is g.
/// Sutskever et al., "On the importance of initialization and momentum", 2013; in PyTorch's form.
class SGD final : public Optimizer {
 public:
  explicit SGD(std::vector<Tensor> parameters, SGDOptions options = {});

 private:
  void update(Tensor& parameter, const Tensor& gradient, std::vector<Tensor>& moments,
              int64_t count) override;
  SGDOptions options_;
};

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  ///< Added to the gradient: weight_decay * p.
  bool amsgrad = false;     ///< Divide by the largest second moment so far (Reddi et al., 2018).
};

/// m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p -= lr / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps).
/// Kingma and Ba, "Adam", 2015, Algorithm 1.
class Adam : public Optimizer {
 public:
  explicit Adam(std::vector<Tensor> parameters, AdamOptions options = {});

 protected:
  Adam(const std::string& name, std::vector<Tensor> parameters, AdamOptions options, bool decoupled);

 private:
  void update(Tensor& parameter, const Tensor& gradient, std::vector<Tensor>& moments, int64_t count) final;
  AdamOptions options_;
  bool decoupled_;
};

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 1e-2;  ///< p is shrunk by lr * weight_decay.
  bool amsgrad = false;
};

/// Adam with decoupled weight decay. Loshchilov and Hutter, "Decoupled weight
/// decay regularization", 2019.
class AdamW final : public Adam {
 public:
  explicit AdamW(std::vector<Tensor> parameters, AdamWOptions options = {});
};

/// Scales all gradients so that the norm of all their elements together, of order `order` (infinity allowed),
/// is at most `max_norm`; returns the norm from before. Parameters without a gradient count as zero.
double clip_grad_norm(const std::vector<Tensor>& parameters, double max_norm, double order = 2);
/// Clamps every element of every gradient to [-limit, limit].
void clip_grad_value(const std::vector<Tensor>& parameters, double limit);

}  // namespace reel
