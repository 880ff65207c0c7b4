#include "framework/random.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "framework/op.h"
#include "framework/parallel.h"

namespace reel {
namespace {

constexpr int64_t blocks_per_task = 1 << 12;

std::array<uint32_t, 4> philox(uint64_t seed, uint64_t position) {
  constexpr uint64_t multiplier_a = 0xD2511F53;
  constexpr uint64_t multiplier_b = 0xCD9E8D57;
  constexpr uint32_t weyl_a = 0x9E3779B9;
  constexpr uint32_t weyl_b = 0xBB67AE85;
  auto key_a = static_cast<uint32_t>(seed);
  auto key_b = static_cast<uint32_t>(seed >> 32);
  std::array<uint32_t, 4> x{static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), 0, 0};
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = multiplier_a * x[0];
    const uint64_t b = multiplier_b * x[2];
    x = {static_cast<uint32_t>(b >> 32) ^ x[1] ^ key_a, static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ x[3] ^ key_b, static_cast<uint32_t>(a)};
    key_a += weyl_a;
    key_b += weyl_b;
  }
  return x;
}

double unit(uint32_t high, uint32_t low) {  // 53 bits
  return static_cast<double>((static_cast<uint64_t>(high) << 32 | low) >> 11) * 0x1p-53;
}

/// The values that one block of four words gives: four floats or two doubles.
template <class T> inline constexpr int64_t per_block = std::is_same_v<T, float> ? 4 : 2;

template <class T> std::array<T, per_block<T>> uniform_block(const std::array<uint32_t, 4>& words) {
  if constexpr (std::is_same_v<T, float>) {
    std::array<T, 4> result;
    std::transform(words.begin(), words.end(), result.begin(),
                   [](uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24F; });
    return result;
  } else {
    return {unit(words[0], words[1]), unit(words[2], words[3])};
  }
}

/// Box and Muller: pairs of uniforms to pairs of normals.
template <class T> std::array<T, per_block<T>> normal_block(const std::array<uint32_t, 4>& words) {
  auto result = uniform_block<T>(words);
  for (size_t i = 0; i < result.size(); i += 2) {
    const T radius = std::sqrt(T(-2) * std::log(T(1) - result[i]));  // 1 - u is never 0
    const T angle = T(2) * std::numbers::pi_v<T> * result[i + 1];
    result[i] = radius * std::cos(angle);
    result[i + 1] = radius * std::sin(angle);
  }
  return result;
}

/// Fills a new tensor by blocks; `block` turns four words into per_block values.
template <class T, class Block> Tensor fill_by_blocks(const Shape& shape, Random& random, Block block) {
  Tensor result = empty(shape, {.dtype = detail::dtype_of<T>()});
  const int64_t n = result.numel();
  const int64_t blocks = (n + per_block<T> - 1) / per_block<T>;
  T* out = result.raw<T>();
  const Random first = random.reserve(static_cast<uint64_t>(blocks));
  detail::parallel_for(blocks, blocks_per_task, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const auto values = block(first.peek(static_cast<uint64_t>(b)));
      std::copy_n(values.begin(), std::min(per_block<T>, n - b * per_block<T>), out + b * per_block<T>);
    }
  });
  return result;
}

thread_local detail::RandomJournal* journal = nullptr;

}  // namespace

Random::~Random() {
  if (journal) journal->forget(*this);
}

std::array<uint32_t, 4> Random::next() {
  if (detail::op_flags & detail::flag_tracing) detail::stop_trace("draws random numbers");
  if (journal) journal->use(*this);
  return philox(seed_, position_++);
}

std::array<uint32_t, 4> Random::peek(uint64_t ahead) const { return philox(seed_, position_ + ahead); }

Random Random::reserve(uint64_t count) {
  if (detail::op_flags & detail::flag_tracing) detail::stop_trace("draws random numbers");
  if (journal) journal->use(*this);
  Random begin = *this;
  position_ += count;
  return begin;
}

void Random::restore(uint64_t seed, uint64_t position) {
  if (journal) journal->use(*this);
  seed_ = seed;
  position_ = position;
}

Random& Random::operator=(const Random& other) {
  if (this != &other) restore(other.seed_, other.position_);
  return *this;
}

namespace detail {

std::array<double, 2> uniform_pair(const std::array<uint32_t, 4>& words) {
  return {unit(words[0], words[1]), unit(words[2], words[3])};
}

RandomJournal::RandomJournal() : replays_(false), outer_(journal) { journal = this; }
RandomJournal::RandomJournal(std::vector<Entry> replayed)
    : replayed_(std::move(replayed)), replays_(true), outer_(journal) {
  journal = this;
}

RandomJournal::~RandomJournal() {
  journal = outer_;
  if (!replays_) return;
  for (const Entry& entry : met_)
    if (entry.stream) entry.stream->restore(entry.seed, entry.position);
}

std::vector<RandomJournal::Entry> RandomJournal::take() { return std::move(met_); }

void RandomJournal::use(Random& stream) {
  const auto known =
      std::find_if(met_.begin(), met_.end(), [&](const Entry& e) { return e.stream == &stream; });
  if (known != met_.end()) return;
  if (outer_ && !replays_) outer_->use(stream);
  met_.push_back({&stream, stream.seed(), stream.position()});
  if (replays_ && met_.size() <= replayed_.size())
    stream.restore(replayed_[met_.size() - 1].seed, replayed_[met_.size() - 1].position);
}

void RandomJournal::forget(const Random& stream) {
  for (Entry& entry : met_)
    if (entry.stream == &stream) entry.stream = nullptr;
  if (outer_) outer_->forget(stream);
}

}  // namespace detail

double Random::uniform() {
  const auto words = next();
  return unit(words[0], words[1]);
}

int64_t Random::below(int64_t bound) {
  check(bound >= 1, "[random] expected a bound of at least 1, got {}", bound);
  const auto n = static_cast<uint64_t>(bound);
  const uint64_t reject = (0 - n) % n;  // 2^64 mod n: values below it would make some results likelier
  for (;;) {
    const auto words = next();
    const uint64_t value = static_cast<uint64_t>(words[0]) << 32 | words[1];
    if (value >= reject) return static_cast<int64_t>(value % n);
  }
}

Random& default_random() {
  static thread_local Random random;
  return random;
}

void manual_seed(uint64_t seed) { default_random() = Random(seed); }

Tensor uniform(const Shape& shape, double low, double high, TensorOptions options, Random& random) {
  check(low <= high, "[uniform] expected low <= high, got {} and {}", low, high);
  return detail::dispatch_floating("uniform", options.dtype, [&](auto zero) {
    using T = decltype(zero);
    check(std::isfinite(static_cast<T>(high - low)), "[uniform] the range from {} to {} is too wide for {}",
          low, high, options.dtype);
    const T scale = static_cast<T>(high - low);
    const T shift = static_cast<T>(low);
    const T below =
        std::max(shift, std::nextafter(static_cast<T>(high), shift));  // rounding must not reach `high`
    return fill_by_blocks<T>(shape, random, [=](const std::array<uint32_t, 4>& words) {
      auto values = uniform_block<T>(words);
      for (T& value : values) value = std::min(below, shift + scale * value);
      return values;
    });
  });
}

Tensor rand(const Shape& shape, TensorOptions options, Random& random) {
  return uniform(shape, 0, 1, options, random);
}

Tensor normal(const Shape& shape, double mean, double deviation, TensorOptions options, Random& random) {
  check(deviation >= 0, "[normal] expected a deviation of at least 0, got {}", deviation);
  return detail::dispatch_floating("normal", options.dtype, [&](auto zero) {
    using T = decltype(zero);
    const T scale = static_cast<T>(deviation);
    const T shift = static_cast<T>(mean);
    return fill_by_blocks<T>(shape, random, [=](const std::array<uint32_t, 4>& words) {
      auto values = normal_block<T>(words);
      for (T& value : values) value = shift + scale * value;
      return values;
    });
  });
}

Tensor randn(const Shape& shape, TensorOptions options, Random& random) {
  return normal(shape, 0, 1, options, random);
}

Tensor randint(int64_t low, int64_t high, const Shape& shape, Random& random) {
  int64_t span = 0;
  check(low < high, "[randint] expected low < high, got {} and {}", low, high);
  check(!__builtin_sub_overflow(high, low, &span), "[randint] the range from {} to {} is too wide", low,
        high);
  Tensor result = empty(shape, {.dtype = DType::int64});
  std::generate_n(result.raw<int64_t>(), result.numel(), [&] { return low + random.below(high - low); });
  return result;
}

Tensor bernoulli(const Shape& shape, double p, TensorOptions options, Random& random) {
  check(p >= 0 && p <= 1, "[bernoulli] expected a probability in [0, 1], got {}", p);
  const Tensor draws = rand(shape, {}, random);
  Tensor result = empty(shape, options);
  detail::dispatch(options.dtype, [&](auto zero) {
    using T = decltype(zero);
    std::transform(draws.raw<float>(), draws.raw<float>() + draws.numel(), result.raw<T>(),
                   [p](float draw) { return static_cast<T>(static_cast<double>(draw) < p ? 1 : 0); });
  });
  return result;
}

Tensor permutation(int64_t n, Random& random) {
  check(n >= 0, "[permutation] expected a count of at least 0, got {}", n);
  Tensor result = arange(n);
  auto* values = result.raw<int64_t>();
  for (int64_t i = n - 1; i > 0; --i) std::swap(values[i], values[random.below(i + 1)]);
  return result;
}

}  // namespace reel
