// Sequences of different lengths, laid without gaps: the rows of each step, the longest sequences first. Internal.
#pragma once

#include <memory>
#include <vector>

#include <reel/layers/scan.h>
#include <reel/ops/rows.h>

namespace reel::detail {

/// How the steps that count of a batch [T, N, ...] are packed.
struct Ragged {
  int64_t steps = 0, batch = 0;          ///< T and N of the padded form.
  std::vector<int64_t> lengths;          ///< Of each row of the batch.
  std::vector<int64_t> active;           ///< How many rows have a first, second, ... step that counts.
  std::vector<int64_t> row;              ///< Of each packed row its row in the batch.
  std::vector<int64_t> step;             ///< And its step.
  std::shared_ptr<const RowMap> packed;  ///< From [T N, ...] to packed rows.
  std::shared_ptr<const RowMap> order;   ///< From rows of the batch to rows by length.

  Tensor pack(const Tensor& xs) const;        ///< [T, N, ...] -> [P, ...]
  Tensor unpack(const Tensor& packed) const;  ///< [P, ...] -> [T, N, ...], zeros where no step counts.
  Tensor sort(const Tensor& rows) const { return place_rows(rows, order); }  ///< Of a state.
  Tensor unsort(const Tensor& rows) const { return place_rows(rows, order, true); }
};

/// Reads `padding` for a batch [T, N, ...]; null where every step counts. Throws as `caller` where lengths are no
/// int64 [N] in [0, T], the mask no bool [T, N], or both are given.
std::shared_ptr<const Ragged> ragged(const Padding& padding, int64_t steps, int64_t batch,
                                     const char* caller);

}  // namespace reel::detail
