// Losses.
#pragma once

#include <reel/framework/tensor.h>

namespace reel {

/// What a loss does with its elements.
enum class Reduction { none, mean, sum };

struct CrossEntropyOptions {
  Reduction reduction = Reduction::mean;
  int64_t ignore_index =
      -100;  ///< Targets of this value count for nothing, neither in the sum nor in the mean.
  double label_smoothing = 0;  ///< In [0, 1]: this share of the target is spread evenly over the classes.
  int64_t axis = -1;           ///< The axis of the classes; PyTorch's layout [N, C, ...] has axis 1.
};

/// -log softmax(logits)[target]: logits [..., C] and int64 targets [...]. The mean is over the targets that
/// are not ignored (nan if there are none). With smoothing s: (1 - s) times that plus s times the mean over
/// the classes (Szegedy et al., "Rethinking the Inception architecture", 2016).
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options = {});

}  // namespace reel
