// Data by index: what a data set is, and the ones made from tensors, functions and other data sets. Reading
// files is the business of the readers beside this; batches are the loader's.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <reel/framework/random.h>
#include <reel/framework/tensor.h>

namespace reel {

/// Anything with `size()` and `get(index) -> sample`, both const. A sample is a Tensor, a number, a struct
/// with REEL_FIELDS, or a pair, tuple, array or vector of these; any other type for those who collate by
/// themselves.
///
/// A loader with workers calls get() from several threads at once. Random numbers that get() draws from
/// default_random() (the default of rand, bernoulli and the like) are the sample's own there: see DataLoader.
template <class D>
concept Dataset = requires(const D& data, int64_t index) {
  { data.size() } -> std::convertible_to<int64_t>;
  data.get(index);
};

/// What `get` of a data set gives.
template <Dataset D> using SampleOf = std::remove_cvref_t<decltype(std::declval<const D&>().get(int64_t{}))>;

namespace detail {
/// The common extent of axis 0.
int64_t common_rows(std::span<const Tensor> tensors);
void check_index(std::string_view who, int64_t index, int64_t size);
void check_indices(std::string_view who, const std::vector<int64_t>& indices, int64_t size);
/// Row `index` of a tensor; a view.
Tensor row_of(const Tensor& tensor, int64_t index);
std::vector<std::vector<int64_t>> random_parts(int64_t size, const std::vector<double>& shares,
                                               uint64_t seed);
}  // namespace detail

/// Tensors with the samples along axis 0, all equally many. A sample is a row: a Tensor where there is one
/// tensor, else an array of N. Rows are views.
template <size_t N> class TensorDataset {
 public:
  using Sample = std::conditional_t<N == 1, Tensor, std::array<Tensor, N>>;

  /// Throws for a tensor that is undefined or a scalar, and for extents of axis 0 that differ.
  template <class... T>
  requires(sizeof...(T) == N && (std::same_as<T, Tensor> && ...)) explicit TensorDataset(const T&... tensors)
      : tensors_{tensors...}, size_(detail::common_rows(tensors_)) {}

  int64_t size() const { return size_; }
  Sample get(int64_t index) const {
    detail::check_index("TensorDataset", index, size_);
    if constexpr (N == 1) {
      return detail::row_of(tensors_[0], index);
    } else {
      Sample sample;
      for (size_t i = 0; i < N; ++i) sample[i] = detail::row_of(tensors_[i], index);
      return sample;
    }
  }

 private:
  std::array<Tensor, N> tensors_;
  int64_t size_;
};
template <class... T>
requires((std::same_as<T, Tensor> && ...)) TensorDataset(const T&...)
->TensorDataset<sizeof...(T)>;

/// `size` samples, each the value of a function of its index.
template <class F>
requires std::invocable<const F&, int64_t>
class FunctionDataset {
 public:
  FunctionDataset(int64_t size, F function) : size_(size), function_(std::move(function)) {
    check(size >= 0, "[FunctionDataset] expected a size of at least 0, got {}", size);
  }
  int64_t size() const { return size_; }
  auto get(int64_t index) const {
    detail::check_index("FunctionDataset", index, size_);
    return function_(index);
  }

 private:
  int64_t size_;
  F function_;
};

/// Some samples of a data set, in the order given; an index may occur more than once. Copies share the data
/// set.
template <Dataset D> class Subset {
 public:
  /// Throws for an index that the data set does not have.
  Subset(D dataset, std::vector<int64_t> indices)
      : Subset(std::make_shared<const D>(std::move(dataset)), std::move(indices)) {}
  Subset(std::shared_ptr<const D> dataset, std::vector<int64_t> indices)
      : dataset_(std::move(dataset)), indices_(std::move(indices)) {
    detail::check_indices("Subset", indices_, dataset_->size());
  }
  int64_t size() const { return static_cast<int64_t>(indices_.size()); }
  auto get(int64_t index) const {
    detail::check_index("Subset", index, size());
    return dataset_->get(indices_[static_cast<size_t>(index)]);
  }
  const std::vector<int64_t>& indices() const {
    return indices_;
  }  ///< In the data set that this is a part of.

 private:
  std::shared_ptr<const D> dataset_;
  std::vector<int64_t> indices_;
};

/// Data sets one after the other; their samples are of one type.
template <Dataset First, Dataset... Rest>
requires((std::same_as<SampleOf<First>, SampleOf<Rest>> && ...)) class Concat {
 public:
  explicit Concat(First first, Rest... rest) : datasets_(std::move(first), std::move(rest)...) {}
  int64_t size() const {
    return std::apply([](const auto&... part) { return (static_cast<int64_t>(part.size()) + ...); },
                      datasets_);
  }
  SampleOf<First> get(int64_t index) const {
    detail::check_index("Concat", index, size());
    return find<0>(index);
  }

 private:
  template <size_t I> SampleOf<First> find(int64_t index) const {
    const auto& part = std::get<I>(datasets_);
    if constexpr (I < sizeof...(Rest))
      if (index >= part.size()) return find<I + 1>(index - part.size());
    return part.get(index);
  }

  std::tuple<First, Rest...> datasets_;
};

/// A data set whose samples go through a function, called as function(sample) or function(sample, random)
/// each time that one is asked for; `random` is default_random(), which in a loader is the sample's own
/// stream. Called from several threads at once.
template <Dataset D, class F> class Mapped {
 public:
  Mapped(D dataset, F function) : dataset_(std::move(dataset)), function_(std::move(function)) {}
  int64_t size() const { return dataset_.size(); }
  auto get(int64_t index) const {
    if constexpr (std::invocable<const F&, SampleOf<D>, Random&>)
      return function_(dataset_.get(index), default_random());
    else
      return function_(dataset_.get(index));
  }

 private:
  D dataset_;
  F function_;
};

/// The data set in disjoint parts that hold each sample once, drawn at random; the same seed gives the same
/// parts. `shares` are counts that add up to the size, or fractions that add up to 1: of those each part gets
/// its fraction rounded down, and what is left goes one by one to the first parts. The parts share the data
/// set.
template <Dataset D>
std::vector<Subset<D>> random_split(D dataset, const std::vector<double>& shares, uint64_t seed = 0) {
  auto shared = std::make_shared<const D>(std::move(dataset));
  std::vector<Subset<D>> parts;
  for (auto& indices : detail::random_parts(shared->size(), shares, seed))
    parts.emplace_back(shared, std::move(indices));
  return parts;
}

}  // namespace reel
