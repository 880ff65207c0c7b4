#include "framework/parallel.h"

#include <omp.h>

#include <algorithm>
#include <exception>

#include "framework/error.h"

namespace reel {

void set_num_threads(int count) {
  check(count >= 1, "[set_num_threads] expected at least 1 thread, got {}", count);
  omp_set_num_threads(count);
}

int num_threads() { return omp_get_max_threads(); }

namespace detail {

OneThread::OneThread(bool wanted) : before_(omp_get_max_threads()) {
  if (wanted) omp_set_num_threads(1);
}
OneThread::~OneThread() { omp_set_num_threads(before_); }

void parallel_ranges(int64_t n, int64_t grain, RangeFunction f) {
  const int64_t pieces = (n + grain - 1) / grain;
  const int threads = static_cast<int>(std::min<int64_t>(num_threads(), pieces));
  if (threads <= 1 || omp_in_parallel()) {
    f(0, n);
    return;
  }
  std::exception_ptr failure;
#pragma omp parallel num_threads(threads)
  {
    const int64_t team = omp_get_num_threads();
    const int64_t mine = omp_get_thread_num();
    const int64_t begin = std::min(n, pieces * mine / team * grain);
    const int64_t end = std::min(n, pieces * (mine + 1) / team * grain);
    try {
      if (begin < end) f(begin, end);
    } catch (...) {
#pragma omp critical(reel_parallel_failure)
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace detail
}  // namespace reel
