#include "models/data/sequences.h"

#include <algorithm>

#include "ops/shape.h"
#include "ops/slicing.h"
#include "ops/windows.h"

namespace reel {

TokenStreams::TokenStreams(const std::vector<int64_t>& codes, const TokenStreamsOptions& options)
    : TokenStreams(from_vector(codes), options) {}

TokenStreams::TokenStreams(const Tensor& codes, const TokenStreamsOptions& options) : options_(options) {
  const auto [batch, length, batch_first, leftover] = options;
  check(batch >= 1 && length >= 1,
        "[token_streams] expected a batch and a length of at least 1, got {} and {}", batch, length);
  check(codes.dtype() == DType::int64 && codes.rank() == 1,
        "[token_streams] expected codes int64 [S], got {}", codes);
  const int64_t each = codes.numel() / batch;
  const int64_t steps = std::max<int64_t>(each - 1, 0);  // the last one has no target
  chunks_ = leftover == Leftover::drop ? steps / length : (steps + length - 1) / length;
  check(chunks_ >= 1, "[token_streams] a sequence of {} codes is too short for {} streams of {} steps",
        codes.numel(), batch, leftover == Leftover::drop ? length : 1);
  steps_ = std::min(steps, chunks_ * length);
  codes_ = contiguous(reshape(narrow(codes, 0, 0, each * batch), {batch, each}));
}

TokenStreams::Chunk TokenStreams::chunk(int64_t index) const {
  check(index >= 0 && index < chunks_, "[token_streams] there is no chunk {} of {}", index, chunks_);
  const int64_t start = index * options_.length;
  const auto part = [&](int64_t from) {
    const Tensor rows = narrow(codes_, 1, from, std::min(options_.length, steps_ - start));
    return contiguous(options_.batch_first ? rows : transpose(rows, 0, 1));
  };
  return {part(start), part(start + 1)};
}

TokenStreams::Chunk TokenStreams::next() {
  check(!done(), "[token_streams] all {} chunks have been read; set_position(0) begins again", chunks_);
  return chunk(position_++);
}

void TokenStreams::set_position(int64_t position) {
  check(position >= 0 && position <= chunks_, "[token_streams] a position is from 0 to {}, got {}", chunks_,
        position);
  position_ = position;
}

TokenWindows token_windows(const Tensor& codes, const TokenWindowsOptions& options) {
  const auto [length, stride] = options;
  check(length >= 1 && stride >= 1,
        "[token_windows] expected a length and a stride of at least 1, got {} and {}", length, stride);
  check(codes.dtype() == DType::int64 && codes.rank() == 1,
        "[token_windows] expected codes int64 [S], got {}", codes);
  const int64_t steps = codes.numel() - 1;
  check(steps >= length, "[token_windows] {} codes are too few for windows of {} steps and their targets",
        codes.numel(), length);
  return {unfold(narrow(codes, 0, 0, steps), 0, length, stride),
          unfold(narrow(codes, 0, 1, steps), 0, length, stride)};
}

}  // namespace reel
