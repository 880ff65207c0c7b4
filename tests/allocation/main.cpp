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

namespace {

/// An LSTM that no plan is made of, as its step must not be left by an exception.
struct EagerCell : reel::LSTMCell {
  using LSTMCell::LSTMCell;
  reel::LSTMState step(const reel::Tensor& x, const reel::LSTMState& state) const noexcept {
    return LSTMCell::step(x, state);
  }
};

/// News per step of training an LSTM, a linear layer and a cross entropy with Adam; prints, and tells whether it is at
/// most `bound` and nothing came from malloc.
template <class Cell> bool steady(const char* name, double bound) {
  using namespace reel;
  constexpr int64_t steps = 8, batch = 16, inputs = 20, hidden = 24, classes = 10;
  Recurrent<Cell> lstm(inputs, hidden);
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
  for (int i = 0; i < 20; ++i) step();
  const long news_before = news, blocks_before = blocks;
  constexpr int counted = 10;
  for (int i = 0; i < counted; ++i) step();
  const double per_step = static_cast<double>(news - news_before) / counted;
  const double blocks_per_step = static_cast<double>(blocks - blocks_before) / counted;
  std::printf("%s: operator new %g times per step (at most %g), malloc and aligned_alloc %g times\n", name,
              per_step, bound, blocks_per_step);
  return per_step <= bound && blocks_per_step == 0;
}

}  // namespace

int main() {
  reel::set_num_threads(1);
  // Eager: the lists that public functions return (one of chunk() in each of eight steps, those of the layer's states).
  const bool eager = steady<EagerCell>("eager", REEL_EAGER);
  // The compiled loop: oneDNN's own bookkeeping of sixteen products, packing and planning.
  const bool compiled = steady<reel::LSTMCell>("compiled", REEL_COMPILED);
  return eager && compiled ? 0 : 1;
}
