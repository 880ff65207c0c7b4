// diagnose: what goes on inside recurrent layers, step by step, without a change to their cells: gradients that
// vanish or explode, gates that are stuck, where a nan came from.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <reel/framework/functional.h>
#include <reel/layers/recurrent.h>

namespace reel {

struct DiagnoseOptions {
  double sigmoid_low = 0.05,
         sigmoid_high = 0.95;                ///< sigmoid and hardsigmoid are saturated outside of these,
  double tanh_limit = 0.95;                  ///< tanh where it is farther than this from 0.
  int64_t jacobian_iterations = 10;          ///< Of the power iteration; 0: no Jacobians.
  std::vector<int64_t> jacobian_steps = {};  ///< At which steps; empty: at all.
  bool infinities = true;  ///< Look for infinities too; set it to false where they are meant (masks of -inf).
};

/// An activation of the step, known by its op and its number among those of that name: "sigmoid 1", or
/// "forget/sigmoid 0" under a Scope. They are numbered as they run.
struct GateDiagnosis {
  std::string name;
  std::vector<double> saturated;  ///< By step: the share of its elements that are saturated.
};

/// One cell along its sequence. All lists are by step, in the order of the sequence; with lengths or a mask they end
/// with the row that has most steps that count, and hold what counts.
struct LayerDiagnosis {
  int64_t layer = 0;
  bool reverse = false;  ///< The cell runs from the end.
  /// The norm, over batch and width, of the loss's gradient with respect to the state that the step gives out,
  /// its output included where that is the state; of each tensor of the state (0 for integers), and of all.
  std::vector<std::vector<double>> tensor_gradients;
  std::vector<double> gradients;
  std::vector<GateDiagnosis> gates;
  std::vector<double> saturated;  ///< The share over all gates; nan where there are none.
  /// The largest singular value of d state / d state before, the state's tensors laid side by side; of the row of
  /// the batch that has the largest. nan where it was not asked for.
  std::vector<double> jacobians;

  std::string name() const;  ///< "layer 0", "layer 0 reverse".
  /// By what factor the gradient's norm changes with each step back in the cell's time, the geometric mean from
  /// the last step where it is neither 0 nor endless to the first; nan where there are no two.
  double gradient_factor() const;
};

/// The first nan or infinity.
struct NonFinite {
  std::string value;   ///< "nan", "inf", "-inf".
  int64_t layer = -1;  ///< -1: outside of all steps, in the loss say.
  bool reverse = false;
  int64_t step = -1;
  std::string op;          ///< As gates are named: "log 0".
  bool inherited = false;  ///< The op was given one already: by x, or by a parameter.

  std::string text() const;  ///< "nan at step 3 of layer 1, in log 0"
};

struct Diagnosis {
  double loss = 0;
  std::vector<LayerDiagnosis> layers;  ///< In the order in which they ran.
  std::optional<NonFinite> forward;    ///< The first in the order in which ops ran,
  std::optional<NonFinite> backward;   ///< and the first in the backward pass, which goes from the end.

  /// A chart of at most `rows` rows for each layer, 79 columns of ASCII.
  std::string text(int64_t rows = 20) const;
  /// A plot that needs nothing else: gradients, saturated gates and singular values over the steps.
  std::string svg() const;
  /// Writes svg() to a file, whole or not at all.
  void save_svg(const std::filesystem::path& path) const;
};

namespace detail {
/// `directions`: how many scans make one layer; 0 where that is to be seen from their inputs.
Diagnosis diagnose(FunctionRef run, size_t directions, const DiagnoseOptions& options);
}  // namespace detail

/// Runs `f()`, which returns a loss of one element, with all recurrent layers in it going step by step, and looks
/// at their steps. The values are those of the layers, to rounding; random numbers are drawn as by them. grad()
/// of parameters and tapes around are left alone.
template <class F>
requires std::invocable<F&> Diagnosis diagnose(F f, const DiagnoseOptions& options = {}) {
  return detail::diagnose(detail::FunctionRef::to(f), 0, options);
}

/// The same for one layer: `loss(output)`, or `loss(output, state)`, of what rnn(xs) gives; `padding` says which steps
/// count. What a stateful layer carries stays as it is.
template <class C, class Loss>
Diagnosis diagnose(const Recurrent<C>& rnn, const Tensor& xs, Loss loss, const DiagnoseOptions& options = {},
                   const Padding& padding = {}) {
  static_assert(std::copy_constructible<C>,
                "diagnose runs a copy of the layer, and this one's cells have none");
  const Recurrent<C> layer = rnn;
  auto run = [&]() -> Tensor {
    auto [output, state] = layer(xs, padding);
    if constexpr (std::invocable<Loss&, const Tensor&, const typename Recurrent<C>::State&>)
      return loss(output, state);
    else
      return loss(output);
  };
  return detail::diagnose(detail::FunctionRef::to(run), rnn.options().bidirectional ? 2 : 1, options);
}

}  // namespace reel
