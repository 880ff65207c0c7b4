// Muon: momentum whose singular values are all brought near 1, for the matrices inside of a network.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <reel/optimizers/optimizer.h>

namespace reel {

/// How a matrix [A, B]'s rate follows from the group's.
enum class MuonScale {
  original,  ///< lr * sqrt(max(1, A / B)), Jordan's.
  match_adamw,  ///< lr * 0.2 sqrt(max(A, B)): updates as large as AdamW's, so that its rates do. Liu et al., 2025.
};

struct MuonOptions {
  double lr = 1e-3;
  double weight_decay = 0.1;  ///< p is shrunk by lr * weight_decay.
  double momentum = 0.95;     ///< In [0, 1).
  bool nesterov = true;
  int64_t iterations = 5;  ///< Of Newton and Schulz, at most 100.
  MuonScale scale = MuonScale::original;
  bool adamw =
      false;  ///< This group is updated by AdamW instead, with the options below: for all but matrices, and
              ///< for embeddings and output layers.
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  bool maximize = false;
};

/// m += (1 - momentum)(g - m);  u = m, or g + momentum (m - g) with Nesterov;  p -= lr' orthogonal(u), where `orthogonal`
/// takes u / |u| through X = aX + (bA + cA^2)X, A = X X', with (a, b, c) = (3.4445, -4.775, 2.0315). Parameters of more
/// axes count as [first, rest]. Jordan et al., "Muon", 2024; in the form of PyTorch 2.9, but in the parameter's dtype
/// and not in bfloat16. A parameter of fewer than two axes in a group without `adamw` is refused: see muon_groups.
class Muon final : public Updating<MuonOptions> {
 public:
  using Updating::Updating;
};

/// Two groups: matrices (and what has more axes) whose names match none of the patterns, with `matrices`, and all else
/// with `rest`, for which `adamw` is set. Groups of nothing are left out:
///   Muon optimizer(muon_groups(net.named_parameters(), {"embed*", "head*"}, {.lr = 0.02}, {.lr = 3e-4}));
std::vector<ParameterGroup<MuonOptions>> muon_groups(
    const std::vector<std::pair<std::string, Tensor>>& parameters, const std::vector<std::string>& not_these,
    const MuonOptions& matrices = {}, MuonOptions rest = {});

}  // namespace reel
