// Samples to a batch: stacked, or padded to the longest.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <reel/framework/tensor.h>
#include <reel/layers/fields.h>

namespace reel {

namespace detail {

/// Tensors stacked along a new axis 0; undefined where all are.
Tensor stack_samples(std::span<const Tensor> samples);
void check_equal_sizes(size_t first, size_t other);

template <class T>
concept TupleLike = requires {
  std::tuple_size<T>::value;
};

template <class T> struct Collated { using Type = T; };
template <class T>
requires std::is_arithmetic_v<T>
struct Collated<T> {
  using Type = Tensor;
};
template <> struct Collated<std::string> { using Type = std::vector<std::string>; };
template <class A, class B> struct Collated<std::pair<A, B>> {
  using Type = std::pair<typename Collated<A>::Type, typename Collated<B>::Type>;
};
template <class... T> struct Collated<std::tuple<T...>> {
  using Type = std::tuple<typename Collated<T>::Type...>;
};
template <class T, size_t N> struct Collated<std::array<T, N>> {
  using Type = std::array<typename Collated<T>::Type, N>;
};

/// The element type of the tensor that numbers of a type become.
template <class T>
using NumberElement =
    std::conditional_t<std::is_same_v<T, bool> || std::is_same_v<T, uint8_t> || std::is_floating_point_v<T>,
                       T, int64_t>;

template <class T> typename Collated<T>::Type collate_samples(std::span<const T* const> samples);

template <class T, class Get> auto collate_parts(std::span<const T* const> samples, Get get) {
  using Part = std::remove_cvref_t<decltype(get(*samples[0]))>;
  std::vector<const Part*> parts;
  parts.reserve(samples.size());
  for (const T* sample : samples) parts.push_back(&get(*sample));
  return collate_samples<Part>(parts);
}

template <class T> typename Collated<T>::Type collate_fields(std::span<const T* const> samples) {
  std::vector<std::vector<Tensor>> columns;
  for (const T* sample : samples) {
    const std::vector<Tensor> tensors = tensors_of(*sample);
    if (columns.empty()) columns.resize(tensors.size());
    check_equal_sizes(columns.size(), tensors.size());
    for (size_t i = 0; i < tensors.size(); ++i) columns[i].push_back(tensors[i]);
  }
  T batch = *samples[0];
  size_t next = 0;
  for_each_tensor(batch, [&](Tensor& tensor) { tensor = stack_samples(columns[next++]); });
  return batch;
}

template <class T> typename Collated<T>::Type collate_samples(std::span<const T* const> samples) {
  if constexpr (std::same_as<T, Tensor>) {
    std::vector<Tensor> tensors;
    tensors.reserve(samples.size());
    for (const Tensor* sample : samples) tensors.push_back(*sample);
    return stack_samples(tensors);
  } else if constexpr (std::is_arithmetic_v<T>) {
    std::vector<NumberElement<T>> numbers;
    for (const T* sample : samples) numbers.push_back(static_cast<NumberElement<T>>(*sample));
    return from_vector(numbers);
  } else if constexpr (std::same_as<T, std::string>) {
    std::vector<std::string> texts;
    for (const T* sample : samples) texts.push_back(*sample);
    return texts;
  } else if constexpr (TupleLike<T>) {
    return [&]<size_t... I>(std::index_sequence<I...>) {
      return typename Collated<T>::Type{collate_parts(
          samples, [](const T& sample) -> const auto& { return std::get<I>(sample); })...};
    }
    (std::make_index_sequence<std::tuple_size_v<T>>());
  } else {
    static_assert(
        HasFields<T> || Sequence<T>,
        "samples of this type need a collate function of your own: the default takes Tensors, numbers, "
        "strings, structs with REEL_FIELDS, and pairs, tuples, arrays and vectors of tensors");
    return collate_fields(samples);
  }
}

}  // namespace detail

/// What Collate makes of samples of type T.
template <class T> using CollatedOf = typename detail::Collated<T>::Type;

/// How a loader makes a batch unless told otherwise: tensors are stacked along a new axis 0 and must have one
/// shape and dtype; numbers become a tensor [N], in float32, float64, uint8 or bool as they are, and other
/// integers in int64; strings a vector; a pair, tuple or array is collated part by part; a struct with
/// REEL_FIELDS or a vector, tensor by tensor. What is no field of such a struct is the first sample's.
struct Collate {
  template <class T> CollatedOf<T> operator()(const std::vector<T>& samples) const {
    check(!samples.empty(), "[Collate] expected samples, got none");
    if constexpr (std::is_arithmetic_v<T>)  // a vector<bool> has no elements to point to
      return from_vector(std::vector<detail::NumberElement<T>>(samples.begin(), samples.end()));
    else
      return collate_pointers(samples);
  }

 private:
  template <class T> static CollatedOf<T> collate_pointers(const std::vector<T>& samples) {
    std::vector<const T*> pointers;
    pointers.reserve(samples.size());
    for (const T& sample : samples) pointers.push_back(&sample);
    return detail::collate_samples<T>(pointers);
  }
};

/// Sequences of different lengths in one tensor, as recurrent layers take them.
struct Padded {
  Tensor values;   ///< [T, N, ...], or [N, T, ...] batch_first, T the greatest length.
  Tensor lengths;  ///< int64 [N].
  REEL_FIELDS(values, lengths)
};

struct PadCollateOptions {
  double value = 0;          ///< What stands after a sequence's end; the dtype must be able to hold it.
  bool batch_first = false;  ///< Batch before time.
  int64_t multiple_of = 1;   ///< T is rounded up to a multiple of this.
};
/// Sequences [T_i, ...] that differ in T_i alone, padded at the end. Throws for shapes or dtypes that differ
/// otherwise.
Padded pad_sequences(std::span<const Tensor> sequences, const PadCollateOptions& options = {});

/// A collate function for sequences: pads samples that are Tensors; of samples that are pairs, pads `first`
/// and collates `second` as Collate does (a class or another target for the whole sequence).
struct PadCollate {
  PadCollateOptions options;

  Padded operator()(const std::vector<Tensor>& samples) const { return pad_sequences(samples, options); }
  template <class Y>
  std::pair<Padded, CollatedOf<Y>> operator()(const std::vector<std::pair<Tensor, Y>>& samples) const {
    std::vector<Tensor> sequences;
    std::vector<Y> rest;
    for (const auto& [sequence, other] : samples) {
      sequences.push_back(sequence);
      rest.push_back(other);
    }
    return {pad_sequences(sequences, options), Collate{}(rest)};
  }
};

}  // namespace reel
