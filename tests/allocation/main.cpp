// How often a steady training step asks the system for memory. A program of its own, since it puts counters in the
// place of operator new and malloc.
#include <cstdio>
#include <cstdlib>
#include <new>

#include <reel/reel.h>

extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
}

namespace {
// Plain: the step that is counted runs on one thread.
long news = 0, blocks = 0;
}  // namespace

extern "C" void* malloc(size_t bytes) {
  ++blocks;
  return __libc_malloc(bytes);
}
extern "C" void* aligned_alloc(size_t alignment, size_t bytes) {
  ++blocks;
  return __libc_memalign(alignment, bytes);
}
void* operator new(size_t bytes) {
  ++news;
  if (void* block = __libc_malloc(bytes)) return block;
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, size_t) noexcept { std::free(block); }

int main() {
  using namespace reel;
  set_num_threads(1);
  constexpr int64_t steps = 8, batch = 16, inputs = 20, hidden = 24, classes = 10;
  LSTM lstm(inputs, hidden);
  Linear head(hidden, classes);
  std::vector<Tensor> parameters = lstm.parameters();
  for (const Tensor& p : head.parameters()) parameters.push_back(p);
  Adam optimizer(parameters, {.lr = 1e-3});
  const Tensor x = randn({steps, batch, inputs});
  const Tensor y = randint(0, classes, {steps, batch});
  const auto step = [&] {
    optimizer.zero_grad();
    Tape tape;
    const auto [h, state] = lstm(x);
    tape.backward(cross_entropy(reshape(head(h), {steps * batch, classes}), reshape(y, {steps * batch})));
    optimizer.step();
  };
  for (int i = 0; i < 5; ++i) step();
  const long news_before = news, blocks_before = blocks;
  constexpr int counted = 10;
  for (int i = 0; i < counted; ++i) step();
  const double per_step = static_cast<double>(news - news_before) / counted;
  const double blocks_per_step = static_cast<double>(blocks - blocks_before) / counted;
  std::printf("operator new: %g per step, malloc and aligned_alloc: %g\n", per_step, blocks_per_step);
  return per_step <= REEL_ALLOCATIONS && blocks_per_step == 0 ? 0 : 1;
}
