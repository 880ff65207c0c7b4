// The adding problem: of T numbers two are marked, far apart, and the net must say their sum at the end. Whoever
// answers 1 always is wrong by 1/6 in the mean square. Hochreiter and Schmidhuber, "Long short-term memory", 1997, in
// the form of Le et al., "A simple way to initialize recurrent networks of rectified linear units", 2015: numbers
// from U(0, 1), one mark in each half, T = 200.
//
// LSTM and GRU must come below 0.01 on sequences that they have not seen, and a plain tanh net, given the same number
// of steps, must not. Takes minutes, so it is no unit test: run `ctest -C Learning -R adding_problem`.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

#include <reel/reel.h>

namespace {

using namespace reel;

constexpr int64_t steps = 200, batch = 32, hidden = 32, most_updates = 5000, updates_between_looks = 100;
constexpr int64_t fresh_sequences = 1000;
constexpr double solved = 0.01;

/// x [T, N, 2]: numbers and marks; y [N, 1]: the sum of the two numbers that are marked.
std::pair<Tensor, Tensor> sequences(int64_t count, Random& random) {
  const Tensor values = rand({steps, count, 1}, {}, random);
  Tensor marks = zeros({steps, count, 1});
  float* mark = marks.mutable_data<float>();
  for (int64_t n = 0; n < count; ++n) {
    mark[random.below(steps / 2) * count + n] = 1;
    mark[(steps / 2 + random.below(steps / 2)) * count + n] = 1;
  }
  return {cat({values, marks}, -1), sum(values * marks, {0})};
}

template <class Layer> struct Adder : Module {
  Layer layer{2, hidden};
  Linear head{hidden, 1};
  REEL_FIELDS(layer, head)
  Tensor operator()(const Tensor& x) const { return head(select(layer(x).output, 0, -1)); }
};

/// Gates that begin by remembering for between 1 and T steps: Tallec and Ollivier, "Can recurrent neural networks warp
/// time?", 2018.
Tensor long_memories() { return log(uniform({hidden}, 1, static_cast<double>(steps) - 1)); }
void remember_long(LSTMCell& cell) {
  const Tensor forget = long_memories();
  narrow(cell.bias_ih, 0, 0, hidden).copy_(-forget);
  narrow(cell.bias_ih, 0, hidden, hidden).copy_(forget);
}
void remember_long(GRUCell& cell) { narrow(cell.bias_ih, 0, hidden, hidden).copy_(long_memories()); }
void remember_long(RNNCell&) {}  // it has no gates

/// Trains until the problem is solved or the updates are used up; the mean squared error on fresh sequences.
template <class Layer> double learn(const char* name) {
  manual_seed(1);
  Adder<Layer> net;
  remember_long(net.layer.cells[0]);
  Random training(2), fresh(3);
  const auto [test_x, test_y] = sequences(fresh_sequences, fresh);
  Adam optimizer(net.parameters(), {.lr = 5e-3});
  const auto start = std::chrono::steady_clock::now();
  double error = 0;
  for (int64_t update = 1; update <= most_updates; ++update) {
    const auto [x, y] = sequences(batch, training);
    {
      Tape tape;
      tape.backward(mse_loss(net(x), y));
    }
    clip_grad_norm(net.parameters(), 1.0);
    optimizer.step();
    if (update % updates_between_looks != 0) continue;
    error = mse_loss(net(test_x), test_y).item();
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    fmt::print("{:<5} {:>5} updates  mean squared error {:.5f}  {:>6.1f} s\n", name, update, error,
               spent.count());
    std::fflush(stdout);
    if (error < solved) break;
  }
  return error;
}

}  // namespace

int main() {
  const bool lstm = learn<LSTM>("LSTM") < solved;
  const bool gru = learn<GRU>("GRU") < solved;
  const bool rnn = learn<RNN>("RNN") < solved;
  fmt::print("LSTM {}, GRU {}, tanh RNN {}\n", lstm ? "solves it" : "FAILS", gru ? "solves it" : "FAILS",
             rnn ? "SOLVES IT TOO" : "does not, as expected");
  return lstm && gru && !rnn ? 0 : 1;
}
