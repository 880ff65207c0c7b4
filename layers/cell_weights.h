// The weights of one cell gate by gate, as views into tensors that lie in any way: what our layouts and those of
// other systems are reduced to. Internal.
#pragma once

#include <string>
#include <vector>

#include <reel/layers/module.h>
#include <reel/layers/weight_layout.h>

namespace reel::detail {

/// What belongs to one gate. Undefined: there is no place for it.
struct GateWeights {
  char letter;
  Tensor input;                           // [H, I]
  Tensor recurrent;                       // [H, S]
  Tensor bias, recurrent_bias, peephole;  // [H]
};

struct CellWeights {
  std::string owner;  ///< In errors: "keras", "cell 0".
  WeightLayout layout;
  std::vector<GateWeights> gates;
  Tensor projection;  // [S, H]

  explicit CellWeights(std::string whose, const WeightLayout& how);
  const GateWeights& gate(char letter) const;
  bool has_bias() const;
  bool has_peepholes() const;

  /// Views of all gates in one matrix; [G H, columns], or transposed as the layout says.
  void split_input(const Tensor& matrix);
  void split_recurrent(const Tensor& matrix);
  /// Views of all gates in vectors [G H], or [H] for each gate in order.
  void split_bias(const Tensor& vector);
  void split_recurrent_bias(const Tensor& vector);
  void split_peepholes(const Tensor& vector);
};

/// Views of the weights of a cell of ours, which lie as `layout` says.
CellWeights weights_of(const Module& cell, const WeightLayout& layout, const std::string& owner);

/// Throws, with the reason and naming `op`, where the numbers of `from` cannot do in `to` what they do in `from`.
void check_transfer(std::string_view op, const CellWeights& from, const CellWeights& to);
/// Copies the numbers, in the conventions of `to`.
void transfer(const CellWeights& from, const CellWeights& to);

}  // namespace reel::detail
