// Sequences of different lengths as tensors: padded, packed, masked, and back. What recurrent layers do with lengths
// is in recurrent.h; batches of sequences of like length are in buckets.h.
#pragma once

#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

/// Padded sequences and how long each is: `auto [values, lengths] = pad_sequence(list)`.
struct PaddedSequences {
  Tensor values;   ///< [T, N, ...], or [N, T, ...] with batch_first.
  Tensor lengths;  ///< int64 [N].
};

struct PadSequenceOptions {
  bool batch_first = false;  ///< [N, T, ...] instead of [T, N, ...].
  double value = 0;          ///< Of the padding; must be a value of the sequences' dtype.
};
/// Sequences [T_i, ...] side by side, T being the longest: of one dtype, alike in all but the first axis, at least one.
PaddedSequences pad_sequence(const std::vector<Tensor>& sequences, const PadSequenceOptions& options = {});

struct UnpadOptions {
  bool batch_first = false;  ///< The padded tensor is [N, T, ...] instead of [T, N, ...].
};
/// The sequences [lengths[i], ...] of a padded tensor. Views. `lengths`: int64 [N], each in [0, T], in any order.
std::vector<Tensor> unpad_sequence(const Tensor& padded, const Tensor& lengths,
                                   const UnpadOptions& options = {});

/// Sequences without their padding, as PyTorch's PackedSequence: step by step the rows that are that long, the longest
/// sequences first. What maps rows, a Linear or an activation, can work on `data` and spend nothing on padding.
struct PackedSequence {
  Tensor data;            ///< [sum of the lengths, ...].
  Tensor batch_sizes;     ///< int64 [T]: how many rows each step has.
  Tensor sorted_indices;  ///< int64 [N]: which sequence stands at each place; equal lengths keep their order.
  Tensor unsorted_indices;  ///< int64 [N]: the place at which each sequence stands.
};

/// The steps within `lengths` (int64 [N], each in [0, T], in any order) of a padded tensor.
PackedSequence pack_padded_sequence(const Tensor& padded, const Tensor& lengths,
                                    const UnpadOptions& options = {});
/// pack_padded_sequence of pad_sequence.
PackedSequence pack_sequence(const std::vector<Tensor>& sequences);

struct PadPackedOptions {
  bool batch_first = false;  ///< [N, T, ...] instead of [T, N, ...].
  double value = 0;          ///< Of the padding; must be a value of the sequences' dtype.
  int64_t total_length = 0;  ///< T of the result, at least the longest length; 0: that length.
};
/// Back to padded sequences, in the order that they had before they were packed. Throws where `packed` contradicts
/// itself.
PaddedSequences pad_packed_sequence(const PackedSequence& packed, const PadPackedOptions& options = {});
/// Back to a list.
std::vector<Tensor> unpack_sequence(const PackedSequence& packed);

struct MaskOptions {
  bool batch_first = false;  ///< The mask is [N, T] instead of [T, N].
};
/// bool [T, N]: true at the steps that lie within the lengths (int64 [N], each in [0, steps]). -1 steps: as many as the
/// longest has.
Tensor lengths_to_mask(const Tensor& lengths, int64_t steps = -1, const MaskOptions& options = {});
/// int64 [N]: the number of true steps of each sequence of a bool mask [T, N]. Throws where these are not the first
/// ones, since lengths cannot tell of gaps.
Tensor mask_to_lengths(const Tensor& mask, const MaskOptions& options = {});

}  // namespace reel
