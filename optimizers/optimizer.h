// What all optimizers share: groups of parameters, the step, the learning rate, and the state that a resumed run needs.
// An optimizer takes lists of parameters; each step() is one pass over the memory of each parameter, its gradient and
// its own state, and uses up the gradients: grad() of every parameter is undefined afterwards, so that the next
// backward begins anew, and several backward passes before a step add up. The rules themselves: sgd.h, adam.h,
// adaptive.h, muon.h, lbfgs.h.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

namespace detail {

/// What a rule keeps beside each parameter: values like the parameter's, or one float64 number.
struct Slot {
  std::string name;
  double initial = 0;
  bool scalar = false;
};

/// Marks a constructor; no braces turn into it.
struct OfParts {
  explicit OfParts(int) {}
};

/// One parameter's step.
struct Update {
  Tensor& parameter;
  const Tensor& gradient;  ///< Contiguous; of a sparse gradient its rows, [count, width...].
  const Tensor& rows;      ///< Undefined, or which rows of the parameter these are, each once, ascending.
  std::vector<Tensor>& moments;  ///< In the order of the slots.
  int64_t count;                 ///< Of this parameter's updates, from 1.
  double learning_rate;
};

}  // namespace detail

/// Base of all optimizers.
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// Updates every parameter that has a gradient, and clears the gradients. Throws, before anything is changed, where
  /// a gradient is sparse and the rule cannot take it.
  virtual void step();
  /// Forgets the gradients without a step.
  void zero_grad();

  /// The rate of a group in use now.
  double learning_rate(size_t group = 0) const;
  /// Sets the rate of every group. Throws unless it is at least 0.
  void set_learning_rate(double rate);
  /// Sets the rate of one group.
  void set_learning_rate(double rate, size_t group);
  /// The rate that the group's options named: what schedules start from.
  double initial_learning_rate(size_t group = 0) const;

  /// The group's momentum, or beta1 of rules of Adam's family; throws where the rule has none or its options are without.
  double momentum(size_t group = 0) const;
  /// Sets it, as schedules that cycle it do: in [0, 1).
  void set_momentum(double momentum, size_t group);

  int64_t steps() const { return steps_; }  ///< Steps made so far.
  /// All parameters, in the order of the list or of the groups that they were given in.
  const std::vector<Tensor>& parameters() const { return parameters_; }
  size_t group_count() const { return groups_.size(); }
  /// The parameters of one group.
  std::vector<Tensor> group(size_t index) const;
  /// The rule's name: "Adam".
  const std::string& name() const { return name_; }

  /// Everything that a resumed run needs to go on bit for bit: "steps", "learning_rate" ("learning_rate.1" of further
  /// groups), each parameter's number of updates and moments ("0.count", "0.momentum"), and a "momentum" that has been
  /// set ("momentum.1").
  virtual std::vector<std::pair<std::string, Tensor>> state_dict() const;
  /// Restores what state_dict gave for the same parameters and groups. Throws, before anything is changed, where
  /// names, shapes or dtypes do not agree.
  virtual void load_state_dict(const std::vector<std::pair<std::string, Tensor>>& state);

 protected:
  struct GroupSpec {
    double learning_rate;
    std::vector<detail::Slot> slots;  ///< Made at a parameter's first update.
    bool has_momentum = false;        ///< One that can be set.
  };
  /// `group_of` tells the group of each parameter.
  Optimizer(std::string name, std::vector<Tensor> parameters, std::vector<size_t> group_of,
            std::vector<GroupSpec> groups);

  /// Updates one parameter in place.
  virtual void update(const detail::Update& update, size_t group) = 0;
  /// Throws unless the rule can take a sparse gradient (or, where `sparse` is false, a dense one) of a parameter.
  virtual void check_gradient(const Tensor& parameter, bool sparse, size_t group) const;
  /// Where the momentum of a group that has one stands.
  virtual double* momentum_option(size_t) { return nullptr; }

  void check_group(const char* caller, size_t group) const;
  void count_step() { ++steps_; }

 private:
  struct Group {
    double initial_rate;
    double rate;
    std::vector<detail::Slot> slots;
    bool has_momentum;
    std::optional<double> first_momentum;  // that of the options, once another has been set
  };
  struct Entry {
    size_t group;
    std::vector<Tensor> moments;
    int64_t count = 0;
  };
  double& momentum_of(size_t group);

  std::string name_;
  std::vector<Tensor> parameters_;
  std::vector<Entry> entries_;
  std::vector<Group> groups_;
  int64_t steps_ = 0;
};

/// Parameters with options of their own.
template <class Options> struct ParameterGroup {
  std::vector<Tensor> parameters;
  Options options = {};
};

/// Options of those parameters that it matches, instead of the optimizer's. {.max_rank = 1, .weight_decay = 0} spares
/// biases and norms from decay.
struct NameRule {
  std::string pattern = "*";  ///< Of the whole name: `*` stands for any characters, `?` for one.
  size_t max_rank = 64;       ///< Matches parameters of at most so many axes.
  std::optional<double> lr = {};
  std::optional<double> weight_decay = {};
};

/// Whether `name` fits a pattern in which `*` stands for any characters and `?` for one.
bool matches(const std::string& name, const std::string& pattern);

/// An optimizer by the update rule that `Options` belong to; the rules' classes name it. Options of every group are
/// checked; a parameter may stand in one group only.
template <class Options> class Updating : public Optimizer {
 public:
  /// One group.
  explicit Updating(std::vector<Tensor> parameters, Options options = {});
  /// Groups with options of their own.
  explicit Updating(std::vector<ParameterGroup<Options>> groups);
  /// Parameters with names, as Module::named_parameters gives them. The first rule that matches a parameter decides:
  /// group 0 is what no rule matches, group k what rule k - 1 does. Throws where a rule matches nothing.
  explicit Updating(const std::vector<std::pair<std::string, Tensor>>& parameters, Options options = {},
                    const std::vector<NameRule>& rules = {});

  /// The group's options; `lr` is the initial one.
  const Options& options(size_t group = 0) const {
    check_group("options", group);
    return options_[group];
  }

 private:
  struct Parts;
  Updating(Parts parts, detail::OfParts);
  void update(const detail::Update& update, size_t group) final;
  void check_gradient(const Tensor& parameter, bool sparse, size_t group) const final;
  double* momentum_option(size_t group) final;

  std::vector<Options> options_;
};

}  // namespace reel
