// A small training program with an LSTM, as a user writes it. bench_compile_time compiles it; train_torch.cpp
// is the same program for libtorch.
#include <reel/reel.h>

#include <cstdio>
#include <utility>
#include <vector>

using namespace reel;

struct CharLM : Module {
  Embedding embed;
  LSTM lstm;
  Linear head;
  CharLM(int64_t vocab, int64_t hidden)
      : embed(vocab, 128), lstm(128, hidden, {.layers = 2, .dropout = 0.2}), head(hidden, vocab) {}
  REEL_FIELDS(embed, lstm, head)
};

// Batches of a text that counts up, [T, N], and the same one character on.
std::vector<std::pair<Tensor, Tensor>> make_batches(int64_t vocab, int64_t T, int64_t N, int64_t count) {
  std::vector<std::pair<Tensor, Tensor>> batches;
  for (int64_t b = 0; b < count; ++b) {
    std::vector<int64_t> x, y;
    for (int64_t t = 0; t < T; ++t) {
      for (int64_t n = 0; n < N; ++n) {
        x.push_back((b * T + t + n) % vocab);
        y.push_back((b * T + t + n + 1) % vocab);
      }
    }
    batches.emplace_back(from_vector(x, {T, N}), from_vector(y, {T, N}));
  }
  return batches;
}

int main() {
  constexpr int64_t vocab = 64;
  CharLM net(vocab, 128);
  Adam optimizer(net.parameters(), {.lr = 2e-3});
  decltype(net.lstm(Tensor()).state) previous;
  for (auto& [x, y] : make_batches(vocab, 32, 16, 20)) {
    Tape tape;
    auto [h, state] = net.lstm(net.embed(x), previous);
    Tensor loss = cross_entropy(net.head(h), y);
    optimizer.zero_grad();
    tape.backward(loss);
    clip_grad_norm(net.parameters(), 1.0);
    optimizer.step();
    previous = detach(state);
    std::printf("%.4f\n", loss.item());
  }
}
