// Batches of a data set, made ahead by worker threads, in an order that depends on the seed and the epoch
// alone; and the place in that order, which can be saved and restored.
#pragma once

#include <cstdint>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <reel/framework/error.h>
#include <reel/models/data/collate.h>
#include <reel/models/data/dataset.h>
#include <reel/models/data/sampler.h>

namespace reel {

struct LoaderOptions {
  int64_t batch_size = 1;
  bool shuffle = false;  ///< Each epoch in another random order.
  std::shared_ptr<const Sampler> sampler =
      {};                  ///< Another order than these two; not together with `shuffle`.
  bool drop_last = false;  ///< Leaves out a last batch that would be short.
  int64_t workers = 0;   ///< Threads that make batches; with 0 the caller's makes each when it is asked for.
  int64_t prefetch = 2;  ///< Batches for each worker that are made, or being made, before they are asked for.
  uint64_t seed = 0;
};

/// Where a loader stands. Plain numbers, for a checkpoint to keep.
struct LoaderState {
  uint64_t seed = 0;
  int64_t epoch = 0;
  int64_t batches = 0;        ///< Handed out in this epoch.
  int64_t size = 0;           ///< Samples of the data set, and
  int64_t epoch_batches = 0;  ///< batches of the epoch: what must agree where the state is restored.
  bool operator==(const LoaderState&) const = default;
};

/// What getting a sample, or collating a batch, has thrown, at the place of the batch. The message names the
/// sample.
class SampleError : public Error {
 public:
  SampleError(const std::string& message, int64_t index, int64_t batch, int64_t epoch,
              std::exception_ptr cause)
      : Error(message), index_(index), batch_(batch), epoch_(epoch), cause_(std::move(cause)) {}
  int64_t index() const { return index_; }  ///< In the data set; -1 if collating failed.
  int64_t batch() const { return batch_; }
  int64_t epoch() const { return epoch_; }
  const std::exception_ptr& cause() const { return cause_; }  ///< What was thrown.

 private:
  int64_t index_, batch_, epoch_;
  std::exception_ptr cause_;
};

namespace detail {

/// Which batch is made, and which part of it just now: each part draws from a random stream of its own.
class BatchPlace {
 public:
  BatchPlace(uint64_t seed, int64_t epoch, int64_t first) : seed_(seed), epoch_(epoch), first_(first) {}
  /// Before the sample at a place of the batch is got.
  void sample(size_t place);
  /// Before the samples are put together.
  void collate();
  int64_t current() const { return current_; }  ///< Place in the batch; -1 while collating.

 private:
  uint64_t seed_;
  int64_t epoch_, first_, current_ = -1;
};

/// Makes a batch of any type.
class BatchMaker {
 public:
  virtual ~BatchMaker() = default;
  virtual std::shared_ptr<void> make(std::span<const int64_t> indices, BatchPlace& place) const = 0;
};

template <class D, class C, class Batch> class BatchMakerOf final : public BatchMaker {
 public:
  BatchMakerOf(D dataset, C collate) : dataset_(std::move(dataset)), collate_(std::move(collate)) {}
  int64_t size() const { return dataset_.size(); }
  std::shared_ptr<void> make(std::span<const int64_t> indices, BatchPlace& place) const override {
    std::vector<SampleOf<D>> samples;
    samples.reserve(indices.size());
    for (size_t i = 0; i < indices.size(); ++i) {
      place.sample(i);
      samples.push_back(dataset_.get(indices[i]));
    }
    place.collate();
    return std::make_shared<Batch>(collate_(std::move(samples)));
  }

 private:
  D dataset_;
  C collate_;
};

/// The loader without its types.
class LoaderCore {
 public:
  LoaderCore(std::unique_ptr<const BatchMaker> maker, int64_t size, LoaderOptions options);
  LoaderCore(LoaderCore&&) noexcept;
  LoaderCore& operator=(LoaderCore&&) noexcept;
  ~LoaderCore();
  std::shared_ptr<void> next();  ///< Null at the end of an epoch.
  LoaderState state() const;
  void restore(const LoaderState& state);
  void start_epoch(int64_t epoch);
  int64_t size() const;

 private:
  struct Work;
  std::unique_ptr<Work> work_;
};

}  // namespace detail

/// Hands out a data set in batches, epoch after epoch.
///
///     DataLoader loader(TensorDataset(x, y), {.batch_size = 32, .shuffle = true, .workers = 2});
///     for (auto& [inputs, targets] : loader) ...   // one epoch; the same loop again is the next one
///
/// The order of an epoch is a function of seed and epoch. While a sample is got, default_random() is a stream
/// made from the seed, the epoch and the sample's place in it, and while a batch is collated, one of the
/// batch: what comes out is bit for bit the same whatever the number of workers, in a restored loader too.
/// Nothing is recorded on a tape.
///
/// With workers, get() and the collate function are called from several threads at once, each of which uses
/// no others. What they throw reaches the caller as a SampleError when the batch is asked for; that batch
/// then counts as handed out, so that whoever asks again gets the one after it. Destroying the loader waits
/// for samples that are being got. A loader itself belongs to one thread at a time.
template <class Batch> class DataLoader {
 public:
  /// `collate` makes a batch of a vector of samples. Throws for options that make no sense, and an empty data
  /// set.
  template <Dataset D, class C = Collate>
  explicit DataLoader(D dataset, LoaderOptions options = {}, C collate = {})
      : DataLoader(
            std::make_unique<const detail::BatchMakerOf<D, C, Batch>>(std::move(dataset), std::move(collate)),
            std::move(options)) {}

  /// The next batch of this epoch; nothing at its end, after which the next epoch begins.
  std::optional<Batch> next() {
    const std::shared_ptr<void> batch = core_.next();
    if (!batch) return std::nullopt;
    return std::move(*static_cast<Batch*>(batch.get()));
  }

  /// Iterates over what is left of the epoch: all of it, unless a loop was left early or a state restored.
  class Iterator {
   public:
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(DataLoader& loader) : loader_(&loader), batch_(loader.next()) {}
    Batch& operator*() const { return *batch_; }
    Iterator& operator++() {
      batch_.reset();
      batch_ = loader_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !batch_; }

   private:
    DataLoader* loader_;
    mutable std::optional<Batch> batch_;
  };
  Iterator begin() { return Iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

  int64_t size() const { return core_.size(); }                    ///< Samples of the data set.
  int64_t batches() const { return core_.state().epoch_batches; }  ///< In this epoch.
  int64_t epoch() const { return core_.state().epoch; }            ///< From 0.

  /// The place after the batch handed out last, however many were made ahead.
  LoaderState state() const { return core_.state(); }
  /// Goes on from a place that was saved, with its seed. Throws, and changes nothing, if the state is of a
  /// loader with another size of data or number of batches.
  void restore(const LoaderState& state) { core_.restore(state); }
  /// Leaves out what is left of this epoch, and begins the given one.
  void start_epoch(int64_t epoch) { core_.start_epoch(epoch); }

 private:
  template <class Maker>
  DataLoader(std::unique_ptr<const Maker> maker, LoaderOptions options)
      : core_(make_core(std::move(maker), std::move(options))) {}
  template <class Maker>
  static detail::LoaderCore make_core(std::unique_ptr<const Maker> maker, LoaderOptions options) {
    const auto size = static_cast<int64_t>(maker->size());
    return {std::move(maker), size, std::move(options)};
  }

  detail::LoaderCore core_;
};

template <Dataset D> DataLoader(D, LoaderOptions = {}) -> DataLoader<CollatedOf<SampleOf<D>>>;
template <Dataset D, class C>
DataLoader(D, LoaderOptions, C)
    -> DataLoader<std::remove_cvref_t<std::invoke_result_t<const C&, std::vector<SampleOf<D>>>>>;

}  // namespace reel
