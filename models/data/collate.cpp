#include "models/data/collate.h"

#include <algorithm>
#include <cmath>

#include "ops/slicing.h"

namespace reel {
namespace {

/// Whether an element of the dtype holds the value exactly, or nearly so if it is floating.
bool holds(DType dtype, double value) {
  if (is_floating(dtype)) return true;
  if (dtype == DType::boolean) return value == 0 || value == 1;
  if (dtype == DType::uint8) return value >= 0 && value <= 255 && value == std::floor(value);
  return std::abs(value) <= 0x1p53 && value == std::floor(value);
}

void check_sequences(std::span<const Tensor> sequences, const PadCollateOptions& options) {
  check(!sequences.empty(), "[pad_sequences] expected sequences, got none");
  check(options.multiple_of >= 1, "[pad_sequences] expected multiple_of of at least 1, got {}",
        options.multiple_of);
  for (const Tensor& sequence : sequences) {
    const Tensor& first = sequences[0];
    check(sequence.defined() && sequence.rank() >= 1,
          "[pad_sequences] expected sequences with an axis of time");
    check(sequence.dtype() == first.dtype() && sequence.rank() == first.rank() &&
              std::equal(sequence.shape().begin() + 1, sequence.shape().end(), first.shape().begin() + 1),
          "[pad_sequences] expected sequences that differ in length alone, got {} and {}", first, sequence);
  }
  check(holds(sequences[0].dtype(), options.value), "[pad_sequences] {} cannot hold the value {}",
        sequences[0].dtype(), options.value);
}

}  // namespace

namespace detail {

Tensor stack_samples(std::span<const Tensor> samples) {
  const auto undefined =
      std::count_if(samples.begin(), samples.end(), [](const Tensor& tensor) { return !tensor.defined(); });
  check(undefined == 0 || undefined == static_cast<int64_t>(samples.size()),
        "[Collate] a tensor is undefined in {} of {} samples", undefined, samples.size());
  if (undefined) return {};
  for (const Tensor& sample : samples)
    check(sample.shape() == samples[0].shape() && sample.dtype() == samples[0].dtype(),
          "[Collate] expected samples of one shape and dtype, got {} and {}; PadCollate pads sequences",
          samples[0], sample);
  return stack(samples, 0);
}

void check_equal_sizes(size_t first, size_t other) {
  check(first == other, "[Collate] expected as many tensors in each sample, got {} and {}", first, other);
}

}  // namespace detail

Padded pad_sequences(std::span<const Tensor> sequences, const PadCollateOptions& options) {
  check_sequences(sequences, options);
  std::vector<int64_t> lengths;
  for (const Tensor& sequence : sequences) lengths.push_back(sequence.size(0));
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  Shape shape = sequences[0].shape();
  shape[0] = (longest + options.multiple_of - 1) / options.multiple_of * options.multiple_of;
  const size_t batch_axis = options.batch_first ? 0 : 1;
  shape.insert(batch_axis, static_cast<int64_t>(sequences.size()));
  Tensor values = full(shape, options.value, {.dtype = sequences[0].dtype()});
  for (size_t i = 0; i < sequences.size(); ++i) {
    if (sequences[i].numel() == 0) continue;
    const Tensor place = select(values, static_cast<int64_t>(batch_axis), static_cast<int64_t>(i));
    detail::copy_values(sequences[i], narrow(place, 0, 0, lengths[i]));
  }
  return {values, from_vector(lengths)};
}

}  // namespace reel
