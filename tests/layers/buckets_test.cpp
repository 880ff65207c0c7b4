// Batches of like length: complete, within their limits, repeatable.
#include "layers/buckets.h"

#include <algorithm>
#include <numeric>

#include "tests/catch.h"

namespace reel {
namespace {

using Numbers = std::vector<int64_t>;
using Batches = std::vector<Numbers>;

Numbers some_lengths(int64_t count) {
  Random random(5);
  Numbers lengths(static_cast<size_t>(count));
  for (int64_t& length : lengths) length = random.below(60);
  return lengths;
}

Numbers all_of(const Batches& batches) {
  Numbers all;
  for (const Numbers& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
  std::sort(all.begin(), all.end());
  return all;
}

int64_t longest(const Numbers& batch, const Numbers& lengths) {
  int64_t most = 0;
  for (const int64_t i : batch) most = std::max(most, lengths[static_cast<size_t>(i)]);
  return most;
}

int64_t padding(const Batches& batches, const Numbers& lengths) {
  int64_t steps = -std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  for (const Numbers& batch : batches) steps += longest(batch, lengths) * static_cast<int64_t>(batch.size());
  return steps;
}

}  // namespace

TEST_CASE("batches of like length hold every sequence once, within the limits", "[buckets]") {
  const Numbers lengths = some_lengths(500);
  Numbers every(lengths.size());
  std::iota(every.begin(), every.end(), 0);
  for (const BucketOptions& options :
       {BucketOptions{.rows = 16}, BucketOptions{.padded_steps = 200},
        BucketOptions{.rows = 7, .padded_steps = 300}, BucketOptions{.rows = 16, .pool = 100},
        BucketOptions{.padded_steps = 59, .shuffle = false}}) {
    CAPTURE(options.rows, options.padded_steps, options.pool);
    Random random(1);
    const Batches batches = bucket_by_length(lengths, options, random);
    CHECK(all_of(batches) == every);
    for (const Numbers& batch : batches) {
      REQUIRE_FALSE(batch.empty());
      if (options.rows > 0) CHECK(static_cast<int64_t>(batch.size()) <= options.rows);
      if (options.padded_steps > 0)
        CHECK(longest(batch, lengths) * static_cast<int64_t>(batch.size()) <= options.padded_steps);
    }
    // In the order of the file, 16 at a time, two of five steps would be padding.
    if (options.rows == 16) {
      Batches as_they_come;
      for (size_t i = 0; i < every.size(); i += 16)
        as_they_come.emplace_back(every.begin() + static_cast<int64_t>(i),
                                  every.begin() + static_cast<int64_t>(std::min(i + 16, every.size())));
      CHECK(padding(batches, lengths) * 4 < padding(as_they_come, lengths));
    }
  }
}

TEST_CASE("the order of batches is chance, and the seed's", "[buckets]") {
  const Numbers lengths = some_lengths(200);
  const auto epoch = [&](Random& random) {
    return bucket_by_length(lengths, {.rows = 8, .pool = 64}, random);
  };
  Random a(3), b(3), c(4);
  const Batches first = epoch(a);
  CHECK(first == epoch(b));
  CHECK(first != epoch(c));
  CHECK(first != epoch(a));

  Random untouched(3);
  CHECK(bucket_by_length({5, 1, 3, 1, 4}, {.rows = 2, .shuffle = false}, untouched) ==
        Batches{{1, 3}, {2, 4}, {0}});
  CHECK(bucket_by_length({5, 1, 3, 1, 4}, {.padded_steps = 9, .shuffle = false}, untouched) ==
        Batches{{1, 3, 2}, {4}, {0}});
  CHECK(untouched.position() == 0);
  CHECK(bucket_by_length({}, {.rows = 2}).empty());
}

TEST_CASE("limits that no batch can keep are refused", "[buckets]") {
  CHECK_THROWS_WITH(bucket_by_length({1}, {}), contains_text("[bucket_by_length] a limit is missing"));
  CHECK_THROWS_WITH(bucket_by_length({1, 9}, {.padded_steps = 8}),
                    contains_text("sequence 1 alone has 9 steps, and a batch may have 8"));
  CHECK_THROWS_WITH(bucket_by_length({1, -1}, {.rows = 8}), contains_text("got -1 for sequence 1"));
  CHECK_THROWS_WITH(bucket_by_length({1}, {.rows = -8}), contains_text("got -8 rows"));
  CHECK_THROWS_WITH(bucket_by_length({1}, {.rows = 1, .pool = 4, .shuffle = false}),
                    contains_text("shuffle is off"));
}

}  // namespace reel
