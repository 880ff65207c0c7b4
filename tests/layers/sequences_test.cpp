// Padded, packed and masked sequences: PyTorch's values and gradients, and ways there and back.
#include "layers/sequences.h"

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "ops/shape.h"
#include "ops/slicing.h"
#include "tests/catch.h"
#include "tests/reference.h"

namespace reel {
namespace {

using List = std::vector<Tensor>;
using Numbers = std::vector<int64_t>;

Tensor gradient(Tape& tape, const Tensor& value, const Tensor& w, const List& xs) {
  return cat(tape.gradient(sum(value * cast(w, value.dtype())), xs), 0);
}

void check_packed(const PackedSequence& packed, const SafetensorsFile& file, const std::string& name,
                  DType dtype) {
  CHECK(packed.data.dtype() == dtype);
  CHECK(difference_in_value(packed.data, cast(file.at(name + ".data"), dtype)) == "");
  CHECK(difference(packed.batch_sizes, file.at(name + ".batch_sizes")) == "");
  CHECK(difference(packed.sorted_indices, file.at(name + ".sorted_indices")) == "");
  CHECK(difference(packed.unsorted_indices, file.at(name + ".unsorted_indices")) == "");
}

/// Sequences [length, 2] of int64, no two elements alike.
List numbered(const Numbers& lengths) {
  List result;
  int64_t next = 0;
  for (const int64_t length : lengths) {
    result.push_back(reshape(arange(next, next + 2 * length), {length, 2}));
    next += 2 * length;
  }
  return result;
}

void check_same(const List& got, const List& expected) {
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(difference(got[i], expected[i]) == "");
  }
}

}  // namespace

TEST_CASE("sequences are padded and packed as PyTorch does, in values and gradients", "[sequences]") {
  const SafetensorsFile file = load_reference("layers/sequences");
  for (const DType dtype : {DType::float64, DType::float32}) {
    CAPTURE(dtype);
    const auto at = [&](const std::string& name) { return cast(file.at(name), dtype); };
    const Tensor x = at("x"), data = at("pack.data");
    List list;
    for (int i = 0; i < 5; ++i) list.push_back(at("list." + std::to_string(i)));
    Tape tape;
    tape.watch(x);
    tape.watch(data);
    for (const Tensor& sequence : list) tape.watch(sequence);

    const PackedSequence packed = pack_padded_sequence(x, file.at("lengths"));
    check_packed(packed, file, "pack", dtype);
    CHECK(difference(gradient(tape, packed.data, at("w_packed"), {x}), at("pack.grad")) == "");

    const PackedSequence given{data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices};
    const auto [padded, lengths] =
        pad_packed_sequence(given, {.batch_first = true, .value = -1.5, .total_length = 8});
    CHECK(difference(padded, at("pad_packed.value")) == "");
    CHECK(difference(lengths, file.at("pad_packed.lengths")) == "");
    CHECK(difference(gradient(tape, padded, at("w_padded"), {data}), at("pad_packed.grad")) == "");

    const auto [by_time, list_lengths] = pad_sequence(list, {.value = 0.25});
    CHECK(difference(by_time, at("pad_sequence.time.value")) == "");
    CHECK(difference(list_lengths, file.at("lengths")) == "");
    CHECK(difference(gradient(tape, by_time, at("w_list"), list), at("pad_sequence.grad")) == "");
    CHECK(difference(pad_sequence(list, {.batch_first = true, .value = 0.25}).values,
                     at("pad_sequence.batch.value")) == "");

    const PackedSequence joined = pack_sequence(list);
    check_packed(joined, file, "pack_sequence", dtype);
    CHECK(difference(gradient(tape, joined.data, at("w_packed"), list), at("pack_sequence.grad")) == "");
  }
}

TEST_CASE("sequences come back from being padded or packed", "[sequences]") {
  for (const Numbers& lengths : {Numbers{3, 6, 1, 6, 2}, Numbers{2}, Numbers{0, 2, 0, 1}, Numbers{0, 0}}) {
    CAPTURE(lengths);
    const List list = numbered(lengths);
    for (const bool batch_first : {false, true}) {
      const auto [padded, steps] = pad_sequence(list, {.batch_first = batch_first, .value = -7});
      CHECK(steps.to_vector<int64_t>() == lengths);
      check_same(unpad_sequence(padded, steps, {.batch_first = batch_first}), list);
      const PackedSequence packed = pack_padded_sequence(padded, steps, {.batch_first = batch_first});
      CHECK(difference(packed.data, pack_sequence(list).data) == "");
      check_same(unpack_sequence(packed), list);
      const auto [again, again_steps] =
          pad_packed_sequence(packed, {.batch_first = batch_first, .value = -7});
      CHECK(difference(again, padded) == "");
      CHECK(again_steps.to_vector<int64_t>() == lengths);
    }
  }
  // What lies beyond the longest length is dropped, and single tokens are sequences as well.
  const Tensor padded = reshape(arange(8), {4, 2});
  check_same(unpad_sequence(padded, tensor({1, 3}, {.dtype = DType::int64})),
             {tensor({0}, {.dtype = DType::int64}), tensor({1, 3, 5}, {.dtype = DType::int64})});
  CHECK(pack_padded_sequence(padded, tensor({1, 3}, {.dtype = DType::int64})).data.to_vector<int64_t>() ==
        Numbers{1, 0, 3, 5});
}

TEST_CASE("lengths and masks say the same", "[sequences]") {
  const Tensor lengths = from_vector<int64_t>({2, 0, 3});
  const Tensor mask = lengths_to_mask(lengths);
  CHECK(mask.dtype() == DType::boolean);
  CHECK(mask.shape() == Shape{3, 3});
  CHECK(mask.to_vector<bool>() ==
        std::vector<bool>{true, false, true, true, false, true, false, false, true});
  CHECK(difference(lengths_to_mask(lengths, -1, {.batch_first = true}), transpose(mask, 0, 1)) == "");
  const Tensor longer = lengths_to_mask(lengths, 5);
  CHECK(longer.shape() == Shape{5, 3});
  CHECK(difference(narrow(longer, 0, 0, 3), mask) == "");
  for (const bool batch_first : {false, true})
    CHECK(difference(mask_to_lengths(lengths_to_mask(lengths, 4, {.batch_first = batch_first}),
                                     {.batch_first = batch_first}),
                     lengths) == "");
  CHECK(lengths_to_mask(lengths, 3, {}).shape() == Shape{3, 3});
  CHECK(mask_to_lengths(lengths_to_mask(from_vector<int64_t>({0, 0}))).to_vector<int64_t>() == Numbers{0, 0});

  Tensor gap = lengths_to_mask(lengths, 4);
  gap.mutable_data<bool>()[3 * 3 + 0] = true;
  CHECK_THROWS_WITH(mask_to_lengths(gap),
                    contains_text("sequence 0 are not its first ones: step 2 is false and step 3"));
  CHECK_THROWS_WITH(mask_to_lengths(lengths),
                    contains_text("[mask_to_lengths] expected a mask bool [T, N], got int64 [3]"));
  CHECK_THROWS_WITH(lengths_to_mask(lengths, 2),
                    contains_text("[lengths_to_mask] length 3 of sequence 2 is above the 2 steps"));
  CHECK_THROWS_WITH(lengths_to_mask(lengths, -2), contains_text("got -2"));
  CHECK_THROWS_WITH(lengths_to_mask(ones({2})), contains_text("int64 [N], got float32 [2]"));
}

TEST_CASE("sequences that do not fit are refused", "[sequences]") {
  const auto steps = [](const Numbers& lengths) { return from_vector(lengths); };
  const Tensor padded = ones({4, 2, 3});
  CHECK_THROWS_WITH(pad_sequence({}), contains_text("[pad_sequence] expected at least one sequence"));
  CHECK_THROWS_WITH(pad_sequence({ones({2, 3}), ones({2, 4})}),
                    contains_text("sequence 0 is float32 [2, 3], sequence 1 is float32 [2, 4]"));
  CHECK_THROWS_WITH(pack_sequence({ones({2}), arange(2)}), contains_text("[pack_sequence]"));
  CHECK_THROWS_WITH(pad_sequence({ones({})}), contains_text("expected sequences [T, ...], got float32 []"));
  CHECK_THROWS_AS(pad_sequence({arange(2)}, {.value = 0.5}), Error);
  CHECK_THROWS_WITH(unpad_sequence(padded, steps({1, 5})),
                    contains_text("length 5 of sequence 1 is above the 4 steps"));
  CHECK_THROWS_WITH(unpad_sequence(padded, steps({1, -1})), contains_text("got -1 for sequence 1"));
  CHECK_THROWS_WITH(unpad_sequence(padded, steps({1})),
                    contains_text("expected 2 lengths, one for each sequence, got int64 [1]"));
  CHECK_THROWS_WITH(unpad_sequence(ones({4}), steps({1})),
                    contains_text("expected padded sequences [T, N, ...], got float32 [4]"));
  CHECK_THROWS_WITH(pack_padded_sequence(padded, steps({3, 3, 3}), {.batch_first = true}),
                    contains_text("[pack_padded_sequence] expected 4"));

  const PackedSequence good = pack_padded_sequence(padded, steps({2, 4}));
  CHECK_THROWS_WITH(pad_packed_sequence(good, {.total_length = 3}),
                    contains_text("a total length of at least the longest sequence's, 4, expected, got 3"));
  CHECK_THROWS_AS(pad_packed_sequence(good, {.total_length = INT64_MAX / 2}), Error);
  PackedSequence bad = good;
  bad.data = ones({5, 3});
  CHECK_THROWS_WITH(pad_packed_sequence(bad),
                    contains_text("batch_sizes add up to 6 rows, got data float32 [5, 3]"));
  bad = good;
  bad.batch_sizes = steps({2, 1, 2, 1});
  CHECK_THROWS_WITH(unpack_sequence(bad), contains_text("[unpack_sequence] batch_sizes fall"));
  bad = good;
  bad.sorted_indices = steps({0, 1});
  CHECK_THROWS_WITH(pad_packed_sequence(bad), contains_text("not the inverse of sorted_indices at place 0"));
  CHECK_THROWS_AS(pad_packed_sequence({}), Error);
}

}  // namespace reel
