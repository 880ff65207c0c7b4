#include "models/data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

#include "framework/parallel.h"
#include "framework/tape.h"

namespace reel::detail {
namespace {

// The streams of one epoch.
enum Stream : uint64_t { order_stream, sample_stream, collate_stream, streams };

Random stream_of(uint64_t seed, int64_t epoch, Stream stream, int64_t place) {
  return derived_stream(seed, static_cast<uint64_t>(epoch) * streams + stream, static_cast<uint64_t>(place));
}

/// In its scope a batch can be made without a trace: no recording, one thread, and the random stream put
/// back.
class Aside {
 public:
  Aside() : random_(default_random()) {}
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;
  ~Aside() { default_random() = random_; }

 private:
  Random random_;
  NoTape no_tape_;
  OneThread one_thread_;
};

std::string text_of(const std::exception_ptr& cause) {
  try {
    std::rethrow_exception(cause);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

/// An epoch's batches. Shared with the workers, who may still be busy with one that has been left.
struct Epoch {
  uint64_t seed;
  int64_t number;
  EpochPlan plan;
};

struct Outcome {
  std::shared_ptr<void> batch;
  std::exception_ptr error;
  int64_t index = -1;  // of the sample that failed
};

std::shared_ptr<const Sampler> chosen_sampler(const LoaderOptions& options) {
  if (options.sampler) return options.sampler;
  return options.shuffle ? shuffle_sampler() : sequential_sampler();
}

}  // namespace

void BatchPlace::sample(size_t place) {
  current_ = static_cast<int64_t>(place);
  default_random() = stream_of(seed_, epoch_, sample_stream, first_ + current_);
}

void BatchPlace::collate() {
  current_ = -1;
  default_random() = stream_of(seed_, epoch_, collate_stream, first_);
}

/// The workers take the epoch's batches in order, each the next one that nobody has, as long as there is room
/// among the slots: batch b goes to slot b modulo their number, which is free once batch b - slots has been
/// handed out.
struct LoaderCore::Work {
  std::unique_ptr<const BatchMaker> maker;
  const int64_t size;
  const LoaderOptions options;
  const std::shared_ptr<const Sampler> sampler;

  std::mutex mutex;  // over all that follows, but the threads
  std::condition_variable room, made;
  std::shared_ptr<const Epoch> epoch;
  int64_t delivered = 0;
  int64_t claimed = 0;
  std::vector<std::optional<Outcome>> slots;
  bool stopping = false;
  std::vector<std::thread> threads;

  Work(std::unique_ptr<const BatchMaker> batch_maker, int64_t samples, LoaderOptions given)
      : maker(std::move(batch_maker)),
        size(samples),
        options(std::move(given)),
        sampler(chosen_sampler(options)) {
    check(options.batch_size >= 1, "[DataLoader] expected a batch size of at least 1, got {}",
          options.batch_size);
    constexpr int64_t most_workers = 1024, most_prefetch = 1 << 20;
    check(options.workers >= 0 && options.workers <= most_workers,
          "[DataLoader] expected 0 to {} workers, got {}", most_workers, options.workers);
    check(options.prefetch >= 1 && options.prefetch <= most_prefetch,
          "[DataLoader] expected a prefetch of 1 to {}, got {}", most_prefetch, options.prefetch);
    check(!options.sampler || !options.shuffle, "[DataLoader] expected a sampler or shuffle, got both");
    check(size >= 1, "[DataLoader] the data set is empty");
    epoch = plan(options.seed, 0);
  }

  std::shared_ptr<const Epoch> plan(uint64_t seed, int64_t number) const {
    check(number >= 0, "[DataLoader] expected an epoch of at least 0, got {}", number);
    EpochPlan batches =
        sampler->plan(size, options.batch_size, options.drop_last, stream_of(seed, number, order_stream, 0));
    check_indices("DataLoader", batches.indices, size);
    int64_t before = 0;
    for (int64_t end : batches.ends) {
      check(end > before && end <= static_cast<int64_t>(batches.indices.size()),
            "[DataLoader] the sampler's batches end at {} after {}, of {} indices", end, before,
            batches.indices.size());
      before = end;
    }
    check(!batches.ends.empty(),
          "[DataLoader] epoch {} has no batch: {} samples, batches of {}, drop_last {}", number, size,
          options.batch_size, options.drop_last);
    return std::make_shared<const Epoch>(Epoch{seed, number, std::move(batches)});
  }

  /// Never throws: what went wrong is an outcome too.
  Outcome make(const Epoch& of, int64_t batch) const {
    const std::span<const int64_t> indices = of.plan.batch(batch);
    BatchPlace place(of.seed, of.number, of.plan.begin(batch));
    Outcome outcome;
    try {
      const Aside aside;
      outcome.batch = maker->make(indices, place);
    } catch (...) {
      outcome.error = std::current_exception();
      if (place.current() >= 0) outcome.index = indices[static_cast<size_t>(place.current())];
    }
    return outcome;
  }

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      room.wait(lock, [&] {
        return stopping ||
               claimed < std::min(epoch->plan.batches(), delivered + static_cast<int64_t>(slots.size()));
      });
      if (stopping) return;
      const std::shared_ptr<const Epoch> mine = epoch;
      const int64_t batch = claimed++;
      lock.unlock();
      Outcome outcome = make(*mine, batch);
      lock.lock();
      if (mine == epoch) {  // else it is not wanted any more
        slots[static_cast<size_t>(batch) % slots.size()] = std::move(outcome);
        made.notify_one();
      }
    }
  }

  void start_workers() {
    slots.resize(static_cast<size_t>(options.workers * options.prefetch));
    try {
      for (int64_t i = 0; i < options.workers; ++i) threads.emplace_back([this] { work(); });
    } catch (const std::system_error& error) {
      stop_workers();
      throw Error(
          format("[DataLoader] {} threads cannot be started: {}", {text(options.workers), error.what()}));
    }
  }

  void stop_workers() {
    {
      const std::scoped_lock lock(mutex);
      stopping = true;
    }
    room.notify_all();
    for (std::thread& thread : threads) thread.join();
    threads.clear();
    stopping = false;
  }

  /// Goes to a place; what was made ahead is dropped.
  void move_to(std::shared_ptr<const Epoch> to, int64_t batches) {
    std::vector<std::optional<Outcome>> dropped(slots.size());  // they end outside of the lock
    {
      const std::scoped_lock lock(mutex);
      epoch = std::move(to);
      delivered = claimed = batches;
      slots.swap(dropped);
    }
    room.notify_all();
  }

  Outcome take() {
    if (options.workers == 0) return make(*epoch, delivered++);
    if (threads.empty()) start_workers();
    std::unique_lock lock(mutex);
    std::optional<Outcome>& slot = slots[static_cast<size_t>(delivered) % slots.size()];
    made.wait(lock, [&] { return slot.has_value(); });
    Outcome outcome = *std::exchange(slot, std::nullopt);
    ++delivered;
    lock.unlock();
    room.notify_one();
    return outcome;
  }

  std::shared_ptr<void> next() {
    if (delivered == epoch->plan.batches()) {
      move_to(plan(epoch->seed, epoch->number + 1), 0);
      return nullptr;
    }
    const int64_t batch = delivered;
    Outcome outcome = take();
    if (!outcome.error) return std::move(outcome.batch);
    const std::string where = outcome.index >= 0 ? format("sample {}", {text(outcome.index)}) : "collating";
    throw SampleError(format("[DataLoader] {} (batch {} of epoch {}): {}",
                             {where, text(batch), text(epoch->number), text_of(outcome.error)}),
                      outcome.index, batch, epoch->number, outcome.error);
  }

  ~Work() { stop_workers(); }
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
};

// `delivered` and `epoch` are changed by the loader's own thread alone, which therefore reads them without
// the lock.

LoaderCore::LoaderCore(std::unique_ptr<const BatchMaker> maker, int64_t size, LoaderOptions options)
    : work_(std::make_unique<Work>(std::move(maker), size, std::move(options))) {}
LoaderCore::LoaderCore(LoaderCore&&) noexcept = default;
LoaderCore& LoaderCore::operator=(LoaderCore&&) noexcept = default;
LoaderCore::~LoaderCore() = default;

std::shared_ptr<void> LoaderCore::next() { return work_->next(); }
int64_t LoaderCore::size() const { return work_->size; }

LoaderState LoaderCore::state() const {
  const Epoch& epoch = *work_->epoch;
  return {.seed = epoch.seed,
          .epoch = epoch.number,
          .batches = work_->delivered,
          .size = work_->size,
          .epoch_batches = epoch.plan.batches()};
}

void LoaderCore::restore(const LoaderState& state) {
  check(state.size == work_->size, "[DataLoader] the state is of a data set of {} samples, this one has {}",
        state.size, work_->size);
  auto epoch = work_->plan(state.seed, state.epoch);
  check(state.epoch_batches == epoch->plan.batches(),
        "[DataLoader] the state is of an epoch of {} batches, this loader's has {}", state.epoch_batches,
        epoch->plan.batches());
  check(state.batches >= 0 && state.batches <= state.epoch_batches,
        "[DataLoader] the state has {} batches handed out of {}", state.batches, state.epoch_batches);
  work_->move_to(std::move(epoch), state.batches);
}

void LoaderCore::start_epoch(int64_t epoch) { work_->move_to(work_->plan(work_->epoch->seed, epoch), 0); }

}  // namespace reel::detail
