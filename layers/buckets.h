// Batches of sequences of like length, so that little of a batch is padding.
#pragma once

#include <vector>

#include <reel/framework/random.h>

namespace reel {

struct BucketOptions {
  int64_t rows = 0;  ///< Most sequences in a batch; 0: any number.
  int64_t padded_steps =
      0;  ///< Most steps of a batch, its padding counted: rows times the longest; 0: any number.
  /// The sequences are dealt at random into pools of so many, each of which makes batches of its own: smaller pools mix
  /// lengths more from one epoch to the next and pad more. 0: one pool, where chance chooses among equal lengths only.
  int64_t pool = 0;
  /// The batches come in random order; else, and without a draw, by rising length, equal ones by index.
  bool shuffle = true;
};
/// Places in `lengths` (each at least 0), batch by batch: every sequence once, neighbours in length together. Another
/// call with a stream that goes on gives the next epoch; the same seed gives the same batches. Throws where no limit is
/// given, or where one sequence alone is above `padded_steps`.
std::vector<std::vector<int64_t>> bucket_by_length(const std::vector<int64_t>& lengths,
                                                   const BucketOptions& options,
                                                   Random& random = default_random());

}  // namespace reel
