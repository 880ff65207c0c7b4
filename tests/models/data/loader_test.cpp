#include "models/data/loader.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>

#include "framework/tape.h"
#include "ops/arithmetic.h"
#include "ops/reduction.h"
#include "tests/catch.h"

namespace reel {
namespace {

using Values = std::vector<double>;
constexpr int64_t samples = 23;

/// Samples with noise of their own, some of which take longer than others.
auto noisy() {
  return FunctionDataset(samples, [](int64_t index) {
    if (index % 5 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    return full({2}, static_cast<double>(index), {.dtype = DType::float64}) +
           rand({2}, {.dtype = DType::float64});
  });
}

/// And with noise of the batch.
struct NoisyCollate {
  Tensor operator()(const std::vector<Tensor>& parts) const {
    return Collate{}(parts) + default_random().uniform();
  }
};

auto noisy_loader(int64_t workers, uint64_t seed = 3) {
  return DataLoader(noisy(), {.batch_size = 4, .shuffle = true, .workers = workers, .seed = seed},
                    NoisyCollate{});
}

std::vector<Values> rest_of_epoch(auto& loader) {
  std::vector<Values> batches;
  for (const Tensor& batch : loader) batches.push_back(batch.template to_vector<double>());
  return batches;
}

auto numbered(int64_t size) {
  return FunctionDataset(size, [](int64_t index) { return index; });
}

std::vector<int64_t> indices_of_epoch(auto& loader) {
  std::vector<int64_t> indices;
  for (const Tensor& batch : loader)
    for (int64_t index : batch.template to_vector<int64_t>()) indices.push_back(index);
  return indices;
}

/// Waits until a condition holds; false if it never does.
bool comes_true(const auto& condition) {
  for (int i = 0; i < 5000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return condition();
}

}  // namespace

TEST_CASE("a loader hands out every sample once an epoch, in batches", "[loader]") {
  DataLoader loader(numbered(10), {.batch_size = 4});
  static_assert(std::same_as<decltype(loader), DataLoader<Tensor>>);
  CHECK(loader.size() == 10);
  CHECK(loader.batches() == 3);
  std::vector<int64_t> lengths;
  for (const Tensor& batch : loader) lengths.push_back(batch.numel());
  CHECK(lengths == std::vector<int64_t>{4, 4, 2});
  CHECK(loader.epoch() == 1);
  std::vector<int64_t> every(10);
  std::iota(every.begin(), every.end(), 0);
  CHECK(indices_of_epoch(loader) == every);

  DataLoader shuffled(numbered(10), {.batch_size = 4, .shuffle = true, .drop_last = true, .seed = 1});
  const auto first = indices_of_epoch(shuffled), second = indices_of_epoch(shuffled);
  CHECK(first.size() == 8);
  CHECK(first != second);
  shuffled.start_epoch(0);
  CHECK(indices_of_epoch(shuffled) == first);
}

TEST_CASE("samples of any structure become batches of it", "[loader]") {
  DataLoader loader(TensorDataset(ones({6, 3}), arange(6)), {.batch_size = 3});
  for (auto& [x, y] : loader) {
    CHECK(x.shape() == Shape{3, 3});
    CHECK(y.shape() == Shape{3});
  }
  DataLoader sequences(FunctionDataset(3, [](int64_t i) { return arange(i + 1); }), {.batch_size = 3},
                       PadCollate{});
  static_assert(std::same_as<decltype(sequences), DataLoader<Padded>>);
  CHECK(sequences.next()->values.shape() == Shape{3, 3});
}

TEST_CASE("workers change nothing in what a loader hands out", "[loader]") {
  auto alone = noisy_loader(0);
  std::vector<std::vector<Values>> epochs;
  for (int epoch = 0; epoch < 3; ++epoch) epochs.push_back(rest_of_epoch(alone));
  CHECK(epochs[0].size() == 6);
  CHECK(epochs[0] != epochs[1]);
  for (int64_t workers : {1, 2, 4}) {
    INFO(workers << " workers");
    auto loader = noisy_loader(workers);
    for (const auto& epoch : epochs) CHECK(rest_of_epoch(loader) == epoch);
  }
  auto other = noisy_loader(0, 4);
  CHECK(rest_of_epoch(other) != epochs[0]);
}

TEST_CASE("a restored loader hands out exactly the rest", "[loader]") {
  auto whole = noisy_loader(0);
  const auto first = rest_of_epoch(whole), second = rest_of_epoch(whole);
  for (int64_t before : {0, 2})
    for (int64_t after : {0, 1, 3})
      for (size_t place = 0; place <= first.size(); ++place) {
        INFO(before << " workers, then " << after << ", at batch " << place);
        auto loader = noisy_loader(before);
        for (size_t i = 0; i < place; ++i) REQUIRE(loader.next());
        const LoaderState state = loader.state();
        CHECK(state == LoaderState{.seed = 3,
                                   .epoch = 0,
                                   .batches = static_cast<int64_t>(place),
                                   .size = 23,
                                   .epoch_batches = 6});
        auto restored = noisy_loader(after, 99);  // the state brings its seed
        if (place % 2 == 1) REQUIRE(restored.next());
        restored.restore(state);
        CHECK(rest_of_epoch(restored) ==
              std::vector(first.begin() + static_cast<int64_t>(place), first.end()));
        CHECK(rest_of_epoch(restored) == second);
      }
}

TEST_CASE("a loop that was left goes on", "[loader]") {
  DataLoader loader(numbered(6), {.batch_size = 1, .workers = 2});
  for (const Tensor& batch : loader)
    if (batch.to_vector<int64_t>()[0] == 2) break;
  CHECK(loader.state().batches == 3);
  CHECK(indices_of_epoch(loader) == std::vector<int64_t>{3, 4, 5});
  CHECK(loader.epoch() == 1);
}

TEST_CASE("the sampler decides about batches", "[loader]") {
  DataLoader buckets(numbered(4),
                     {.batch_size = 2,
                      .sampler = bucket_sampler({9, 1, 8, 2}, {.boundaries = {5}, .shuffle = false}),
                      .workers = 1});
  CHECK(indices_of_epoch(buckets) == std::vector<int64_t>{1, 3, 2, 0});
  DataLoader weighted(numbered(3), {.batch_size = 2, .sampler = weighted_sampler({0, 0, 1}, {.count = 5})});
  CHECK(weighted.batches() == 3);
  CHECK(indices_of_epoch(weighted) == std::vector<int64_t>{2, 2, 2, 2, 2});
  // A sample that is drawn twice has noise of its own each time.
  DataLoader twice(noisy(), {.batch_size = 2,
                             .sampler = weighted_sampler(std::vector<double>(samples, 1), {.count = 200})});
  std::vector<double> seen;
  for (const Tensor& batch : twice)
    for (double value : batch.to_vector<double>()) seen.push_back(value);
  std::sort(seen.begin(), seen.end());
  CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
}

TEST_CASE("what a sample throws reaches the caller at the batch's place", "[loader]") {
  struct Odd {};
  const FunctionDataset data(12, [](int64_t index) {
    if (index == 5) throw FileError("picture.png: cut off");
    if (index == 9) throw Odd();
    return index;
  });
  for (int64_t workers : {0, 1, 3}) {
    INFO(workers << " workers");
    DataLoader loader(data, {.batch_size = 2, .workers = workers});
    REQUIRE(loader.next());
    REQUIRE(loader.next());
    try {
      loader.next();
      FAIL("nothing was thrown");
    } catch (const SampleError& error) {
      CHECK(std::string(error.what()) == "[DataLoader] sample 5 (batch 2 of epoch 0): picture.png: cut off");
      CHECK(error.index() == 5);
      CHECK(error.batch() == 2);
      CHECK(error.epoch() == 0);
      CHECK_THROWS_AS(std::rethrow_exception(error.cause()), FileError);
    }
    CHECK(loader.state().batches == 3);
    CHECK(loader.next()->to_vector<int64_t>() == std::vector<int64_t>{6, 7});
    CHECK_THROWS_WITH(loader.next(),
                      contains_text("sample 9 (batch 4 of epoch 0): an exception that is no std::exception"));
    CHECK(loader.next()->to_vector<int64_t>() == std::vector<int64_t>{10, 11});
    CHECK_FALSE(loader.next());
  }
}

TEST_CASE("what collating throws reaches the caller too", "[loader]") {
  const FunctionDataset data(4, [](int64_t index) { return ones({index / 3 + 1}); });
  for (int64_t workers : {0, 2}) {
    DataLoader loader(data, {.batch_size = 2, .workers = workers});
    CHECK(loader.next());
    try {
      loader.next();
      FAIL("nothing was thrown");
    } catch (const SampleError& error) {
      CHECK_THAT(error.what(), contains_text("[DataLoader] collating (batch 1 of epoch 0): [Collate]"));
      CHECK(error.index() == -1);
    }
  }
}

TEST_CASE("a loader can be destroyed at any time", "[loader]") {
  for (int taken = 0; taken < 4; ++taken)
    for (int64_t workers : {1, 4}) {
      DataLoader loader(noisy(), {.batch_size = 3, .workers = workers, .prefetch = 1});
      for (int i = 0; i < taken; ++i) REQUIRE(loader.next());
    }
  // While samples are being got: the loader waits for them.
  std::atomic<int> begun = 0, ended = 0;
  {
    DataLoader loader(FunctionDataset(8,
                                      [&](int64_t index) {
                                        ++begun;
                                        if (index > 0)
                                          std::this_thread::sleep_for(std::chrono::milliseconds(5));
                                        ++ended;
                                        return index;
                                      }),
                      {.workers = 3});
    REQUIRE(loader.next());
    REQUIRE(comes_true([&] { return begun > 1; }));
  }
  CHECK(begun == ended);
  // With an error that nobody has asked for.
  DataLoader failing(FunctionDataset(8, [](int64_t index) { return index < 2 ? index : throw Error("no"); }),
                     {.workers = 2});
  REQUIRE(failing.next());
}

TEST_CASE("a loader can be moved while its workers work", "[loader]") {
  DataLoader loader(numbered(9), {.workers = 2});
  REQUIRE(loader.next());
  DataLoader moved = std::move(loader);
  CHECK(indices_of_epoch(moved) == std::vector<int64_t>{1, 2, 3, 4, 5, 6, 7, 8});
}

TEST_CASE("workers are no further ahead than they may be", "[loader]") {
  std::atomic<int64_t> got = 0;
  DataLoader loader(FunctionDataset(100, [&](int64_t index) { return ++got, index; }),
                    {.batch_size = 2, .workers = 2, .prefetch = 3});
  for (int64_t taken = 1; taken <= 4; ++taken) {
    REQUIRE(loader.next());
    const int64_t most = 2 * (taken + 2 * 3);
    CHECK(comes_true([&] { return got >= most; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    CHECK(got == most);
  }
}

TEST_CASE("making batches leaves the caller's random stream and tape alone", "[loader]") {
  Tensor weight = ones({2}, {.dtype = DType::float64}).requires_grad_();
  const FunctionDataset data(4, [&](int64_t) { return weight * rand({2}, {.dtype = DType::float64}); });
  DataLoader loader(data, {.batch_size = 2});
  manual_seed(8);
  Tensor factor = ones({2}, {.dtype = DType::float64}).requires_grad_();
  Tape tape;
  const Tensor loss = sum(*loader.next() * factor);
  tape.backward(loss);
  CHECK(factor.grad().defined());
  CHECK_FALSE(weight.grad().defined());
  CHECK(default_random().seed() == 8);
  CHECK(default_random().position() == 0);
}

TEST_CASE("a loader refuses what makes no sense, and stays as it is", "[loader]") {
  CHECK_THROWS_WITH(DataLoader(numbered(3), {.batch_size = 0}),
                    contains_text("[DataLoader] expected a batch size of at least 1, got 0"));
  CHECK_THROWS_WITH(DataLoader(numbered(3), {.workers = -1}), contains_text("workers, got -1"));
  CHECK_THROWS_WITH(DataLoader(numbered(3), {.prefetch = 0}), contains_text("prefetch"));
  CHECK_THROWS_WITH(DataLoader(numbered(3), {.shuffle = true, .sampler = shuffle_sampler()}),
                    contains_text("got both"));
  CHECK_THROWS_WITH(DataLoader(numbered(0)), contains_text("the data set is empty"));
  CHECK_THROWS_WITH(DataLoader(numbered(3), {.batch_size = 4, .drop_last = true}),
                    contains_text("epoch 0 has no batch: 3 samples, batches of 4"));

  struct Beyond : Sampler {
    std::vector<int64_t> order(int64_t size, Random&) const override { return {size}; }
  };
  CHECK_THROWS_WITH(DataLoader(numbered(3), {.sampler = std::make_shared<Beyond>()}),
                    contains_text("[DataLoader] expected an index in [0, 3), got 3"));

  DataLoader loader(numbered(5), {.batch_size = 2, .workers = 1});
  REQUIRE(loader.next());
  const LoaderState state = loader.state();
  const auto refuse = [&](auto change, const std::string& message) {
    LoaderState wrong = state;
    change(wrong);
    CHECK_THROWS_WITH(loader.restore(wrong), contains_text(message));
    CHECK(loader.state() == state);
  };
  refuse([](LoaderState& s) { s.size = 6; }, "of a data set of 6 samples, this one has 5");
  refuse([](LoaderState& s) { s.epoch_batches = 5; }, "of an epoch of 5 batches, this loader's has 3");
  refuse([](LoaderState& s) { s.batches = 4; }, "4 batches handed out of 3");
  refuse([](LoaderState& s) { s.batches = -1; }, "-1 batches");
  refuse([](LoaderState& s) { s.epoch = -1; }, "an epoch of at least 0");
  CHECK_THROWS_WITH(loader.start_epoch(-2), contains_text("got -2"));
  CHECK(indices_of_epoch(loader) == std::vector<int64_t>{2, 3, 4});
}

}  // namespace reel
