// Module: what every layer and model is. A plain value struct that lists its fields; all the rest follows.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <reel/framework/safetensors.h>
#include <reel/layers/fields.h>

namespace reel {

namespace detail {
class TrainVisitor;
}

/// Base of layers and models. A derived struct names its fields with REEL_FIELDS (without it the struct is
/// abstract) and computes in operator(). Copies share the parameters, as copies of tensors do;
/// clone_parameters() ends that.
class Module {
 public:
  virtual ~Module() = default;
  virtual void visit_fields(FieldVisitor& visitor) = 0;

  /// Every parameter, each once, in the order of the fields.
  std::vector<Tensor> parameters() const;
  /// The same with paths as names: "lstm.weight_ih_l0". A parameter that stands in two places has two names.
  NamedTensors named_parameters() const;
  /// Parameters and buffers by name: what is saved.
  NamedTensors state_dict() const;
  /// Copies values in. Every name must be there, no other may, shapes and dtypes must agree: otherwise an
  /// Error lists all that is wrong, and nothing has been changed.
  void load_state_dict(const NamedTensors& tensors);

  void train(bool training = true);  ///< Of this module and those in it.
  void eval() { train(false); }
  bool is_training() const { return training_; }

  void zero_grad();
  /// Converts parameters and buffers. They become new tensors: do it before an optimizer takes them.
  void to(DType dtype);
  /// Gives this module parameters of its own after it was copied from another.
  void clone_parameters();

  int64_t parameter_count() const;
  /// A table of layers with their types, the shapes of their parameters and how many numbers these hold.
  std::string summary() const;

 protected:
  Module() = default;
  Module(const Module&) = default;
  Module(Module&&) = default;
  Module& operator=(const Module&) = default;
  Module& operator=(Module&&) = default;

 private:
  bool training_ = true;
  friend class detail::TrainVisitor;
};

/// Writes the state_dict of `module` as a safetensors file, atomically.
void save(const Module& module, const std::filesystem::path& path);
/// Reads a safetensors file into `module`; strict as load_state_dict.
void load(Module& module, const std::filesystem::path& path);

namespace detail {

/// A tensor that gradients are wanted of.
Tensor parameter(Tensor values);

/// Everything that stands against copying the tensors of `given` to those of `own` that have their names, a line each;
/// empty where nothing does. A name that is given twice throws, naming `op`.
std::string misfits(std::string_view op, const NamedTensors& own, const NamedTensors& given);

}  // namespace detail
}  // namespace reel
