#include "layers/sequences.h"

#include <algorithm>
#include <numeric>

#include "ops/gather.h"
#include "ops/pad.h"
#include "ops/shape.h"
#include "ops/slicing.h"

namespace reel {
namespace {

using Numbers = std::vector<int64_t>;

const char* layout(bool batch_first) { return batch_first ? "[N, T, ...]" : "[T, N, ...]"; }

/// The lengths of the sequences of a tensor of `steps` steps and `batch` sequences.
Numbers checked_lengths(std::string_view op, const Tensor& lengths, int64_t batch, int64_t steps) {
  check(lengths.dtype() == DType::int64 && lengths.rank() == 1, "[{}] expected lengths int64 [N], got {}", op,
        lengths);
  check(batch < 0 || lengths.shape()[0] == batch, "[{}] expected {} lengths, one for each sequence, got {}",
        op, batch, lengths);
  Numbers values = lengths.to_vector<int64_t>();
  for (size_t i = 0; i < values.size(); ++i) {
    check(values[i] >= 0, "[{}] lengths are at least 0, got {} for sequence {}", op, values[i], i);
    check(steps < 0 || values[i] <= steps, "[{}] length {} of sequence {} is above the {} steps", op,
          values[i], i, steps);
  }
  return values;
}

Numbers padded_lengths(std::string_view op, const Tensor& padded, const Tensor& lengths, bool batch_first) {
  check(padded.rank() >= 2, "[{}] expected padded sequences {}, got {}", op, layout(batch_first), padded);
  return checked_lengths(op, lengths, padded.shape()[batch_first ? 0 : 1],
                         padded.shape()[batch_first ? 1 : 0]);
}

int64_t longest(const Numbers& lengths) {
  return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
}

/// Rows of `data` [rows, ...] at `places`, and one of `value` wherever a place is the number of rows.
Tensor rows_or_padding(const Tensor& data, const Tensor& places, double value) {
  const Tensor rows =
      index_select(pad(data, {{.axis = 0, .after = 1}}, {.value = value}), 0, flatten(places));
  Shape shape = data.shape();
  shape[0] = places.shape()[1];
  shape.insert(0, places.shape()[0]);
  return reshape(rows, shape);
}

/// `place(t, n)` for each element of a padded tensor of `lengths`, and `padding` beyond them.
template <class F>
Tensor padded_places(const Numbers& lengths, int64_t steps, bool batch_first, int64_t padding, F&& place) {
  const auto batch = static_cast<int64_t>(lengths.size());
  Tensor places = full(batch_first ? Shape{batch, steps} : Shape{steps, batch}, static_cast<double>(padding),
                       {.dtype = DType::int64});
  auto* at = places.mutable_data<int64_t>();
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t t = 0; t < lengths[static_cast<size_t>(n)]; ++t)
      at[batch_first ? n * steps + t : t * batch + n] = place(t, n);
  return places;
}

/// The sequences by falling length; equal ones in their order.
Numbers by_length(const Numbers& lengths) {
  Numbers order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return lengths[static_cast<size_t>(a)] > lengths[static_cast<size_t>(b)];
  });
  return order;
}

Numbers inverse(const Numbers& order) {
  Numbers result(order.size());
  for (size_t i = 0; i < order.size(); ++i) result[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  return result;
}

/// Packs rows of `flat`: row_of(t, n) is step t of sequence n.
template <class F> PackedSequence pack(const Tensor& flat, const Numbers& lengths, F&& row_of) {
  const Numbers order = by_length(lengths);
  Numbers rows, sizes;
  for (int64_t t = 0; t < longest(lengths); ++t) {
    const size_t before = rows.size();
    for (const int64_t n : order) {
      if (lengths[static_cast<size_t>(n)] <= t) break;
      rows.push_back(row_of(t, n));
    }
    sizes.push_back(static_cast<int64_t>(rows.size() - before));
  }
  return {index_select(flat, 0, from_vector(rows)), from_vector(sizes), from_vector(order),
          from_vector(inverse(order))};
}

bool is_list(const Tensor& tensor) { return tensor.dtype() == DType::int64 && tensor.rank() == 1; }

/// What a PackedSequence says about its sequences, checked.
struct Unpacked {
  Numbers sizes, place, lengths;  // rows of each step; place and length of each sequence
  Numbers first;                  // row at which each step begins
};

Unpacked unpacked(std::string_view op, const PackedSequence& packed) {
  check(packed.data.rank() >= 1, "[{}] expected data [rows, ...], got {}", op, packed.data);
  check(is_list(packed.batch_sizes) && is_list(packed.sorted_indices) && is_list(packed.unsorted_indices) &&
            packed.sorted_indices.shape() == packed.unsorted_indices.shape(),
        "[{}] expected batch_sizes int64 [T], sorted_indices and unsorted_indices int64 [N], got {}, {}, {}",
        op, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices);
  Unpacked result{.sizes = packed.batch_sizes.to_vector<int64_t>(),
                  .place = packed.unsorted_indices.to_vector<int64_t>(),
                  .lengths = {},
                  .first = {}};
  const Numbers order = packed.sorted_indices.to_vector<int64_t>();
  const auto batch = static_cast<int64_t>(order.size());
  for (size_t i = 0; i < order.size(); ++i)
    check(order[i] >= 0 && order[i] < batch &&
              result.place[static_cast<size_t>(order[i])] == static_cast<int64_t>(i),
          "[{}] unsorted_indices are not the inverse of sorted_indices at place {}", op, i);
  int64_t rows = 0, most = batch;
  for (size_t t = 0; t < result.sizes.size(); ++t) {
    check(result.sizes[t] >= 1 && result.sizes[t] <= most,
          "[{}] batch_sizes fall from at most {} sequences to at least 1, got {} at step {}", op, batch,
          result.sizes[t], t);
    most = result.sizes[t];
    result.first.push_back(rows);
    rows += most;
  }
  check(rows == packed.data.shape()[0], "[{}] batch_sizes add up to {} rows, got data {}", op, rows,
        packed.data);
  for (const int64_t place : result.place)
    result.lengths.push_back(std::count_if(result.sizes.begin(), result.sizes.end(),
                                           [place](int64_t size) { return size > place; }));
  return result;
}

PaddedSequences pad_unpacked(const PackedSequence& packed, const Unpacked& from, int64_t steps,
                             bool batch_first, double value) {
  const Tensor places =
      padded_places(from.lengths, steps, batch_first, packed.data.shape()[0], [&](int64_t t, int64_t n) {
        return from.first[static_cast<size_t>(t)] + from.place[static_cast<size_t>(n)];
      });
  return {rows_or_padding(packed.data, places, value), from_vector(from.lengths)};
}

/// Lengths of sequences that are to be joined.
Numbers lengths_of(std::string_view op, const std::vector<Tensor>& sequences) {
  check(!sequences.empty(), "[{}] expected at least one sequence", op);
  Numbers lengths;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const Tensor &sequence = sequences[i], &first = sequences[0];
    check(sequence.rank() >= 1, "[{}] expected sequences [T, ...], got {} as sequence {}", op, sequence, i);
    check(sequence.dtype() == first.dtype() && sequence.rank() == first.rank() &&
              std::equal(sequence.shape().begin() + 1, sequence.shape().end(), first.shape().begin() + 1),
          "[{}] sequences differ in their first axis only; sequence 0 is {}, sequence {} is {}", op, first, i,
          sequence);
    lengths.push_back(sequence.shape()[0]);
  }
  return lengths;
}

/// Row at which each sequence begins when they stand one behind the other.
Numbers beginnings(const Numbers& lengths) {
  Numbers result(lengths.size());
  std::exclusive_scan(lengths.begin(), lengths.end(), result.begin(), int64_t{0});
  return result;
}

}  // namespace

PaddedSequences pad_sequence(const std::vector<Tensor>& sequences, const PadSequenceOptions& options) {
  const Numbers lengths = lengths_of("pad_sequence", sequences);
  const Numbers first = beginnings(lengths);
  const Tensor rows = cat(sequences, 0);
  const Tensor places =
      padded_places(lengths, longest(lengths), options.batch_first, rows.shape()[0],
                    [&](int64_t t, int64_t n) { return first[static_cast<size_t>(n)] + t; });
  return {rows_or_padding(rows, places, options.value), from_vector(lengths)};
}

std::vector<Tensor> unpad_sequence(const Tensor& padded, const Tensor& lengths, const UnpadOptions& options) {
  const Numbers steps = padded_lengths("unpad_sequence", padded, lengths, options.batch_first);
  std::vector<Tensor> result;
  for (size_t n = 0; n < steps.size(); ++n)
    result.push_back(
        narrow(select(padded, options.batch_first ? 0 : 1, static_cast<int64_t>(n)), 0, 0, steps[n]));
  return result;
}

PackedSequence pack_padded_sequence(const Tensor& padded, const Tensor& lengths,
                                    const UnpadOptions& options) {
  const Numbers steps = padded_lengths("pack_padded_sequence", padded, lengths, options.batch_first);
  const int64_t inner = padded.shape()[1];
  return pack(flatten(padded, 0, 1), steps,
              [&](int64_t t, int64_t n) { return options.batch_first ? n * inner + t : t * inner + n; });
}

PackedSequence pack_sequence(const std::vector<Tensor>& sequences) {
  const Numbers lengths = lengths_of("pack_sequence", sequences);
  const Numbers first = beginnings(lengths);
  return pack(cat(sequences, 0), lengths,
              [&](int64_t t, int64_t n) { return first[static_cast<size_t>(n)] + t; });
}

PaddedSequences pad_packed_sequence(const PackedSequence& packed, const PadPackedOptions& options) {
  const Unpacked from = unpacked("pad_packed_sequence", packed);
  const auto most = static_cast<int64_t>(from.sizes.size());
  check(options.total_length == 0 || options.total_length >= most,
        "[pad_packed_sequence] a total length of at least the longest sequence's, {}, expected, got {}", most,
        options.total_length);
  return pad_unpacked(packed, from, std::max(most, options.total_length), options.batch_first, options.value);
}

std::vector<Tensor> unpack_sequence(const PackedSequence& packed) {
  const Unpacked from = unpacked("unpack_sequence", packed);
  const auto [values, lengths] = pad_unpacked(packed, from, static_cast<int64_t>(from.sizes.size()), true, 0);
  return unpad_sequence(values, lengths, {.batch_first = true});
}

Tensor lengths_to_mask(const Tensor& lengths, int64_t steps, const MaskOptions& options) {
  check(steps >= -1, "[lengths_to_mask] expected at least 0 steps, or -1 for the longest length, got {}",
        steps);
  const Numbers values = checked_lengths("lengths_to_mask", lengths, -1, steps);
  const auto batch = static_cast<int64_t>(values.size());
  if (steps < 0) steps = longest(values);
  Tensor mask =
      zeros(options.batch_first ? Shape{batch, steps} : Shape{steps, batch}, {.dtype = DType::boolean});
  bool* at = mask.mutable_data<bool>();
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t t = 0; t < values[static_cast<size_t>(n)]; ++t)
      at[options.batch_first ? n * steps + t : t * batch + n] = true;
  return mask;
}

Tensor mask_to_lengths(const Tensor& mask, const MaskOptions& options) {
  check(mask.dtype() == DType::boolean && mask.rank() == 2,
        "[mask_to_lengths] expected a mask bool {}, got {}", options.batch_first ? "[N, T]" : "[T, N]", mask);
  const std::vector<bool> at = (options.batch_first ? mask : transpose(mask, 0, 1)).to_vector<bool>();
  const int64_t batch = mask.shape()[options.batch_first ? 0 : 1],
                steps = mask.shape()[options.batch_first ? 1 : 0];
  Numbers lengths;
  for (int64_t n = 0; n < batch; ++n) {
    const auto begin = at.begin() + n * steps, end = begin + steps;
    const auto stop = std::find(begin, end, false), again = std::find(stop, end, true);
    check(again == end,
          "[mask_to_lengths] the true steps of sequence {} are not its first ones: step {} is false and step "
          "{} is "
          "true",
          n, stop - begin, again - begin);
    lengths.push_back(stop - begin);
  }
  return from_vector(lengths);
}

}  // namespace reel
