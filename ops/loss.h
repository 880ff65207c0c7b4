// Losses. Each takes its options as a struct and, unless said otherwise, returns one number per element
// (Reduction::none), their mean (the default) or their sum. float32 and float64; all real-valued arguments are of one
// dtype and have gradients, of every order. Shapes must agree exactly where PyTorch warns when they do not, and may
// broadcast elsewhere. Distances that are no losses are in ops/distance.h.
#pragma once

#include <cstdint>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

/// What a loss does with its elements. The mean over none is nan.
enum class Reduction { none, mean, sum };

/// The options of losses that have no others.
struct LossOptions {
  Reduction reduction = Reduction::mean;
};

// Regression: input and target of one shape, but for poisson_nll_loss and gaussian_nll_loss, where they broadcast.

/// (input - target)^2
Tensor mse_loss(const Tensor& input, const Tensor& target, const LossOptions& options = {});
/// |input - target|; the slope at 0 is 0.
Tensor l1_loss(const Tensor& input, const Tensor& target, const LossOptions& options = {});

struct SmoothL1LossOptions {
  Reduction reduction = Reduction::mean;
  double beta = 1;  ///< Where the parabola ends; at least 0, which gives l1_loss.
};
/// d^2 / (2 beta) where |d| = |input - target| < beta, else |d| - beta / 2. Girshick, "Fast R-CNN", 2015.
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, const SmoothL1LossOptions& options = {});

struct HuberLossOptions {
  Reduction reduction = Reduction::mean;
  double delta = 1;  ///< Where the parabola ends; above 0.
};
/// d^2 / 2 where |d| = |input - target| <= delta, else delta (|d| - delta / 2). Huber, "Robust estimation of a
/// location parameter", 1964.
Tensor huber_loss(const Tensor& input, const Tensor& target, const HuberLossOptions& options = {});

struct PoissonNllLossOptions {
  Reduction reduction = Reduction::mean;
  bool log_input = true;  ///< The input is the logarithm of the rate.
  bool full = false;      ///< Adds Stirling's t log t - t + log(2 pi t) / 2 for targets above 1.
  double eps = 1e-8;      ///< Added to a rate before its logarithm.
};
/// exp(input) - target input, or input - target log(input + eps): of the Poisson distribution.
Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, const PoissonNllLossOptions& options = {});

struct GaussianNllLossOptions {
  Reduction reduction = Reduction::mean;
  bool full = false;  ///< Adds log(2 pi) / 2.
  double eps = 1e-6;  ///< Variances are at least this; above 0.
};
/// (log var + (input - target)^2 / var) / 2, of the normal distribution. `var` has the input's shape, or that with a
/// last extent of 1, or that without the last axis; negative ones throw. One below eps counts as eps, and yet receives
/// the gradient that eps has, so that it can grow. Nix and Weigend, "Estimating the mean and variance of the target
/// probability distribution", 1994.
Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, const Tensor& var,
                         const GaussianNllLossOptions& options = {});

// Classification.

struct CrossEntropyOptions {
  Reduction reduction = Reduction::mean;
  Tensor weight = {};  ///< [C]: by class. The mean then divides by the sum of the targets' weights.
  int64_t ignore_index =
      -100;  ///< Targets of this value count for nothing, neither in the sum nor in the mean.
  double label_smoothing = 0;  ///< In [0, 1]: this share of the target is spread evenly over the classes.
  int64_t axis = -1;           ///< The axis of the classes; PyTorch's layout [N, C, ...] has axis 1.
};
/// -log softmax(logits)[target]: logits [..., C] and int64 targets [...]. The mean is over the targets that
/// are not ignored (nan if there are none). With smoothing s: (1 - s) times that plus s times the mean over
/// the classes (Szegedy et al., "Rethinking the Inception architecture", 2016).
///
/// Targets of the logits' shape and dtype are probabilities: -sum of target log softmax(logits) over the classes, each
/// term times its class's weight. The mean is then over the rows, whatever the weights, and nothing can be ignored.
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options = {});

struct NllLossOptions {
  Reduction reduction = Reduction::mean;
  Tensor weight = {};  ///< [C]: by class. The mean then divides by the sum of the targets' weights.
  int64_t ignore_index =
      -100;           ///< Targets of this value count for nothing, neither in the sum nor in the mean.
  int64_t axis = -1;  ///< The axis of the classes; PyTorch's layout [N, C, ...] has axis 1.
};
/// -log_probs[target]: log_probs [..., C] and int64 targets [...]. cross_entropy() after log_softmax().
Tensor nll_loss(const Tensor& log_probs, const Tensor& targets, const NllLossOptions& options = {});

struct BinaryCrossEntropyOptions {
  Reduction reduction = Reduction::mean;
  Tensor weight = {};  ///< Of the elements; broadcasts to the target.
};
/// -(t log p + (1 - t) log(1 - p)) of probabilities p = input and targets t of one shape. Logarithms are at least -100,
/// and the gradient to the input divides by p (1 - p), at least 1e-12: as in PyTorch. Throws on an input outside [0, 1].
Tensor binary_cross_entropy(const Tensor& input, const Tensor& target,
                            const BinaryCrossEntropyOptions& options = {});

struct BinaryCrossEntropyWithLogitsOptions {
  Reduction reduction = Reduction::mean;
  Tensor weight = {};      ///< Of the elements; broadcasts to the target.
  Tensor pos_weight = {};  ///< Of the positive part t log p; broadcasts to the target.
};
/// The same of p = sigmoid(logits), safe for logits of any size.
Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target,
                                        const BinaryCrossEntropyWithLogitsOptions& options = {});

struct FocalLossOptions {
  Reduction reduction = Reduction::mean;
  double alpha =
      0.25;  ///< Weight of the positive targets, 1 - alpha that of the negative ones; below 0: no weights.
  double gamma = 2;  ///< How much easy examples are weighed down; at least 0.
};
/// alpha_t (1 - p_t)^gamma (-log p_t), where p_t is the probability sigmoid(logits) gives to the target of 0 or 1. Lin et
/// al., "Focal loss for dense object detection", 2017, eq. 5.
Tensor sigmoid_focal_loss(const Tensor& logits, const Tensor& target, const FocalLossOptions& options = {});

struct MultilabelSoftMarginLossOptions {
  Reduction reduction = Reduction::mean;
  Tensor weight = {};  ///< By class; broadcasts to the input.
};
/// binary_cross_entropy_with_logits of input and target [..., C], meaned over the classes: [...].
Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target,
                                   const MultilabelSoftMarginLossOptions& options = {});

/// Like Reduction; batchmean divides the sum by the extent of the first axis, which is what the definition asks for.
enum class KlReduction { none, mean, sum, batchmean };
struct KlDivOptions {
  KlReduction reduction = KlReduction::mean;
  bool log_target = false;  ///< The target is given as logarithms of probabilities.
};
/// target (log target - input), where the input is a logarithm of probabilities; 0, with no gradient, where the target
/// is 0. Broadcasts.
Tensor kl_div(const Tensor& input, const Tensor& target, const KlDivOptions& options = {});

// Margins and rankings.

struct MarginLossOptions {
  Reduction reduction = Reduction::mean;
  double margin = 0;
};
/// max(0, -target (x1 - x2) + margin): target 1 says that x1 should be the larger, -1 that x2. All of one rank;
/// broadcasts.
Tensor margin_ranking_loss(const Tensor& x1, const Tensor& x2, const Tensor& target,
                           const MarginLossOptions& options = {});
/// For vectors x1 and x2, [D] or [N, D], and targets [] or [N] of the same dtype or int64: 1 - cos(x1, x2) where the
/// target is 1, max(0, cos(x1, x2) - margin) where it is -1, else 0. 1e-12 is added to the squares of both lengths.
Tensor cosine_embedding_loss(const Tensor& x1, const Tensor& x2, const Tensor& target,
                             const MarginLossOptions& options = {});

struct HingeEmbeddingLossOptions {
  Reduction reduction = Reduction::mean;
  double margin = 1;
};
/// input where the target is 1, max(0, margin - input) where it is -1, and the sum of both for any other. Broadcasts; the
/// target is of the same dtype or int64.
Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target,
                            const HingeEmbeddingLossOptions& options = {});

/// log(1 + exp(-target input)), safe for inputs of any size; the target broadcasts to the input.
Tensor soft_margin_loss(const Tensor& input, const Tensor& target, const LossOptions& options = {});

struct MultiMarginLossOptions {
  Reduction reduction = Reduction::mean;
  Tensor weight = {};  ///< [C]: by the target's class.
  int p = 1;           ///< 1 or 2.
  double margin = 1;
};
/// Sum over classes c other than the target of max(0, margin - input[target] + input[c])^p, over C. Input [N, C] or [C],
/// int64 target [N] or [].
Tensor multi_margin_loss(const Tensor& input, const Tensor& target,
                         const MultiMarginLossOptions& options = {});

/// Sum over target classes y and other classes c of max(0, 1 - input[y] + input[c]), over C. Input [N, C] or [C]; int64
/// target of the same shape, whose rows list classes up to the first -1.
Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target, const LossOptions& options = {});

struct TripletMarginLossOptions {
  Reduction reduction = Reduction::mean;
  double margin = 1;
  double p = 2;       ///< Of the norm: above 0, or infinity.
  double eps = 1e-6;  ///< Added to differences, as in pairwise_distance.
  bool swap =
      false;  ///< Takes the distance from positive to negative where it is the smaller (Balntas et al., 2016).
};
/// max(0, margin + d(anchor, positive) - d(anchor, negative)) of vectors [..., D], where d is pairwise_distance. All of one
/// rank; broadcasts. Schroff et al., "FaceNet", 2015.
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           const TripletMarginLossOptions& options = {});

// Sequences.

struct CtcLossOptions {
  Reduction reduction =
      Reduction::mean;         ///< The mean divides each loss by its target's length (at least 1) first.
  int64_t blank = 0;           ///< The class that stands for no label.
  bool zero_infinity = false;  ///< Where no alignment exists: loss and gradient 0 rather than inf and nan.
};
/// Connectionist temporal classification: -log of the probability that a path through `log_probs` [T, N, C] reads, without
/// repeats and blanks, as the target. Targets are int64 [N, S], of which the first `target_lengths` count, or all of them
/// one after the other [sum of target_lengths]; they hold no blank. `input_lengths` are at most T; with one of 0 an empty
/// target has the loss 0. One sequence may come without the batch: log_probs [T, C] and one length each, the loss a scalar.
///
/// The gradient is the true one, minus the expected number of visits to each class at each time, whether or not
/// log_probs are normalised; PyTorch adds exp(log_probs), which comes to the same after log_softmax. Computed in float64.
/// Graves et al., "Connectionist temporal classification", 2006, eq. 5 to 16.
Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, const std::vector<int64_t>& input_lengths,
                const std::vector<int64_t>& target_lengths, const CtcLossOptions& options = {});
/// The same with int64 tensors [N] as lengths.
Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                const Tensor& target_lengths, const CtcLossOptions& options = {});

}  // namespace reel
