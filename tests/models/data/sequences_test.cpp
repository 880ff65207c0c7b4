#include "models/data/sequences.h"

#include "framework/error.h"
#include "tests/catch.h"

namespace reel {
namespace {

using Codes = std::vector<int64_t>;

Codes counting(int64_t n) {
  Codes codes;
  for (int64_t i = 0; i < n; ++i) codes.push_back(i);
  return codes;
}

Codes values(const Tensor& x) { return x.to_vector<int64_t>(); }

}  // namespace

TEST_CASE("streams give each code's successor as its target", "[sequences]") {
  const TokenStreams streams(counting(12), {.batch = 2, .length = 2});
  REQUIRE(streams.chunks() == 2);
  CHECK(streams.tokens() == 8);
  CHECK(streams.chunk(0).input.shape() == Shape{2, 2});
  CHECK(values(streams.chunk(0).input) == Codes{0, 6, 1, 7});
  CHECK(values(streams.chunk(0).target) == Codes{1, 7, 2, 8});
  CHECK(values(streams.chunk(1).input) == Codes{2, 8, 3, 9});
}

TEST_CASE("the rest of streams is dropped or kept", "[sequences]") {
  // 13 codes: the last one belongs to no stream; 5 of the 6 steps of each have a target.
  const TokenStreams kept(counting(13),
                          {.batch = 2, .length = 2, .batch_first = true, .leftover = Leftover::keep});
  REQUIRE(kept.chunks() == 3);
  CHECK(kept.tokens() == 10);
  CHECK(values(kept.chunk(0).input) == Codes{0, 1, 6, 7});
  CHECK(kept.chunk(2).input.shape() == Shape{2, 1});
  CHECK(values(kept.chunk(2).input) == Codes{4, 10});
  CHECK(values(kept.chunk(2).target) == Codes{5, 11});
  CHECK(TokenStreams(counting(13), {.batch = 2, .length = 100, .leftover = Leftover::keep}).chunks() == 1);
}

TEST_CASE("streams go on from a saved position", "[sequences]") {
  TokenStreams streams(counting(100), {.batch = 3, .length = 4});
  streams.next();
  streams.next();
  TokenStreams resumed(counting(100), {.batch = 3, .length = 4});
  resumed.set_position(streams.position());
  while (!streams.done()) CHECK(values(streams.next().input) == values(resumed.next().input));
  CHECK(resumed.done());
  CHECK_THROWS_WITH(streams.next(), contains_text("all 8 chunks have been read"));
  streams.set_position(0);
  CHECK(values(streams.next().input)[0] == 0);
}

TEST_CASE("windows of tokens slide", "[sequences]") {
  const TokenWindows windows = token_windows(from_vector(counting(9)), {.length = 3, .stride = 2});
  CHECK(windows.input.shape() == Shape{3, 3});
  CHECK(values(windows.input) == Codes{0, 1, 2, 2, 3, 4, 4, 5, 6});
  CHECK(values(windows.target) == Codes{1, 2, 3, 3, 4, 5, 5, 6, 7});
}

TEST_CASE("misuse of sequences is refused", "[sequences]") {
  CHECK_THROWS_WITH(TokenStreams(counting(9), {.batch = 2, .length = 4}),
                    contains_text("9 codes is too short for 2 streams of 4 steps"));
  CHECK_THROWS_WITH(TokenStreams(counting(3), {.batch = 2, .length = 4, .leftover = Leftover::keep}),
                    contains_text("too short for 2 streams of 1 steps"));
  CHECK_THROWS_WITH(TokenStreams(Codes{}), contains_text("0 codes is too short"));
  CHECK_THROWS_WITH(TokenStreams(counting(9), {.batch = 0}), contains_text("at least 1, got 0 and 64"));
  CHECK_THROWS_WITH(TokenStreams(zeros({9})), contains_text("expected codes int64 [S], got float32 [9]"));
  TokenStreams streams(counting(9), {.batch = 2, .length = 1});
  CHECK_THROWS_WITH(streams.chunk(3), contains_text("no chunk 3 of 3"));
  CHECK_THROWS_WITH(streams.set_position(4), contains_text("from 0 to 3, got 4"));
  CHECK(streams.position() == 0);
  CHECK_THROWS_WITH(token_windows(from_vector(counting(3)), {.length = 3}),
                    contains_text("3 codes are too few"));
  CHECK_THROWS_WITH(token_windows(from_vector(counting(3)), {.stride = 0}), contains_text("got 64 and 0"));
}

}  // namespace reel
