// What check_cell stands on: guards around what it must not change, and comparisons said in words. Internal.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <reel/framework/random.h>
#include <reel/layers/cell.h>

namespace reel::detail {

/// At its end every random stream that was drawn from is where it was before.
class SameRandom {
 public:
  SameRandom();
  ~SameRandom();
  SameRandom(const SameRandom&) = delete;
  SameRandom& operator=(const SameRandom&) = delete;

 private:
  uint64_t seed_, position_;
  RandomJournal journal_;
};

/// A file of its own, gone at the end of the scope.
class TemporaryFile {
 public:
  TemporaryFile();
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A promise that is not kept, in words; caught where the check began.
struct Finding {
  std::string message;
};

/// Compares element by element and keeps the largest error.
struct Comparison {
  double tolerance;
  double largest_error = 0;

  /// Throws a Finding where `got` and `expected` part: "{what} is 1, first at [0, 2], and {other} 2". Places in a
  /// `sequence` [T, N, ...] are told by step and row.
  void equal(const Tensor& got, const Tensor& expected, bool sequence, const std::string& what,
             const std::string& other);
};

}  // namespace reel::detail
