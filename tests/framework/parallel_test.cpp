#include "framework/parallel.h"

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "framework/error.h"
#include "tests/catch.h"

namespace reel {
namespace {

/// Sets the number of threads in its scope.
class Threads {
 public:
  explicit Threads(int count) : before_(num_threads()) { set_num_threads(count); }
  ~Threads() { set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

}  // namespace

TEST_CASE("ranges cover every element once, on any number of threads", "[parallel]") {
  for (int threads : {1, 2, 3, 8}) {
    const Threads scope(threads);
    for (int64_t n : {0, 1, 7, 64, 65, 1000}) {
      for (int64_t grain : {1, 3, 64, 5000}) {
        std::vector<std::atomic<int>> visits(static_cast<size_t>(n));
        std::atomic<bool> aligned = true;
        detail::parallel_for(n, grain, [&](int64_t begin, int64_t end) {
          if (begin % grain != 0 || (end % grain != 0 && end != n) || begin >= end) aligned = false;
          for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
        });
        bool once = true;
        for (const auto& count : visits) once &= count == 1;
        INFO(n << " elements by " << grain << " on " << threads << " threads");
        CHECK(once);
        CHECK(aligned);
      }
    }
  }
}

TEST_CASE("an exception in a part reaches the caller, and the next loop runs", "[parallel]") {
  for (int threads : {1, 2}) {
    const Threads scope(threads);
    for (int64_t where : {0, 500, 999})
      CHECK_THROWS_WITH(detail::parallel_for(1000, 10,
                                             [&](int64_t begin, int64_t end) {
                                               if (begin <= where && where < end) throw Error("found it");
                                             }),
                        "found it");
    std::atomic<int64_t> sum = 0;
    detail::parallel_for(1000, 10, [&](int64_t begin, int64_t end) { sum += end - begin; });
    CHECK(sum == 1000);
  }
}

TEST_CASE("a loop within a loop runs in place", "[parallel]") {
  const Threads scope(2);
  std::atomic<int64_t> sum = 0;
  detail::parallel_for(8, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      detail::parallel_for(100, 1, [&](int64_t b, int64_t e) { sum += e - b; });
  });
  CHECK(sum == 800);
}

TEST_CASE("the number of threads is what was asked for, at least one", "[parallel]") {
  const Threads scope(3);
  CHECK(num_threads() == 3);
  CHECK_THROWS_WITH(set_num_threads(0), contains_text("at least 1") && contains_text("0"));
  CHECK_THROWS_AS(set_num_threads(-2), Error);
  CHECK(num_threads() == 3);
}

}  // namespace reel
