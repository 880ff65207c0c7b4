// Random numbers by counter: the i-th value of a draw depends on the seed and on how much was drawn before,
// never on the number of threads. Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2,
// 3", SC 2011). Further distributions are in distributions.h.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <reel/framework/tensor.h>

namespace reel {

/// A stream of random numbers. Small, copyable; a copy continues from the same place.
class Random {
 public:
  explicit Random(uint64_t seed = 0) : seed_(seed) {}
  Random(const Random&) = default;
  Random& operator=(const Random& other);
  ~Random();

  /// Four words of 32 random bits; the stream moves on by one.
  std::array<uint32_t, 4> next();
  /// The next `count` places are the caller's: returns where they begin, and moves on past them.
  Random reserve(uint64_t count);
  /// The words `ahead` places further on, without moving: for reading what reserve() has given, from any
  /// thread.
  std::array<uint32_t, 4> peek(uint64_t ahead) const;

  double uniform();              ///< In [0, 1).
  int64_t below(int64_t bound);  ///< In [0, bound), without bias; throws unless bound is at least 1.

  uint64_t seed() const { return seed_; }
  uint64_t position() const { return position_; }
  /// Puts the stream where another one was.
  void restore(uint64_t seed, uint64_t position);

 private:
  uint64_t seed_;
  uint64_t position_ = 0;
};

namespace detail {

/// Notes the streams that a piece of program draws from and where each of them stood, in the order of first
/// use; a second run of the same piece, in the scope of a journal made from the first one, draws the same
/// numbers, after which the streams are back where they were.
class RandomJournal {
 public:
  struct Entry {
    Random* stream;  // null once it has ended
    uint64_t seed;
    uint64_t position;
  };
  RandomJournal();                                      ///< Notes, in its scope.
  explicit RandomJournal(std::vector<Entry> replayed);  ///< Replays, in its scope.
  ~RandomJournal();
  RandomJournal(const RandomJournal&) = delete;
  RandomJournal& operator=(const RandomJournal&) = delete;

  std::vector<Entry> take();

  void use(Random& stream);
  void forget(const Random& stream);

 private:
  std::vector<Entry> met_;
  std::vector<Entry> replayed_;
  bool replays_;
  RandomJournal* outer_;
};

}  // namespace detail

/// The calling thread's stream: what the functions below draw from unless given another.
Random& default_random();
/// Restarts the calling thread's stream.
void manual_seed(uint64_t seed);

namespace detail {
/// Two uniform numbers of 53 bits in [0, 1), out of the words of one place.
std::array<double, 2> uniform_pair(const std::array<uint32_t, 4>& words);
}  // namespace detail

/// Uniform in [low, high); floating dtypes.
Tensor uniform(const Shape& shape, double low, double high, TensorOptions options = {},
               Random& random = default_random());
Tensor rand(const Shape& shape, TensorOptions options = {},
            Random& random = default_random());  ///< Uniform in [0, 1).
/// Normal with the given mean and standard deviation; floating dtypes.
Tensor normal(const Shape& shape, double mean, double deviation, TensorOptions options = {},
              Random& random = default_random());
Tensor randn(const Shape& shape, TensorOptions options = {},
             Random& random = default_random());  ///< Standard normal.
/// int64 in [low, high).
Tensor randint(int64_t low, int64_t high, const Shape& shape, Random& random = default_random());
/// 1 with probability `p`, else 0, in the given dtype. p in [0, 1].
Tensor bernoulli(const Shape& shape, double p, TensorOptions options = {}, Random& random = default_random());
/// 0 ... n-1 in random order, int64.
Tensor permutation(int64_t n, Random& random = default_random());

}  // namespace reel
