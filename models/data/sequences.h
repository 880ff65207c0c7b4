// Long sequences of codes cut up for language models: contiguous streams for truncated back-propagation, and windows.
#pragma once

#include <cstdint>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

/// What becomes of the steps at the end that do not fill a chunk.
enum class Leftover : uint8_t {
  drop,  ///< They are never seen: all chunks have the full length.
  keep,  ///< The last chunk is shorter.
};

struct TokenStreamsOptions {
  int64_t batch = 32;                  ///< N, streams read side by side.
  int64_t length = 64;                 ///< T, steps of a chunk.
  bool batch_first = false;            ///< Chunks are [N, T] instead of [T, N].
  Leftover leftover = Leftover::drop;  ///< At the end of the streams.
};

/// A sequence cut into N streams of equal length, one after the other in the sequence, read side by side in chunks of T
/// steps: row n of one chunk goes on where row n of the chunk before ended, so that the state can be carried. Targets
/// are one step on. The codes that are left when the sequence does not divide by N, fewer than N at its end, are not
/// used.
class TokenStreams {
 public:
  /// Throws where the sequence is too short for one chunk (with Leftover::keep, for one step).
  explicit TokenStreams(const std::vector<int64_t>& codes, const TokenStreamsOptions& options = {});
  explicit TokenStreams(const Tensor& codes, const TokenStreamsOptions& options = {});  ///< int64 [S].

  int64_t chunks() const { return chunks_; }                  ///< In one pass.
  int64_t tokens() const { return steps_ * options_.batch; }  ///< Targets in one pass.
  struct Chunk {
    Tensor input, target;  ///< int64 [T, N]; the target is the input one step on.
  };
  Chunk chunk(int64_t index) const;

  /// The chunk at the position, which moves on; after the last one throws. while (!streams.done()) streams.next();
  Chunk next();
  bool done() const { return position_ == chunks_; }
  /// Chunks read in this pass: all that has to be saved to go on from here.
  int64_t position() const { return position_; }
  void set_position(int64_t position);  ///< From 0 to chunks().

 private:
  TokenStreamsOptions options_;
  Tensor codes_;  // [N, S]
  int64_t steps_ = 0;
  int64_t chunks_ = 0;
  int64_t position_ = 0;
};

struct TokenWindowsOptions {
  int64_t length = 64;  ///< T.
  int64_t stride = 1;   ///< Between the starts of windows.
};
struct TokenWindows {
  Tensor input,
      target;  ///< int64 [W, T]; the target is the input one step on. Views, which share their codes.
};
/// All windows of T steps and their targets in a sequence int64 [S]: W = (S - 1 - T) / stride + 1, rounded down. Codes
/// after the last whole window are not used. Throws on a sequence shorter than T + 1.
TokenWindows token_windows(const Tensor& codes, const TokenWindowsOptions& options = {});

}  // namespace reel
