// Sharing work between cores. The library's loops and oneDNN's share one pool of threads (OpenMP's).
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace reel {

/// Threads that ops of the calling thread may use from now on, oneDNN's included; throws unless `count` is at
/// least 1.
void set_num_threads(int count);
int num_threads();

namespace detail {

/// In its scope the calling thread's ops, oneDNN's included, use that thread alone.
class OneThread {
 public:
  explicit OneThread(bool wanted = true);
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

/// Anything callable with (begin, end), by reference: unlike std::function it allocates nothing.
class RangeFunction {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cv_t<F>, RangeFunction>)
      RangeFunction(F& f)  // NOLINT(google-explicit-constructor): stands for f
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, int64_t begin, int64_t end) { (*static_cast<F*>(object))(begin, end); }) {}
  void operator()(int64_t begin, int64_t end) const { call_(object_, begin, end); }

 private:
  void* object_;
  void (*call_)(void*, int64_t, int64_t);
};

/// Calls f(begin, end) on parts that cover [0, n). A part is a multiple of `grain` long (but the last), and
/// where it begins does not depend on the number of threads as long as f treats each multiple of `grain`
/// alike. Runs in place where n is not above `grain`. An exception from f reaches the caller.
void parallel_ranges(int64_t n, int64_t grain, RangeFunction f);

template <class F> void parallel_for(int64_t n, int64_t grain, F&& f) {
  if (n <= 0) return;
  if (n <= grain)
    f(int64_t{0}, n);
  else
    parallel_ranges(n, grain, f);
}

}  // namespace detail
}  // namespace reel
